"""From committed changes to what subscribers hear: who, in which order, and at what cost."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.integration.realtime.world import Listener, World
from tests.support.schemas import ADMIN, MEMBER, MEMBER_RIGHTS, NOW, OTHER, rights_with, rule
from tidegate.access.rights import Rights
from tidegate.errors import Forbidden, InvalidQuery, TidegateError
from tidegate.items.changes import Action, Change, Key
from tidegate.realtime import dispatch
from tidegate.realtime.subscription import Row, Subscription
from tidegate.websocket.events import encode_rows

OTHER_RIGHTS = Rights(
    MEMBER_RIGHTS.identity, rules=MEMBER_RIGHTS.rules, variables={**MEMBER_RIGHTS.variables, "$CURRENT_USER": OTHER}
)
NOBODYS_RIGHTS = rights_with({"messages": [rule(fields=["id", "text"])]})
NESTED = {"fields": ["id", "author.name"]}
"""What row images cannot answer."""
AWAY = "SERVICE_UNAVAILABLE"


async def test_subscriber_hears_of_writes_in_order(any_world: World) -> None:
    world, listener = any_world, any_world.listener()
    listener.watch("labels")
    await world.create("labels", {"code": "pink", "color": "#fcc"}, {"code": "grey", "color": "#ccc"})
    await world.update("labels", ["pink", "grey"], color="#000")
    await world.delete("labels", "pink", "grey")
    assert listener.take() == [
        ("create", [{"code": "pink", "color": "#fcc"}]),
        ("create", [{"code": "grey", "color": "#ccc"}]),
        ("update", [{"code": "pink", "color": "#000"}, {"code": "grey", "color": "#000"}]),
        ("delete", ["pink", "grey"]),
    ]


async def test_subscriber_hears_of_the_one_event_it_asked_for(world: World) -> None:
    listener = world.listener()
    listener.watch("labels", event="update")
    await world.create("labels", {"code": "pink", "color": "#fcc"})
    await world.update("labels", ["pink"], color="#000")
    await world.delete("labels", "pink")
    assert listener.take() == [("update", [{"code": "pink", "color": "#000"}])]


async def test_subscriber_hears_of_rows_that_its_filter_matches(world: World) -> None:
    listener = world.listener()
    listener.watch("messages", {"fields": ["id"], "filter": {"room": {"_eq": 2}}})
    await world.update("messages", [1], room=2)
    await world.update("messages", [1, 3], text="both")
    await world.update("messages", [1], room=7)
    await world.delete("messages", 1, 3)
    assert listener.take() == [("update", [{"id": 1}]), ("update", [{"id": 1}, {"id": 3}]), ("delete", [3])]


async def test_subscriber_hears_of_rows_that_it_may_see_with_the_fields_that_it_may_see(any_world: World) -> None:
    member, other = any_world.listener(MEMBER_RIGHTS), any_world.listener(OTHER_RIGHTS)
    member.watch("notes")
    other.watch("notes")
    await any_world.create("notes", {"id": 9, "title": "t", "secret": "s", "owner": OTHER, "status": "fresh"})
    await any_world.update("notes", [9], owner=MEMBER)
    await any_world.delete("notes", 9, 3)
    seen = {"id": 9, "title": "t", "status": "fresh"}
    assert other.take() == [("create", [{**seen, "owner": OTHER}]), ("delete", [3])]
    assert member.take() == [("update", [{**seen, "owner": MEMBER}]), ("delete", [9])]


@pytest.mark.parametrize(
    ("collection", "query", "error"),
    [
        ("notes", {"fields": ["secret"]}, Forbidden),
        ("hidden_things", None, Forbidden),
        ("nothing", None, TidegateError),
        ("messages", {"filter": {"room": {"_bogus": 1}}}, InvalidQuery),
        ("messages", {"aggregate": {"count": ["*"]}}, InvalidQuery),
    ],
)
async def test_forbidden_and_senseless_subscriptions_are_refused(
    world: World, collection: str, query: object, error: type[TidegateError]
) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    with pytest.raises(error):
        listener.watch(collection, query)
    with pytest.raises(error):
        await listener.subscribe(collection, query)
    assert len(world.registry) == 0


@pytest.mark.parametrize("item", [2, "2"])
async def test_subscriber_to_one_item_hears_of_that_item_alone(world: World, item: Key) -> None:
    listener = world.listener()
    listener.watch("messages", {"fields": ["id", "text"]}, item=item)
    await world.update("messages", [1, 2, 3], text="all")
    await world.update("messages", [1], text="one")
    await world.items.delete(ADMIN, "messages", ["2", "3"])
    assert listener.take() == [("update", {"id": 2, "text": "all"}), ("delete", "2")]


class CountingEncode:
    """`encode_rows`, counted."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, action: Action, keys: Sequence[Key], rows: Sequence[Row]) -> list[bytes]:
        self.calls += 1
        return encode_rows(action, keys, rows)


