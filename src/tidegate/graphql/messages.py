"""What is said on a GraphQL WebSocket: the protocol `graphql-transport-ws`, JSON text both ways.

Its specification: https://github.com/graphql/graphql-over-http and the page PROTOCOL.md of the `graphql-ws` library.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from tidegate.errors import InvalidPayload
from tidegate.graphql.execution import Request
from tidegate.realtime.encoding import encode_json

SUBPROTOCOL: Final = "graphql-transport-ws"
MAX_ID: Final = 1_000
"""Characters of an operation's id."""


class Init(msgspec.Struct, frozen=True):
    token: str | None
    """None where there is none in the payload."""


class Ping(msgspec.Struct, frozen=True):
    payload: Mapping[str, Any] | None


class Pong(msgspec.Struct, frozen=True):
    pass


class Subscribe(msgspec.Struct, frozen=True):
    """Run a document, of whatever kind."""

    id: str
    request: Request


class Complete(msgspec.Struct, frozen=True):
    id: str


class Malformed(msgspec.Struct, frozen=True):
    """Not a message of the protocol."""


Message = Init | Ping | Pong | Subscribe | Complete | Malformed

ACK: Final = b'{"type":"connection_ack"}'
PING: Final = b'{"type":"ping"}'
_MALFORMED: Final = Malformed()


def parse(frame: str | bytes) -> Message:
    """Never raises."""
    try:
        raw = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return _MALFORMED
    return _message(raw) if isinstance(raw, dict) and isinstance(frame, str) else _MALFORMED


def _message(raw: Mapping[str, Any]) -> Message:
    payload, name = raw.get("payload"), raw.get("id")
    given = isinstance(payload, dict)
    identified = isinstance(name, str) and 0 < len(name) <= MAX_ID
    match raw.get("type"):
        case "connection_init" if given or payload is None:
            return _init(payload or {})
        case "ping" if given or payload is None:
            return Ping(payload)
        case "pong" if given or payload is None:
            return Pong()
        case "complete" if identified:
            return Complete(raw["id"])
        case "subscribe" if identified and given:
            try:
                return Subscribe(raw["id"], read_request(payload))
            except InvalidPayload:
                return _MALFORMED
    return _MALFORMED


def _init(payload: Mapping[str, Any]) -> Init:
    token = payload.get("access_token")
    # What is no text is nobody's token, and not as if none were given.
    return Init(token if isinstance(token, str) or token is None else "")


def read_request(raw: object) -> Request:
    """The parameters `query`, `variables`, `operationName`. Raises InvalidPayload."""
    if not isinstance(raw, dict):
        raise InvalidPayload("The request has to be an object")
    query, variables, name = raw.get("query"), raw.get("variables"), raw.get("operationName")
    if not isinstance(query, str):
        raise InvalidPayload('"query" has to be a text')
    if variables is not None and not isinstance(variables, dict):
        raise InvalidPayload('"variables" has to be an object')
    if name is not None and not isinstance(name, str):
        raise InvalidPayload('"operationName" has to be a text')
    return Request(query, variables or {}, name or None)


def pong(payload: Mapping[str, Any] | None) -> bytes:
    return encode_json({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})


def result(response: object) -> bytes:
    """A `next` without its `tail`: the same for all who get this response."""
    return b'{"type":"next","payload":' + encode_json(response)


def tail(name: str) -> bytes:
    """The end of a `next`: the operation's id."""
    return b',"id":' + encode_json(name) + b"}"


def error(name: str, errors: Sequence[Mapping[str, Any]]) -> bytes:
    return encode_json({"id": name, "type": "error", "payload": errors})


def complete(name: str) -> bytes:
    return encode_json({"id": name, "type": "complete"})
