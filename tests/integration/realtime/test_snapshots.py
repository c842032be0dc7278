"""Snapshot and stream meet without a gap: nothing is lost, nothing that the snapshot holds is told again."""

import asyncio
import random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.realtime.world import Listener, World
from tests.support.schemas import ADMIN, MEMBER, MEMBER_RIGHTS
from tidegate.items.changes import Change

PLAIN = {"fields": ["id", "title"], "limit": -1}
KEYLESS = {"fields": ["title"], "limit": -1}
NESTED = {"fields": ["id", "title", "author.name"], "limit": -1}


async def subscribing(listener: Listener, query: object, collection: str = "articles") -> asyncio.Task[Any]:
    """A subscription whose snapshot waits at the gate."""
    listener.world.reader.gate.clear()
    task = asyncio.ensure_future(listener.subscribe(collection, query))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("query", [PLAIN, NESTED])
async def test_change_before_the_read_is_in_the_snapshot_alone(any_world: World, query: object) -> None:
    listener = any_world.listener()
    task = await subscribing(listener, query)
    await any_world.update("articles", [1], title="changed")
    await any_world.create("articles", {"id": 9, "title": "created"})
    await any_world.delete("articles", 5)
    any_world.reader.gate.set()
    rows = await task
    await any_world.settled()
    assert {row["id"]: row["title"] for row in rows}[1] == "changed"
    assert [event for event, _ in listener.take()] == ["init"]


@pytest.mark.parametrize("query", [PLAIN, KEYLESS, NESTED])
async def test_change_after_the_read_is_told_after_the_snapshot(
    world: World, query: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, read = world.listener(), world.reader.rows
    changed = False

    async def read_then_change(plan: Any) -> Any:
        nonlocal changed
        rows = await read(plan)
        if not changed:
            changed = True
            await world.update("articles", [1], title="changed")
            await world.delete("articles", 5)
        return rows

    monkeypatch.setattr(world.reader, "rows", read_then_change)
    await listener.subscribe("articles", query)
    await world.settled()
    init, update, delete = listener.take()
    assert (init[0], len(init[1])) == ("init", 5)
    assert (update[0], update[1][0]["title"], delete) == ("update", "changed", ("delete", [5]))


async def test_change_that_is_committed_but_not_yet_told_is_in_the_snapshot_alone(world: World) -> None:
    """A read may see a commit whose change is still on its way from the writer."""
    listener = world.listener()
    ticket = world.feed.take()
    await world.update("articles", [1], title="changed")
    task = asyncio.ensure_future(listener.subscribe("articles", PLAIN))
    await asyncio.wait_for(world.catching_up.wait(), 10)
    assert not task.done()
    world.feed.settle(ticket, ())
    assert {row["id"]: row["title"] for row in await task}[1] == "changed"
    assert [event for event, _ in listener.take()] == ["init"]


async def test_change_that_is_older_than_a_lost_one_is_not_told_after_it(world: World) -> None:
    """What the rows show and nobody tells of any more was committed after a change that has yet to be told."""
    listener = world.listener()
    lost = world.feed.take()
    await world.update("articles", [1], title="older")
    async with world.database.transaction() as transaction:
        articles = transaction.tables["articles"]
        await transaction.execute(sa.update(articles).where(articles.c.id == 1).values(title="newer"))
    task = asyncio.ensure_future(listener.subscribe("articles", PLAIN))
    await asyncio.wait_for(world.catching_up.wait(), 10)
    world.feed.gaps += 1
    world.feed.settle(lost, ())
    assert {row["id"]: row["title"] for row in await task}[1] == "newer"
    assert [event for event, _ in listener.take()] == ["init"]


async def test_change_whose_image_is_being_read_is_in_the_snapshot_alone(world: World) -> None:
    early, listener = world.listener(), world.listener()
    early.watch("articles", PLAIN)
    task = await subscribing(listener, PLAIN)
    world.dispatcher.changed([Change("articles", "update", (1,))])
    world.reader.gate.set()
    await task
    await world.settled()
    assert [event for event, _ in listener.take()] == ["init"]
    assert [event for event, _ in early.take()] == ["update"]


async def test_subscription_that_is_removed_while_its_snapshot_is_read_stays_away(world: World) -> None:
    listener = world.listener()
    subscription = listener.subscription("articles", PLAIN)
    world.reader.gate.clear()
    task = asyncio.ensure_future(world.dispatcher.snapshot(subscription, ADMIN))
    await asyncio.sleep(0)
    world.dispatcher.remove(subscription)
    await world.update("articles", [1], title="changed")
    world.reader.gate.set()
    await task
    assert (subscription.held, len(world.registry)) == (None, 0)


async def test_snapshot_that_cannot_be_read_leaves_nothing_behind(world: World) -> None:
    subscription = world.listener().subscription("articles", PLAIN)
    world.reader.gate.clear()
    task = asyncio.ensure_future(world.dispatcher.snapshot(subscription, ADMIN))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(world.registry) == 0


def picture(listener: Listener) -> dict[int, Any]:
    """What a client holds after everything it heard; fails where it is told what it holds already."""
    rows: dict[int, Any] = {}
    for event, data in listener.take():
        for entry in data:
            if event == "delete":
                rows.pop(entry, None)
                continue
            if event == "create":
                assert entry["id"] not in rows, "created twice"
            if event == "update":
                assert rows.get(entry["id"]) != entry, "told what it held"
            rows[entry["id"]] = entry
    return rows


async def write_continuously(world: World, written: asyncio.Event, chance: random.Random) -> None:
    keys, number = list(range(1, 6)), 100
    while not written.is_set():
        number += 1
        match chance.choice(["create", "update", "update", "delete"]):
            case "create":
                await world.create(
                    "articles", {"id": number, "title": f"t{number}", "author": chance.choice([1, 2, None])}
                )
                keys.append(number)
            case "update":
                if keys:
                    chosen = chance.sample(keys, min(len(keys), chance.randint(1, 3)))
                    await world.update("articles", chosen, title=f"t{number}")
            case "delete":
                if len(keys) > 3:
                    await world.delete("articles", keys.pop(chance.randrange(len(keys))))


@pytest.mark.parametrize("query", [PLAIN, NESTED])
async def test_hundreds_subscribe_while_others_write(any_world: World, query: object) -> None:
    """Titles are never written twice, so a client that is told what it holds has heard of one change twice."""
    world, stop, chance = any_world, asyncio.Event(), random.Random(7)
    listeners = [world.listener() for _ in range(300)]
    writer = asyncio.ensure_future(write_continuously(world, stop, chance))
    for start in range(0, len(listeners), 20):
        await asyncio.gather(*(listener.subscribe("articles", query) for listener in listeners[start : start + 20]))
    stop.set()
    await writer
    await world.settled()
    reference = world.listener()
    expected = {row["id"]: row for row in await reference.subscribe("articles", query)}
    for listener in listeners:
        heard = list(listener.heard)
        if query is NESTED:
            # Related rows are read when the event is answered, so an update may tell of a younger state than its own.
            held: dict[int, Any] = {}
            for message in heard:
                for entry in message["data"]:
                    if message["event"] == "delete":
                        held.pop(entry, None)
                    else:
                        held[entry["id"]] = entry
            assert held == expected
        else:
            assert picture(listener) == expected


async def test_rights_decide_about_the_snapshot_as_about_the_stream(world: World) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    rows = await listener.subscribe("notes", {"fields": ["id"]})
    assert rows == [{"id": 1}, {"id": 2}]
    await world.update("notes", [3], owner=MEMBER)
    assert listener.take()[1:] == [("update", [{"id": 3}])]
