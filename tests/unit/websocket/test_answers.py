"""What the server says: exactly the members that the protocol names, with `uid` where there is one."""

import json
from typing import Any

import pytest

from tidegate.errors import Forbidden, TidegateError
from tidegate.realtime import json_answers
from tidegate.websocket import answers
from tidegate.websocket.events import encode_item, encode_rows

ROW = {"id": 1, "text": "ä"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json_answers.PING, {"type": "ping"}),
        (json_answers.pong(None), {"type": "pong"}),
        (json_answers.pong(0), {"type": "pong", "uid": 0}),
        (json_answers.auth_ok(None, None), {"type": "auth", "status": "ok"}),
        (json_answers.auth_ok("u", "r"), {"type": "auth", "status": "ok", "uid": "u", "refresh_token": "r"}),
        (
            json_answers.error("server", TidegateError("REQUESTS_EXCEEDED")),
            {
                "type": "server",
                "status": "error",
                "error": {"code": "REQUESTS_EXCEEDED", "message": "Too many requests."},
            },
        ),
        (
            json_answers.error("items", Forbidden("No."), 1.5),
            {"type": "items", "status": "error", "error": {"code": "FORBIDDEN", "message": "No."}, "uid": 1.5},
        ),
        (answers.items([], None, None), {"type": "items", "data": []}),
        (answers.items(None, None, ""), {"type": "items", "data": None, "uid": ""}),
        (
            answers.items([ROW], {"total_count": 1}, 2**70),
            {"type": "items", "data": [ROW], "meta": {"total_count": 1}, "uid": 2**70},
        ),
        (answers.initial(None, None), {"type": "subscription", "event": "init"}),
        (answers.initial([], "s"), {"type": "subscription", "event": "init", "data": [], "uid": "s"}),
        (answers.initial(ROW, 'quo"te'), {"type": "subscription", "event": "init", "data": ROW, "uid": 'quo"te'}),
        (answers.unsubscribed(None), {"type": "subscription", "event": "unsubscribe"}),
        (answers.unsubscribed("s"), {"type": "subscription", "event": "unsubscribe", "uid": "s"}),
    ],
)
def test_answer_is_spelled_as_the_protocol_has_it(text: bytes, message: dict[str, Any]) -> None:
    assert json.loads(text) == message


def heard(bodies: list[bytes], uid: str | None = "s") -> list[Any]:
    return [json.loads(body + answers.event_tail(uid)) for body in bodies]


def event(name: str, data: object) -> dict[str, Any]:
    return {"type": "subscription", "event": name, "data": data, "uid": "s"}


def test_each_created_row_is_told_alone_and_other_rows_together() -> None:
    rows = [ROW, {**ROW, "id": 2}]
    assert heard(encode_rows("create", [1, 2], rows)) == [event("create", [row]) for row in rows]
    assert heard(encode_rows("update", [1, 2], rows)) == [event("update", rows)]
    assert heard(encode_rows("delete", ["1", 2], ())) == [event("delete", ["1", 2])]


def test_item_is_told_by_itself() -> None:
    assert heard(encode_item("create", [1], [ROW])) == [event("create", ROW)]
    assert heard(encode_item("update", [1], [ROW])) == [event("update", ROW)]
    assert heard(encode_item("delete", ["1"], ())) == [event("delete", "1")]


def test_event_without_uid_has_none() -> None:
    (message,) = heard(encode_rows("delete", [1], ()), uid=None)
    assert "uid" not in message
