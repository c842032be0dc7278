"""The logs endpoint on a real server and database, with real clients and the real log."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.integration.access.project import PASSWORD, Project, open_project
from tests.integration.websocket.serving import serve
from tests.support import engines
from tests.support.messenger_suite import soon
from tidegate.items.changes import Change
from tidegate.logs.endpoint import Administrators, LogsEndpoint, Services
from tidegate.logs.machine import Rules, offered
from tidegate.logs.stream import LogStream
from tidegate.messenger.memory import MemoryMessenger
from tidegate.realtime.auth import Mode
from tidegate.realtime.connections import Connections
from tidegate.realtime.gate import Door, Gate
from tidegate.realtime.socket import EXTENSION, Outboxes
from tidegate.realtime.upgrade import OriginRule
from tidegate.realtime.verify import Verifier

ADMIN_TOKEN, MEMBER_TOKEN = "admin-token", "member-token"

log = logging.getLogger("tidegate.test")


class Logs:
    """The endpoint of one process, and what its tests need of that process."""

    def __init__(self, project: Project, connections: Connections, address: str, admin: str, policy: str) -> None:
        self.clock = project.clock
        self.connections = connections
        self.admin = admin
        """The administrator's id."""
        self.policy = policy
        """The policy that makes the administrator one."""
        self.ended = asyncio.Event()
        """Set when a connection has ended."""
        self._project = project
        self._address = address

    def open(self, query: str = "", **options: Any) -> connect:
        return connect(f"ws://{self._address}/websocket/logs{query}", **options)

    def open_as_admin(self) -> connect:
        return self.open(f"?access_token={ADMIN_TOKEN}")

    async def change(self, name: str, key: str, **values: Any) -> None:
        """Write to a system table and have the process learn of it, as after a commit."""
        self._tell(await self._project.set(name, key, **values))

    def _tell(self, change: Change) -> None:
        self._project.directory.changed([change])
        self.connections.rights_changed()


@asynccontextmanager
async def logs(
    mode: Mode = Mode.HANDSHAKE,
    auth_timeout: float = 10.0,
    connection_limit: int | None = None,
    rules: Rules | None = None,
    adapter: str = "uvicorn",
) -> AsyncIterator[Logs]:
    messenger = MemoryMessenger()
    stream = LogStream("node", "info", "pretty", messenger)
    async with engines.temporary_database("sqlite") as url, open_project(url) as project:
        policy = await project.policy("administrators", admin_access=True)
        admin = await project.user("admin@example.com", token=ADMIN_TOKEN)
        await project.add("access", user=admin, policy=policy)
        await project.user("member@example.com", token=MEMBER_TOKEN)
        connections = Connections(project.directory)
        services = Services(
            Administrators(Verifier(project.authenticator, project.directory)).verify,
            project.directory,
            project.clock,
            stream,
            rules or Rules(offered("info")),
        )
        door = Door(OriginRule("/"), "directus_session_token", lambda _: "127.0.0.1", Outboxes(100_000), project.clock)
        endpoint = LogsEndpoint(
            Gate(door, services.verify, mode, auth_timeout, connection_limit), services, connections
        )

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if adapter == "asgi":
                del scope["extensions"][EXTENSION]
            await endpoint(scope, receive, send)
            served.ended.set()

        await messenger.start()
        stream.start()
        try:
            async with serve(app) as address:
                served = Logs(project, connections, address, admin, policy)
                yield served
        finally:
            stream.stop()
            await connections.stop()
            await messenger.stop()


async def tell(client: ClientConnection, **message: Any) -> Any:
    """The answer to a message."""
    await client.send(json.dumps(message))
    return json.loads(await soon(client.recv()))


async def subscribe(client: ClientConnection, level: str = "info") -> None:
    answer = await tell(client, type="subscribe", log_level=level)
    assert answer == {"type": "logs", "event": "subscribe", "log_level": level}


async def next_text(client: ClientConnection) -> str:
    message = json.loads(await soon(client.recv()))
    assert (message["type"], message["uid"]) == ("logs", "node")
    text: str = message["data"]["msg"]
    return text


async def code_and_close(client: ClientConnection) -> tuple[str, int | None]:
    """The code of the error that is said, and the code of the close that follows."""
    code: str = json.loads(await soon(client.recv()))["error"]["code"]
    await soon(client.wait_closed())
    return code, client.close_code


@pytest.mark.parametrize("adapter", ["uvicorn", "asgi"])
async def test_administrator_follows_the_log(adapter: str) -> None:
    async with logs(adapter=adapter) as served, served.open_as_admin() as client:
        await subscribe(client, "warn")
        log.info("too low")
        log.warning("watch out")
        assert await next_text(client) == "watch out"
        assert await tell(client, type="unsubscribe") == {"type": "logs", "event": "unsubscribe"}
        log.warning("unheard")
        assert await tell(client, type="ping") == {"type": "pong"}


@pytest.mark.parametrize("mode", Mode)
async def test_somebody_elses_token_is_refused_at_the_upgrade_in_every_mode(mode: Mode) -> None:
    async with logs(mode) as served:
        for query in (f"?access_token={MEMBER_TOKEN}", "?access_token=nonsense"):
            with pytest.raises(InvalidStatus) as refused:
                await served.open(query)
            assert refused.value.response.status_code == 401


async def test_strict_mode_needs_a_token_at_the_upgrade() -> None:
    async with logs(Mode.STRICT) as served:
        with pytest.raises(InvalidStatus) as refused:
            await served.open()
        assert refused.value.response.status_code == 401


