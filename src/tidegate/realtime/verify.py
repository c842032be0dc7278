"""Credentials that arrive over a socket, and what checking them gives (PROTOCOL section 3.2)."""

from dataclasses import dataclass, field

from tidegate.access.authenticator import Authenticator
from tidegate.access.directory import Directory
from tidegate.access.identity import User
from tidegate.access.rights import Rights
from tidegate.access.sessions import Client


@dataclass(frozen=True, slots=True)
class Token:
    """A static token, an access token or a session token."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Password:
    email: str
    password: str = field(repr=False)
    otp: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh token; it is good once."""

    token: str = field(repr=False)


Credentials = Token | Password | Refresh


@dataclass(frozen=True, slots=True)
class Verified:
    """A user, with the rights to begin with."""

    user: User
    rights: Rights
    refresh_token: str | None = field(default=None, repr=False)
    """To get the next credentials with, where these were not a token."""


class Verifier:
    """Checks credentials, whatever their kind."""

    def __init__(self, authenticator: Authenticator, directory: Directory) -> None:
        self._authenticator = authenticator
        self._directory = directory

    async def verify(self, credentials: Credentials, client: Client) -> Verified:
        """Raises `TidegateError`: credentials that are no good, SERVICE_UNAVAILABLE."""
        match credentials:
            case Token(token):
                user, refresh_token = await self._authenticator.by_token(token, client.ip), None
            case Password(email, password, otp):
                login = await self._authenticator.by_password(email, password, otp, client, "json")
                user, refresh_token = login.user, login.refresh_token
            case Refresh(token):
                login = await self._authenticator.by_refresh(token, client, "json")
                user, refresh_token = login.user, login.refresh_token
        return Verified(user, await self._directory.rights(user), refresh_token)
