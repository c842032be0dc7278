"""Two real servers on one database: what one does to the structure, the other serves within a second."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.conformance.conformance import ADMIN_TOKEN
from tests.support import engines
from tests.support.messenger_suite import soon
from tests.support.server import ADMIN, running_server
from tests.support.waiting import POLL_SECONDS

SECOND = 1.0
TOKEN = "the-token-of-ada"
ROOMS = {"collection": "rooms", "schema": {}, "meta": {}}
NOTES: dict[str, Any] = {
    "collection": "notes",
    "schema": {},
    "meta": {},
    "fields": [
        {"field": "text", "type": "string", "schema": {}, "meta": {}},
        {"field": "room", "type": "integer", "schema": {}, "meta": {}},
    ],
}


class Here:
    """Asks one server as its administrator, and `there` the other one as whoever."""

    def __init__(self, here: httpx.AsyncClient, there: httpx.AsyncClient, websockets: str) -> None:
        self.here = here
        self.there = there
        self.websockets = websockets
        """The address of the other server's sockets, without a path."""
        self.seconds: dict[str, float] = {}
        """From the answer of this server until the other one served what had been done."""

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.here.request(method, path, json=body)
        assert answer.is_success, (path, answer.text)
        return answer.json()["data"] if answer.content else None

    async def served(self, what: str, path: str, shows: Callable[[int, Any], bool], token: str = ADMIN_TOKEN) -> None:
        """Wait until the other server's answer shows it."""
        began = time.monotonic()
        async with asyncio.timeout(10):
            while True:
                answer = await self.there.get(path, headers={"Authorization": f"Bearer {token}"})
                if shows(answer.status_code, answer.json().get("data")):
                    break
                await asyncio.sleep(POLL_SECONDS)
        self.seconds[what] = time.monotonic() - began


@pytest.fixture(params=engines.DATABASE_ENGINES)
async def deployment(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Here]:
    bus = {"REDIS": redis_url, "REDIS_BUS_NAMESPACE": f"tidegate-test-{secrets.token_hex(6)}"}
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(engines.temporary_database(request.param))
        variables = {**engines.environment(url), **bus}
        here = await stack.enter_async_context(running_server(variables))
        there = await stack.enter_async_context(running_server(variables))
        asking = await stack.enter_async_context(httpx.AsyncClient(base_url=here.url, headers=ADMIN, timeout=30))
        looking = await stack.enter_async_context(httpx.AsyncClient(base_url=there.url, timeout=30))
        yield Here(asking, looking, there.url.replace("http", "ws"))


async def test_other_process_serves_a_changed_structure_within_a_second(
    deployment: Here, record_property: Callable[[str, object], None]
) -> None:
    ask, served = deployment.ask, deployment.served
    user = (await ask("POST", "/users", {"email": "ada@example.com", "token": TOKEN, "status": "active"}))["id"]
    policy = (await ask("POST", "/policies", {"name": "Notes"}))["id"]
    await ask("POST", "/access", {"user": user, "policy": policy})

    await ask("POST", "/collections", [ROOMS, NOTES])
    await served("collection made", "/items/notes", lambda status, _: status == 200)
    await served("its fields", "/fields/notes", lambda status, _: status == 200)
    rule = {"policy": policy, "collection": "notes", "action": "read", "permissions": {}, "fields": ["*"]}
    await ask("POST", "/permissions", rule)
    await served("permission", "/items/notes", lambda status, _: status == 200, TOKEN)
    await ask("POST", "/relations", {"collection": "notes", "field": "room", "related_collection": "rooms"})
    await served("relation made", "/relations/notes", lambda _, data: len(data) == 1)
    await served("related fields", "/items/notes?fields=room.id", lambda status, _: status == 200)
    await ask("POST", "/items/notes", {"text": "a", "room": {}})
    await ask("POST", "/fields/notes", {"field": "colour", "type": "string", "schema": {"default_value": "red"}})
    await served("field made", "/items/notes", lambda _, data: data[0].get("colour") == "red", TOKEN)
    await ask("PATCH", "/fields/notes/colour", {"meta": {"note": "N"}})
    await served("field changed", "/fields/notes/colour", lambda _, data: (data["meta"] or {}).get("note") == "N")
    await ask("DELETE", "/fields/notes/colour")
    await served("field deleted", "/items/notes", lambda status, data: status == 200 and "colour" not in data[0], TOKEN)
    await ask("PATCH", "/collections/notes", {"meta": {"singleton": True}})
    await served("collection changed", "/items/notes", lambda _, data: isinstance(data, dict), TOKEN)
    await ask("DELETE", "/relations/notes/room")
    await served("relation deleted", "/relations/notes", lambda _, data: data == [])
    await ask("DELETE", "/collections/notes")
    await served("collection deleted", "/items/notes", lambda status, _: status == 403, TOKEN)

    for what, seconds in deployment.seconds.items():
        assert seconds < SECOND, what
    slowest = max(deployment.seconds, key=deployment.seconds.__getitem__)
    record_property("structure served elsewhere after at most", f"{deployment.seconds[slowest]:.3f} s ({slowest})")


