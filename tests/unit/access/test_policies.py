"""Which policies are in force, and what they add up to."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.access.identity import Public, User
from tidegate.access.network import Addresses
from tidegate.access.policies import Binding, InForce, Permission, Policies, Policy, rule_of
from tidegate.access.rights import Rule

HERE = "10.99.1.1"
OFFICE = Addresses(["10.99.0.0/16"])


def rule(text: Any = "all") -> Rule:
    return Rule({"text": {"_eq": text}}, frozenset({"*"}), {}, {})


def permission(number: int, policy: str, collection: str = "notes", action: str = "read") -> Permission:
    return Permission(number, policy, collection, action, rule(number))


def numbers(in_force: InForce, collection: str = "notes", action: str = "read") -> list[int]:
    """The ids of the permissions that apply."""
    return [each.filter["text"]["_eq"] for each in in_force.rule_set.rules.get((collection, action), ())]


PARENTS = {"senior": "member", "member": None, "guest": None, "round": "circle", "circle": "round", "lost": "nowhere"}
POLICIES = Policies(
    PARENTS,
    [
        Policy("everybody"),
        Policy("own", app_access=True),
        Policy("senior"),
        Policy("member"),
        Policy("office", addresses=OFFICE),
        Policy("admin", admin_access=True),
        Policy("strict", enforce_tfa=True, admin_access=True),
        Policy("unbound", admin_access=True),
    ],
    [
        Binding("everybody"),
        Binding("own", user="me"),
        Binding("senior", role="senior"),
        Binding("member", role="member"),
        Binding("member", user="both"),
        Binding("office", role="member"),
        Binding("admin", role="circle"),
        Binding("strict", user="careful"),
    ],
    [
        permission(7, "senior"),
        permission(1, "everybody"),
        permission(3, "member"),
        permission(5, "office"),
        permission(2, "own"),
        permission(4, "member", "messages", "create"),
        permission(6, "strict"),
        permission(8, "unbound"),
    ],
)


def for_user(user: str, role: str | None = None, ip: str | None = None, *, second_factor: bool = False) -> InForce:
    return POLICIES.for_user(User(user, ip), role, second_factor=second_factor)


@pytest.mark.parametrize(
    ("user", "role", "ip", "expected"),
    [
        ("somebody", None, None, ["everybody"]),
        ("somebody", "guest", None, ["everybody"]),
        ("somebody", "gone", None, ["everybody"]),
        ("somebody", "member", None, ["member", "everybody"]),
        ("somebody", "member", "10.98.1.1", ["member", "everybody"]),
        ("somebody", "member", HERE, ["member", "office", "everybody"]),
        ("somebody", "senior", HERE, ["senior", "member", "office", "everybody"]),
        ("me", None, None, ["own", "everybody"]),
        ("me", "senior", None, ["own", "senior", "member", "everybody"]),
        ("both", "member", None, ["member", "everybody"]),
        ("somebody", "round", None, ["admin", "everybody"]),
    ],
)
def test_user_has_the_policies_of_self_roles_and_everybody(
    user: str, role: str | None, ip: str | None, expected: list[str]
) -> None:
    assert list(for_user(user, role, ip).policies) == expected


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (None, ()),
        ("senior", ("senior", "member")),
        ("round", ("round", "circle")),
        ("circle", ("circle", "round")),
        ("lost", ("lost", "nowhere")),
    ],
)
def test_roles_are_walked_upwards_once(role: str | None, expected: tuple[str, ...]) -> None:
    assert POLICIES.roles(role) == expected


def test_permissions_add_up_in_the_order_of_their_ids() -> None:
    assert numbers(for_user("me", "senior", HERE)) == [1, 2, 3, 5, 7]
    assert numbers(for_user("me", "senior"), "messages", "create") == [4]
    assert numbers(for_user("me"), "messages", "create") == []


def test_users_with_the_same_policies_share_one_rule_set() -> None:
    shared = for_user("somebody", "member").rule_set
    assert for_user("both").rule_set is shared
    assert for_user("another", "member", "1.2.3.4").rule_set is shared
    assert for_user("another", "member", HERE).rule_set is not shared
    assert for_user("x").rule_set is POLICIES.for_nobody(Public()).rule_set


def test_flags_come_from_any_policy_of_the_user() -> None:
    assert for_user("me").app
    assert not for_user("me").admin
    assert for_user("x", "round").admin
    assert not for_user("x", "round").app


def test_policy_for_everybody_makes_nobody_an_administrator() -> None:
    policies = Policies({}, [Policy("p", admin_access=True, app_access=True)], [Binding("p")], [permission(1, "p")])
    for in_force in (policies.for_nobody(Public()), policies.for_user(User("me"), None, second_factor=True)):
        assert (in_force.admin, in_force.app, numbers(in_force)) == (False, False, [1])


def test_access_to_the_app_lets_users_read_who_they_are() -> None:
    bound = [Policy("app", app_access=True)], [Binding("app", user="me")]
    rules = Policies({}, *bound, [permission(1, "app")]).for_user(User("me"), None, second_factor=False).rule_set.rules
    own = {place: several[0].filter for place, several in rules.items() if place[0].startswith("directus_")}
    assert own == {
        ("directus_users", "read"): {"id": {"_eq": "$CURRENT_USER"}},
        ("directus_roles", "read"): {"id": {"_in": "$CURRENT_ROLES"}},
        ("directus_policies", "read"): {"id": {"_in": "$CURRENT_POLICIES"}},
    }
    everybodys = Policies({}, bound[0], [Binding("app")], [permission(1, "app")])
    assert set(everybodys.for_nobody(Public()).rule_set.rules) == {("notes", "read")}


def test_policy_for_everybody_is_of_those_without_a_role_where_roles_do_not_inherit() -> None:
    bound = [Policy("p"), Policy("role")], [Binding("p"), Binding("role", role="guest")]
    policies = Policies(PARENTS, *bound, [permission(1, "p"), permission(2, "role")], roles_inherit=False)
    assert numbers(policies.for_nobody(Public())) == [1]
    assert numbers(policies.for_user(User("me"), None, second_factor=False)) == [1]
    assert numbers(policies.for_user(User("me"), "guest", second_factor=False)) == [2]


def test_binding_of_a_policy_that_does_not_exist_binds_nothing() -> None:
    policies = Policies({}, [Policy("p")], [Binding("gone"), Binding("p"), Binding("gone", user="me")], [])
    assert policies.for_user(User("me"), None, second_factor=False).policies == ("p",)


def test_nobody_without_an_address_has_no_policy_bound_to_addresses() -> None:
    policies = Policies({}, [Policy("p", addresses=OFFICE)], [Binding("p")], [permission(1, "p")])
    assert numbers(policies.for_nobody(Public(HERE))) == [1]
    assert numbers(policies.for_nobody(Public("10.98.1.1"))) == []
    assert numbers(policies.for_nobody(Public())) == []


@pytest.mark.parametrize(
    ("identity", "second_factor", "expected"),
    [
        (User("careful"), False, False),
        (User("careful"), True, True),
        (User("careful", static=True), False, True),
    ],
)
def test_policy_that_enforces_two_factors_is_withheld_from_a_login_with_one(
    identity: User, second_factor: bool, expected: bool
) -> None:
    in_force = POLICIES.for_user(identity, None, second_factor=second_factor)
    assert in_force.admin is expected
    assert ("strict" in in_force.policies) is expected
    assert (6 in numbers(in_force)) is expected
    assert in_force.enforce_tfa, "a client must be able to say what is missing"


def test_policy_for_everybody_cannot_enforce_two_factors() -> None:
    policies = Policies({}, [Policy("p", enforce_tfa=True)], [Binding("p")], [permission(1, "p")])
    assert numbers(policies.for_nobody(Public())) == [1]
    assert numbers(policies.for_user(User("me"), None, second_factor=False)) == [1]


def test_paths_are_those_of_the_rules_in_force() -> None:
    def using(number: int, policy: str, variable: str) -> Permission:
        return Permission(number, policy, "notes", "read", Rule({"a": {"_eq": variable}}, frozenset(), {}, {}))

    policies = Policies(
        {},
        [Policy("everybody"), Policy("mine")],
        [Binding("everybody"), Binding("mine", user="me")],
        [using(1, "everybody", "$CURRENT_USER.a"), using(2, "mine", "$CURRENT_USER.b.c"), using(3, "mine", "$NOW")],
    )
    assert policies.paths == {"$CURRENT_USER.a", "$CURRENT_USER.b.c"}
    assert policies.for_nobody(Public()).rule_set.paths == {"$CURRENT_USER.a"}
    assert policies.for_user(User("me"), None, second_factor=False).rule_set.paths == policies.paths


@pytest.mark.parametrize(
    ("fields", "expected"),
    [(None, set()), ([], set()), (["*"], {"*"}), (["id", "text"], {"id", "text"})],
)
def test_rule_names_only_the_fields_that_are_written_down(fields: list[str] | None, expected: set[str]) -> None:
    made = rule_of(fields, {}, None, None)
    assert made is not None
    assert made.fields == expected
    assert made.names("text") is bool(expected)


def test_rule_without_filter_holds_for_every_row() -> None:
    made = rule_of(["*"], None, None, None)
    assert made is not None
    assert (made.filter, made.validation, made.presets) == ({}, {}, {})


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("broken", [[], [{"a": 1}], "", "{", 0, False, True, 1.5])
def test_permission_that_is_no_json_object_makes_no_rule(position: int, broken: object) -> None:
    columns: list[object] = [{}, {}, {}]
    columns[position] = broken
    assert rule_of(["*"], *columns) is None


POLICY_NAMES = [f"p{number}" for number in range(6)]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Policy], list[Permission]]:
    policies = [
        Policy(
            name, draw(st.booleans()), draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from([None, OFFICE]))
        )
        for name in POLICY_NAMES
    ]
    names, places = st.sampled_from(POLICY_NAMES), st.sampled_from(["a", "b"])
    actions = st.sampled_from(["create", "read", "update", "delete"])
    drawn = draw(st.lists(st.tuples(names, places, actions), max_size=12))
    return policies, [permission(number, *each) for number, each in enumerate(drawn)]


@st.composite
def bindings(draw: st.DrawFn) -> list[Binding]:
    role, user = st.sampled_from(["senior", "member", "guest", None]), st.sampled_from(["me", None])
    return [Binding(*each) for each in draw(st.lists(st.tuples(st.sampled_from(POLICY_NAMES), role, user), max_size=8))]


IDENTITIES = st.builds(User, st.just("me"), st.sampled_from([None, HERE, "10.98.0.1"]), static=st.booleans())


def everything(in_force: InForce) -> set[tuple[str, str, int]]:
    """Of the permissions; what `app_access` brings is none of them."""
    rules = {key: rules for key, rules in in_force.rule_set.rules.items() if not key[0].startswith("directus_")}
    return {(*key, each.filter["text"]["_eq"]) for key, several in rules.items() for each in several}


@given(worlds(), bindings(), bindings(), IDENTITIES, st.booleans())
def test_more_bindings_never_take_anything_away(
    world: tuple[list[Policy], list[Permission]],
    few: list[Binding],
    more: list[Binding],
    identity: User,
    second_factor: bool,
) -> None:
    def look(bound: Iterable[Binding]) -> InForce:
        return Policies(PARENTS, world[0], bound, world[1]).for_user(identity, "senior", second_factor=second_factor)

    before, after = look(few), look([*few, *more])
    assert everything(before) <= everything(after)
    assert set(before.policies) <= set(after.policies)
    assert before.admin <= after.admin
    assert before.app <= after.app


@given(worlds(), bindings(), IDENTITIES, st.booleans())
def test_nobody_never_may_what_a_user_may_not(
    world: tuple[list[Policy], list[Permission]], bound: list[Binding], identity: User, second_factor: bool
) -> None:
    policies = Policies(PARENTS, world[0], bound, world[1])
    user = policies.for_user(identity, "senior", second_factor=second_factor)
    assert everything(policies.for_nobody(Public(identity.ip))) <= everything(user)


@given(worlds(), bindings(), IDENTITIES)
def test_every_rule_comes_from_a_policy_in_force(
    world: tuple[list[Policy], list[Permission]], bound: list[Binding], identity: User
) -> None:
    in_force = Policies(PARENTS, world[0], bound, world[1]).for_user(identity, "senior", second_factor=True)
    owners = {each.rule.filter["text"]["_eq"]: each.policy for each in world[1]}
    assert {owners[number] for *_, number in everything(in_force)} <= set(in_force.policies)
    assert len(everything(in_force)) == sum(owner in in_force.policies for owner in owners.values())
