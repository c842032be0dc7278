"""One order of commits for all processes on the bus, and the changes that travel in it.

Right before COMMIT, while it holds the locks of the rows it wrote, a transaction is announced, and waits until its own
process hears that. The bus brings all announcements to all processes in one order, and each process gives every one of
them a ticket of its feed. So what touches the same row, or was written by somebody who had seen the other's answer, is
told by every process in the order in which it was committed, however long the changes themselves are on their way.

A read that has seen a commit is younger than its announcement. After a mark of its own has come back from the bus, a
process therefore has a ticket for everything that its reads have seen (`caught_up`).

What cannot be told in this order is not told at all, and `on_gap` is called: every subscriber begins anew then. That
is so when messages were lost, when a process died between an announcement and its changes, and when a process joins
between the two. While the bus is away, each process goes on with an order of its own.

Announcements are `{"process": …, "number": …, "word": "taken"}`. `void` takes one back, `lost` all of a process.
"""

import asyncio
import itertools
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

import msgspec

from tidegate.items.bus import CHANNEL, Place, decode, encode
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


class _Word(msgspec.Struct):
    process: str
    number: int
    word: Literal["taken", "void", "lost", "mark"]


class _Expected:
    """Something of this process that has to come back from the bus."""

    __slots__ = ("heard", "ticket", "ticks")

    def __init__(self, ticket: Ticket | None, heard: asyncio.Future[None]) -> None:
        self.ticket = ticket
        """What gets its place then; None for a mark."""
        self.heard = heard
        self.ticks = 0


class _Announced:
    """A transaction of another process."""

    __slots__ = ("changes", "ticket", "ticks")

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.changes: list[Change] = []
        self.ticks = 0


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Word)