async def test_foreign_page_and_too_many_connections_are_refused() -> None:
    async with logs(connection_limit=1) as served:
        with pytest.raises(InvalidStatus) as refused:
            await served.open(origin="https://evil.example")
        assert refused.value.response.status_code == 403
        async with served.open():
            with pytest.raises(InvalidStatus) as refused:
                await served.open()
            assert refused.value.response.status_code == 403


async def test_administrator_authenticates_with_a_token_or_a_password() -> None:
    async with logs() as served:
        async with served.open() as client:
            answer = await tell(client, type="auth", access_token=ADMIN_TOKEN, uid="a")
            assert answer == {"type": "auth", "status": "ok", "uid": "a"}
            await subscribe(client)
        async with served.open() as client:
            answer = await tell(client, type="auth", email="admin@example.com", password=PASSWORD)
            assert (answer["status"], len(answer["refresh_token"])) == ("ok", 64)
            await subscribe(client)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "auth", "access_token": MEMBER_TOKEN},
        {"type": "auth", "email": "member@example.com", "password": PASSWORD},
        {"type": "auth", "email": "admin@example.com", "password": "wrong"},
        {"type": "auth"},
        {"type": "subscribe", "log_level": "info"},
    ],
)
async def test_anybody_else_fails_the_handshake(message: dict[str, str]) -> None:
    async with logs() as served, served.open() as client:
        await client.send(json.dumps(message))
        assert await code_and_close(client) == ("AUTH_FAILED", 1000)


async def test_administrator_whose_token_expires_gets_nothing_until_authenticated_again() -> None:
    async with logs(auth_timeout=3600) as served, served.open() as client:
        await tell(client, type="auth", email="admin@example.com", password=PASSWORD)
        await subscribe(client)
        served.clock.advance(900)
        log.critical("secret")
        expired = await tell(client, type="auth", access_token=ADMIN_TOKEN)
        assert expired["error"]["code"] == "TOKEN_EXPIRED"
        assert json.loads(await soon(client.recv())) == {"type": "auth", "status": "ok"}
        log.critical("told")
        assert await next_text(client) == "told"


async def test_silent_client_is_dropped() -> None:
    async with logs(auth_timeout=0.05) as served, served.open() as client:
        served.clock.advance(1)
        assert await code_and_close(client) == ("AUTH_FAILED", 1000)


async def test_public_mode_lets_nobody_in_and_tells_nobody_anything() -> None:
    async with logs(Mode.PUBLIC) as served, served.open() as client:
        for message in ({"type": "subscribe", "log_level": "info"}, {"type": "auth", "access_token": MEMBER_TOKEN}):
            answer = await tell(client, **message)
            assert answer["error"]["code"] == ("FORBIDDEN" if message["type"] == "subscribe" else "AUTH_FAILED")
        log.critical("secret")
        assert await tell(client, type="ping") == {"type": "pong"}
        await tell(client, type="auth", access_token=ADMIN_TOKEN)
        await subscribe(client)
        log.critical("told")
        assert await next_text(client) == "told"


@pytest.mark.parametrize("change", [{"status": "suspended"}, {"token": "another-token"}])
async def test_administrator_who_is_one_no_more_is_closed(change: dict[str, str]) -> None:
    async with logs() as served, served.open_as_admin() as client:
        await subscribe(client)
        await served.change("users", served.admin, **change)
        assert await code_and_close(client) == ("AUTH_FAILED", 1000)


async def test_demoted_administrator_gets_nothing_more_and_in_public_mode_stays() -> None:
    async with logs(Mode.PUBLIC) as served, served.open_as_admin() as client:
        await subscribe(client)
        await served.change("policies", served.policy, admin_access=False)
        assert json.loads(await soon(client.recv()))["error"]["code"] == "AUTH_FAILED"
        log.critical("secret")
        assert await tell(client, type="ping") == {"type": "pong"}


async def test_nothing_of_a_connection_stays_behind() -> None:
    handlers = list(logging.getLogger().handlers)
    async with logs() as served:
        async with served.open_as_admin() as client:
            await subscribe(client)
            assert len(served.connections) == 1
            assert len(logging.getLogger().handlers) > len(handlers)
        await soon(served.ended.wait())
        assert len(served.connections) == 0
        assert logging.getLogger().handlers == handlers


async def test_process_closes_connections_when_it_ends() -> None:
    async with logs() as served, served.open_as_admin() as client:
        await subscribe(client)
        served.connections.close_all(1012, "Restart")
        await soon(client.wait_closed())
        assert (client.close_code, client.close_reason) == (1012, "Restart")


async def test_messages_over_the_limit_are_refused() -> None:
    rules = Rules(offered("info"), message_points=1, message_duration=60)
    async with logs(rules=rules) as served, served.open_as_admin() as client:
        await subscribe(client)
        answer = await tell(client, type="subscribe", log_level="warn")
        assert (answer["type"], answer["error"]["code"]) == ("server", "REQUESTS_EXCEEDED")


async def test_tokens_of_the_connection_itself_do_not_appear() -> None:
    async with logs() as served, served.open_as_admin() as client:
        await subscribe(client)
        async with served.open(f"?access_token={ADMIN_TOKEN}") as second:
            await subscribe(second)
        log.info("last")
        texts = [await next_text(client)]
        while texts[-1] != "last":
            texts.append(await next_text(client))
        assert not any(ADMIN_TOKEN in text for text in texts)
