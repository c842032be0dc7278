"""What the server says on every endpoint of JSON messages (PROTOCOL sections 3.2 to 3.5), as UTF-8 JSON text."""

from typing import Any, Final

from tidegate.errors import TidegateError
from tidegate.realtime.encoding import encode_json
from tidegate.realtime.json_messages import Uid

PING: Final = b'{"type":"ping"}'
PONG: Final = b'{"type":"pong"}'


def pong(uid: Uid) -> bytes:
    return PONG if uid is None else answer(uid, type="pong")


def auth_ok(uid: Uid, refresh_token: str | None) -> bytes:
    more = {} if refresh_token is None else {"refresh_token": refresh_token}
    return answer(uid, type="auth", status="ok", **more)


def error(type_: str, fault: TidegateError, uid: Uid = None) -> bytes:
    """`type_` is that of the message, or `server` where there is none."""
    return answer(uid, type=type_, status="error", error={"code": fault.code, "message": fault.message})


def answer(uid: Uid, **members: Any) -> bytes:
    """A message with these members, and with the `uid` of what it answers."""
    return encode_json(members if uid is None else {**members, "uid": uid})
