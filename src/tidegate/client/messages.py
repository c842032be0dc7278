"""What a user of the client sees: events, credentials and errors."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tidegate.errors import ERROR_CODES, TidegateError

EventName = Literal["init", "create", "update", "delete"]
Item = dict[str, Any]
Key = int | str


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a subscription.

    `init` carries the items as they are at the start, and again after every reconnection; it is empty for a
    subscription to one kind of event. `create` and `update` carry items, `delete` carries keys. With `item=`, `data` is
    the item (or key) itself instead of a list.
    """

    name: EventName
    data: Any


@dataclass(frozen=True, slots=True)
class Token:
    """A static token, or an access token that ends the client when it expires."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """A user's own credentials; renewed by refresh token while the connection lasts."""

    email: str
    password: str = field(repr=False)
    otp: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TokenSource:
    """A coroutine function that gives an access token, called at every connection and whenever one has expired."""

    get: Callable[[], Awaitable[str]]


Credentials = Token | Login | TokenSource


class ConnectionLostError(Exception):
    """The connection was lost before the answer came: whether a write was performed is not known."""


class RefusedError(ConnectionError):
    """Something answers, but opens no WebSocket: wrong path, a bad token in the URL, too many connections."""


class SubscriptionOverflowError(Exception):
    """Events came faster than they were taken; the subscription has ended."""


def server_error(error: Mapping[str, Any]) -> TidegateError:
    """The error of a message, also for a code that this version does not know."""
    code, message = str(error.get("code")), str(error.get("message", ""))
    extensions = {name: value for name, value in error.items() if name not in ("code", "message")}
    if code not in ERROR_CODES:
        return TidegateError("INTERNAL_SERVER_ERROR", f"{code}: {message}")
    return TidegateError(code, message, **extensions)
