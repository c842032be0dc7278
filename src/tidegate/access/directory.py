"""What each identity may do at this moment.

Three things are kept in memory, each emptied by `changed` and `forget`:

* the **book**: all roles, policies, bindings and permissions: small, read as a whole, emptied as a whole;
* **members**: users with their rights, least recently used out first. With the book at hand a user costs one statement,
  by id or by static token, which also reads the ends of every path that a rule uses. A new book changes everybody's
  rights, but what was read of the users still holds unless it has other paths, so nobody is read again;
* **sessions** (see `sessions`).

`generation` grows with every forgetting: who holds rights asks again when it has. What was being read at that moment is
read again where the change touches it, so that no answer is older than the last change before it was given. Writes of
programs that do not tell of them are seen when a user next presents a token, at most `TRUSTED_FOR` late.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa
from cachetools import LRUCache

from tidegate.access.accounts import Account, AccountReader, hash_token
from tidegate.access.identity import Identity, Public, System, User
from tidegate.access.loading import load_policies
from tidegate.access.paths import ROLE_PATH, USER_PATH, path_reader
from tidegate.access.policies import InForce, Policies
from tidegate.access.rights import Rights, Rules
from tidegate.access.sessions import Sessions
from tidegate.clock import Clock
from tidegate.database.engine import Database
from tidegate.database.prepared import PreparedRead
from tidegate.errors import TidegateError
from tidegate.schema.model import Schema

MEMBERS = 20_000
"""Users whose rights are kept: about 2 kB each."""
RIGHTS_OF_A_MEMBER = 16
"""How many of one user's connections (address and expiry apart) are told apart before all are worked out anew."""
TRUSTED_FOR = 5.0
"""Seconds for which a user who presents a token is not read again."""
JOURNAL = 10_000
"""Changed users that are remembered for reads under way; above it, all are taken to have changed."""

_BOOK = frozenset({"directus_roles", "directus_policies", "directus_access", "directus_permissions"})
_NO_RULES: Rules = {}
"""One object, so that administrators share their plans."""


