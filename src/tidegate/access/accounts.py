"""What rights need to know of a user: one row of `directus_users`, read in one statement. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from tidegate.access.paths import PathReader


@dataclass(frozen=True, slots=True)
class Account:
    """A user as the database has it. Two are equal where everything that rights depend on is."""

    id: str
    role: str | None
    active: bool
    second_factor: bool
    """Whether two-factor authentication is set up."""
    token_hash: str | None
    """Of the static token; None where there is none."""
    paths: Mapping[str, Any]
    """The variables that begin with `$CURRENT_USER.`."""


def hash_token(token: str) -> str:
    """SHA-256, by which static tokens and sessions are remembered and told of, so that none is kept or sent."""
    return sha256(token.encode()).hexdigest()


class AccountReader:
    """Statements that read accounts, with the ends of the paths that any rule uses."""

    def __init__(self, users: sa.Table, paths: PathReader) -> None:
        ends = (column.label(f"path_{number}") for number, column in enumerate(paths.columns))
        known = (users.c[name] for name in ("id", "role", "status", "tfa_secret", "token"))
        select = sa.select(*known, *ends).select_from(paths.source)
        self.paths = paths
        self._select = select
        self._id = users.c.id
        self.by_id = select.where(users.c.id == sa.bindparam("id"))
        """Takes the parameter `id`."""
        self.by_token = select.where(users.c.token == sa.bindparam("token"))
        """Takes the parameter `token`. Where the database does not regard case, others than its user may come too."""

    def by_ids(self, users: Sequence[str]) -> sa.Select[Any]:
        return self._select.where(self._id.in_(users))

    def account(self, row: Sequence[Any]) -> Account:
        user, role, status, tfa_secret, token, *ends = row
        return Account(
            user,
            role,
            active=status == "active",
            second_factor=bool(tfa_secret),
            token_hash=hash_token(token) if token else None,
            paths=self.paths.values(ends),
        )
