"""Sessions: rows of `directus_sessions`, whose primary key is the refresh token.

A refresh token is good once. Using it writes its successor's name into `next_token`, ends the row, and adds a row for
the successor, in one transaction whose UPDATE asks that nobody was there before: of any number that use a token at
once, one wins. The ended rows make a line, and that is what shows theft: whoever presents a token that has a successor
holds a copy, and nobody can tell which of the two is the owner, so the line is cut and both sign in again (RFC 9700
section 4.14.2). A token presented again within `GRACE` fails and cuts nothing, for then it is a client in a hurry.

A Directus beside us understands this: to it such a row is an expired session. It may sweep such rows away earlier than
`KEPT`, and where it is older than `next_token` there are none; reuse fails all the same, but no longer cuts the line.

In session mode the old token is the one in a cookie, and requests carrying it may be under way: there the row ends
after `GRACE` instead of at once, as with Directus.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from cachetools import TTLCache

from tidegate.access.accounts import hash_token
from tidegate.access.tokens import new_refresh_token
from tidegate.clock import Clock, utc
from tidegate.database.engine import Database, Transaction
from tidegate.errors import TidegateError
from tidegate.schema.values import timestamp_text

GRACE = 10.0
"""Seconds in which a token that was just replaced may be presented again without harm."""
KEPT = 86_400.0
"""Seconds for which the row of an ended session is kept, to recognise its token."""
SWEEP_PERIOD = 3_600.0
"""Seconds between two removals of rows that are no longer kept."""
REMEMBERED = 10_000
"""Sessions whose rows are kept in memory."""
REMEMBERED_FOR = 1.0
"""Seconds; how long another program may end a session unnoticed. What this process ends, or hears of, is forgotten."""
_LONGEST_LINE = 1_000
_TOKEN = re.compile(r"[\w-]{1,64}", re.ASCII)
_TEXT_LENGTH = 255

EndHandler = Callable[[Sequence[str]], None]
"""Called with `hash_token` of the sessions that this process has ended; must not block and must not raise."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a session is opened from, as far as it is known."""

    ip: str | None = None
    user_agent: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One row. `expires` in seconds since the epoch."""

    user: str | None
    expires: float
    next_token: str | None


class Sessions:
    """The one place that reads and writes `directus_sessions`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._remembered: TTLCache[str, Session] = TTLCache(REMEMBERED, REMEMBERED_FOR, clock.monotonic)
        self._generation = 0
        self._handlers: list[EndHandler] = []
        self._next_sweep = clock.now()

    def on_end(self, handler: EndHandler) -> None:
        """Have `handler` told of sessions that are closed here, which other processes must hear of."""
        self._handlers.append(handler)

    def forget(self, hashes: Iterable[str] | None = None) -> None:
        """These sessions (by `hash_token`) have changed, or any may have."""
        self._generation += 1
        if hashes is None:
            self._remembered.clear()
        else:
            for token_hash in hashes:
                self._remembered.pop(token_hash, None)

    @property
    def keeps_lines(self) -> bool:
        """Whether the row of a session that was replaced says by which one."""
        return "next_token" in self._sessions.c

    async def read_ahead(self, tokens: Iterable[str]) -> None:
        """Have at hand what `holder` and `lives` will ask for, by one statement."""
        unknown = [token for token in tokens if _TOKEN.fullmatch(token) and hash_token(token) not in self._remembered]
        if unknown:
            generation = self._generation
            rows = await self._database.fetch(self._select().where(self._sessions.c.token.in_(unknown)))
            if generation == self._generation:
                self._remembered.update((hash_token(row.token), _session_of(row)) for row in rows)

    async def holder(self, token: str) -> str | None:
        """The user whose open session this is, or None."""
        session = await self._session(token)
        return session.user if session is not None and session.expires > self._clock.now() else None

    async def lives(self, token: str) -> bool:
        """Whether what hangs on the session may go on: it is open, or was replaced by one that is.

        One that was replaced may linger, but only as long as its successor is open: that is what everybody is told of.
        """
        for _ in range(_LONGEST_LINE):
            session = await self._session(token)
            if session is None:
                return False
            if session.next_token is None:
                return session.expires > self._clock.now()
            token = session.next_token
        return False

    async def open(self, user: str, lifetime: float, client: Client) -> str:
        """A new session of the user, for `lifetime` seconds; notes the user's last access. Returns its token."""
        token = new_refresh_token()
        async with self._database.transaction() as transaction:
            await self._insert(transaction, token, user, lifetime, client)
        await self._sweep()
        return token

    async def refreshable(self, token: str) -> str:
        """The user for whom `replace` would give a new token. Raises INVALID_CREDENTIALS; cuts the line of a copy."""
        session = await self._read(self._database, token)
        now = self._clock.now()
        if session is None or session.user is None:
            raise TidegateError("INVALID_CREDENTIALS")
        if session.next_token is not None and now > session.expires + GRACE:
            await self.close(token)
        if session.next_token is not None or now >= session.expires:
            raise TidegateError("INVALID_CREDENTIALS")
        return session.user

    async def replace(self, token: str, user: str, lifetime: float, client: Client, *, linger: bool) -> str:
        """Use up `token` of `user` for a new one; notes the user's last access. `linger`: it goes on for `GRACE`.

        Raises INVALID_CREDENTIALS for all but the first who use it.
        """
        successor = new_refresh_token()
        now = self._clock.now()
        sessions = self._sessions
        async with self._database.transaction() as transaction:
            unused = [sessions.c.token == token, sessions.c.expires > _moment(now)]
            if self.keeps_lines:
                values = {"next_token": successor, "expires": _moment(now + GRACE if linger else now)}
                unused.append(sessions.c.next_token.is_(None))
                used = await transaction.execute(sa.update(sessions).where(*unused).values(values))
            else:
                used = await transaction.execute(sa.delete(sessions).where(*unused))
            if used.rowcount != 1:
                raise TidegateError("INVALID_CREDENTIALS")
            await self._insert(transaction, successor, user, lifetime, client)
        self.forget([hash_token(token)])
        await self._sweep()
        return successor

    async def close(self, token: str) -> None:
        """End the session, or the one that has replaced it by now. An unknown token is no error."""
        if await self._read(self._database, token) is None:
            return
        line: list[str] = []
        sessions = self._sessions
        async with self._database.transaction() as transaction:
            step: str | None = token
            while step is not None and len(line) < _LONGEST_LINE:
                line.append(step)
                session = await self._read(transaction, step)  # locked: nobody lengthens the line meanwhile
                step = None if session is None else session.next_token
            await transaction.execute(sa.delete(sessions).where(sessions.c.token.in_(line)))
        ended = [hash_token(step) for step in line]
        self.forget(ended)
        for handler in self._handlers:
            handler(ended)

    async def close_all(self, transaction: Transaction, users: Iterable[str], keep: str | None) -> list[str]:
        """End the users' sessions within the transaction, but not `keep` nor what it has replaced.

        Returns `hash_token` of each; they are to be forgotten, here and elsewhere, once the transaction is committed.
        """
        sessions = self._sessions
        rows = await transaction.fetch(self._select().where(sessions.c.user.in_(list(users))).with_for_update())
        kept: set[str | None] = set()
        found: set[str | None] = {keep}
        while found:
            kept |= found
            found = {row.token for row in rows if row.next_token in found - {None}} - kept
        ended = [row.token for row in rows if row.token not in kept]
        if ended:
            await transaction.execute(sa.delete(sessions).where(sessions.c.token.in_(ended)))
        return [hash_token(token) for token in ended]

    @property
    def _sessions(self) -> sa.Table:
        return self._database.tables["directus_sessions"]

    async def _session(self, token: str) -> Session | None:
        token_hash = hash_token(token)
        session = self._remembered.get(token_hash)
        if session is None:
            generation = self._generation
            session = await self._read(self._database, token)
            if session is not None and generation == self._generation:
                self._remembered[token_hash] = session
        return session

    def _select(self) -> sa.Select[Any]:
        sessions = self._sessions
        next_token: sa.ColumnElement[Any] = sessions.c.next_token if self.keeps_lines else sa.null()
        return sa.select(sessions.c.token, sessions.c.user, sessions.c.expires, next_token.label("next_token"))

    async def _read(self, source: Database | Transaction, token: str) -> Session | None:
        """The row as it is; in a transaction it is locked too."""
        if not _TOKEN.fullmatch(token):
            return None
        select = self._select().where(self._sessions.c.token == token)
        rows = await source.fetch(select if isinstance(source, Database) else select.with_for_update())
        for row in rows:
            if row.token == token:  # some databases compare without regard to case
                return _session_of(row)
        return None

    async def _insert(self, transaction: Transaction, token: str, user: str, lifetime: float, client: Client) -> None:
        now = self._clock.now()
        values = {
            "token": token,
            "user": user,
            "expires": _moment(now + lifetime),
            "ip": _storable(client.ip),
            "user_agent": _storable(client.user_agent),
            "origin": _storable(client.origin),
        }
        # The user's row first: the new row's foreign key locks it too, but for sharing, and two logins of one user that
        # hold it so would wait for one another.
        users = self._database.tables["directus_users"]
        await transaction.execute(sa.update(users).where(users.c.id == user).values(last_access=_moment(now)))
        await transaction.execute(sa.insert(self._sessions).values(values))

    async def _sweep(self) -> None:
        """Remove, now and then, what has long ended; a failure is left to the next time."""
        now = self._clock.now()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_PERIOD
        sessions = self._sessions
        with contextlib.suppress(TidegateError):
            async with self._database.transaction() as transaction:
                await transaction.execute(sa.delete(sessions).where(sessions.c.expires < _moment(now - KEPT)))


def _session_of(row: sa.Row[Any]) -> Session:
    return Session(row.user, datetime.fromisoformat(row.expires).timestamp(), row.next_token)


def _moment(seconds: float) -> str:
    return timestamp_text(utc(seconds))


def _storable(text: str | None) -> str | None:
    """What a client says of itself, short enough for the columns and in characters that every database takes."""
    return text and "".join(filter(str.isprintable, text))[:_TEXT_LENGTH]
