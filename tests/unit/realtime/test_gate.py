"""The gate: which upgrade requests become sockets, and what the others are answered."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from tidegate.access.identity import Public, User
from tidegate.access.rights import Rights
from tidegate.access.sessions import Client
from tidegate.clock import ManualClock
from tidegate.errors import TidegateError
from tidegate.realtime.auth import Mode, State
from tidegate.realtime.gate import Admission, Door, Gate
from tidegate.realtime.socket import Outboxes
from tidegate.realtime.upgrade import OriginRule
from tidegate.realtime.verify import Credentials, Token, Verified

ADDRESS = "192.0.2.7"


class Verifier:
    """Knows the tokens `good`, `expiring` and `good-slow`; nobody else's."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.clients: list[Client] = []
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()

    async def verify(self, credentials: Credentials, client: Client) -> Verified:
        assert isinstance(credentials, Token)
        self.clients.append(client)
        self.asked.set()
        match credentials.token:
            case "good":
                user = User("anna", client.ip)
            case "good-slow":
                await self.gate.wait()
                user = User("anna", client.ip)
            case "expiring":
                user = User("anna", client.ip, expires=self.clock.now())
            case "unlucky":
                raise TidegateError("SERVICE_UNAVAILABLE")
            case _:
                raise TidegateError("INVALID_CREDENTIALS")
        return Verified(user, Rights(user))


class Peer:
    """The server's side of one upgrade request: keeps what the application sends."""

    def __init__(self, query: str = "", origin: str | None = None, *, denial: bool = True) -> None:
        headers = [(b"host", b"here"), (b"user-agent", b"browser")]
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "scheme": "ws",
            "path": "/websocket",
            "query_string": query.encode(),
            "headers": headers + ([(b"origin", origin.encode())] if origin else []),
            "client": (ADDRESS, 1),
            "extensions": {"websocket.http.response": {}} if denial else {},
        }
        self.sent: list[MutableMapping[str, Any]] = []

    async def receive(self) -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)

    @property
    def answer(self) -> tuple[int, str]:
        """Status and code of the refusal."""
        start, body = self.sent
        return start["status"], json.loads(body["body"])["errors"][0]["extensions"]["code"]


class Entrance:
    """A gate, and what it needs."""

    def __init__(self, mode: Mode = Mode.HANDSHAKE, limit: int | None = None) -> None:
        self.clock = ManualClock(1000.0)
        self.verifier = Verifier(self.clock)
        door = Door(OriginRule("/"), "session", lambda _: ADDRESS, Outboxes(1000), self.clock)
        self.gate = Gate(door, self.verifier.verify, mode, 10.0, limit)

    async def try_to_enter(self, peer: Peer) -> Admission | None:
        """What `peer` is given, who leaves at once."""
        async with self.gate.admit(peer.scope, peer.receive, peer.send) as admission:
            return admission


@pytest.mark.parametrize(
    ("mode", "query", "state"),
    [
        (Mode.HANDSHAKE, "", State.WAITING),
        (Mode.HANDSHAKE, "access_token=good", State.AUTHENTICATED),
        (Mode.PUBLIC, "", State.PUBLIC),
        (Mode.PUBLIC, "access_token=good", State.AUTHENTICATED),
        (Mode.STRICT, "access_token=good", State.AUTHENTICATED),
    ],
)
async def test_gate_opens(mode: Mode, query: str, state: State) -> None:
    entrance, peer = Entrance(mode), Peer(query)
    async with entrance.gate.admit(peer.scope, peer.receive, peer.send) as admission:
        assert admission is not None
        assert peer.sent == [{"type": "websocket.accept", "subprotocol": None}]
        assert admission.auth.state is state
        assert admission.client == Client(ADDRESS, "browser", None)
        expected = User("anna", ADDRESS) if query else Public(ADDRESS)
        assert admission.auth.identity(entrance.clock.now()) == expected
        assert (admission.rights is None) == (query == "")
    assert admission.auth.state is State.CLOSED


@pytest.mark.parametrize(
    ("mode", "query", "origin", "answer"),
    [
        (Mode.STRICT, "", None, (401, "INVALID_CREDENTIALS")),
        *((mode, "access_token=bad", None, (401, "INVALID_CREDENTIALS")) for mode in Mode),
        *((mode, "access_token=", None, (401, "INVALID_CREDENTIALS")) for mode in Mode),
        *((mode, "access_token=expiring", None, (401, "INVALID_CREDENTIALS")) for mode in Mode),
        *((mode, "access_token=unlucky", None, (503, "SERVICE_UNAVAILABLE")) for mode in Mode),
        *((mode, "access_token=good", "https://evil.example", (403, "FORBIDDEN")) for mode in Mode),
    ],
)
async def test_gate_stays_shut(mode: Mode, query: str, origin: str | None, answer: tuple[int, str]) -> None:
    entrance, peer = Entrance(mode), Peer(query, origin)
    assert await entrance.try_to_enter(peer) is None
    assert peer.answer == answer
    assert entrance.gate.open == 0


async def test_token_of_a_foreign_page_is_not_even_looked_at() -> None:
    entrance, peer = Entrance(), Peer("access_token=good", "https://evil.example")
    await entrance.try_to_enter(peer)
    assert entrance.verifier.clients == []
    assert b"good" not in peer.scope["query_string"]


async def test_server_without_denial_responses_gets_a_close() -> None:
    peer = Peer("access_token=bad", denial=False)
    assert await Entrance().try_to_enter(peer) is None
    assert peer.sent == [{"type": "websocket.close"}]


async def test_limit_counts_open_sockets_and_those_whose_token_is_being_checked() -> None:
    entrance = Entrance(limit=2)
    first, slow, third = Peer(), Peer("access_token=good-slow"), Peer()
    async with entrance.gate.admit(first.scope, first.receive, first.send):
        checking = asyncio.ensure_future(entrance.try_to_enter(slow))
        await entrance.verifier.asked.wait()
        assert await entrance.try_to_enter(third) is None
        assert third.answer == (403, "FORBIDDEN")
        entrance.verifier.gate.set()
        assert await checking is not None
    assert entrance.gate.open == 0
    assert await entrance.try_to_enter(Peer()) is not None


async def test_place_is_free_again_when_the_connection_fails() -> None:
    entrance, peer = Entrance(limit=1), Peer()
    with pytest.raises(ZeroDivisionError):
        async with entrance.gate.admit(peer.scope, peer.receive, peer.send):
            raise ZeroDivisionError
    assert await entrance.try_to_enter(Peer()) is not None