class ChangeRelay:
    """Publishes what is committed here, and hands what is committed elsewhere to the feed.

    Make it before the messenger starts, and start it after. `on_gap` is called after changes of others may have been
    missed, and not while the bus is away.
    """

    def __init__(
        self,
        messenger: Messenger,
        feed: Feed,
        on_gap: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.unreadable = 0
        """Messages that told of no change and were ignored."""
        self._messenger = messenger
        self._feed = feed
        self._on_gap = on_gap
        self._sleep = sleep
        self._process = str(uuid.uuid4())
        self._numbers = itertools.count(1)
        self._expected: dict[int, _Expected] = {}
        self._mark: asyncio.Future[None] | None = None
        """Done when the mark that is on its way has come back."""
        self._next_mark: asyncio.Future[None] | None = None
        """Of a mark that leaves then, as the first one may have left before those who wait for this one asked."""
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
        messenger.subscribe(CHANNEL, self._receive)
        messenger.subscribe(ORDER_CHANNEL, self._hear, own=True)
        messenger.subscribe(_marks(self._process), self._come_back, own=True)
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

    async def place(self) -> Ticket:
        """A ticket of this process, in the feed at the place that it has among those of all processes."""
        if self._away or self._messenger.alone:
            return self._feed.take()
        ticket, number = Ticket(), next(self._numbers)
        expected = self._expected[number] = _Expected(ticket, asyncio.get_running_loop().create_future())
        self._say("taken", number)
        try:
            await expected.heard
        except asyncio.CancelledError:
            if not expected.heard.cancelled():
                self._feed.leave(ticket, ())
            raise
        return ticket

    def ended(self, ticket: Ticket, changes: Sequence[Change]) -> None:
        """The ticket's transaction has ended with these changes: let the other processes know."""
        number = self._own.pop(ticket, None)
        if self._messenger.alone:
            return
        if self._away:
            self._untold = self._untold or bool(changes)
        elif number is None:
            if changes:
                # It was taken while the bus was away or nobody else there: the others do not know its place.
                self._say("lost")
        elif not changes:
            self._say("void", number)
        else:
            for at, change in enumerate(changes, start=1):
                self._messenger.publish(CHANNEL, encode(change, Place(self._process, number, len(changes) - at)))

    async def caught_up(self) -> None:
        """Wait until the feed has every ticket that any process has taken by now. Whoever waits shares a mark."""
        if self._away or self._messenger.alone:
            return
        if self._next_mark is None:
            self._next_mark = asyncio.get_running_loop().create_future()
        waited_for = self._next_mark
        if self._mark is None:
            self._send_mark()
        await asyncio.shield(waited_for)

    def _send_mark(self) -> None:
        number = next(self._numbers)
        if self._next_mark is not None:
            self._mark, self._next_mark = self._next_mark, None
            self._expected[number] = _Expected(None, self._mark)
        word = _encoder.encode(_Word(self._process, number, "mark"))
        self._messenger.publish(_marks(self._process), word)

    def _come_back(self, data: bytes) -> None:
        word = self._word(data)
        if word is None or word.process != self._process:
            return
        if self._away:
            self._return()
        expected = self._expected.pop(word.number, None)
        if expected is None:
            return
        self._mark = None
        if not expected.heard.done():
            expected.heard.set_result(None)
        if self._next_mark is not None:
            self._send_mark()

    def _hear(self, data: bytes) -> None:
        word = self._word(data)
        if word is None:
            return
        if word.process == self._process:
            if word.word == "taken":
                self._hear_own(word.number)
        elif word.word == "lost":
            self._forget(word.process)
            self._gap()
        elif not self._away:
            if word.word == "taken":
                self._announced[word.process, word.number] = _Announced(self._feed.take())
            elif word.word == "void" and (gone := self._announced.pop((word.process, word.number), None)):
                self._feed.settle(gone.ticket, ())

    def _hear_own(self, number: int) -> None:
        expected = self._expected.pop(number, None)
        if expected is not None and expected.ticket is not None and not expected.heard.done():
            self._feed.append(expected.ticket)
            self._own[expected.ticket] = number
            expected.heard.set_result(None)
        elif not self._away and number not in self._own.values():
            # Nobody waits for it any more.
            self._say("void", number)

    def _receive(self, data: bytes) -> None:
        told = decode(data)
        if told is None:
            self.unreadable += 1
            return
        change, place = told
        if place is None:
            self._feed.settle(self._feed.take(), [change])
            return
        announced = self._announced.get((place.process, place.number))
        if announced is not None:
            announced.changes.append(change)
            if place.left == 0:
                del self._announced[place.process, place.number]
                self._feed.settle(announced.ticket, announced.changes)
        elif not self._away:
            self._gap()

    def _missed(self) -> None:
        """Messages of others were lost, and it may be that this process did not hear itself either."""
        if self._away:
            return
        self._release()
        self._gap()

    def _release(self) -> None:
        """Let nothing wait for the bus that may not come from it any more."""
        for number, expected in self._expected.items():
            if expected.heard.done():
                continue
            if expected.ticket is not None:
                self._feed.append(expected.ticket)
                self._own[expected.ticket] = number
            expected.heard.set_result(None)
        self._expected.clear()
        if self._next_mark is not None and not self._next_mark.done():
            self._next_mark.set_result(None)
        self._mark = self._next_mark = None
        self._forget()

    def _forget(self, process: str | None = None) -> None:
        """What was announced and will not be told: by this process, or by all others."""
        for place in [place for place in self._announced if process in (None, place[0])]:
            self._feed.settle(self._announced.pop(place).ticket, ())

    def _go_away(self) -> None:
        self._away = True
        self._release()
        self._untold = self._untold or bool(self._own)
        self._own.clear()

    def _return(self) -> None:
        self._away = False
        logger.warning("this process hears itself on the bus again")
        if self._untold:
            self._untold = False
            self._say("lost")
        self._gap()

    def _gap(self) -> None:
        if self._gap_timer is None:
            self._gap_timer = asyncio.get_running_loop().call_later(GAP_SECONDS, self._report_gap)

    def _report_gap(self) -> None:
        self._gap_timer = None
        self._on_gap()

    async def _watch_over(self) -> None:
        while True:
            await self._sleep(TICK_SECONDS)
            for expected in self._expected.values():
                expected.ticks += 1
            if self._away:
                self._send_mark()
            elif any(expected.ticks > ECHO_TICKS for expected in self._expected.values()):
                logger.warning("this process does not hear itself on the bus, and goes on alone")
                self._go_away()
            for announced in self._announced.values():
                announced.ticks += 1
            if self._doubting is None or self._doubting.done():
                self._doubting = asyncio.get_running_loop().create_task(self._doubt())

    async def _doubt(self) -> None:
        """Give up what was announced by processes that are not there any more, or do not say how it ended."""
        doubted: dict[str, int] = {}
        for (process, _), announced in self._announced.items():
            if announced.ticks >= DOUBT_TICKS:
                doubted[process] = max(announced.ticks, doubted.get(process, 0))
        for process, ticks in doubted.items():
            if ticks > COMMIT_TICKS or not await self._messenger.is_heard(_marks(process)):
                logger.warning("a process has not said what became of its last writes: all subscribers begin anew")
                self._forget(process)
                self._gap()

    def _say(self, word: Literal["taken", "void", "lost"], number: int = 0) -> None:
        self._messenger.publish(ORDER_CHANNEL, _encoder.encode(_Word(self._process, number, word)))

    def _word(self, data: bytes) -> _Word | None:
        try:
            return _decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.unreadable += 1
            return None


def _marks(process: str) -> str:
    """The channel that this process alone hears."""
    return f"{ORDER_CHANNEL}:{process}"
