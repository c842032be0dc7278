import json
import logging

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from tidegate.errors import Forbidden, InvalidPayload, TidegateError
from tidegate.http.answers import ErrorEdge, data_answer


async def receive() -> Message:
    raise AssertionError("nothing is read")


async def answer_of(fault: BaseException) -> tuple[int, object] | None:
    """What the edge sends when the application within raises `fault`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise fault

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await ErrorEdge(app)({"type": "http"}, receive, send)
    if not sent:
        return None
    start, body = sent
    return start["status"], json.loads(body["body"])


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (
            InvalidPayload('"password" is required'),
            400,
            {
                "message": 'Invalid payload. "password" is required.',
                "extensions": {"reason": '"password" is required', "code": "INVALID_PAYLOAD"},
            },
        ),
        (
            Forbidden(),
            403,
            {"message": "You don't have permission to access this.", "extensions": {"code": "FORBIDDEN"}},
        ),
        (TidegateError("TOKEN_EXPIRED"), 401, {"message": "Token expired.", "extensions": {"code": "TOKEN_EXPIRED"}}),
        (
            RecursionError("maximum recursion depth exceeded"),
            400,
            {
                "message": "Invalid payload. The request is nested too deeply.",
                "extensions": {"reason": "The request is nested too deeply", "code": "INVALID_PAYLOAD"},
            },
        ),
    ],
)
async def test_edge_renders_error(fault: Exception, status: int, error: object) -> None:
    assert await answer_of(fault) == (status, {"errors": [error]})


async def test_edge_tells_client_nothing_of_unexpected_fault(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await answer_of(ValueError("secret detail"))
    error = {"message": "An unexpected error occurred.", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    assert answer == (500, {"errors": [error]})
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info and record.exc_info[1]] == [
        ("secret detail",)
    ]


async def test_edge_sends_nothing_to_client_that_left() -> None:
    assert await answer_of(ClientDisconnect()) is None


def test_data_answer_puts_meta_first() -> None:
    assert data_answer([1]).body == b'{"data":[1]}'
    assert data_answer([], {"total_count": 3}).body == b'{"meta":{"total_count":3},"data":[]}'
    assert data_answer(None).headers["content-type"] == "application/json"
