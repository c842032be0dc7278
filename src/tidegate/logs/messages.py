"""What clients say on the logs endpoint and what they are told (PROTOCOL section 5): JSON text both ways.

Parsing never raises: what cannot be understood becomes `Malformed`, which carries its answer; a type that is not ours
becomes `Unknown`.
"""

from typing import Any, Final

import msgspec

from tidegate.errors import InvalidPayload, TidegateError
from tidegate.realtime.encoding import encode_json
from tidegate.realtime.verify import Credentials, Password, Refresh, Token

PING: Final = b'{"type":"ping"}'
Uid = str | int | float | None
"""What the client calls a message by; echoed in the answer."""


class Auth(msgspec.Struct, frozen=True):
    """Credentials of one of three kinds; a message whose credentials cannot be read has none."""

    access_token: str | None = None
    refresh_token: str | None = None
    email: str | None = None
    password: str | None = None
    otp: str | None = None
    uid: Uid = None

    def credentials(self) -> Credentials | None:
        if self.access_token is not None:
            return Token(self.access_token)
        if self.refresh_token is not None:
            return Refresh(self.refresh_token)
        if self.email is not None and self.password is not None:
            return Password(self.email, self.password, self.otp)
        return None


class Subscribe(msgspec.Struct, frozen=True):
    log_level: str
    uid: Uid = None


class Unsubscribe(msgspec.Struct, frozen=True):
    uid: Uid = None


class Ping(msgspec.Struct, frozen=True):
    uid: Uid = None


class Unknown(msgspec.Struct, frozen=True):
    """A message that asks for nothing here."""


class Malformed(msgspec.Struct, frozen=True):
    type: str
    """The type of the answer."""
    fault: TidegateError
    uid: Uid = None


Message = Auth | Subscribe | Unsubscribe | Ping | Unknown | Malformed

_KINDS: dict[str, type[Auth | Subscribe | Unsubscribe | Ping]] = {
    "auth": Auth,
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "ping": Ping,
}


def parse(frame: str | bytes) -> Message:
    """The message in one frame. A binary frame is read as UTF-8 text."""
    try:
        value = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Malformed("server", InvalidPayload("The message is not JSON"))
    name = value.get("type") if isinstance(value, dict) else None
    if not isinstance(name, str):
        return Malformed("server", InvalidPayload('The message is not an object with a text "type"'))
    kind = _KINDS.get(name)
    if kind is None:
        return Unknown()
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as wrong:
        if kind is Auth:
            return Auth()
        return Malformed("logs", InvalidPayload(f'In the "{name}" message: {wrong}'))


def pong(uid: Uid) -> bytes:
    return _answer({"type": "pong"}, uid)


def auth_ok(uid: Uid, refresh_token: str | None) -> bytes:
    answer = {"type": "auth", "status": "ok"}
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token
    return _answer(answer, uid)


def error(type_: str, fault: TidegateError, uid: Uid = None) -> bytes:
    return _answer({"type": type_, "status": "error", "error": {"code": fault.code, "message": fault.message}}, uid)


def subscribed(level: str, uid: Uid) -> bytes:
    return _answer({"type": "logs", "event": "subscribe", "log_level": level}, uid)


def unsubscribed(uid: Uid) -> bytes:
    return _answer({"type": "logs", "event": "unsubscribe"}, uid)


def _answer(answer: dict[str, Any], uid: Uid) -> bytes:
    return encode_json(answer if uid is None else {**answer, "uid": uid})
