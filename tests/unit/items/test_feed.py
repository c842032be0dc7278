"""Changes leave in the order of their tickets, and only when their transaction has committed."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tidegate.items.changes import Change
from tidegate.items.feed import Feed


def change(number: int) -> Change:
    return Change("messages", "create", (number,))


def listen(feed: Feed) -> list[int]:
    heard: list[int] = []

    def handler(changes: Sequence[Change]) -> None:
        heard.extend(int(each.keys[0]) for each in changes)

    feed.subscribe(handler)
    return heard


def test_changes_wait_for_the_transaction_before_them() -> None:
    feed = Feed()
    heard = listen(feed)
    first, second = feed.take(), feed.take()
    feed.settle(second, [change(2)])
    assert heard == []
    feed.settle(first, [change(1)])
    assert heard == [1, 2]


def test_a_rollback_is_silent_and_holds_nobody_up() -> None:
    feed = Feed()
    heard = listen(feed)
    first, second = feed.take(), feed.take()
    feed.settle(second, [change(2)])
    feed.settle(first, [])
    assert heard == [2]


def test_every_handler_hears_one_transaction_at_once() -> None:
    feed = Feed()
    calls: list[tuple[str, int]] = []
    feed.subscribe(lambda changes: calls.append(("a", len(changes))))
    feed.subscribe(lambda changes: calls.append(("b", len(changes))))
    feed.settle(feed.take(), [change(1), change(2)])
    assert calls == [("a", 2), ("b", 2)]


def test_early_handler_hears_of_what_has_to_wait_and_of_nothing_else() -> None:
    feed = Feed()
    heard = listen(feed)
    early: list[int] = []
    feed.subscribe_early(lambda changes: early.extend(int(each.keys[0]) for each in changes))
    first, second, third = feed.take(), feed.take(), feed.take()
    feed.settle(second, [change(2)])
    feed.settle(third, [])
    assert (heard, early) == ([], [2])
    feed.settle(first, [change(1)])
    assert (heard, early) == ([1, 2], [2])


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_any_order_of_endings_gives_the_order_of_tickets(endings: list[int], rolled_back: set[int]) -> None:
    feed = Feed()
    heard = listen(feed)
    tickets = [feed.take() for _ in range(8)]
    for number in endings:
        feed.settle(tickets[number], [] if number in rolled_back else [change(number)])
    assert heard == [number for number in range(8) if number not in rolled_back]


async def test_reader_catches_up_with_everything_that_it_may_have_seen() -> None:
    feed = Feed()
    heard = listen(feed)
    first, second = feed.take(), feed.take()
    waiting = [asyncio.ensure_future(feed.caught_up()) for _ in range(2)]
    await asyncio.sleep(0)
    later = feed.take()
    feed.settle(second, [change(2)])
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    waiting[0].cancel()
    feed.settle(first, ())
    await waiting[1]
    assert heard == [2]
    feed.settle(later, ())
    await feed.caught_up()
