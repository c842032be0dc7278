import json
from collections.abc import Sequence

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from tidegate.errors import TidegateError
from tidegate.http.bodies import MAX_DEPTH, parse_json, read_json


def request(chunks: Sequence[bytes], headers: dict[str, str] | None = None, *, leaves: bool = False) -> Request:
    """A request whose body comes in `chunks`; `leaves`: the client goes away in place of the end."""
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b""})
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    given = {"content-type": "application/json", **(headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


async def code_of(request: Request, limit: int = 100) -> str:
    with pytest.raises(TidegateError) as caught:
        await read_json(request, limit)
    return caught.value.code


async def test_reader_joins_chunks() -> None:
    assert await read_json(request([b'{"a"', b":1", b"}"]), 100) == {"a": 1}


async def test_reader_takes_absent_body_for_none() -> None:
    assert await read_json(request([], {"content-type": ""}), 100) is None


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
async def test_reader_takes_json_media_type(media_type: str) -> None:
    assert await read_json(request([b"[]"], {"content-type": media_type}), 100) == []


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_reader_refuses_other_media_type(media_type: str) -> None:
    assert await code_of(request([b"[]"], {"content-type": media_type})) == "INVALID_PAYLOAD"


async def test_reader_takes_body_of_exactly_the_limit() -> None:
    assert await read_json(request([b'"', b"x" * 98, b'"']), 100) == "x" * 98


async def test_reader_stops_reading_beyond_limit() -> None:
    chunks = [b"x" * 60, b"x" * 60, b"never read"]
    assert await code_of(request(chunks, leaves=True)) == "CONTENT_TOO_LARGE"


async def test_reader_refuses_declared_length_beyond_limit_unread() -> None:
    assert await code_of(request([], {"content-length": "101"}, leaves=True)) == "CONTENT_TOO_LARGE"


async def test_reader_notices_client_that_left() -> None:
    with pytest.raises(ClientDisconnect):
        await read_json(request([b"{"], leaves=True), 100)


@pytest.mark.parametrize("text", [b"{nope", b"[1,]", b"NaN", b"'a'", b'"\xff"', b'"\\ud800"', b"[" * 100_000])
def test_parser_refuses_what_is_not_json(text: bytes) -> None:
    with pytest.raises(TidegateError) as caught:
        parse_json(text)
    assert caught.value.code == "INVALID_PAYLOAD"


def nested(levels: int) -> bytes:
    return b'[{"a":' * (levels // 2) + b"1" + b"}]" * (levels // 2)


def test_parser_takes_deepest_allowed_nesting() -> None:
    assert parse_json(nested(MAX_DEPTH)) == json.loads(nested(MAX_DEPTH))


def test_parser_takes_many_shallow_objects() -> None:
    assert len(parse_json(b"[" + b'{"a":[]},' * 1000 + b"{}]")) == 1001


def test_parser_refuses_deeper_nesting() -> None:
    with pytest.raises(TidegateError) as caught:
        parse_json(nested(MAX_DEPTH + 2))
    assert caught.value.code == "INVALID_PAYLOAD"
