"""What clients may say on every endpoint of JSON messages (PROTOCOL sections 3.2 and 3.4), and how it is read.

Parsing never raises. What cannot be understood becomes a `Malformed` message that carries its own answer, and a type
that is nobody's becomes `Unknown`, so that every message takes its turn in the order in which it arrived.
"""

from typing import Generic, TypeVar, Union

import msgspec

from tidegate.errors import InvalidPayload, TidegateError
from tidegate.realtime.verify import Credentials, Password, Refresh, Token

Understood = TypeVar("Understood", bound=msgspec.Struct)

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

    def credentials(self) -> Credentials | None:
        """The one kind of credentials in the message; None where it has none, half of one, or several."""
        match self:
            case Auth(access_token=str(token), refresh_token=None, email=None, password=None):
                return Token(token)
            case Auth(access_token=None, refresh_token=str(token), email=None, password=None):
                return Refresh(token)
            case Auth(access_token=None, refresh_token=None, email=str(email), password=str(password), otp=otp):
                return Password(email, password, otp)
        return None


class Unknown(msgspec.Struct, frozen=True):
    """A message of a type that belongs to somebody else's handlers."""


class Malformed(msgspec.Struct, frozen=True):
    """A message that cannot be understood, or may not be: what to answer in its turn."""

    type: str
    """The type of the answer: that of the message, or `server` where it has none."""
    error: TidegateError
    uid: Uid = None


class Parser(Generic[Understood]):
    """Reads the messages of one endpoint."""

    def __init__(self, *kinds: type[Understood]) -> None:
        """`kinds`: structs, each with its `type` as its tag."""
        self._kinds = {kind.__struct_config__.tag: kind for kind in kinds}
        self._decoder: msgspec.json.Decoder[Understood] = msgspec.json.Decoder(Union[kinds])  # noqa: UP007 - made here

    def parse(self, frame: str | bytes) -> Understood | Unknown | Malformed:
        """The message in one frame. A binary frame is read as UTF-8 text."""
        if isinstance(frame, bytes):
            try:
                frame = frame.decode()
            except UnicodeDecodeError:
                return _server_error("The message is not UTF-8 text")
        try:
            return self._decoder.decode(frame)
        except msgspec.ValidationError:
            return self._diagnose(frame)
        except msgspec.DecodeError:
            return _server_error("The message is not JSON")
        except RecursionError:
            return _server_error("The message is nested too deeply")

    def _diagnose(self, frame: str) -> Understood | Unknown | Malformed:
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
        kind = self._kinds.get(name)
        if kind is None:
            return Unknown()
        try:
            # Only reached with a name that is there twice: the last one counts, as in JavaScript.
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as wrong:
            uid = value.get("uid")
            echo = uid if isinstance(uid, str | int | float) and not isinstance(uid, bool) else None
            if issubclass(kind, Auth):
                return kind(uid=echo)
            return Malformed(name, InvalidPayload(f'In the "{name}" message: {wrong}'), echo)


def _server_error(reason: str) -> Malformed:
    return Malformed("server", InvalidPayload(reason))
