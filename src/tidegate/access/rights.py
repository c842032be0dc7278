"""What an identity may do at this moment: its policies' permissions, added up.

Precedence (PROTOCOL section 6): an `admin` policy allows everything. Otherwise rules only ever add: a row is visible if
the filter of *any* rule of (collection, action) matches it; a field of that row is visible only through a rule that
both matches the row and names the field (or `*`). No rule at all means forbidden, in the same words as "does not
exist".

Rules keep their variables (`$CURRENT_USER` …) in place, so that users with the same policies share one `rules` object;
`variables` holds what to put there for this identity. `access.variables.substitute` does it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from tidegate.access.identity import Identity

Action = Literal["create", "read", "update", "delete"]
Rules = Mapping[tuple[str, str], tuple["Rule", ...]]
"""By (collection, action)."""

EVERY_FIELD = "*"


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One row of `directus_permissions`."""

    filter: Mapping[str, Any]
    """Which rows, as a filter of the query language with variables in place; empty for all."""
    fields: frozenset[str]
    """Which fields; `*` stands for all."""
    validation: Mapping[str, Any]
    """A filter that written values must match; empty for none."""
    presets: Mapping[str, Any]
    """Values that fill what a write leaves out."""

    def names(self, field_name: str) -> bool:
        return EVERY_FIELD in self.fields or field_name in self.fields


@dataclass(frozen=True, slots=True, eq=False)
class Rights:
    """Everything that reading and writing as somebody needs to know about them."""

    identity: Identity
    admin: bool = False
    app: bool = False
    enforce_tfa: bool = False
    """Whether a bound policy asks for two-factor authentication, be it withheld for the lack of it or not."""
    role: str | None = None
    roles: tuple[str, ...] = ()
    """The user's role and its ancestors, nearest first."""
    policies: tuple[str, ...] = ()
    rules: Rules = field(default_factory=dict)
    """Shared, by identity (`is`), among all who have the same policies in force."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """`$CURRENT_USER` (None for nobody), `$CURRENT_ROLE`, `$CURRENT_ROLES`, `$CURRENT_POLICIES`, and each path such as
    `$CURRENT_USER.department` that the rules use, as API values."""

    def rules_for(self, collection: str, action: Action) -> tuple[Rule, ...]:
        """The rules that apply; empty means forbidden. Not to be asked for an admin, whom no rule binds."""
        return self.rules.get((collection, action), ())

    def may(self, collection: str, action: Action) -> bool:
        return self.admin or bool(self.rules_for(collection, action))

    def knows(self, collection: str) -> bool:
        """Whether they may do anything with the collection, if there is one."""
        return any(self.may(collection, action) for action in get_args(Action))

    def may_field(self, collection: str, action: Action, field_name: str) -> bool:
        return self.admin or any(rule.names(field_name) for rule in self.rules_for(collection, action))

    @property
    def user(self) -> str | None:
        """The user's id for `user-created` and the like; None for nobody and for the server itself."""
        value: str | None = self.variables.get("$CURRENT_USER")
        return value
