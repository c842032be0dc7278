"""Whatever arrives on the wire: the sender gets an error code or a close, and nobody else notices.

Each case runs on a connection of its own beside a witness, who must still get its events afterwards. Cases run before
and after authentication, since a malformed frame must not end the process in any state (CVE-2023-45820). Sources:
RFC 6455 sections 5 and 7.4 (which close code answers which fault), PROTOCOL sections 3.4 and 8.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from tests.conformance.replays import VECTORS
from tests.support.raw_websocket import (
    ANSWER_SECONDS,
    Opcode,
    RawWebSocket,
    frame,
    head,
    message,
    raw_websocket,
    tcp_connection,
    text,
    upgrade_request,
)
from tests.support.server import ADMIN, ServerProcess, running_server, seed

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEMBER = {"type": "auth", "access_token": "member-static-token"}
PAYLOAD_LIMIT = 1024 * 1024
ENDPOINTS = ("/websocket", "/websocket/logs", "/graphql")
IN_THE_URL = ("", "?access_token=admin-static-token")


@dataclass(frozen=True)
class Case:
    """What is sent, and what must come back: error codes or types of messages, then possibly a close."""

    name: str
    sent: bytes
    answers: Sequence[str] = ()
    close: int | None = None
    """The close code; None when the connection must stay open."""


def bad_message(name: str, payload: str | bytes, *answers: str) -> Case:
    return Case(name, text(payload), answers or ("INVALID_PAYLOAD",))


MESSAGES = [
    bad_message("word", "hello"),
    bad_message("nothing", ""),
    bad_message("blank", "  \n"),
    bad_message("number", "1"),
    bad_message("null", "null"),
    bad_message("list", "[]"),
    bad_message("text", '"ping"'),
    bad_message("object-without-type", "{}"),
    bad_message("type-is-number", '{"type":5}'),
    bad_message("type-is-null", '{"type":null}'),
    bad_message("type-is-object", '{"type":{"type":"ping"}}'),
    bad_message("cut-off", '{"type":"ping"'),
    bad_message("trailing-garbage", '{"type":"ping"}}'),
    bad_message("two-objects", '{"type":"ping"}{"type":"ping"}'),
    bad_message("not-a-number", '{"type":"ping","uid":NaN}'),
    bad_message("single-quotes", "{'type':'ping'}"),
    bad_message("null-byte", '{"type":"ping\x00"}'),
    bad_message("byte-order-mark", "\ufeff{nope"),
    bad_message("uid-is-object", '{"type":"ping","uid":{}}'),
    bad_message("uid-is-list", '{"type":"ping","uid":[1]}'),
    bad_message("half-a-megabyte-of-lists", "[" * 500_000 + "]" * 500_000),
    bad_message("a-megabyte-of-open-lists", "[" * 1_000_000),
    bad_message("a-megabyte-of-open-objects", '{"a":' * 200_000),
    bad_message("nested-uid", '{"type":"ping","uid":' + "[" * 100_000 + "]" * 100_000 + "}"),
    bad_message("unknown-action", '{"type":"items","action":"dance","collection":"messages"}'),
    bad_message("action-is-list", '{"type":"items","action":["read"],"collection":"messages"}'),
    bad_message("collection-is-number", '{"type":"items","action":"read","collection":5}'),
    bad_message("id-is-object", '{"type":"items","action":"read","collection":"messages","id":{"a":1}}'),
    bad_message("ids-is-text", '{"type":"items","action":"read","collection":"messages","ids":"1,2"}'),
    bad_message("data-is-text", '{"type":"items","action":"create","collection":"messages","data":"x"}'),
    bad_message("query-is-list", '{"type":"items","action":"read","collection":"messages","query":[1]}'),
    bad_message("subscribe-event-is-number", '{"type":"subscribe","collection":"messages","event":1}'),
    bad_message(
        "deep-filter",
        '{"type":"items","action":"read","collection":"messages","query":{"filter":'
        + '{"_and":[' * 50_000
        + "{}"
        + "]}" * 50_000
        + "}}",
    ),
    bad_message(
        "number-of-100000-digits", '{"type":"items","action":"read","collection":"messages","id":' + "9" * 100_000 + "}"
    ),
    *(
        bad_message(
            vector["name"], step["text"] if "text" in step else json.dumps(step["json"]), answer["error"]["code"]
        )
        for vector in VECTORS.values()
        if vector["name"].startswith(("messages/", "items/", "subscriptions/"))
        and MEMBER["access_token"] in str(vector)
        for step in vector["steps"]
        if "send" in step and "${" not in json.dumps(step)
        for answer in step.get("expect", {}).get("messages", {}).get(step["send"], [])
        if answer.get("status") == "error"
    ),
]
"""Whole messages that cannot be obeyed. Each gets its error code and the connection stays open."""

PING = b'{"type":"ping","uid":"f"}'

FRAMES = [
    Case("invalid-utf8", text(b"\xff\xfe"), close=1007),
    Case("overlong-utf8", text(b"\xc0\xaf"), close=1007),
    Case("surrogate-in-utf8", text(b"\xed\xa0\x80"), close=1007),
    Case("cut-off-utf8", text("é".encode()[:1]), close=1007),
    Case("invalid-utf8-in-second-fragment", frame(1, b"a", fin=False) + frame(0, b"\xff"), close=1007),
    Case("first-reserved-bit", frame(1, PING, rsv=4), close=1002),
    Case("second-reserved-bit", frame(1, PING, rsv=2), close=1002),
    Case("third-reserved-bit", frame(1, PING, rsv=1), close=1002),
    Case("reserved-bit-on-ping", frame(9, b"", rsv=4), close=1002),
    *(Case(f"reserved-opcode-{opcode}", frame(opcode, b"a"), close=1002) for opcode in (3, 7, 11, 15)),
    Case("unmasked", frame(1, PING, masked=False), close=1002),
    Case("unmasked-empty", frame(1, b"", masked=False), close=1002),
    Case("ping-of-126-bytes", frame(9, bytes(126)), close=1002),
    Case("close-of-126-bytes", frame(8, b"\x03\xe8" + bytes(124)), close=1002),
    Case("fragmented-ping", frame(9, b"", fin=False), close=1002),
    Case("fragmented-close", frame(8, b"\x03\xe8", fin=False), close=1002),
    Case("continuation-of-nothing", frame(0, b"a"), close=1002),
    Case("message-inside-a-message", frame(1, b"a", fin=False) + frame(1, b"b"), close=1002),
    Case("close-of-one-byte", frame(8, b"\x03"), close=1002),
    *(
        Case(f"close-{code}", frame(8, code.to_bytes(2, "big")), close=1002)
        for code in (0, 999, 1005, 1006, 2999, 65535)
    ),
    Case("close-with-invalid-utf8", frame(8, b"\x03\xe8\xff"), close=1007),
    Case("announced-too-large", head(1, PAYLOAD_LIMIT + 1), close=1009),
    Case("announced-2-to-the-62", head(1, 1 << 62), close=1009),
    Case("too-large", text(b"a" * (PAYLOAD_LIMIT + 1)), close=1009),
    Case(
        "too-large-in-fragments",
        frame(1, b"a" * (PAYLOAD_LIMIT // 2), fin=False) + frame(0, b"a" * (PAYLOAD_LIMIT // 2 + 1)),
        close=1009,
    ),
    Case("http-inside-the-socket", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", close=1002),
    Case("zeros", bytes(64), close=1002),
    Case("ones", b"\xff" * 64, close=1002),
]
"""Bytes that are no WebSocket, or too much of one. Each is closed with the code that RFC 6455 gives it."""

CONTROL = [
    Case("ping", frame(9, b"are you there"), ["PONG"]),
    Case("pong-nobody-asked-for", frame(10, b"here I am")),
    Case("ping-between-fragments", frame(1, PING[:3], fin=False) + frame(9) + frame(0, PING[3:]), ["PONG", "pong"]),
    Case(
        "one-byte-fragments",
        frame(1, b"", fin=False) + b"".join(frame(0, PING[i : i + 1], fin=False) for i in range(len(PING))) + frame(0),
        ["pong"],
    ),
    Case("two-hundred-at-once", text("{nope") * 200, ["INVALID_PAYLOAD"] * 200),
    Case("binary-garbage", frame(2, b"\x00\xff\xfe"), ["INVALID_PAYLOAD"]),
    Case("binary-nothing", frame(2, b""), ["INVALID_PAYLOAD"]),
]
"""Unusual, but no fault of the connection: it stays open."""


class House(NamedTuple):
    """A seeded server and somebody on it who must not notice anything."""

    server: ServerProcess
    witness: ClientConnection
    http: httpx.AsyncClient
    numbers: "count[int]"

    async def is_unaffected(self) -> None:
        """The server lives and the witness gets the event of a write that happens now."""
        assert self.server.process.poll() is None, self.server.log[-4000:]
        written = f"after case {next(self.numbers)}"
        answer = await self.http.post("/items/messages", json={"text": written})
        assert answer.status_code == 200, answer.text
        event = json.loads(await self.witness.recv())
        assert (event["event"], event["data"]) == ("create", [{"text": written}])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with (
        running_server({"WEBSOCKETS_HEARTBEAT_ENABLED": "true"}) as server,
        httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=20) as http,
    ):
        await seed(server)
        async with connect(server.websocket_url, proxy=None) as witness:
            await witness.send(json.dumps(MEMBER))
            assert json.loads(await witness.recv())["status"] == "ok"
            subscribe = {
                "type": "subscribe",
                "collection": "messages",
                "event": "create",
                "query": {"fields": ["text"]},
            }
            await witness.send(json.dumps(subscribe))
            assert json.loads(await witness.recv())["event"] == "init"
            yield House(server, witness, http, count())


async def authenticate(socket: RawWebSocket) -> None:
    await socket.send(message(**MEMBER))
    answer = await socket.receive()
    assert answer is not None
    assert json.loads(answer.payload) == {"type": "auth", "status": "ok"}


async def until_closed(socket: RawWebSocket) -> tuple[list[str], int | None]:
    """What comes before the server closes, and its close code; None for an end without one."""
    answers: list[str] = []
    while (answer := await socket.receive()) is not None:
        if answer.opcode == Opcode.CLOSE:
            return answers, int.from_bytes(answer.payload[:2], "big") if answer.payload else None
        answers.append(name_of(answer.opcode, answer.payload))
    return answers, None


async def until_asked(socket: RawWebSocket) -> list[str]:
    """What comes before the answer to a last question, which only a connection that is still open gets."""
    await socket.send(message(type="unsubscribe", uid="last question"))
    answers: list[str] = []
    while (answer := await socket.receive()) is not None:
        assert answer.opcode != Opcode.CLOSE, f"closed: {answer.payload!r} after {answers}"
        if answer.opcode == Opcode.TEXT and json.loads(answer.payload).get("uid") == "last question":
            return answers
        answers.append(name_of(answer.opcode, answer.payload))
    raise AssertionError(f"the connection ended after {answers}")


def name_of(opcode: int, payload: bytes) -> str:
    """The code of an error message, the type of another message, or the name of a control frame."""
    if opcode != Opcode.TEXT:
        return Opcode(opcode).name
    answer: dict[str, Any] = json.loads(payload)
    return str(answer["error"]["code"] if "error" in answer else answer["type"])


def named(cases: Sequence[Case]) -> list[Any]:
    return [pytest.param(case, id=case.name) for case in cases]


@pytest.mark.parametrize("case", named([*MESSAGES, *CONTROL]))
async def test_member_who_sends_a_bad_message_gets_a_code_and_stays(house: House, case: Case) -> None:
    async with raw_websocket(house.server.port) as socket:
        await authenticate(socket)
        await socket.send(case.sent)
        assert await until_asked(socket) == list(case.answers)
    await house.is_unaffected()


@pytest.mark.parametrize("case", named(MESSAGES))
async def test_stranger_who_sends_a_bad_message_is_closed(house: House, case: Case) -> None:
    async with raw_websocket(house.server.port) as socket:
        await socket.send(case.sent)
        answers, _ = await until_closed(socket)
        assert answers == ["AUTH_FAILED"]
    await house.is_unaffected()


@pytest.mark.parametrize("case", named(FRAMES))
async def test_member_who_sends_a_bad_frame_is_closed(house: House, case: Case) -> None:
    async with raw_websocket(house.server.port) as socket:
        await authenticate(socket)
        await socket.send(case.sent)
        assert await until_closed(socket) == ([], case.close)
    await house.is_unaffected()


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("token", IN_THE_URL, ids=["stranger", "administrator"])
@pytest.mark.parametrize("case", named(FRAMES))
async def test_sender_of_a_bad_frame_is_closed_on_every_endpoint(
    house: House, case: Case, token: str, path: str
) -> None:
    async with raw_websocket(house.server.port, path + token) as socket:
        await socket.send(case.sent)
        assert await until_closed(socket) == ([], case.close)
    await house.is_unaffected()


@pytest.mark.parametrize("sent", [b"", text(PING), text(PING)[:-1]], ids=["silent", "after-message", "mid-frame"])
@pytest.mark.parametrize("authenticated", [True, False])
async def test_sender_who_closes_one_half_is_let_go(house: House, authenticated: bool, sent: bytes) -> None:
    async with raw_websocket(house.server.port) as socket:
        if authenticated:
            await authenticate(socket)
        await socket.send(sent)
        socket.half_close()
        await until_closed(socket)
    await house.is_unaffected()


@pytest.mark.parametrize(
    "sent", [b"", head(1, 100) + b"half", text(PING) * 50], ids=["silent", "mid-frame", "mid-answer"]
)
@pytest.mark.parametrize("authenticated", [True, False])
async def test_sender_who_resets_the_connection_is_forgotten(house: House, authenticated: bool, sent: bytes) -> None:
    async with raw_websocket(house.server.port) as socket:
        if authenticated:
            await authenticate(socket)
            await socket.send(message(type="subscribe", collection="messages"))
        await socket.send(sent)
        socket.reset()
    await house.is_unaffected()


def upgrade_faults(port: int) -> dict[str, bytes]:
    return {
        "no-key": upgrade_request(port, Sec_WebSocket_Key=None),
        "short-key": upgrade_request(port, Sec_WebSocket_Key="c2hvcnQ="),
        "old-version": upgrade_request(port, Sec_WebSocket_Version="8"),
        "no-version": upgrade_request(port, Sec_WebSocket_Version=None),
        "version-is-text": upgrade_request(port, Sec_WebSocket_Version="thirteen"),
        "no-upgrade": upgrade_request(port, Upgrade=None),
        "other-upgrade": upgrade_request(port, Upgrade="h2c"),
        "posted": upgrade_request(port).replace(b"GET", b"POST", 1),
        "huge-header": upgrade_request(port, X_Filler="a" * 200_000),
        "null-in-header": upgrade_request(port, X_Filler="a\x00b"),
        "wrong-origin": upgrade_request(port, Origin="https://evil.example"),
        "bad-token": upgrade_request(port, "/websocket?access_token=%ff%00"),
        "unknown-path": upgrade_request(port, "/websocket/nowhere"),
        "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32) + b"\r\n\r\n",
    }


@pytest.mark.parametrize("fault", upgrade_faults(0))
async def test_sender_of_a_bad_upgrade_is_refused(house: House, fault: str) -> None:
    async with tcp_connection(house.server.port) as (reader, writer):
        writer.write(upgrade_faults(house.server.port)[fault])
        async with asyncio.timeout(ANSWER_SECONDS):
            status = await reader.readline()
        assert status == b"" or 400 <= int(status.split()[1]) < 500, status
    await house.is_unaffected()


async def test_no_bad_input_counts_as_a_fault_of_the_server(house: House) -> None:
    assert "Traceback" not in house.server.log
    assert "INTERNAL_SERVER_ERROR" not in house.server.log
