"""One order of commits for all processes on the bus, and the changes that travel in it.

Right before COMMIT, while it holds the locks of the rows it wrote, a transaction is announced, and waits until its own
process hears that. The bus brings all announcements to all processes in one order, and each process takes a ticket of
its feed for every one of them. So what touches the same row, or was written by somebody who had seen the other's
answer, is told by every process in the order in which it was committed, however long the changes are on their way.

A read that has seen a commit is younger than its announcement. After a mark of its own has come back from the bus, a
process therefore has a ticket for everything that its reads have seen (`caught_up`).

What cannot be told in this order is not told at all, and `on_gap` is called: every subscriber begins anew then. That
is so when messages were lost, when a process died between an announcement and its changes, and when a process joins
between the two. While the bus is away, each process goes on with an order of its own.

Announcements are `{"process": …, "word": "announced", "number": …, "session": …}`. `void` takes one back, `lost` all of
a process. The session is the database's: a COMMIT may outlive its process, and is ended before anybody begins anew.
"""

import asyncio
import itertools
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Literal

import msgspec

from tidegate.errors import TidegateError
from tidegate.items import marks
from tidegate.items.bus import CHANNEL, Part, decode, encode
from tidegate.items.changes import Change
from tidegate.items.feed import Feed, Ticket
from tidegate.messenger.base import Messenger

ORDER_CHANNEL: Final = "order"
TICK_SECONDS: Final = 0.5
ECHO_TICKS: Final = 3
"""After this long without hearing itself, a process takes the bus for away. Counted in ticks, so that a loop that was
busy meanwhile has had its chance to hear."""
DOUBT_TICKS: Final = 2
"""After this long it is looked whether the process of an announcement is still there."""
COMMIT_TICKS: Final = 20
"""After this long nobody waits any more for what was announced."""
GAP_SECONDS: Final = 0.1
"""Gaps this close together are reported as one."""

logger = logging.getLogger(__name__)

_Name = Literal["announced", "void", "lost"]


class _Word(msgspec.Struct, omit_defaults=True):
    process: str
    word: _Name
    number: int = 0
    """Of the transaction, in its process."""
    session: int | None = None
    """Of the database, where that knows it: when it has ended, the transaction has."""


class _Entering:
    """A transaction of this process whose announcement has not come back yet."""

    __slots__ = ("ticket", "ticks")

    def __init__(self) -> None:
        self.ticket: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self.ticks = 0


class _Announced:
    """A transaction of another process."""

    __slots__ = ("changes", "session", "ticket", "ticks")

    def __init__(self, ticket: Ticket, session: int | None) -> None:
        self.ticket = ticket
        self.session = session
        self.changes: list[Change] = []
        self.ticks = 0


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Word)


