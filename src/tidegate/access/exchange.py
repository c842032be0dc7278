"""Tokens for credentials over HTTP, in the three modes: what a client gets in the answer itself, and what in a cookie.

What goes out in a cookie stays out of reach of scripts: it is never in the answer too, and comes back in that cookie.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.access.authenticator import Authenticator, Login, Mode
from tidegate.access.sessions import Client
from tidegate.errors import InvalidPayload, TidegateError


@dataclass(slots=True)
class Cookies:
    """The tokens that came with a request in cookies, and those that its answer is to carry in cookies."""

    refresh_token: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    opened: list[tuple[Mode, Login]] = field(default_factory=list, repr=False)
    """Logins whose tokens go out in a cookie."""
    ended: list[Mode] = field(default_factory=list)
    """Cookies to clear."""


class TokenExchange:
    """Each answer is `expires`, in milliseconds, with the tokens that go into no cookie."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def login(
        self, email: str, password: str, otp: str | None, mode: Mode, client: Client, cookies: Cookies
    ) -> Mapping[str, Any]:
        """Raises as `Authenticator.by_password`."""
        return _handed_over(await self._authenticator.by_password(email, password, otp, client, mode), mode, cookies)

    async def refresh(
        self, given: str | None, mode: Mode | None, client: Client, cookies: Cookies
    ) -> Mapping[str, Any]:
        """`given`: the refresh token, where it is not in a cookie. `mode`: None for as it came.

        Raises as `Authenticator.by_refresh`; INVALID_PAYLOAD where there is no token.
        """
        token, mode = await self._refresh_token(given, mode, client, cookies)
        return _handed_over(await self._authenticator.by_refresh(token, client, mode), mode, cookies)

    async def logout(self, given: str | None, mode: Mode | None, client: Client, cookies: Cookies) -> None:
        """End the session that `refresh` would go on with. Raises INVALID_PAYLOAD where there is no token."""
        token, mode = await self._refresh_token(given, mode, client, cookies)
        await self._authenticator.logout(token)
        cookies.ended.append(mode)

    async def _refresh_token(
        self, given: str | None, mode: Mode | None, client: Client, cookies: Cookies
    ) -> tuple[str, Mode]:
        """The refresh token, and how its successor is handed over: as asked for, else as it came."""
        if given is not None:
            return given, mode or "json"
        if mode in (None, "cookie") and cookies.refresh_token:
            return cookies.refresh_token, "cookie"
        if mode in (None, "session") and cookies.session_token:
            user = await self._authenticator.by_token(cookies.session_token, client.ip)
            if user.session is None:
                raise TidegateError("INVALID_CREDENTIALS")
            return user.session, "session"
        raise InvalidPayload('"refresh_token" is required, as such or as a cookie')


def _handed_over(login: Login, mode: Mode, cookies: Cookies) -> Mapping[str, Any]:
    told: dict[str, Any] = {"expires": login.expires_in}
    if mode != "json":
        cookies.opened.append((mode, login))
    else:
        told["refresh_token"] = login.refresh_token
    if mode != "session":
        told["access_token"] = login.access_token
    return told
