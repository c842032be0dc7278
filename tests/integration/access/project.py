"""A project in a real database, filled row by row, with everything of `access` around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import argon2
import sqlalchemy as sa

from tidegate.access.authenticator import Authenticator, Login, Mode
from tidegate.access.directory import Directory
from tidegate.access.passwords import PasswordHasher
from tidegate.access.sessions import Client
from tidegate.access.settings import AccessSettings
from tidegate.clock import ManualClock
from tidegate.database.bootstrap import bootstrap
from tidegate.database.connect import DatabaseSettings, connect
from tidegate.database.connections import Connections
from tidegate.database.engine import Database
from tidegate.database.prepared import PreparedRead
from tidegate.items.changes import Change

SETTINGS = AccessSettings(secret="a secret of at least thirty-two bytes")
PASSWORD = "correct horse"
CHEAP_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
START = 1_700_000_000.0
FILLED = ("sessions", "permissions", "access", "users", "policies", "roles", "files")
"""What tests put rows into; what refers to a table stands before it."""


@dataclass
class Project:
    """One process that serves the project; `another_process` gives a second one on the same database."""

    url: str
    database: "OverheardDatabase"
    clock: ManualClock
    directory: Directory
    hasher: PasswordHasher
    settings: AccessSettings
    slept: list[float]
    """Seconds that the authenticator waited, each time it did."""

    def __post_init__(self) -> None:
        self.authenticator = self.authenticator_with(self.settings)

    def authenticator_with(self, settings: AccessSettings, hasher: PasswordHasher | None = None) -> Authenticator:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock.advance(seconds)

        return Authenticator(self.database, self.directory, hasher or self.hasher, self.clock, settings, sleep)

    @property
    def statements(self) -> list[str]:
        """What was read outside transactions, in order."""
        return self.database.statements

    def renew(self) -> None:
        """A process that has just started: nothing is remembered."""
        self.directory = Directory(self.database, self.clock)
        self.authenticator = self.authenticator_with(self.settings)

    async def login(self, email: str, mode: Mode = "json", password: str = PASSWORD, otp: str | None = None) -> Login:
        return await self.authenticator.by_password(
            email, password, otp, Client("10.0.0.1", "browser", "https://here"), mode
        )

    async def refresh(self, token: str, mode: Mode = "json") -> Login:
        return await self.authenticator.by_refresh(token, Client("10.0.0.2", "browser", "https://here"), mode)

    def table(self, name: str) -> sa.Table:
        return self.database.tables[f"directus_{name}"]

    async def add(self, name: str, /, **values: Any) -> Any:
        """Insert a row of `directus_{name}`; returns its key."""
        table = self.table(name)
        if "id" in table.c and name != "permissions":
            values.setdefault("id", str(uuid4()))
        async with self.database.transaction() as transaction:
            result = await transaction.execute(sa.insert(table).values(values))
        return values.get("id") or (result.inserted_primary_key or [None])[0]

    async def set(self, name: str, key: Any, /, **values: Any) -> Change:
        """Update a row of `directus_{name}`; returns the change, for `Directory.changed`."""
        table = self.table(name)
        async with self.database.transaction() as transaction:
            (column,) = table.primary_key
            await transaction.execute(sa.update(table).where(column == key).values(values))
        return Change(f"directus_{name}", "update", (key,))

    async def remove(self, name: str, key: Any) -> Change:
        table = self.table(name)
        async with self.database.transaction() as transaction:
            (column,) = table.primary_key
            await transaction.execute(sa.delete(table).where(column == key))
        return Change(f"directus_{name}", "delete", (key,))

    async def rows(self, name: str) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in await self.database.fetch(sa.select(self.table(name)))]

    async def keys(self, name: str) -> list[Any]:
        (column,) = self.table(name).primary_key
        return [row[0] for row in await self.database.fetch(sa.select(column))]

    async def clear(self, first: Mapping[str, Sequence[Any]]) -> None:
        """Leave only these keys of the tables in `FILLED`."""
        async with self.database.transaction() as transaction:
            await transaction.execute(sa.update(self.table("roles")).values(parent=None))
            for name in FILLED:
                (column,) = self.table(name).primary_key
                await transaction.execute(sa.delete(self.table(name)).where(column.not_in(first[name])))

    async def role(self, name: str, parent: str | None = None) -> str:
        role: str = await self.add("roles", name=name, parent=parent)
        return role

    async def policy(self, name: str, *, role: str | None = None, user: str | None = None, **values: Any) -> str:
        """A policy, bound where `role` or `user` is given."""
        policy: str = await self.add("policies", name=name, **values)
        if role is not None or user is not None:
            await self.add("access", role=role, user=user, policy=policy)
        return policy

    async def everybodys_policy(self) -> str:
        (found,) = (row["policy"] for row in await self.rows("access") if row["role"] is None and row["user"] is None)
        return str(found)

    async def permission(
        self,
        policy: str,
        collection: str = "notes",
        action: str = "read",
        fields: Sequence[str] | None = ("*",),
        **values: Any,
    ) -> int:
        columns = {"fields": None if fields is None else list(fields), "permissions": {}} | values
        permission: int = await self.add("permissions", policy=policy, collection=collection, action=action, **columns)
        return permission

    async def user(self, email: str | None = "member@example.com", **values: Any) -> str:
        values = {"password": CHEAP_HASH, "status": "active", "provider": "default"} | values
        user: str = await self.add("users", email=email, **values)
        return user


@contextlib.asynccontextmanager
async def open_project(url: str) -> AsyncIterator[Project]:
    """The project of an empty database, which is given its system tables."""
    async with connected(url) as database:
        await bootstrap(database, None)
        async with process(url, database) as project:
            yield project


@contextlib.asynccontextmanager
async def another_process(project: Project) -> AsyncIterator[Project]:
    """A second process, which hears nothing of the first and shares its clock."""
    async with connected(project.url) as database, process(project.url, database) as other:
        other.clock = project.clock
        other.renew()
        yield other


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator["OverheardDatabase"]:
    settings = DatabaseSettings(filename=urlsplit(url).path)
    if not url.startswith("sqlite:"):
        settings = DatabaseSettings("mysql" if url.startswith("mysql:") else "pg", connection_string=url)
    database = OverheardDatabase(connect(settings))
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


@contextlib.asynccontextmanager
async def process(url: str, database: "OverheardDatabase") -> AsyncIterator[Project]:
    clock, hasher = ManualClock(START), PasswordHasher()
    try:
        yield Project(url, database, clock, Directory(database, clock), hasher, SETTINGS, [])
    finally:
        hasher.stop()


class OverheardDatabase(Database):
    """A real one that notes what is read outside transactions, and can hold one answer back."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self.statements: list[str] = []
        self._words: str | None = None
        self._held, self._let_go = asyncio.Event(), asyncio.Event()

    def hold(self, words: str) -> None:
        """Hold back the next answer to a statement with these words, once the database has given it."""
        self._words = words

    async def until_held(self) -> None:
        async with asyncio.timeout(20):
            await self._held.wait()

    def let_go(self) -> None:
        self._let_go.set()

    async def fetch(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        rows = await super().fetch(statement)
        await self._overhear(str(statement))
        return rows

    async def fetch_prepared(self, read: PreparedRead, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        rows = await super().fetch_prepared(read, parameters)
        await self._overhear(read.sql)
        return rows

    async def _overhear(self, statement: str) -> None:
        self.statements.append(statement)
        if self._words is not None and self._words in statement:
            self._words = None
            self._held.set()
            await self._let_go.wait()