@asynccontextmanager
async def subscribed(deployment: Here) -> AsyncIterator[tuple[ClientConnection, ClientConnection]]:
    """A WebSocket and a GraphQL socket of the other server, with subscriptions to all fields and to the text."""
    protocol = [Subprotocol("graphql-transport-ws")]
    async with (
        connect(f"{deployment.websockets}/websocket?access_token={ADMIN_TOKEN}") as client,
        connect(f"{deployment.websockets}/graphql?access_token={ADMIN_TOKEN}", subprotocols=protocol) as socket,
    ):
        for uid, query in (("all", {}), ("named", {"fields": ["text"]})):
            message = {"type": "subscribe", "collection": "notes", "uid": uid, "query": query}
            await client.send(json.dumps(message))
            assert (await hear(client))["event"] == "init"
        await socket.send(json.dumps({"type": "connection_init", "payload": {"access_token": ADMIN_TOKEN}}))
        assert (await hear(socket))["type"] == "connection_ack"
        for name, selection in (("other", "room"), ("named", "text")):
            document = f"subscription {{ notes_mutated {{ data {{ {selection} }} }} }}"
            await socket.send(json.dumps({"type": "subscribe", "id": name, "payload": {"query": document}}))
        await socket.send(json.dumps({"type": "ping"}))
        assert (await hear(socket))["type"] == "pong"
        yield client, socket


async def hear(client: ClientConnection) -> Any:
    return json.loads(await soon(client.recv()))


async def outcomes(client: ClientConnection, number: int) -> dict[str, Any]:
    """The data of the next messages by uid or id; of errors the code, or `error`."""
    heard: dict[str, Any] = {}
    for message in [await hear(client) for _ in range(number)]:
        if "id" in message:
            ended = message["type"] == "error"
            heard[message["id"]] = "error" if ended else message["payload"]["data"]["notes_mutated"]["data"]
        else:
            heard[message["uid"]] = message["error"]["code"] if "error" in message else message["data"]
    return heard


async def test_subscriptions_of_the_other_process_go_on_or_end(deployment: Here) -> None:
    """Nothing is waited for: the structure is changed, and a row written under the new one."""
    ask = deployment.ask
    await ask("POST", "/collections", NOTES)
    await deployment.served("collection", "/items/notes", lambda status, _: status == 200)
    async with subscribed(deployment) as (client, socket):
        await ask("POST", "/fields/notes", {"field": "colour", "type": "string", "schema": {"default_value": "red"}})
        await ask("POST", "/items/notes", {"text": "a"})
        item = {"id": 1, "text": "a", "room": None, "colour": "red"}
        assert await outcomes(client, 2) == {"all": [item], "named": [{"text": "a"}]}
        assert await outcomes(socket, 2) == {"other": {"room": None}, "named": {"text": "a"}}

        await ask("DELETE", "/fields/notes/text")
        await ask("POST", "/items/notes", {"room": 3})
        assert await outcomes(client, 2) == {
            "all": [{"id": 2, "room": 3, "colour": "red"}],
            "named": "FORBIDDEN",
        }
        assert await outcomes(socket, 2) == {"other": {"room": 3}, "named": "error"}

        await ask("DELETE", "/collections/notes")
        assert await outcomes(client, 1) == {"all": "INVALID_COLLECTION"}
        assert await outcomes(socket, 1) == {"other": "error"}


async def test_rows_that_describe_the_structure_are_told_by_the_other_process(deployment: Here) -> None:
    """Once each, with the new structure served already."""
    ask = deployment.ask
    async with connect(f"{deployment.websockets}/websocket?access_token={ADMIN_TOKEN}") as client:
        for collection, names in (("directus_collections", ["collection"]), ("directus_fields", ["id", "field"])):
            query = {"fields": names}
            asked = {"type": "subscribe", "collection": collection, "uid": collection, "query": query}
            await client.send(json.dumps(asked))
            assert (await hear(client))["event"] == "init"

        await ask("POST", "/collections", NOTES)
        heard = [await hear(client) for _ in range(4)]
        fields = {row["field"]: row["id"] for message in heard for row in message["data"] if "field" in row}
        assert sorted(fields) == ["id", "room", "text"]
        assert [message["data"] for message in heard if message["uid"] == "directus_collections"] == [
            [{"collection": "notes"}]
        ]
        assert {message["event"] for message in heard} == {"create"}
        await client.send(json.dumps({"type": "items", "action": "read", "collection": "notes"}))
        assert (await hear(client))["data"] == []

        await ask("DELETE", "/collections/notes")
        gone = {
            message["uid"]: (message["event"], message["data"]) for message in [await hear(client), await hear(client)]
        }
        assert gone == {
            "directus_collections": ("delete", ["notes"]),
            "directus_fields": ("delete", sorted(fields.values())),
        }
        await client.send(json.dumps({"type": "items", "action": "read", "collection": "notes"}))
        assert (await hear(client))["error"]["code"] == "INVALID_COLLECTION"


async def test_process_without_a_bus_serves_the_structure_that_it_knows(tmp_path: Any) -> None:
    """As docs/protocol.md, section 1.1, says: until it is started again, or changes the structure itself."""
    async with AsyncExitStack() as stack:
        variables = {"DB_CLIENT": "sqlite3", "DB_FILENAME": str(tmp_path / "data.db")}
        servers = [await stack.enter_async_context(running_server(variables)) for _ in range(2)]
        here, there = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=30))
            for server in servers
        ]
        assert (await here.post("/collections", json=NOTES)).is_success
        assert (await here.get("/items/notes")).status_code == 200
        assert (await there.get("/items/notes")).status_code == 403
        assert (await there.post("/collections", json=ROOMS)).is_success
        assert (await there.get("/items/notes")).status_code == 200
        assert (await here.delete("/fields/notes/text")).is_success
        assert (await there.get("/items/notes")).is_server_error
        await servers[1].stop()
        again = await stack.enter_async_context(running_server(variables))
        async with httpx.AsyncClient(base_url=again.url, headers=ADMIN) as client:
            assert (await client.get("/items/notes")).json() == {"data": []}
