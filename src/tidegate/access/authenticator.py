"""Credentials in, users and tokens out (PROTOCOL sections 3.2 and 6).

Whatever is wrong with a credential, the answer is INVALID_CREDENTIALS, after the same work and, for logins, the same
time: unknown address, wrong password, suspended user, a user of another provider. Only who has the right password
learns that a one-time password is missing (INVALID_OTP).

A user's last access is noted when tokens are issued, not at each use of one.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import sqlalchemy as sa

from tidegate.access import tokens, totp
from tidegate.access.directory import Directory
from tidegate.access.identity import User
from tidegate.access.passwords import PasswordHasher
from tidegate.access.sessions import Client
from tidegate.access.settings import AccessSettings
from tidegate.clock import Clock
from tidegate.database.engine import Database
from tidegate.errors import TidegateError
from tidegate.ratelimit.logins import LoginLimiter

Mode = Literal["json", "cookie", "session"]
"""How tokens are handed over: both in the body, the refresh token in a cookie, or one session token in a cookie."""

_LOG = logging.getLogger(__name__)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_LONGEST = 255
"""Characters of an address or a static token: the columns hold no more."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a good login gives."""

    user: User
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    """In session mode the session's own token, which the access token carries."""
    expires_in: int
    """Milliseconds until the access token expires."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The user with the address that was given, good or not."""

    id: str
    password: str | None
    tfa_secret: str | None
    may_login: bool