class Touched(Protocol):
    """What of a change is looked at here; `items.changes.Change` has it."""

    @property
    def collection(self) -> str: ...

    @property
    def keys(self) -> Sequence[int | str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Book:
    """The policies, and what reading accounts under them takes."""

    policies: Policies
    accounts: AccountReader
    by_id: PreparedRead
    by_token: PreparedRead
    role_paths: Mapping[str, Mapping[str, Any]]
    """By role, the variables that begin with `$CURRENT_ROLE.`."""
    collections: frozenset[str]
    """Where paths lead: a change there may change anybody's variables."""
    schema: Schema

    def reads_as(self, other: "_Book") -> bool:
        """Whether accounts read under the other book are what they would be under this one."""
        paths = self.accounts.paths.variables
        return paths == other.accounts.paths.variables and (not paths or self.schema is other.schema)


@dataclass(slots=True, eq=False)
class _Member:
    account: Account
    book: _Book
    read_at: float
    rights: dict[User, Rights]


class Directory:
    """Rights by identity. `sessions` is where session tokens are looked up and closed."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.sessions = Sessions(database, clock)
        self.generation = 0
        self._book: _Book | None = None
        self._loading = asyncio.Lock()
        self._members: LRUCache[str, _Member] = LRUCache(MEMBERS)
        self._by_token: LRUCache[str, _Member] = LRUCache(MEMBERS)
        self._touched: dict[str, int] = {}
        self._all_touched = 0
        self._book_touched = 0
        self._on_paths: frozenset[str] = frozenset()
        self._changed_without_book: set[str] = set()
        self.sessions.on_end(lambda _: self._advance())
        database.on_schema(lambda _: self._forget_book())

    async def rights(self, identity: Identity) -> Rights:
        """Raises INVALID_CREDENTIALS where the user, the session or the static token behind it is no longer good."""
        match identity:
            case System():
                return Rights(identity, admin=True, app=True, rules=_NO_RULES, variables=_variables(None, None, None))
            case Public():
                return _nobodys_rights((self._book or await self._load_book()).policies, identity)
            case User():
                return await self._users_rights(identity)

    async def _users_rights(self, identity: User) -> Rights:
        if identity.session is not None and not await self.sessions.lives(identity.session):
            raise TidegateError("INVALID_CREDENTIALS")
        member = await self._member(identity.id)
        account = member.account
        if not account.active or identity.token_hash not in (None, account.token_hash):
            raise TidegateError("INVALID_CREDENTIALS")
        rights = member.rights.get(identity)
        if rights is None:
            if len(member.rights) >= RIGHTS_OF_A_MEMBER:
                member.rights.clear()
            rights = member.rights[identity] = _members_rights(member, identity)
        return rights

    async def read_ahead(self, identities: Sequence[Identity]) -> None:
        """Have at hand what `rights` of them will ask for, by two statements. Raises SERVICE_UNAVAILABLE."""
        users = [identity for identity in identities if isinstance(identity, User)]
        await self.sessions.read_ahead({user.session for user in users if user.session is not None})
        generation = self.generation
        book = self._book or await self._load_book()
        unknown = [user for user in dict.fromkeys(user.id for user in users) if not self._knows(user, book)]
        if not unknown:
            return
        rows = await self._database.fetch(book.accounts.by_ids(unknown))
        if book is self._book and generation == self.generation:
            for row in rows:
                self._remember(book.accounts.account(row), book)

    async def active_user(self, user: str) -> None:
        """Raises INVALID_CREDENTIALS unless the user is there and active; leaves the rights at hand."""
        member = self._members.get(user)
        if member is None or not self._trusted(member):
            member = await self._read(lambda book: book.by_id, {"id": user})
        if not member.account.active:
            raise TidegateError("INVALID_CREDENTIALS")

    async def user_of_token(self, token: str) -> tuple[str, str]:
        """The active user with this static token, and the token's hash. Raises INVALID_CREDENTIALS."""
        token_hash = hash_token(token)
        member = self._by_token.get(token_hash)
        if member is None or self._members.get(member.account.id) is not member or not self._trusted(member):
            member = await self._read(lambda book: book.by_token, {"token": token}, token_hash)
            self._by_token[token_hash] = member
        if not member.account.active:
            raise TidegateError("INVALID_CREDENTIALS")
        return member.account.id, token_hash

    def changed(self, changes: Iterable[Touched]) -> None:
        """Forget what these committed changes touch."""
        for change in changes:
            if self._book is None:
                self._changed_without_book.add(change.collection)
            if change.collection == "directus_roles" or change.collection in self._on_paths:
                self._forget_everybody()  # with a role, it goes from users too
            elif change.collection in _BOOK:
                self._forget_book()
            elif change.collection == "directus_users":
                self._forget_users([str(key).lower() for key in change.keys])
            elif change.collection == "directus_sessions":
                # Ours are told of by their hashes; another program may name them.
                self.sessions.forget(name for key in change.keys for name in (str(key), hash_token(str(key))))
                self._advance()

    def forget(self) -> None:
        """Forget everything: changes may have been missed."""
        self._forget_everybody()
        self.sessions.forget()

    def _advance(self) -> None:
        self.generation += 1

    def _forget_book(self) -> None:
        self._advance()
        self._book_touched = self.generation
        self._book = None

    def _forget_everybody(self) -> None:
        self._forget_book()
        self._all_touched = self.generation
        self._touched.clear()
        self._members.clear()
        self._by_token.clear()

    def _forget_users(self, users: Sequence[str]) -> None:
        self._advance()
        if len(self._touched) + len(users) > JOURNAL:
            self._touched.clear()
            self._all_touched = self.generation
        self._touched.update(dict.fromkeys(users, self.generation))
        for user in users:
            self._members.pop(user, None)

    def _trusted(self, member: _Member) -> bool:
        return self._clock.monotonic() - member.read_at < TRUSTED_FOR

    def _knows(self, user: str, book: _Book) -> bool:
        """Whether what is remembered of the user holds under the book."""
        member = self._members.get(user)
        return member is not None and book.reads_as(member.book)

    async def _member(self, user: str) -> _Member:
        """Under the current book. Raises INVALID_CREDENTIALS where the user is not there."""
        book = self._book or await self._load_book()
        member = self._members.get(user)
        if member is None or not self._knows(user, book):
            return await self._read(lambda book: book.by_id, {"id": user})
        if member.book is not book:
            member.book, member.rights = book, {}
        return member

    async def _read(
        self, read: Callable[[_Book], PreparedRead], parameters: Mapping[str, str], token_hash: str | None = None
    ) -> _Member:
        """The member who is found, with that token where one is given. Raises INVALID_CREDENTIALS."""
        while True:
            generation = self.generation
            book = self._book or await self._load_book()
            rows = await self._database.fetch_prepared(read(book), parameters)
            accounts = (book.accounts.account(row) for row in rows)
            account = next((found for found in accounts if token_hash in (None, found.token_hash)), None)
            if account is None:
                raise TidegateError("INVALID_CREDENTIALS")
            touched = max(self._all_touched, self._touched.get(account.id, 0))
            if book is self._book and touched <= generation:
                return self._remember(account, book)

    def _remember(self, account: Account, book: _Book) -> _Member:
        member = self._members.get(account.id)
        if member is None or member.account != account or member.book is not book:
            member = self._members[account.id] = _Member(account, book, 0.0, {})
        member.read_at = self._clock.monotonic()
        return member

    async def _load_book(self) -> _Book:
        """The book, read once for all who ask for it at the same time."""
        async with self._loading:
            while self._book is None:
                touched = self._book_touched
                self._changed_without_book.clear()
                book = await self._read_book()
                if touched == self._book_touched and not book.collections & self._changed_without_book:
                    self._book, self._on_paths = book, book.collections
            return self._book

    async def _read_book(self) -> _Book:
        policies = await load_policies(self._database)
        schema, tables = self._database.schema, self._database.tables
        users = path_reader(USER_PATH, "directus_users", policies.paths, schema, tables)
        roles = path_reader(ROLE_PATH, "directus_roles", policies.paths, schema, tables)
        role_paths: Mapping[str, Mapping[str, Any]] = {}
        if roles.variables:
            ends = (column.label(f"path_{number}") for number, column in enumerate(roles.columns))
            select = sa.select(tables["directus_roles"].c.id, *ends).select_from(roles.source)
            role_paths = {row[0]: roles.values(row[1:]) for row in await self._database.fetch(select)}
        accounts = AccountReader(tables["directus_users"], users)
        by_id, by_token = self._database.prepare(accounts.by_id), self._database.prepare(accounts.by_token)
        return _Book(policies, accounts, by_id, by_token, role_paths, users.collections | roles.collections, schema)


def _nobodys_rights(policies: Policies, identity: Public) -> Rights:
    in_force = policies.for_nobody(identity)
    variables = _variables(None, None, in_force) | dict.fromkeys(in_force.rule_set.paths)
    return Rights(identity, policies=in_force.policies, rules=in_force.rule_set.rules, variables=variables)


def _members_rights(member: _Member, identity: User) -> Rights:
    account, book = member.account, member.book
    in_force = book.policies.for_user(identity, account.role, second_factor=account.second_factor)
    ends = {**account.paths, **book.role_paths.get(account.role or "", {})}
    variables = _variables(account.id, account.role, in_force)
    variables.update((path, ends.get(path)) for path in in_force.rule_set.paths)
    return Rights(
        identity,
        admin=in_force.admin,
        app=in_force.app,
        enforce_tfa=in_force.enforce_tfa,
        role=account.role,
        roles=in_force.roles,
        policies=in_force.policies,
        rules=_NO_RULES if in_force.admin else in_force.rule_set.rules,
        variables=variables,
    )


def _variables(user: str | None, role: str | None, in_force: InForce | None) -> dict[str, Any]:
    return {
        "$CURRENT_USER": user,
        "$CURRENT_ROLE": role,
        "$CURRENT_ROLES": list(in_force.roles) if in_force else [],
        "$CURRENT_POLICIES": list(in_force.policies) if in_force else [],
    }
