"""Two real servers on one PostgreSQL and one Redis, and another program on the bus."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from tests.conformance.conformance import ADMIN_TOKEN
from tests.support import engines
from tests.support.messenger_suite import soon
from tests.support.server import ADMIN, ServerProcess, running_server

NOTES = {
    "collection": "notes",
    "schema": {},
    "fields": [
        {"field": "id", "type": "integer", "schema": {"is_primary_key": True, "has_auto_increment": True}},
        {"field": "text", "type": "string"},
    ],
}


@dataclass
class Deployment:
    here: ServerProcess
    there: ServerProcess
    redis: Redis
    namespace: str

    async def publish(self, change: Mapping[str, Any]) -> None:
        """Say something on the bus as another program would."""
        await self.redis.publish(f"{self.namespace}:websocket.event", json.dumps(change))


@pytest.fixture
async def deployment(redis_url: str) -> AsyncIterator[Deployment]:
    namespace = f"tidegate-test-{secrets.token_hex(6)}"
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(engines.temporary_database("postgresql"))
        bus = {"REDIS": redis_url, "REDIS_BUS_NAMESPACE": namespace, "RATE_LIMITER_STORE": "redis"}
        variables = {**engines.environment(url), **bus}
        here = await stack.enter_async_context(running_server(variables))
        there = await stack.enter_async_context(running_server(variables))
        redis = await stack.enter_async_context(Redis.from_url(redis_url))
        yield Deployment(here, there, redis, namespace)


async def call(server: ServerProcess, method: str, path: str, body: Any = None) -> Any:
    async with httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=30) as client:
        answer = await client.request(method, path, json=body)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    return answer.json()["data"] if answer.content else None


async def say(client: ClientConnection, **message: Any) -> None:
    await client.send(json.dumps(message))


async def hear(client: ClientConnection) -> Any:
    return json.loads(await soon(client.recv()))


async def subscribed(server: ServerProcess) -> ClientConnection:
    """A client of the server that follows the texts of notes."""
    client = await connect(server.websocket_url)
    await say(client, type="auth", access_token=ADMIN_TOKEN)
    assert (await hear(client))["status"] == "ok"
    await say(client, type="subscribe", collection="notes", query={"fields": ["id", "text"]})
    assert (await hear(client))["event"] == "init"
    return client


async def knows_notes(server: ServerProcess) -> None:
    """The schema is read again soon after the message that it changed, not at the same moment."""
    async with httpx.AsyncClient(base_url=server.url, headers=ADMIN) as client, asyncio.timeout(10):
        while (await client.get("/items/notes")).status_code != 200:
            pass


async def test_subscribers_hear_what_the_other_server_and_other_programs_write(deployment: Deployment) -> None:
    await call(deployment.here, "POST", "/collections", NOTES)
    await knows_notes(deployment.there)
    near, far = await subscribed(deployment.here), await subscribed(deployment.there)
    for number in range(1, 21):
        await call(deployment.here, "POST", "/items/notes", {"text": f"note {number}"})
    expected = [[{"id": number, "text": f"note {number}"}] for number in range(1, 21)]
    assert [(await hear(far))["data"] for _ in range(20)] == expected
    assert [(await hear(near))["data"] for _ in range(20)] == expected
    await call(deployment.there, "PATCH", "/items/notes/1", {"text": "changed"})
    await deployment.publish({"collection": "notes", "action": "update", "keys": [2], "payload": {}})
    for client in (near, far):
        told = [await hear(client) for _ in range(2)]
        assert sorted(event["data"][0]["text"] for event in told) == ["changed", "note 2"]
        await client.close()


async def test_user_who_is_suspended_on_one_server_is_out_on_the_other(deployment: Deployment) -> None:
    email, password = "ada@example.com", "correct horse"
    user = {"email": email, "password": password, "token": "the-token-of-ada", "status": "active"}
    key = (await call(deployment.here, "POST", "/users", user))["id"]
    async with connect(deployment.there.websocket_url) as client:
        await say(client, type="auth", access_token=user["token"])
        assert (await hear(client))["status"] == "ok"
        await call(deployment.here, "PATCH", f"/users/{key}", {"status": "suspended"})
        assert (await hear(client))["error"]["code"] == "AUTH_FAILED"
        await soon(client.wait_closed())


async def test_failed_logins_are_one_budget_for_both_servers_and_both_protocols(deployment: Deployment) -> None:
    await call(deployment.here, "PATCH", "/settings", {"auth_login_attempts": 2})
    wrong = {"email": f"{secrets.token_hex(6)}@example.com", "password": "wrong"}
    async with connect(deployment.there.websocket_url) as client:
        await say(client, type="auth", **wrong)
        assert (await hear(client))["error"]["code"] == "AUTH_FAILED"
    codes = []
    for server in (deployment.here, deployment.there):
        async with httpx.AsyncClient(base_url=server.url) as http:
            answer = await http.post("/auth/login", json=wrong)
            codes.append(answer.json()["errors"][0]["extensions"]["code"])
    assert codes == ["INVALID_CREDENTIALS", "REQUESTS_EXCEEDED"]
