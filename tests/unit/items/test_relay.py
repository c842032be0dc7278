"""Changes of several processes leave every one of them in one order, whatever becomes of a process or of the bus."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence, Sized
from contextlib import AsyncExitStack

import pytest

from tests.support.messenger_suite import soon
from tidegate.items import relay
from tidegate.items.bus import CHANNEL
from tidegate.items.changes import Change, Key
from tidegate.items.feed import Feed, Ticket
from tidegate.items.relay import ChangeRelay
from tidegate.messenger.memory import MemoryHub, MemoryMessenger


class Process:
    """One process on the bus: a feed, and what leaves it."""

    def __init__(self, hub: MemoryHub) -> None:
        self.messenger = MemoryMessenger(hub)
        self.feed = Feed()
        self.heard: list[Change] = []
        self.feed.subscribe(self.heard.extend)
        self.gap = asyncio.Event()
        self.ticks: asyncio.Queue[None] = asyncio.Queue()
        self.committing: set[int] = set()
        """Sessions that the database has not ended yet."""
        self.relay = ChangeRelay(self.messenger, self.feed, self.gap.set, self._end_session, self._sleep)

    async def start(self) -> None:
        await self.messenger.start()
        self.relay.start()

    async def stop(self) -> None:
        await self.relay.stop()
        await self.messenger.stop()

    async def commit(self, *changes: Change) -> None:
        self.feed.leave(await self.feed.enter(), changes)

    async def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.ticks.put_nowait(None)
            await settled()

    @property
    def keys(self) -> list[Key]:
        return [change.keys[0] for change in self.heard]

    async def _end_session(self, session: int) -> bool:
        return session not in self.committing

    async def _sleep(self, _: float) -> None:
        await self.ticks.get()


class Entering:
    """A transaction that is about to be committed."""

    def __init__(self, process: Process, session: int | None = None) -> None:
        self.process = process
        self.task: asyncio.Task[Ticket] = asyncio.ensure_future(process.feed.enter(session))

    async def ends(self, *changes: Change) -> None:
        self.process.feed.leave(await soon(self.task), changes)
        await settled()


def kept(process: Process) -> int:
    """How much the feed and the relay hold, under whatever name."""
    parts = (process.feed, process.relay, process.relay._marks)
    values = [value for part in parts for value in vars(part).values()]
    return sum(len(value) for value in values if isinstance(value, Sized) and not isinstance(value, str))


def created(key: Key) -> Change:
    return Change("messages", "create", (key,), after=({"id": key},))


async def settled() -> None:
    """Let the loop run: what was published before has been heard then, and its hearers have gone on."""
    for _ in range(6):
        await asyncio.sleep(0)


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
async def processes(hub: MemoryHub) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as stack:
        there = [Process(hub) for _ in range(3)]
        for process in there:
            await process.start()
            stack.push_async_callback(process.stop)
        yield there


def said(process: Process, patch: pytest.MonkeyPatch) -> list[str]:
    """The channels on which the process publishes from now on."""
    channels: list[str] = []
    publish = process.messenger.publish

    def note(channel: str, message: bytes, *, expendable: bool = False) -> None:
        channels.append(channel)
        publish(channel, message, expendable=expendable)

    patch.setattr(process.messenger, "publish", note)
    return channels


async def test_committed_changes_reach_every_process_whole_and_in_order(processes: list[Process]) -> None:
    first, second, _ = processes
    await first.commit(created(1), created(2))
    await first.commit(Change("messages", "update", (2, 1), ({"a": 1}, {"a": 2}), ({"a": 3}, {"a": 4}), {"a": 5}))
    await second.commit(Change("messages", "delete", (1,), before=({"id": 1},)))
    await settled()
    for process in processes:
        assert [(change.action, change.keys) for change in process.heard] == [
            ("create", (1,)),
            ("create", (2,)),
            ("update", (2, 1)),
            ("delete", (1,)),
        ]
        assert process.heard[2].before == ({"a": 1}, {"a": 2})
        assert process.heard[3].before == ({"id": 1},)


async def test_single_process_makes_no_messages(hub: MemoryHub, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(hub)
    published = said(process, monkeypatch)
    await process.start()
    await process.commit(created(1))
    await process.feed.caught_up()
    assert (process.keys, published) == ([1], [])
    await process.stop()


async def test_change_that_arrives_first_waits_for_the_one_that_was_committed_before_it(
    processes: list[Process],
) -> None:
    first, second, third = processes
    earlier, later = Entering(first), Entering(second)
    await settled()
    await later.ends(created(2))
    assert [process.keys for process in processes] == [[], [], []]
    await earlier.ends(created(1))
    assert [process.keys for process in processes] == [[1, 2]] * 3
    assert not third.gap.is_set()


async def test_transaction_that_is_rolled_back_holds_nobody_up(processes: list[Process]) -> None:
    first, second, _ = processes
    earlier, later = Entering(first), Entering(second)
    await settled()
    await later.ends(created(2))
    await earlier.ends()
    assert [process.keys for process in processes] == [[2]] * 3


async def test_transaction_that_is_given_up_while_it_waits_for_its_place_holds_nobody_up(
    processes: list[Process],
) -> None:
    first, second, _ = processes
    earlier, later = Entering(first), Entering(second)
    await asyncio.sleep(0)
    earlier.task.cancel()
    await settled()
    await later.ends(created(2))
    assert [process.keys for process in processes] == [[2]] * 3


@pytest.mark.parametrize("seed", range(20))
async def test_every_process_hears_the_same_changes_in_the_same_order(processes: list[Process], seed: int) -> None:
    chance = random.Random(seed)
    committed: list[Key] = []

    async def turns() -> None:
        for _ in range(chance.randint(0, 5)):
            await asyncio.sleep(0)

    async def transaction(process: Process, number: int) -> None:
        await turns()
        ticket = await process.feed.enter()
        await turns()
        keys = [100 * number + part for part in range(chance.randint(0, 3))]
        committed.extend(keys)
        process.feed.leave(ticket, [created(key) for key in keys])

    await asyncio.gather(*(transaction(chance.choice(processes), number) for number in range(40)))
    await settled()
    first, *others = processes
    assert sorted(first.keys) == sorted(committed)
    assert [process.keys for process in others] == [first.keys] * 2
    assert not any(process.gap.is_set() for process in processes)


async def test_reader_catches_up_with_what_any_process_has_committed(
    processes: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = processes
    writing = Entering(first)
    await settled()
    published = said(second, monkeypatch)
    reading = [asyncio.ensure_future(second.feed.caught_up()) for _ in range(100)]
    await settled()
    assert len(published) == 2, "one mark was on its way at once, and all others shared the next"
    assert not any(task.done() for task in reading)
    await writing.ends(created(1))
    await soon(asyncio.gather(*reading))
    assert second.keys == [1]


async def test_process_that_dies_before_it_tells_is_waited_for_until_that_is_known(processes: list[Process]) -> None:
    dying, first, second = processes
    dead, living = Entering(dying), Entering(first)
    await soon(dead.task)
    await living.ends(created(2))
    await dying.messenger.stop()
    for process in (first, second):
        await process.tick(relay.DOUBT_TICKS - 1)
        assert process.keys == []
        await process.tick()
        assert process.keys == [2]
        await soon(process.gap.wait())


async def test_commit_that_outlives_its_process_is_waited_for(processes: list[Process]) -> None:
    dying, first, _ = processes
    session = 7
    dead, living = Entering(dying, session), Entering(first)
    await soon(dead.task)
    await living.ends(created(2))
    first.committing.add(session)
    await dying.messenger.stop()
    await first.tick(relay.COMMIT_TICKS - 1)
    assert (first.keys, first.gap.is_set()) == ([], False)
    first.committing.clear()
    await first.tick()
    assert first.keys == [2]
    await soon(first.gap.wait())


async def test_commit_that_outlives_its_process_is_not_waited_for_without_end(processes: list[Process]) -> None:
    dying, first, _ = processes
    session = 7
    dead, living = Entering(dying, session), Entering(first)
    await soon(dead.task)
    await living.ends(created(2))
    first.committing.add(session)
    await dying.messenger.stop()
    await first.tick(relay.COMMIT_TICKS)
    assert first.keys == []
    await first.tick()
    assert first.keys == [2]
    await soon(first.gap.wait())


async def test_process_that_does_not_say_how_it_ended_is_not_waited_for_without_end(processes: list[Process]) -> None:
    silent, first, _ = processes
    late, living = Entering(silent), Entering(first)
    await soon(late.task)
    await living.ends(created(2))
    await first.tick(relay.COMMIT_TICKS)
    assert (first.keys, first.gap.is_set()) == ([], False)
    await first.tick()
    await soon(first.gap.wait())
    first.gap.clear()
    await late.ends(created(1))
    assert first.keys == [2], "its place is gone, so it is not told"
    await soon(first.gap.wait())


async def test_change_whose_announcement_was_not_heard_is_made_good_by_a_gap(
    processes: list[Process], hub: MemoryHub
) -> None:
    before = Entering(processes[0])
    await soon(before.task)
    joined = Process(hub)
    await joined.start()
    await before.ends(created(1))
    assert joined.keys == []
    await soon(joined.gap.wait())
    await joined.stop()


async def test_change_of_another_program_takes_the_next_place(processes: list[Process], hub: MemoryHub) -> None:
    program = MemoryMessenger(hub)
    await program.start()
    first, *_ = processes
    before = Entering(first)
    await settled()
    program.publish(CHANNEL, b'{"collection":"messages","action":"delete","keys":["7"]}')
    program.publish(CHANNEL, b'{"collection":"messages","action":"sort"}')
    program.publish(relay.ORDER_CHANNEL, b'{"word":"nothing"}')
    await before.ends(created(1))
    assert [process.keys for process in processes] == [[1, "7"]] * 3
    assert [process.relay.unreadable for process in processes] == [2] * 3


async def test_process_goes_on_alone_while_the_bus_is_away_and_all_begin_anew_after_it(
    processes: list[Process], hub: MemoryHub
) -> None:
    first, second, _ = processes
    hub.interrupt()
    writing = asyncio.ensure_future(first.commit(created(1)))
    reading = asyncio.ensure_future(first.feed.caught_up())
    await first.tick(relay.ECHO_TICKS)
    assert not writing.done()
    assert not reading.done()
    await first.tick()
    await soon(asyncio.gather(writing, reading))
    await soon(first.commit(created(2)))
    await soon(first.feed.caught_up())
    assert (first.keys, second.keys, first.gap.is_set()) == ([1, 2], [], False)
    hub.resume()
    await first.tick()
    for process in processes:
        await soon(process.gap.wait())
    await second.commit(created(3))
    await first.commit(created(4))
    await settled()
    assert (first.keys, second.keys) == ([1, 2, 3, 4], [3, 4])


async def test_process_that_is_alone_tries_the_bus_as_soon_as_its_messenger_is_back(
    processes: list[Process], hub: MemoryHub
) -> None:
    first, second, _ = processes
    hub.interrupt()
    writing = asyncio.ensure_future(first.commit(created(1)))
    await first.tick(relay.ECHO_TICKS + 1)
    await soon(writing)
    hub.resume()
    await soon(first.gap.wait())
    await first.commit(created(2))
    await settled()
    assert second.keys == [2]


async def test_bus_that_does_not_answer_about_others_is_given_up_as_soon(
    processes: list[Process], monkeypatch: pytest.MonkeyPatch, hub: MemoryHub
) -> None:
    first, second, _ = processes
    other = Entering(second)
    await soon(other.task)

    async def silent(_: str) -> bool:
        return await asyncio.Event().wait()

    monkeypatch.setattr(first.messenger, "is_heard", silent)
    hub.interrupt()
    writing = asyncio.ensure_future(first.commit(created(1)))
    await first.tick(relay.ECHO_TICKS + 1)
    await soon(writing)
    assert first.keys == [1]


async def test_transaction_that_began_while_the_bus_was_away_is_made_good_by_a_gap(
    processes: list[Process], hub: MemoryHub
) -> None:
    first, second, third = processes
    hub.interrupt()
    writing = Entering(first)
    await first.tick(relay.ECHO_TICKS + 1)
    hub.resume()
    await first.tick()
    for process in processes:
        await soon(process.gap.wait())
        process.gap.clear()
    await writing.ends(created(1))
    assert [process.keys for process in processes] == [[1], [], []]
    await soon(second.gap.wait())
    await soon(third.gap.wait())


async def test_gap_of_the_messenger_leaves_nothing_waiting(processes: list[Process], hub: MemoryHub) -> None:
    first, second, _ = processes
    lost, own = Entering(first), Entering(second)
    await soon(asyncio.gather(lost.task, own.task))
    waiting = Entering(second)
    reading: Sequence[asyncio.Future[None]] = [asyncio.ensure_future(second.feed.caught_up()) for _ in range(2)]
    await asyncio.sleep(0)
    second.messenger.missed()
    await own.ends(created(1))
    await waiting.ends(created(2))
    await soon(asyncio.gather(*reading))
    await soon(second.gap.wait())
    assert second.keys == [1, 2]
    await lost.ends(created(3))
    assert first.keys == [3, 1, 2]


async def test_nothing_is_kept_of_transactions_that_have_ended(processes: list[Process]) -> None:
    before = [kept(process) for process in processes]
    for number in range(100):
        for process in processes:
            await process.commit(created(number))
            await process.commit()
            given_up = Entering(process)
            await asyncio.sleep(0)
            given_up.task.cancel()
            await process.feed.caught_up()
    await settled()
    assert [kept(process) for process in processes] == before


async def test_nothing_is_kept_of_processes_that_have_died(processes: list[Process], hub: MemoryHub) -> None:
    first, *_ = processes
    before = kept(first)
    for number in range(20):
        dying = Process(hub)
        await dying.messenger.start()
        announced = [Entering(dying) for _ in range(10)]
        await soon(asyncio.gather(*(one.task for one in announced)))
        await announced[0].ends(created(number))
        assert kept(first) > before, "they are waited for"
        await dying.messenger.stop()
        await first.tick(relay.DOUBT_TICKS)
    assert (kept(first), first.keys) == (before, list(range(20)))


async def test_nothing_is_kept_for_the_time_after_a_bus_that_is_away(processes: list[Process], hub: MemoryHub) -> None:
    first, second, _ = processes
    before = kept(first)
    open_elsewhere = Entering(second)
    await soon(open_elsewhere.task)
    hub.interrupt()
    writing = asyncio.ensure_future(first.commit(created(0)))
    await first.tick(relay.ECHO_TICKS + 1)
    await soon(writing)
    for number in range(1, 100):
        await first.commit(created(number))
        await first.feed.caught_up()
        await first.tick()
    assert (kept(first), len(first.keys)) == (before, 100)
    hub.resume()
    await first.tick()
    await soon(first.gap.wait())
    assert kept(first) == before


async def test_announcement_that_was_given_up_before_the_bus_went_away_holds_nobody_up(
    processes: list[Process],
) -> None:
    first, second, _ = processes
    before = kept(second)
    given_up = Entering(first)
    await asyncio.sleep(0)
    given_up.task.cancel()
    first.relay._go_away()  # the announcement is on its way, and comes back to a process that does not listen
    await settled()
    assert kept(second) > before
    await first.tick()
    await soon(second.gap.wait())
    assert kept(second) == before
