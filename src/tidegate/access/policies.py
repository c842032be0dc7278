"""Which policies are in force for whom, and what their permissions add up to. Pure.

Policies are bound by `directus_access`: to a user, to a role (and so to every role below it), or, with neither, to
everybody, signed in or not. Of those bound, a policy is left out

1. where its `ip_access` does not hold the client's address;
2. where it has `enforce_tfa` and the user signed in without a second factor, having none. The user keeps whatever else
   is bound. A static token never asks for a second factor, so it is not held against it, and the policy for everybody
   cannot ask nobody for one.

What is left adds up: `admin_access` and `app_access` where any has it, and every permission of each. The policy for
everybody gives permissions only: no mistake in it makes the world an administrator.

`app_access` has permissions of its own, as with Directus: to read one's own user, roles and policies.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from cachetools import LRUCache

from tidegate.access.identity import Public, User
from tidegate.access.network import Addresses
from tidegate.access.paths import used_paths
from tidegate.access.rights import Rule, Rules

RULE_SETS = 10_000
"""Combinations of policies whose sums are kept."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One row of `directus_permissions`."""

    id: int
    policy: str
    collection: str
    action: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of `directus_policies`."""

    id: str
    admin_access: bool = False
    app_access: bool = False
    enforce_tfa: bool = False
    addresses: Addresses | None = None
    """Where it is in force; None for everywhere."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One row of `directus_access`."""

    policy: str
    role: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RuleSet:
    """What a set of policies adds up to; one object for all who have these policies in force."""

    rules: Rules
    paths: frozenset[str]
    """The variables with a path (`$CURRENT_USER.department`) that the rules use."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What holds for somebody."""

    roles: tuple[str, ...]
    """The user's role and its ancestors, nearest first."""
    policies: tuple[str, ...]
    admin: bool
    app: bool
    enforce_tfa: bool
    """Whether a policy asks for a second factor, be it left out for the lack of one or not."""
    rule_set: RuleSet


