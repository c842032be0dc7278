"""What clients say on the WebSocket (PROTOCOL sections 3.2 and 3.4): JSON text in, frozen typed messages out.

Parsing never raises. What cannot be understood becomes a `Malformed` message that carries its own answer, and a type
that is not ours becomes `Unknown`, so that every message takes its turn in the order in which it arrived.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from tidegate.errors import InvalidPayload, TidegateError
from tidegate.items.changes import Key

Uid = str | int | float | None
"""What the client calls a message by; echoed in the answer."""


class Ping(msgspec.Struct, frozen=True, gc=False, tag="ping"):
    uid: Uid = None


class Pong(msgspec.Struct, frozen=True, gc=False, tag="pong"):
    uid: Uid = None


class Auth(msgspec.Struct, frozen=True, tag="auth"):
    """Credentials of one of three kinds; a message whose credentials cannot be read has none."""

    access_token: str | None = None
    refresh_token: str | None = None
    email: str | None = None
    password: str | None = None
    otp: str | None = None
    uid: Uid = None


class Items(msgspec.Struct, frozen=True, tag="items"):
    action: Literal["create", "read", "update", "delete"]
    collection: str
    id: Key | None = None
    ids: list[Key] | None = None
    data: dict[str, Any] | list[dict[str, Any]] | None = None
    query: dict[str, Any] | None = None
    uid: Uid = None


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    collection: str
    event: Literal["create", "update", "delete"] | None = None
    item: Key | None = None
    leave: bool = False
    query: dict[str, Any] | None = None
    uid: Uid = None


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe"):
    uid: Uid = None


class Unknown(msgspec.Struct, frozen=True):
    """A message of a type that belongs to somebody else's handlers."""


class Malformed(msgspec.Struct, frozen=True):
    """A message that cannot be understood, or may not be: what to answer in its turn."""

    type: str
    """The type of the answer: that of the message, or `server` where it has none."""
    error: TidegateError
    uid: Uid = None


class Resubscribe(msgspec.Struct, frozen=True):
    """What no client says: changes were missed, so every subscription begins anew, in its turn among the messages."""


Request = Items | Subscribe | Unsubscribe
"""A message that is performed with the rights of the connection."""
Understood = Ping | Pong | Auth | Request
Message = Understood | Unknown | Malformed | Resubscribe

_KNOWN: Mapping[str, type[Understood]] = {
    "ping": Ping,
    "pong": Pong,
    "auth": Auth,
    "items": Items,
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
}
_decoder: msgspec.json.Decoder[Understood] = msgspec.json.Decoder(Understood)


def parse(frame: str | bytes) -> Message:
    """The message in one frame. A binary frame is read as UTF-8 text."""
    if isinstance(frame, bytes):
        try:
            frame = frame.decode()
        except UnicodeDecodeError:
            return _server_error("The message is not UTF-8 text")
    try:
        return _decoder.decode(frame)
    except msgspec.ValidationError:
        return _diagnose(frame)
    except msgspec.DecodeError:
        return _server_error("The message is not JSON")
    except RecursionError:
        return _server_error("The message is nested too deeply")


def subscription_uid(uid: Uid) -> str | None:
    """The uid of a subscription, which is text: numbers are spelled as JavaScript spells them."""
    if isinstance(uid, float) and uid.is_integer():
        uid = int(uid)
    return None if uid is None else str(uid)


def _diagnose(frame: str) -> Message:
    """A JSON value that is not one of our messages as it stands: say why, or find that it is nobody's business."""
    try:
        value = msgspec.json.decode(frame)
    except RecursionError:
        return _server_error("The message is nested too deeply")
    except msgspec.DecodeError:
        return _server_error("The message is not JSON")
    if not isinstance(value, dict):
        return _server_error("The message is not a JSON object")
    name = value.get("type")
    if not isinstance(name, str):
        return _server_error('The message has no "type", or it is not text')
    kind = _KNOWN.get(name)
    if kind is None:
        return Unknown()
    try:
        # Only reached with a name that is there twice: the last one counts, as in JavaScript.
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as wrong:
        uid = value.get("uid")
        echo = uid if isinstance(uid, str | int | float) and not isinstance(uid, bool) else None
        if kind is Auth:
            return Auth(uid=echo)
        return Malformed(name, InvalidPayload(f'In the "{name}" message: {wrong}'), echo)


def _server_error(reason: str) -> Malformed:
    return Malformed("server", InvalidPayload(reason))
