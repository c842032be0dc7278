"""Groups, families and the registry: who is found by which change, and what it means to them."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.schemas import ADMIN, MEMBER, MEMBER_RIGHTS, NOW, OTHER, build_schema, rights_with, rule
from tidegate.access.rights import Rights
from tidegate.errors import TidegateError
from tidegate.items.changes import Action, Change, Image, Key
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import bind, plan_read
from tidegate.realtime.group import FamilyKey, Group, key_text
from tidegate.realtime.registry import Registry
from tidegate.realtime.subscription import Row, Subscription

SCHEMA = build_schema()
LIMITS = Limits()


def encode(action: Action, keys: Sequence[Key], rows: Sequence[Row]) -> list[bytes]:
    return [repr((action, list(keys), list(rows))).encode()]


class Nobody:
    """A subscriber that is never told anything."""

    valid_until = float("inf")

    def send(self, text: bytes, tail: bytes) -> None:
        raise AssertionError(text + tail)

    def settle(self) -> None:
        raise AssertionError("nobody's identity ends here")

    def end(self, subscription: Subscription, error: TidegateError) -> None:
        raise AssertionError(subscription, error)


class Subscribed:
    """A registry with a way to subscribe."""

    def __init__(self) -> None:
        self.registry = Registry()

    def join(
        self,
        collection: str,
        rights: Rights = ADMIN,
        query: object = None,
        event: Action | None = None,
        item: Key | None = None,
        now: float = NOW,
    ) -> Subscription:
        parsed = parse_query(query, LIMITS)
        subscription = Subscription(Nobody(), collection, parsed, encode, b"", event, item)
        plan = plan_read(parsed, collection, SCHEMA, rights, LIMITS)
        text = None if item is None else key_text(plan.selection.key, item)
        key = FamilyKey(plan, event, text, encode)
        self.registry.join(subscription, key, bind(plan, rights.variables, now), rights.variables)
        return subscription

    def touched(self, change: Change) -> list[Group]:
        return list(self.registry.touched(change))


def member_number(number: int) -> Rights:
    user = f"0a0a0a0a-0000-4000-8000-{number:012d}"
    return Rights(
        MEMBER_RIGHTS.identity, rules=MEMBER_RIGHTS.rules, variables={**MEMBER_RIGHTS.variables, "$CURRENT_USER": user}
    )


def note(key: int, owner: str | None) -> Image:
    return {"id": key, "title": "t", "secret": "s", "owner": owner, "status": "fresh"}


@pytest.fixture
def subscribed() -> Subscribed:
    return Subscribed()


def test_equal_plans_share_a_group_whoever_asks(subscribed: Subscribed) -> None:
    everybody = [subscribed.join("messages", rights) for rights in (ADMIN, MEMBER_RIGHTS, member_number(7))]
    assert len({id(subscription.group) for subscription in everybody}) == 1


@pytest.mark.parametrize(
    "different",
    [
        {"query": {"fields": ["id"]}},
        {"query": {"filter": {"room": {"_eq": 1}}}},
        {"event": "create"},
        {"item": 1},
        {"rights": rights_with({"messages": [rule({"room": {"_eq": 1}})]})},
    ],
)
def test_whatever_changes_the_answer_makes_another_group(subscribed: Subscribed, different: dict[str, Any]) -> None:
    assert subscribed.join("messages").group is not subscribed.join("messages", **different).group


def test_rule_on_the_user_is_found_by_the_value_of_the_row(subscribed: Subscribed) -> None:
    subscriptions = [subscribed.join("notes", member_number(number)) for number in range(100)]
    owner = f"0a0a0a0a-0000-4000-8000-{42:012d}"
    assert subscribed.touched(Change("notes", "create", (1,), after=(note(1, owner),))) == [subscriptions[42].group]
    assert subscribed.touched(Change("notes", "delete", (1,), before=(note(1, owner),))) == [subscriptions[42].group]
    assert subscribed.touched(Change("notes", "create", (1,), after=(note(1, None),))) == []
    assert subscribed.touched(Change("notes", "create", (1,), after=(note(1, "somebody else"),))) == []


def test_write_of_several_rows_touches_each_group_once(subscribed: Subscribed) -> None:
    first, second = subscribed.join("notes", member_number(1)), subscribed.join("notes", member_number(2))
    owners = [f"0a0a0a0a-0000-4000-8000-{number:012d}" for number in (1, 2, 1, 3)]
    images = tuple(note(key, owner) for key, owner in enumerate(owners))
    touched = subscribed.touched(Change("notes", "update", (0, 1, 2, 3), after=images))
    assert sorted(map(id, touched)) == sorted(map(id, [first.group, second.group]))


def test_change_without_images_touches_everybody(subscribed: Subscribed) -> None:
    subscriptions = [subscribed.join("notes", member_number(number)) for number in range(3)]
    touched = subscribed.touched(Change("notes", "delete", (1,)))
    assert touched == [subscription.group for subscription in subscriptions]


@pytest.mark.parametrize(
    "filter_",
    [
        {"_or": [{"owner": {"_eq": "$CURRENT_USER"}}, {"status": {"_eq": "fresh"}}]},
        {"owner": {"_neq": "$CURRENT_USER"}},
        {"title": {"_icontains": "$CURRENT_USER"}},
    ],
)
def test_rule_that_does_not_demand_a_value_touches_everybody(subscribed: Subscribed, filter_: dict[str, Any]) -> None:
    rights = rights_with({"notes": [rule(filter_)]})
    subscription = subscribed.join("notes", rights)
    assert subscribed.touched(Change("notes", "create", (1,), after=(note(1, OTHER),))) == [subscription.group]


def test_demand_is_found_among_other_conditions(subscribed: Subscribed) -> None:
    query = {"filter": {"status": {"_eq": "fresh"}}}
    subscription = subscribed.join("notes", MEMBER_RIGHTS, query)
    assert subscribed.touched(Change("notes", "create", (1,), after=(note(1, OTHER),))) == []
    assert subscribed.touched(Change("notes", "create", (1,), after=(note(1, MEMBER),))) == [subscription.group]


@pytest.mark.parametrize("key", [2, "2"])
def test_item_is_found_by_its_key_however_spelled(subscribed: Subscribed, key: Key) -> None:
    watched = [subscribed.join("messages", item=item) for item in (1, "2", 3)]
    image = {"id": 2, "text": "t", "room": 1}
    assert subscribed.touched(Change("messages", "update", (key,), after=(image,))) == [watched[1].group]


def test_item_of_a_uuid_key_is_found_in_any_case(subscribed: Subscribed) -> None:
    key = "11111111-1111-4111-8111-11111111ABCD"
    watched = subscribed.join("tokens", item=key)
    image = {"id": key.lower(), "name": "one"}
    assert subscribed.touched(Change("tokens", "update", (key.lower(),), after=(image,))) == [watched.group]


def test_event_that_nobody_asked_for_touches_nobody(subscribed: Subscribed) -> None:
    subscribed.join("messages", event="create")
    assert subscribed.touched(Change("messages", "update", (1,), after=({"id": 1},))) == []
    assert subscribed.touched(Change("labels", "create", ("x",), after=({"code": "x"},))) == []


def test_registry_is_empty_when_everybody_has_left(subscribed: Subscribed) -> None:
    subscriptions = [
        subscribed.join("notes", MEMBER_RIGHTS),
        subscribed.join("notes", member_number(1)),
        subscribed.join("notes", item=1),
        subscribed.join("messages", event="create"),
        subscribed.join("messages", item="2"),
    ]
    assert len(subscribed.registry) == 5
    for subscription in subscriptions:
        subscribed.registry.remove(subscription)
    assert len(subscribed.registry) == 0
    assert not subscribed.registry._shelves


def test_meaning_of_the_present_moment_moves_on(subscribed: Subscribed) -> None:
    rights = rights_with({"people": [rule({"joined": {"_null": True}}), rule({"id": {"_lt": 3}})]})
    timed = rights_with({"messages": [rule({"date_created": {"_lt": "$NOW"}})]})
    assert subscribed.join("people", rights).group is not None
    first, second = subscribed.join("messages", timed), subscribed.join("messages", timed, now=NOW + 60)
    assert first.group is second.group
    assert first.group is not None
    assert first.group.plan(NOW).arguments != first.group.plan(NOW + 60).arguments


def test_deleted_row_without_image_is_told_only_where_every_row_is_seen(subscribed: Subscribed) -> None:
    everything, mine = subscribed.join("notes"), subscribed.join("notes", MEMBER_RIGHTS)
    change = Change("notes", "delete", (1,))
    assert everything.group is not None
    assert mine.group is not None
    assert everything.group.decide(change, NOW) == encode("delete", [1], [])
    assert mine.group.decide(change, NOW) == []


@pytest.mark.parametrize("query", [{"fields": ["author.name"]}, {"fields": ["count(labels)"]}])
def test_what_images_cannot_tell_is_left_to_the_database(subscribed: Subscribed, query: object) -> None:
    group = subscribed.join("articles", query=query).group
    assert group is not None
    image = {name: None for name, field in SCHEMA.collections["articles"].fields.items() if not field.alias}
    change = Change("articles", "create", (1,), after=({**image, "id": 1},))
    assert group.decide(change, NOW) is None
    assert group.states(change, NOW) is None
    assert group.decide(Change("articles", "delete", (1,), before=({**image, "id": 1},)), NOW) is not None