class ChangeRelay:
    """Publishes what is committed here, and hands what is committed elsewhere to the feed.

    Make it before the messenger starts, and start it after. `on_gap` is called after changes of others may have been
    missed, and not while the bus is away. `end_session` ends one of the database's, and tells whether it has ended.
    """

    def __init__(
        self,
        messenger: Messenger,
        feed: Feed,
        on_gap: Callable[[], None],
        end_session: Callable[[int], Awaitable[bool]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.unreadable = 0
        """Messages that told of no change and were ignored."""
        self._messenger = messenger
        self._feed = feed
        self._on_gap = on_gap
        self._end_session = end_session
        self._sleep = sleep
        self._process = str(uuid.uuid4())
        self._numbers = itertools.count(1)
        self._entering: dict[int, _Entering] = {}
        self._own: dict[Ticket, int] = {}
        """Numbers of this process's transactions that the others wait for."""
        self._announced: dict[tuple[str, int], _Announced] = {}
        self._away = False
        self._untold = False
        """Whether something was written that the other processes have not been told of."""
        self._watch: asyncio.Task[None] | None = None
        self._doubting: asyncio.Task[None] | None = None
        """Apart from the watch: a bus that is silent takes long not to answer."""
        self._gap_timer: asyncio.TimerHandle | None = None
        self._marks = marks.Marks(messenger, self._process, self._hear_mark)
        messenger.subscribe(CHANNEL, self._receive)
        messenger.subscribe(ORDER_CHANNEL, self._hear, own=True)
        messenger.on_gap(self._missed)
        feed.shared = self

    def start(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._watch_over())

    async def stop(self) -> None:
        """Transactions that come after this are not announced any more."""
        self._go_away()
        if self._gap_timer is not None:
            self._gap_timer.cancel()
        tasks = [task for task in (self._watch, self._doubting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What the feed asks

    async def enter(self, session: int | None) -> Ticket:
        if self._away or self._messenger.alone:
            return self._feed.take()
        number = next(self._numbers)
        entering = self._entering[number] = _Entering()
        self._say("announced", number, session)
        try:
            return await entering.ticket
        except asyncio.CancelledError:
            if not entering.ticket.cancelled():
                self._feed.leave(entering.ticket.result(), ())
            raise

    def leave(self, ticket: Ticket, changes: Sequence[Change]) -> None:
        number = self._own.pop(ticket, None)
        if self._messenger.alone:
            return
        if self._away:
            self._untold = self._untold or bool(changes)
        elif number is None:
            if changes:
                # It entered while the bus was away or nobody else there: the others do not know its place.
                self._say("lost")
        elif not changes:
            self._say("void", number)
        else:
            for at, change in enumerate(changes, start=1):
                self._messenger.publish(CHANNEL, encode(change, Part(self._process, number, len(changes) - at)))

    async def caught_up(self) -> None:
        if not self._away and not self._messenger.alone:
            await self._marks.round_trip()

    def publish(self, change: Change) -> None:
        """Let the other processes know of a change outside the order: they tell of it when it arrives."""
        if not self._messenger.alone:
            self._messenger.publish(CHANNEL, encode(change))

    # What the bus brings

    def _hear(self, data: bytes) -> None:
        try:
            word = _decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.unreadable += 1
            return
        if word.process == self._process:
            if word.word == "announced":
                self._hear_own(word.number)
        elif word.word == "lost":
            self._forget(word.process)
            self._gap()
        elif not self._away:
            if word.word == "announced":
                self._announced[word.process, word.number] = _Announced(self._feed.take(), word.session)
            elif gone := self._announced.pop((word.process, word.number), None):
                self._feed.settle(gone.ticket, ())

    def _hear_own(self, number: int) -> None:
        entering = self._entering.pop(number, None)
        if entering is not None and not entering.ticket.done():
            self._let_in(number, entering)
        elif not self._away and number not in self._own.values():
            # Nobody waits for it any more.
            self._say("void", number)

    def _receive(self, data: bytes) -> None:
        told = decode(data)
        if told is None:
            self.unreadable += 1
            return
        change, part = told
        if part is None:
            self._feed.settle(self._feed.take(), [change])
            return
        announced = self._announced.get((part.process, part.number))
        if announced is not None:
            announced.changes.append(change)
            if part.left == 0:
                del self._announced[part.process, part.number]
                self._feed.settle(announced.ticket, announced.changes)
        elif not self._away:
            self._gap()

    def _missed(self) -> None:
        """Messages of others were lost, and it may be that this process did not hear itself either."""
        if self._away:
            self._marks.send()  # the bus is back, it seems
            return
        self._release()
        self._gap()

    def _hear_mark(self) -> None:
        if not self._away:
            return
        self._away = False
        logger.warning("this process hears itself on the bus again")
        if self._untold:
            self._untold = False
            self._say("lost")
        self._gap()

    # What is not waited for any more

    def _go_away(self) -> None:
        self._away = True
        self._untold = self._untold or bool(self._own or self._entering)
        self._release()
        self._own.clear()

    def _release(self) -> None:
        """Let nothing wait for the bus that may not come from it any more."""
        for number, entering in self._entering.items():
            if not entering.ticket.done():
                self._let_in(number, entering)
        self._entering.clear()
        self._marks.release()
        self._forget()

    def _let_in(self, number: int, entering: _Entering) -> None:
        ticket = self._feed.take()
        self._own[ticket] = number
        entering.ticket.set_result(ticket)

    def _forget(self, process: str | None = None) -> bool:
        """What was announced by this process, or by all others, will not be told; whether there was any."""
        given_up = [key for key in self._announced if process in (None, key[0])]
        for key in given_up:
            self._feed.settle(self._announced.pop(key).ticket, ())
        self._feed.gaps += bool(given_up)
        return bool(given_up)

    def _gap(self) -> None:
        self._feed.gaps += 1
        if self._gap_timer is None:
            self._gap_timer = asyncio.get_running_loop().call_later(GAP_SECONDS, self._report_gap)

    def _report_gap(self) -> None:
        self._gap_timer = None
        self._on_gap()

    async def _watch_over(self) -> None:
        while True:
            await self._sleep(TICK_SECONDS)
            if self._away:
                self._marks.send()
            elif self._unheard_ticks() > ECHO_TICKS:
                logger.warning("this process does not hear itself on the bus, and goes on alone")
                self._go_away()
            for announced in self._announced.values():
                announced.ticks += 1
            for process in self._silent(COMMIT_TICKS + 1):
                self._give_up(process)
            if self._doubting is None or self._doubting.done():
                self._doubting = asyncio.get_running_loop().create_task(self._doubt())

    def _unheard_ticks(self) -> int:
        """Count one more for all that has to come back from the bus; how long the first of it has not."""
        for entering in self._entering.values():
            entering.ticks += 1
        return max([self._marks.tick(), *(entering.ticks for entering in self._entering.values())])

    def _silent(self, ticks: int) -> set[str]:
        """The processes that for so long have not said what became of a transaction."""
        return {process for (process, _), announced in self._announced.items() if announced.ticks >= ticks}

    async def _doubt(self) -> None:
        """Give up what was announced by processes that are not there any more."""
        for process in self._silent(DOUBT_TICKS):
            if not await self._messenger.is_heard(marks.channel(process)) and await self._end_sessions(process):
                self._give_up(process)

    async def _end_sessions(self, process: str) -> bool:
        """Whether nothing that the process has announced can be committed any more: a COMMIT may outlive it."""
        sessions = [announced.session for (of, _), announced in self._announced.items() if of == process]
        with suppress(TidegateError):
            return all([session is None or await self._end_session(session) for session in sessions])
        return False

    def _give_up(self, process: str) -> None:
        if self._forget(process):
            logger.warning("a process has not said what became of its last writes: all subscribers begin anew")
            self._gap()

    def _say(self, word: _Name, number: int = 0, session: int | None = None) -> None:
        message = _encoder.encode(_Word(self._process, word, number, session))
        self._messenger.publish(ORDER_CHANNEL, message)
