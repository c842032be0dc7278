"""What the server says on the WebSocket (PROTOCOL sections 3.2 to 3.5), as UTF-8 JSON text."""

from typing import Any, Final

from tidegate.errors import TidegateError
from tidegate.realtime.encoding import encode_json
from tidegate.websocket.messages import Uid

PING: Final = b'{"type":"ping"}'
PONG: Final = b'{"type":"pong"}'


def pong(uid: Uid) -> bytes:
    return PONG if uid is None else encode_json({"type": "pong", "uid": uid})


def auth_ok(uid: Uid, refresh_token: str | None) -> bytes:
    answer: dict[str, Any] = {"type": "auth", "status": "ok"}
    if uid is not None:
        answer["uid"] = uid
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token
    return encode_json(answer)


def error(type_: str, fault: TidegateError, uid: Uid = None) -> bytes:
    """`type_` is that of the message, or `server` where there is none."""
    told = {"code": fault.code, "message": fault.message}
    answer: dict[str, Any] = {"type": type_, "status": "error", "error": told}
    if uid is not None:
        answer["uid"] = uid
    return encode_json(answer)


def items(data: object, meta: object, uid: Uid) -> bytes:
    answer: dict[str, Any] = {"type": "items", "data": data}
    if meta is not None:
        answer["meta"] = meta
    if uid is not None:
        answer["uid"] = uid
    return encode_json(answer)


def initial(data: object | None, uid: str | None) -> bytes:
    """The answer to `subscribe`; None where it asked for no data."""
    return encode_event("init", data) + event_tail(uid)


def unsubscribed(uid: str | None) -> bytes:
    return encode_event("unsubscribe", None) + event_tail(uid)


def encode_event(event: str, data: object | None) -> bytes:
    """A subscription's message up to where `event_tail` follows: everything that subscribers have in common."""
    body: dict[str, Any] = {"type": "subscription", "event": event}
    if data is not None:
        body["data"] = data
    return encode_json(body)[:-1]


def event_tail(uid: str | None) -> bytes:
    """The end of a subscription's messages: what is its own."""
    return b"}" if uid is None else b',"uid":' + encode_json(uid) + b"}"