class Authenticator:
    """Checks credentials and issues tokens."""

    def __init__(
        self,
        database: Database,
        directory: Directory,
        hasher: PasswordHasher,
        clock: Clock,
        settings: AccessSettings,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        logins: LoginLimiter | None = None,
    ) -> None:
        """`logins` counts failed logins; None for no limit, whatever `directus_settings` says."""
        self._database = database
        self._directory = directory
        self._sessions = directory.sessions
        self._hasher = hasher
        self._clock = clock
        self._settings = settings
        self._sleep = sleep
        self._logins = logins
        if len(settings.secret.encode()) < tokens.RECOMMENDED_SECRET_BYTES:
            _LOG.warning("SECRET is shorter than %d bytes: easier to guess", tokens.RECOMMENDED_SECRET_BYTES)

    async def by_token(self, token: str, ip: str | None) -> User:
        """The user of an access token, a session token or a static token.

        Raises INVALID_CREDENTIALS, TOKEN_EXPIRED, SERVICE_UNAVAILABLE.
        """
        if not tokens.looks_like_jwt(token):
            return await self._by_static_token(token, ip)
        verified = tokens.decode(token, self._settings.secret, self._clock.now())
        if verified.session is not None and await self._sessions.holder(verified.session) != verified.user:
            raise TidegateError("INVALID_CREDENTIALS")
        await self._directory.active_user(verified.user)
        return User(verified.user, ip, verified.expires, verified.session)

    async def by_password(
        self,
        email: str,
        password: str,
        otp: str | None,
        client: Client,
        mode: Mode,
    ) -> Login:
        """Log in; takes LOGIN_STALL_TIME at least, whatever comes of it.

        Raises INVALID_CREDENTIALS, INVALID_OTP (after the right password only), REQUESTS_EXCEEDED (the password is not
        looked at), SERVICE_UNAVAILABLE.
        """
        started = self._clock.monotonic()
        try:
            user = await self._limited_login(email, password, otp, client.ip)
            return await self._open_session(user, client, mode)
        finally:
            stall = started + self._settings.login_stall_time - self._clock.monotonic()
            if stall > 0:
                await self._sleep(stall)

    async def by_refresh(self, refresh_token: str, client: Client, mode: Mode) -> Login:
        """Exchange a refresh token, or in session mode the session's token, for new ones; it is good once.

        Raises INVALID_CREDENTIALS, SERVICE_UNAVAILABLE.
        """
        user = await self._sessions.refreshable(refresh_token)
        await self._directory.active_user(user)
        lifetime = self._session_lifetime(mode)
        successor = await self._sessions.replace(refresh_token, user, lifetime, client, linger=mode == "session")
        return await self._issue(user, successor, client.ip, mode)

    async def logout(self, refresh_token: str) -> None:
        """End the session of a refresh token or session token, known or not."""
        await self._sessions.close(refresh_token)

    async def _by_static_token(self, token: str, ip: str | None) -> User:
        if not (0 < len(token) <= _LONGEST and token.isprintable()):
            raise TidegateError("INVALID_CREDENTIALS")
        user, token_hash = await self._directory.user_of_token(token)
        return User(user, ip, static=True, token_hash=token_hash)

    async def _limited_login(self, email: str, password: str, otp: str | None, ip: str | None) -> str:
        attempts = await self._login_attempts() if self._logins is not None else None
        if self._logins is None or not attempts:
            return await self._user_of_password(email, password, otp)
        async with self._logins.attempt(email, ip, attempts):
            return await self._user_of_password(email, password, otp)

    async def _login_attempts(self) -> int | None:
        """How many failed logins `directus_settings` allows; None or 0 for any number."""
        column = self._database.tables["directus_settings"].c.auth_login_attempts
        for row in await self._database.fetch(sa.select(column).limit(1)):
            attempts: int | None = row[0]
            return attempts
        return None

    async def _user_of_password(self, email: str, password: str, otp: str | None) -> str:
        candidate = await self._candidate(email)
        right = await self._hasher.verify(None if candidate is None else candidate.password, password)
        if candidate is None or not right or not candidate.may_login:
            raise TidegateError("INVALID_CREDENTIALS")
        if candidate.tfa_secret and not totp.verify(candidate.tfa_secret, otp or "", self._clock.now()):
            raise TidegateError("INVALID_OTP")
        return candidate.id

    async def _candidate(self, email: str) -> _Candidate | None:
        """Addresses are compared without regard to case; where several are the same then, it takes the exact one."""
        if len(email) > _LONGEST or not email.isprintable() or not _EMAIL.fullmatch(email):
            return None
        users = self._database.tables["directus_users"]
        names = ("id", "email", "password", "tfa_secret", "status", "provider")
        select = sa.select(*(users.c[name] for name in names))
        rows = await self._database.fetch(select.where(sa.func.lower(users.c.email) == sa.func.lower(email)))
        same = [row for row in rows if row.email.lower() == email.lower()]
        found = same if len(same) == 1 else [row for row in same if row.email == email]
        for row in found:
            may_login = row.status == "active" and row.provider == "default"
            return _Candidate(row.id, row.password, row.tfa_secret, may_login)
        return None

    async def _open_session(self, user: str, client: Client, mode: Mode) -> Login:
        session = await self._sessions.open(user, self._session_lifetime(mode), client)
        return await self._issue(user, session, client.ip, mode)

    def _session_lifetime(self, mode: Mode) -> float:
        return self._settings.session_cookie_ttl if mode == "session" else self._settings.refresh_token_ttl

    async def _issue(self, user: str, session: str, ip: str | None, mode: Mode) -> Login:
        lifetime = self._settings.session_cookie_ttl if mode == "session" else self._settings.access_token_ttl
        now = self._clock.now()
        expires = int(now + lifetime)
        identity = User(user, ip, float(expires))
        rights = await self._directory.rights(identity)
        in_token = session if mode == "session" else None
        claims = tokens.Claims(user, rights.role, rights.app, rights.admin, int(now), expires, in_token)
        access_token = tokens.encode(claims, self._settings.secret)
        # Who logs in over a socket hangs on the session, whatever the token says: its end is the socket's.
        if in_token is not None or self._sessions.keeps_lines:
            identity = replace(identity, session=session)
        return Login(identity, access_token, session, int(lifetime * 1000))
