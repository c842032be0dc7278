"""`"leave": true`: an update that takes a row out of sight is told of, by what the row was and is."""

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.realtime.world import Listener, World
from tests.support.schemas import MEMBER, MEMBER_RIGHTS, OTHER, rights_with, rule
from tidegate.access.rights import Rights
from tidegate.items.changes import Change, Key
from tidegate.realtime import group
from tidegate.realtime.subscription import Subscription
from tidegate.websocket.events import encode_left_item, encode_left_rows

OTHER_RIGHTS = Rights(
    MEMBER_RIGHTS.identity, rules=MEMBER_RIGHTS.rules, variables={**MEMBER_RIGHTS.variables, "$CURRENT_USER": OTHER}
)
BY_ADA = {"author": {"name": {"_eq": "Ada"}}}
BY_AUTHOR = rights_with({"articles": [rule(BY_ADA)]})


def watch(listener: Listener, collection: str, query: object = None, item: Key | None = None) -> Subscription:
    """Subscribe with `leave`, without a snapshot."""
    subscription = listener.subscription(collection, query, item=item)
    subscription.leave = encode_left_rows if item is None else encode_left_item
    listener.world.dispatcher.watch(subscription, listener.rights)
    listener.subscriptions.append(subscription)
    return subscription


async def see_articles(listener: Listener) -> None:
    """Subscribe to them with `leave`, with a snapshot that is not heard."""
    subscription = listener.subscription("articles", {"fields": ["id"]})
    subscription.leave = encode_left_rows
    await listener.world.dispatcher.snapshot(subscription, listener.rights)
    listener.subscriptions.append(subscription)
    listener.world.dispatcher.release(subscription, listener.rights)


@pytest.mark.parametrize(
    ("rights", "query", "written", "told"),
    [
        (None, {"status": {"_eq": "published"}}, {"status": "draft"}, [1, 2, 4]),
        (None, BY_ADA, {"author": 2}, [1, 2]),
        (MEMBER_RIGHTS, None, {"status": "draft"}, [1, 2, 4]),
        (MEMBER_RIGHTS, BY_ADA, {"author": 2}, [1, 2]),
    ],
    ids=["filter", "filter on related rows", "permission", "both"],
)
async def test_subscriber_is_told_of_rows_that_leave(
    any_world: World, rights: Rights | None, query: object, written: dict[str, Any], told: Sequence[int]
) -> None:
    listener = any_world.listener() if rights is None else any_world.listener(rights)
    silent = any_world.listener(listener.rights)
    asked = {"fields": ["id"], "filter": query}
    watch(listener, "articles", asked)
    silent.watch("articles", asked)
    await any_world.update("articles", [1, 2, 3, 4, 5], **written)
    await any_world.settled()
    assert listener.take() == [("leave", list(told))]
    assert silent.take() == []


async def test_update_that_some_rows_leave_with_is_told_in_two_parts(world: World) -> None:
    listener = world.listener()
    watch(listener, "articles", {"fields": ["id"], "filter": {"views": {"_lt": 100}}})
    await world.update("articles", [1, 2, 4], views=5)
    assert listener.take() == [("update", [{"id": 1}, {"id": 2}, {"id": 4}])]
    await world.update("articles", [1], views=500)
    assert listener.take() == [("leave", [1])]
    await world.update("articles", [1, 4], views=500)
    assert listener.take() == [("leave", [4])]


async def test_row_that_changes_hands_leaves_the_one_and_reaches_the_other(world: World) -> None:
    mine, theirs = world.listener(MEMBER_RIGHTS), world.listener(OTHER_RIGHTS)
    for listener in (mine, theirs):
        watch(listener, "notes", {"fields": ["id", "owner"]})
    await world.update("notes", [1], owner=OTHER)
    assert mine.take() == [("leave", [1])]
    assert theirs.take() == [("update", [{"id": 1, "owner": OTHER}])]
    await world.update("notes", [1], owner=None)
    assert (mine.take(), theirs.take()) == ([], [("leave", [1])])
    await world.update("notes", [1], owner=MEMBER)
    assert (mine.take(), theirs.take()) == ([("update", [{"id": 1, "owner": MEMBER}])], [])