async def test_five_hundred_subscribers_in_two_groups_cost_two_answers_and_no_statement(world: World) -> None:
    encode = CountingEncode()
    listeners = [world.listener(ADMIN if number % 2 else NOBODYS_RIGHTS) for number in range(500)]
    for number, listener in enumerate(listeners):
        subscription = listener.subscription("messages", uid=f"s{number}")
        subscription.encode = encode
        world.dispatcher.watch(subscription, listener.rights)
    await world.create("messages", {"id": 9, "text": "once"})
    await world.settled()
    assert (encode.calls, world.reader.reads) == (2, 0)
    assert [listener.heard[0]["uid"] for listener in listeners] == [f"s{number}" for number in range(500)]


class Turns:
    """What is told in each turn of the loop, from the change on."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self.told = [0]
        self._listeners = listeners
        asyncio.get_running_loop().call_soon(self._count)

    def _count(self) -> None:
        told = sum(bool(listener.heard) for listener in self._listeners)
        if told > self.told[-1]:
            self.told.append(told)
        if told < len(self._listeners):
            asyncio.get_running_loop().call_soon(self._count)


async def test_other_work_has_its_turn_while_many_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "TURN", 10)
    listeners = [world.listener() for _ in range(35)]
    for listener in listeners:
        listener.watch("messages", {"fields": ["id"]})
    turns = Turns(listeners)
    world.dispatcher.changed([Change("messages", "create", (9,), (), ({"id": 9},))])
    await world.settled()
    assert turns.told == [0, 10, 20, 30, 35]


async def test_changes_that_come_faster_than_many_can_be_told_wait_for_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "TURN", 10)
    listeners = [world.listener() for _ in range(35)]
    for listener in listeners:
        listener.watch("messages", {"fields": ["id"]})
    turns = Turns(listeners)
    for key in range(3):
        world.dispatcher.changed([Change("messages", "create", (key,), (), ({"id": key},))])
    await world.settled()
    assert turns.told == [0, 35]
    assert all(listener.take() == [("create", [{"id": key}]) for key in range(3)] for listener in listeners)


@pytest.mark.parametrize("told", [0, 1, 2, 3])
async def test_who_comes_goes_and_changes_while_many_are_told_hears_each_change_once(
    world: World, monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    monkeypatch.setattr(dispatch, "TURN", 1)
    leaving, expiring, changing, last, late = (world.listener(MEMBER_RIGHTS) for _ in range(5))
    for listener in (leaving, expiring, changing, last):
        listener.watch("messages", {"fields": ["id"]})
    world.dispatcher.changed([Change("messages", "create", (9,), (), ({"id": 9},))])
    for _ in range(told):
        await asyncio.sleep(0)
    (gone,) = leaving.subscriptions
    world.dispatcher.remove(gone)
    expiring.valid_until = NOW
    world.dispatcher.hold(changing.subscriptions[0])
    late.watch("messages", {"fields": ["id"]})
    await world.settled()
    changing.become(NOBODYS_RIGHTS)
    expiring.become(NOBODYS_RIGHTS)
    once = [("create", [{"id": 9}])]
    assert leaving.take() == (once if told else [])
    assert (expiring.take(), changing.take(), last.take(), late.take()) == (once, once, once, [])


async def test_nested_fields_take_one_read_per_group(world: World) -> None:
    listeners = [world.listener() for _ in range(50)]
    for listener in listeners:
        listener.watch("articles", NESTED)
    await world.create("articles", {"id": 9, "title": "t", "author": 1})
    await world.settled()
    assert world.reader.reads == 1
    assert all(listener.take() == [("create", [{"id": 9, "author": {"name": "Ada"}}])] for listener in listeners)


async def test_answer_that_takes_the_database_is_not_overtaken(world: World) -> None:
    listener, quick = world.listener(), world.listener()
    listener.watch("articles", NESTED)
    quick.watch("articles", {"fields": ["id"]})
    world.reader.gate.clear()
    await world.update("articles", [1], title="new")
    await world.delete("articles", 5)
    assert quick.take() == [("update", [{"id": 1}]), ("delete", [5])]
    assert listener.take() == []
    world.reader.gate.set()
    await world.settled()
    assert listener.take() == [("update", [{"id": 1, "author": {"name": "Ada"}}]), ("delete", [5])]


async def test_who_joins_while_an_answer_is_read_does_not_hear_of_what_came_before(world: World) -> None:
    early, late = world.listener(), world.listener()
    early.watch("articles", NESTED)
    world.reader.gate.clear()
    await world.update("articles", [1], title="before")
    late.watch("articles", NESTED)
    await world.update("articles", [3], title="after")
    world.reader.gate.set()
    await world.settled()
    assert [data[0]["id"] for _, data in early.take()] == [1, 3]
    assert [data[0]["id"] for _, data in late.take()] == [3]


async def test_deleted_row_is_judged_as_it_was_by_rules_on_related_rows(any_world: World) -> None:
    listener = any_world.listener(rights_with({"articles": [rule({"author": {"name": {"_eq": "Ada"}}})]}))
    listener.watch("articles", {"fields": ["id"]})
    await any_world.delete("articles", 1, 2, 3, 4)
    await any_world.settled()
    assert listener.take() == [("delete", [1, 2])]


NO_DRAFTS = {"articles": {"_none": {"status": {"_eq": "draft"}}}}


@pytest.mark.parametrize(
    ("demand", "told"),
    [
        ({"author": NO_DRAFTS}, [("delete", [4])]),
        ({"author": {"count(articles)": {"_lt": 2}}}, []),
        ({"_or": [{"status": {"_eq": "draft"}}, {"author": NO_DRAFTS}]}, [("delete", [3, 4])]),
        ({"_and": [{"author": {"_nnull": True}}, {"author": {"name": {"_neq": "Ada"}}}]}, [("delete", [3, 6])]),
    ],
    ids=str,
)
@pytest.mark.parametrize("ruled", [True, False], ids=["rule", "filter"])
async def test_deletion_shows_no_row_that_was_hidden_for_being_there(
    world: World, ruled: bool, demand: dict[str, object], told: list[tuple[str, list[Key]]]
) -> None:
    """Author 2 has a draft, 3, and a published article, 6: neither was to be seen, until both are gone. 4 has none."""
    await world.create("articles", {"id": 6, "title": "x", "status": "published", "views": 200, "author": 2})
    listener = world.listener(rights_with({"articles": [rule(demand)], "authors": [rule()]}) if ruled else ADMIN)
    listener.watch("articles", {"fields": ["id"], "filter": None if ruled else demand})
    await world.delete("articles", 3, 4, 6)
    await world.settled()
    assert listener.take() == told


async def test_change_without_images_is_answered_with_one_read_for_all(world: World) -> None:
    member, other, everything = world.listener(MEMBER_RIGHTS), world.listener(OTHER_RIGHTS), world.listener()
    for listener in (member, other, everything):
        listener.watch("notes", {"fields": ["id"]})
    world.dispatcher.changed([Change("notes", "update", ("1", "3", "404", "no key"))])
    await world.update("notes", [2], title="behind it")
    await world.settled()
    assert world.reader.reads == 1
    assert member.take() == [("update", [{"id": 1}]), ("update", [{"id": 2}])]
    assert other.take() == [("update", [{"id": 3}])]
    assert everything.take() == [("update", [{"id": 1}, {"id": 3}]), ("update", [{"id": 2}])]


async def test_deletion_of_an_unknown_row_is_told_to_who_sees_every_row(world: World) -> None:
    member, everything = world.listener(MEMBER_RIGHTS), world.listener()
    member.watch("notes", {"fields": ["id"]})
    everything.watch("notes", {"fields": ["id"]})
    world.dispatcher.changed([Change("notes", "delete", (1,))])
    assert (member.take(), everything.take()) == ([], [("delete", [1])])


async def test_nothing_leaves_with_an_identity_that_has_ended(world: World) -> None:
    listener, witness = world.listener(MEMBER_RIGHTS), world.listener()
    listener.watch("messages", {"fields": ["id", "text"]}, uid="one")
    listener.watch("notes", {"fields": ["id"]}, uid="two")
    witness.watch("messages", {"fields": ["id"]})
    listener.valid_until = world.clock.now()
    await world.create("messages", {"id": 9, "text": "late"})
    await world.create("notes", {"id": 9, "owner": MEMBER})
    assert (listener.take(), listener.settled) == ([], 1)
    assert witness.take() == [("create", [{"id": 9}])]
    listener.become(NOBODYS_RIGHTS)
    assert listener.take() == [("create", [{"id": 9, "text": "late"}])], "nobody may see messages, but no notes"


async def test_two_subscriptions_of_an_identity_that_has_ended_miss_nothing(world: World) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    listener.watch("messages", {"fields": ["id"]}, uid="a")
    listener.watch("messages", {"fields": ["text"]}, uid="b")
    listener.valid_until = world.clock.now()
    await world.create("messages", {"id": 9, "text": "t"})
    listener.become(NOBODYS_RIGHTS)
    assert listener.take() == [("create", [{"id": 9}]), ("create", [{"text": "t"}])]


async def test_held_subscription_is_told_afterwards_in_order_with_its_new_rights(world: World) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    subscription = listener.watch("notes", {"fields": ["id"]})
    world.dispatcher.hold(subscription)
    await world.create("notes", {"id": 8, "owner": OTHER}, {"id": 9, "owner": MEMBER})
    await world.delete("notes", 3)
    assert listener.take() == []
    listener.become(OTHER_RIGHTS)
    await world.update("notes", [8], title="t")
    assert listener.take() == [("create", [{"id": 8}]), ("delete", [3]), ("update", [{"id": 8}])]


async def test_subscription_held_while_its_answer_is_read_hears_it_once_with_its_new_rights(world: World) -> None:
    listener, witness = world.listener(), world.listener()
    subscription = listener.watch("articles", NESTED)
    witness.watch("articles", NESTED)
    world.reader.gate.clear()
    await world.update("articles", [1], title="seen by both")
    await world.update("articles", [3], title="a draft")
    world.dispatcher.hold(subscription)
    listener.become(MEMBER_RIGHTS)
    world.reader.gate.set()
    await world.settled()
    assert [data[0]["id"] for _, data in witness.take()] == [1, 3]
    assert [data[0]["id"] for _, data in listener.take()] == [1]


async def test_subscription_that_is_not_allowed_is_silent_until_it_is(world: World) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    listener.watch("notes", {"fields": ["id"]})
    listener.become(NOBODYS_RIGHTS)
    assert len(world.registry) == 0
    await world.update("notes", [1], title="unseen")
    listener.become(MEMBER_RIGHTS)
    await world.update("notes", [2], title="seen")
    assert listener.take() == [("update", [{"id": 2}])]


async def test_rights_of_the_same_meaning_change_nothing(world: World) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    subscription = listener.watch("notes")
    group = subscription.group
    listener.become(Rights(MEMBER_RIGHTS.identity, rules=MEMBER_RIGHTS.rules, variables=MEMBER_RIGHTS.variables))
    assert subscription.group is group


async def test_subscription_to_a_collection_that_is_gone_ends(world: World) -> None:
    listener = world.listener()
    listener.watch("labels")
    schema = world.database.schema
    kept = {name: collection for name, collection in schema.collections.items() if name != "labels"}
    world.database.schema = type(schema)(kept, schema.relations)
    listener.become(ADMIN)
    assert (listener.ended, len(world.registry)) == (["INVALID_COLLECTION"], 0)


async def test_reads_are_tried_again_while_the_database_is_away(world: World) -> None:
    listener = world.listener()
    listener.watch("articles", NESTED)
    world.reader.faults = [TidegateError(AWAY)] * 3
    await world.update("articles", [1], title="new")
    await world.settled()
    assert world.pauses == list(dispatch.RETRY_SECONDS[:3])
    assert listener.take() == [("update", [{"id": 1, "author": {"name": "Ada"}}])]


async def test_subscribers_are_told_when_the_database_stays_away(world: World) -> None:
    listener, witness = world.listener(), world.listener()
    listener.watch("articles", NESTED)
    witness.watch("articles", {"fields": ["id"]})
    world.reader.faults = [TidegateError(AWAY)] * 100
    await world.update("articles", [1], title="new")
    await world.settled()
    assert (listener.ended, witness.ended) == ([AWAY], [])
    assert witness.take() == [("update", [{"id": 1}])]


async def test_fault_in_one_group_is_told_to_its_members_and_nobody_else(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(action: Action, keys: Sequence[Key], rows: Sequence[Row]) -> list[bytes]:
        raise ZeroDivisionError

    victim, witness = world.listener(), world.listener()
    subscription = victim.subscription("labels")
    subscription.encode = broken
    world.dispatcher.watch(subscription, ADMIN)
    victim.subscriptions.append(subscription)
    witness.watch("labels")
    await world.create("labels", {"code": "pink"})
    assert (victim.ended, witness.take()) == (
        ["INTERNAL_SERVER_ERROR"],
        [("create", [{"code": "pink", "color": None}])],
    )
    assert "could not be answered" in caplog.text


async def test_too_many_changes_that_wait_end_the_subscription(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "WAITING_LIMIT", 2)
    queued, held = world.listener(), world.listener()
    queued.watch("articles", NESTED)
    world.dispatcher.hold(held.watch("articles", {"fields": ["id"]}))
    world.reader.gate.clear()
    for number in range(3):
        await world.update("articles", [1], title=str(number))
    assert (queued.ended, held.ended) == ([AWAY], [AWAY])
    world.reader.gate.set()
    await world.settled()
    assert len(world.registry) == 0


async def test_removed_subscriptions_leave_nothing_behind(world: World) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    subscriptions: list[Subscription] = [
        listener.watch("notes"),
        listener.watch("notes", event="create"),
        listener.watch("notes", item=1),
        listener.watch("articles", NESTED),
    ]
    world.dispatcher.hold(subscriptions[0])
    world.reader.gate.clear()
    await world.update("articles", [1], title="new")
    for subscription in subscriptions:
        world.dispatcher.remove(subscription)
        world.dispatcher.remove(subscription)
    assert len(world.registry) == 0
    assert not any(name in world.registry for name in ("notes", "articles"))
    world.reader.gate.set()
    await world.settled()
    assert listener.take() == []


async def test_stopping_gives_up_what_waits(world: World) -> None:
    listener = world.listener()
    listener.watch("articles", NESTED)
    world.reader.gate.clear()
    await world.update("articles", [1], title="new")
    await asyncio.wait_for(world.dispatcher.stop(), 5)
    assert (listener.take(), listener.ended) == ([], [])
