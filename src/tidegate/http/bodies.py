"""JSON bodies of requests: bounded while they arrive, checked before they are parsed."""

from typing import Any

import orjson
from starlette.requests import Request

from tidegate.errors import InvalidPayload, TidegateError

MAX_DEPTH = 200
"""Levels of arrays and objects. What is stored must be answerable: the encoder stops at 254, envelope included."""


async def read_json(request: Request, limit: int) -> Any:
    """The parsed body; None where there is none.

    `limit` is in bytes (`MAX_PAYLOAD_SIZE`). Raises CONTENT_TOO_LARGE, or INVALID_PAYLOAD for another media type than
    JSON and for what is not JSON. The media type is insisted on because a page of another origin can make a browser
    send a body, with its cookies, without asking first, but not one that says it is JSON.
    """
    raw = await _read(request, limit)
    if not raw:
        return None
    if not is_json(request.headers.get("content-type", "")):
        raise InvalidPayload('The body has to be JSON, with "application/json" as "Content-Type"')
    return parse_json(raw)


def is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def parse_json(raw: bytes) -> Any:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidPayload(f"The body is not JSON: {error}") from None
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise InvalidPayload(f"The body has more than {MAX_DEPTH} levels")
    return value


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise TidegateError("CONTENT_TOO_LARGE")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TidegateError("CONTENT_TOO_LARGE")
    return bytes(body)


def _deeper_than(value: object, levels: int) -> bool:
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return True