async def test_subscriber_to_one_item_is_told_its_key(world: World) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    watch(listener, "articles", {"fields": ["id"]}, item="1")
    await world.update("articles", [1, 2], status="draft")
    assert listener.take() == [("leave", 1)]


async def test_deletion_is_a_deletion_and_an_unknown_past_is_nothing(world: World) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    watch(listener, "articles", {"fields": ["id"]})
    await world.delete("articles", 1)
    assert listener.take() == [("delete", [1])]
    await world.update("articles", [3], status="archived")
    world.dispatcher.changed([Change("articles", "update", (5,))])
    await world.settled()
    assert listener.take() == []


async def test_row_that_leaves_while_the_snapshot_is_read_is_told_of_once(world: World) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    subscription = listener.subscription("articles", {"fields": ["id"]})
    subscription.leave = encode_left_rows
    await world.update("articles", [1], status="draft")
    rows = await world.dispatcher.snapshot(subscription, listener.rights)
    await world.update("articles", [2], status="draft")
    world.dispatcher.release(subscription, listener.rights)
    assert [row["id"] for row in rows] == [2, 4]
    assert listener.take() == [("leave", [2])]


async def test_row_that_related_rows_show_leaves_who_has_been_told_of_it(any_world: World) -> None:
    listener, late = any_world.listener(BY_AUTHOR), any_world.listener(BY_AUTHOR)
    await see_articles(listener)
    await any_world.update("articles", [1, 3], author=None)
    await any_world.settled()
    assert listener.take() == [("leave", [1])]
    await any_world.update("articles", [4], author=1)
    await any_world.settled()
    any_world.dispatcher.schema_outdated()
    any_world.dispatcher.schema_changed()
    await any_world.update("articles", [2, 4], author=None)
    listener.become(BY_AUTHOR)
    watch(late, "articles", {"fields": ["id"]})
    await any_world.update("articles", [2], author=1)
    await any_world.settled()
    await any_world.update("articles", [2], author=None)
    await any_world.settled()
    told = [("leave", [2, 4]), ("update", [{"id": 2}]), ("leave", [2])]
    assert (listener.take(), late.take()) == ([("update", [{"id": 4}]), *told], told[1:])


async def test_row_that_was_never_visible_is_not_told_of_when_its_related_row_changes_too(any_world: World) -> None:
    listener = any_world.listener(BY_AUTHOR)
    await see_articles(listener)
    await any_world.update("authors", [2], name="Ada", articles=[])
    await any_world.settled()
    assert listener.take() == []
    any_world.reader.gate.clear()
    await any_world.update("articles", [5], author=None)
    await any_world.update("authors", [3], name="Ada")
    any_world.reader.gate.set()
    await any_world.settled()
    assert listener.take() == []


async def test_what_was_seen_with_other_rights_is_not_told_of(world: World) -> None:
    listener = world.listener(BY_AUTHOR)
    await see_articles(listener)
    world.dispatcher.hold(listener.subscriptions[0])
    await world.update("articles", [1], author=2)
    await world.update("authors", [1], name="Bo")
    listener.become(rights_with({"articles": [rule({"author": {"name": {"_eq": "Bo"}, "age": {"_eq": 36}}})]}))
    await world.settled()
    assert listener.take() == []


async def test_so_many_rows_are_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "SEEN_LIMIT", 1)
    listener = world.listener(BY_AUTHOR)
    await see_articles(listener)
    await world.update("articles", [1, 2], author=None)
    await world.settled()
    assert listener.take() == [("leave", [2])]


async def test_row_with_a_time_that_only_its_database_has_leaves_and_is_deleted(any_world: World) -> None:
    listener = any_world.listener()
    watch(listener, "articles", {"fields": ["id"], "filter": {"title": {"_icontains": "i"}, "at": {"_nnull": True}}})
    async with any_world.database.transaction() as transaction:
        await transaction.execute(sa.text("UPDATE articles SET at = '24:00:00'"))
    await any_world.update("articles", [1], title="x")
    await any_world.delete("articles", 2)
    await any_world.settled()
    assert listener.take() == [("leave", [1]), ("delete", [2])]
