"""What the server says on the WebSocket (PROTOCOL section 3.4), beside that of every endpoint of JSON messages."""

from typing import Any

from tidegate.realtime.encoding import encode_json
from tidegate.realtime.json_answers import answer
from tidegate.realtime.json_messages import Uid


def items(data: object, meta: object, uid: Uid) -> bytes:
    more = {} if meta is None else {"meta": meta}
    return answer(uid, type="items", data=data, **more)


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