class Policies:
    """All roles, policies, bindings and permissions as they were at one moment."""

    def __init__(
        self,
        parents: Mapping[str, str | None],
        policies: Iterable[Policy],
        bindings: Iterable[Binding],
        permissions: Iterable[Permission],
        *,
        roles_inherit: bool = True,
    ) -> None:
        """`parents` has every role, with the one above it; `roles_inherit`: whether roles have what everybody has."""
        self._parents = parents
        self._roles_inherit = roles_inherit
        self._policies = {policy.id: policy for policy in policies}
        self._for_everybody: list[Policy] = []
        self._by_role: defaultdict[str, list[Policy]] = defaultdict(list)
        self._by_user: defaultdict[str, list[Policy]] = defaultdict(list)
        for binding in bindings:
            if binding.policy in self._policies:  # SQLite, for one, may have been told to keep no foreign keys
                self._bind(binding, self._policies[binding.policy])
        self._permissions: defaultdict[str, list[Permission]] = defaultdict(list)
        for permission in permissions:
            self._permissions[permission.policy].append(permission)
        self._rule_sets: LRUCache[tuple[frozenset[str], bool], RuleSet] = LRUCache(RULE_SETS)

    def _bind(self, binding: Binding, policy: Policy) -> None:
        if binding.role is not None:
            self._by_role[binding.role].append(policy)
        if binding.user is not None:
            self._by_user[binding.user].append(policy)
        if binding.role is None and binding.user is None:
            self._for_everybody.append(policy)

    @cached_property
    def paths(self) -> frozenset[str]:
        """The variables with a path that any permission uses."""
        every = (permission for permissions in self._permissions.values() for permission in permissions)
        return frozenset().union(*(used_paths(permission.rule) for permission in every))

    def roles(self, role: str | None) -> tuple[str, ...]:
        """The role and its ancestors, nearest first; a circle is walked once."""
        found: dict[str, None] = {}
        while role is not None and role not in found:
            found[role] = None
            role = self._parents.get(role)
        return tuple(found)

    def for_nobody(self, identity: Public) -> InForce:
        return self._add_up((), [], [], self._everybodys(identity.ip))

    def for_user(self, identity: User, role: str | None, *, second_factor: bool) -> InForce:
        """`role` is the user's own, `second_factor` whether the user has one set up."""
        roles = self.roles(role)
        bound = [
            *self._by_user.get(identity.id, ()),
            *chain.from_iterable(self._by_role.get(each, ()) for each in roles),
        ]
        reached = _reachable(bound, identity.ip)
        good = [policy for policy in reached if not policy.enforce_tfa or second_factor or identity.static]
        everybodys = self._everybodys(identity.ip) if role is None or self._roles_inherit else []
        return self._add_up(roles, reached, good, everybodys)

    def _everybodys(self, address: str | None) -> list[Policy]:
        return _reachable(self._for_everybody, address)

    def _add_up(
        self, roles: tuple[str, ...], reached: Sequence[Policy], good: Sequence[Policy], everybodys: Sequence[Policy]
    ) -> InForce:
        policies = tuple(dict.fromkeys(policy.id for policy in (*good, *everybodys)))
        app = any(policy.app_access for policy in good)
        return InForce(
            roles,
            policies,
            admin=any(policy.admin_access for policy in good),
            app=app,
            enforce_tfa=any(policy.enforce_tfa for policy in reached),
            rule_set=self._rule_set(frozenset(policies), app=app),
        )

    def _rule_set(self, policies: frozenset[str], *, app: bool) -> RuleSet:
        """Rules stand in the order of their permissions' ids: a later one's presets win."""
        found = self._rule_sets.get((policies, app))
        if found is None:
            rules: defaultdict[tuple[str, str], list[Rule]] = defaultdict(list)
            if app:
                rules.update({(collection, "read"): [rule] for collection, rule in _APP_RULES.items()})
            permissions = [permission for policy in policies for permission in self._permissions.get(policy, ())]
            for permission in sorted(permissions, key=lambda permission: permission.id):
                rules[permission.collection, permission.action].append(permission.rule)
            paths: frozenset[str] = frozenset().union(*(used_paths(permission.rule) for permission in permissions))
            found = RuleSet({key: tuple(several) for key, several in rules.items()}, paths)
            self._rule_sets[policies, app] = found
        return found


def _own(field: str, operator: str, variable: str, *fields: str) -> Rule:
    return Rule({field: {operator: variable}}, frozenset(fields), {}, {})


_APP_RULES: Mapping[str, Rule] = {
    "directus_users": _own(
        "id",
        "_eq",
        "$CURRENT_USER",
        *("id", "first_name", "last_name", "email", "password", "location", "title", "description", "tags", "avatar"),
        *("language", "appearance", "theme_light", "theme_dark", "theme_light_overrides", "theme_dark_overrides"),
        *("text_direction", "tfa_secret", "status", "role", "last_page", "last_access", "email_notifications"),
    ),
    "directus_roles": _own("id", "_in", "$CURRENT_ROLES", "*"),
    "directus_policies": _own("id", "_in", "$CURRENT_POLICIES", "*"),
}
"""By collection, what whoever has `app_access` may read."""


def _reachable(policies: Iterable[Policy], address: str | None) -> list[Policy]:
    return [policy for policy in policies if policy.addresses is None or address in policy.addresses]


def rule_of(fields: Sequence[str] | None, permissions: Any, validation: Any, presets: Any) -> Rule | None:
    """A permission's columns as a rule; None where one is no JSON object, for then nobody knows what it should allow.

    No fields means none of them: such a rule lets nothing be read, created or updated, but rows may be deleted by it.
    """
    filled = [{} if column is None else column for column in (permissions, validation, presets)]
    if not all(isinstance(column, dict) for column in filled):
        return None
    return Rule(filled[0], frozenset(fields or ()), filled[1], filled[2])
