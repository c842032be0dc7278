"""Nobody is nobody: sockets that never authenticated, or no longer are who they were, on every endpoint.

CVE-2026-126539 and CVE-2024-54151: in Directus a socket without a user read, and heard, as the system. What it gets
here is compared with what HTTP gives without a token. CVE-2023-45820 (a malformed frame ends the process) is in
`test_bad_input.py`, GHSA-vw58-ph65-6rxp (tokens in logs) in `test_canaries.py`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.http.project import ADMIN, MEMBER, Project, seeded_project
from tests.integration.websocket.client import Client
from tidegate.graphql.messages import SUBPROTOCOL

pytestmark = pytest.mark.asyncio(loop_scope="module")

COLLECTIONS = ("messages", "notes", "hidden_things", "site", "labels", "articles")
SYSTEM = ("directus_users", "directus_sessions", "directus_settings", "directus_policies", "directus_permissions")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    modes = {f"WEBSOCKETS_{endpoint}_AUTH": "public" for endpoint in ("REST", "GRAPHQL", "LOGS")}
    async with seeded_project(tmp_path_factory.mktemp("nobody"), modes) as running:
        await running.ask("POST", "/items/hidden_things", {"name": "secret"})
        yield running


async def never_authenticated(project: Project) -> Client:
    return await Client(project.app, "/websocket").__aenter__()


async def failed(project: Project) -> Client:
    client = await never_authenticated(project)
    assert (await client.ask(type="auth", access_token="nope"))["error"]["code"] == "AUTH_FAILED"
    return client


async def administrator_then_failed(project: Project) -> Client:
    client = await Client(project.app, f"/websocket?access_token={ADMIN}").__aenter__()
    assert (await client.ask(type="auth", access_token="nope"))["error"]["code"] == "AUTH_FAILED"
    return client


async def administrator_who_expired(project: Project) -> Client:
    body = {"email": "admin@example.com", "password": "admin-password"}
    token = (await project.client.post("/auth/login", json=body)).json()["data"]["access_token"]
    client = await Client(project.app, f"/websocket?access_token={token}").__aenter__()
    project.clock.advance(900)
    assert (await client.ask(type="pong"))["error"]["code"] == "TOKEN_EXPIRED"
    return client


async def administrator_who_timed_out(project: Project) -> Client:
    client = await administrator_who_expired(project)
    project.clock.advance(10)
    assert (await client.ask(type="pong"))["error"]["code"] == "AUTH_TIMEOUT"
    return client


async def administrator_who_was_suspended(project: Project) -> Client:
    role = (await project.ask("GET", "/users?filter[email][_eq]=admin@example.com&fields=role"))[1]["data"][0]["role"]
    user = {"email": "second@example.com", "token": "second-token", "role": role}
    _, made = await project.ask("POST", "/users", user)
    client = await Client(project.app, "/websocket?access_token=second-token").__aenter__()
    assert "data" in await client.ask(type="items", action="read", collection="hidden_things")
    await project.ask("DELETE", f"/users/{made['data']['id']}")
    assert (await client.receive())["error"]["code"] == "AUTH_FAILED"
    return client


@pytest.mark.parametrize(
    "nobody",
    [
        never_authenticated,
        failed,
        administrator_then_failed,
        administrator_who_expired,
        administrator_who_timed_out,
        administrator_who_was_suspended,
    ],
)
async def test_nobody_reads_writes_and_hears_what_http_gives_nobody(
    project: Project, nobody: Callable[[Project], Awaitable[Client]]
) -> None:
    client = await nobody(project)
    for collection in COLLECTIONS:
        status, given = await project.ask("GET", f"/items/{collection}", token=None)
        read = await client.ask(type="items", action="read", collection=collection)
        assert (read.get("data"), "error" in read) == (given.get("data"), status != 200), collection
        subscribed = await client.ask(type="subscribe", collection=collection)
        assert ("error" in subscribed) == (status != 200), collection
    for collection in SYSTEM:
        assert "error" in await client.ask(type="items", action="read", collection=collection)
        assert (await client.ask(type="subscribe", collection=collection))["error"]["code"] == "FORBIDDEN"
    written = {"type": "items", "action": "create", "collection": "hidden_things", "data": {"name": "written"}}
    assert (await client.ask(**written))["error"]["code"] == "FORBIDDEN"
    await project.ask("POST", "/items/hidden_things", {"name": "new secret"})
    _, made = await project.ask("POST", "/items/messages", {"text": "for all"})
    event = await client.receive()
    assert (event["event"], event["data"]) == ("create", [{"id": made["data"]["id"], "text": "for all"}])
    await client.nothing_more()
    await client.__aexit__()


async def graphql(project: Project, payload: dict[str, Any]) -> Client:
    client = Client(project.app, "/graphql")
    client.scope["subprotocols"] = [SUBPROTOCOL]
    await client.__aenter__()
    await client.send(type="connection_init", payload=payload)
    return client


async def test_nobody_over_graphql_finds_only_what_is_public(project: Project) -> None:
    client = await graphql(project, {})
    assert (await client.receive())["type"] == "connection_ack"
    shown = await client.ask(type="subscribe", id="1", payload={"query": "{ messages { text } }"})
    _, given = await project.ask("GET", "/items/messages?fields=text", token=None)
    assert shown["payload"]["data"]["messages"] == given["data"]
    assert (await client.receive())["type"] == "complete"
    queries = ("hidden_things { name }", "notes { id }", "messages { id user_created }")
    for number, query in enumerate(queries, 2):
        for operation in (f"{{ {query} }}", f"subscription {{ {query.replace(' ', '_mutated ', 1)} }}"):
            answer = await client.ask(type="subscribe", id=str(number), payload={"query": operation})
            assert answer["type"] == "error", operation
    await client.__aexit__()


async def test_nobody_hears_no_log(project: Project) -> None:
    async with Client(project.app, "/websocket/logs") as client:
        assert (await client.ask(type="subscribe", log_level="info"))["error"]["code"] == "FORBIDDEN"
        assert (await client.ask(type="auth", access_token=MEMBER))["error"]["code"] == "AUTH_FAILED"
        assert (await client.ask(type="subscribe", log_level="info"))["error"]["code"] == "FORBIDDEN"
