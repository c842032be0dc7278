"""Running subscriptions, of both protocols and on every engine, while the structure of their collection changes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.graphql.client import Socket
from tests.integration.http.project import ADMIN, Project, running_project
from tests.integration.websocket.client import Client
from tests.support import engines

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "the-token-of-ada"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=engines.DATABASE_ENGINES)
async def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    """With a user who may do everything with `notes` and `rooms`, but is no administrator."""
    async with (
        engines.temporary_database(request.param) as url,
        running_project(tmp_path_factory.mktemp("project"), engines.environment(url)) as running,
    ):
        user = {"email": "ada@example.com", "token": TOKEN, "status": "active"}
        running.ids["user"] = await made(running, "/users", **user)
        running.ids["policy"] = await made(running, "/policies", name="Notes")
        await made(running, "/access", user=running.ids["user"], policy=running.ids["policy"])
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def notes(project: Project) -> AsyncIterator[Project]:
    """`notes` with a text, a number, and the room that they belong to."""
    fields = [
        {"field": "text", "type": "string", "schema": {}, "meta": {}},
        {"field": "number", "type": "integer", "schema": {}, "meta": {}},
        {"field": "room", "type": "integer", "schema": {}, "meta": {}},
    ]
    rooms = {"collection": "rooms", "schema": {}, "meta": {}, "fields": [{**fields[0], "field": "name"}]}
    await made(project, "/collections", [rooms, {"collection": "notes", "schema": {}, "meta": {}, "fields": fields}])
    await made(project, "/relations", collection="notes", field="room", related_collection="rooms")
    for collection in ("notes", "rooms"):
        for action in ("read", "create"):
            rule: dict[str, Any] = {"collection": collection, "action": action, "permissions": {}, "fields": ["*"]}
            await made(project, "/permissions", policy=project.ids["policy"], **rule)
    yield project
    for collection in ("notes", "rooms"):
        await project.ask("DELETE", f"/collections/{collection}")


async def made(project: Project, path: str, body: object = None, **item: Any) -> Any:
    status, answer = await project.ask("POST", path, body or item)
    assert status == 200, answer
    return answer["data"]["id"] if "id" in answer["data"] else answer["data"]


async def done(project: Project, method: str, path: str, body: object = None) -> None:
    status, answer = await project.ask(method, path, body)
    assert status in (200, 204), answer


@asynccontextmanager
async def listening(project: Project, token: str, **queries: Any) -> AsyncIterator[Client]:
    """A WebSocket with a subscription to notes for each query, by uid."""
    async with Client(project.app, f"/websocket?access_token={token}") as client:
        for uid, query in queries.items():
            answer = await client.ask(type="subscribe", collection="notes", uid=uid, query=query)
            assert answer["event"] == "init", answer
        yield client


@asynccontextmanager
async def following(project: Project, token: str, **fields: str) -> AsyncIterator[Socket]:
    """A GraphQL socket with a subscription to notes for each selection of fields, by id."""
    async with Socket(project.app) as socket:
        await socket.begin(token)
        for name, selection in fields.items():
            await socket.subscribe(f"subscription {{ notes_mutated {{ data {{ {selection} }} }} }}", name)
        yield socket


async def events(client: Client, number: int) -> dict[str, Any]:
    """The data of the next messages by uid; of errors the code."""
    heard = {}
    for message in [await client.receive() for _ in range(number)]:
        heard[message["uid"]] = message["error"]["code"] if "error" in message else message["data"]
    return heard


async def results(socket: Socket, number: int) -> dict[str, Any]:
    """The data of the next messages by id; `error` where the operation ended with errors."""
    heard: dict[str, Any] = {}
    for message in [await socket.receive() for _ in range(number)]:
        ended = message["type"] == "error"
        heard[message["id"]] = "error" if ended else message["payload"]["data"]["notes_mutated"]["data"]
    return heard


@pytest.mark.parametrize("token", [ADMIN, TOKEN], ids=["administrator", "user"])
async def test_subscription_on_a_deleted_collection_ends_with_an_error(notes: Project, token: str) -> None:
    named = {"fields": ["id", "text"]}
    async with listening(notes, token, all={}, named=named) as client, following(notes, token, g="id") as socket:
        await done(notes, "DELETE", "/collections/notes")
        assert await events(client, 2) == {"all": "INVALID_COLLECTION", "named": "INVALID_COLLECTION"}
        assert await results(socket, 1) == {"g": "error"}
        await client.nothing_more()
        await socket.quiet()
        assert len(notes.app.running.subscriptions) == 0


@pytest.mark.parametrize("token", [ADMIN, TOKEN], ids=["administrator", "user"])
async def test_subscription_shows_a_new_field_from_the_next_event_on(notes: Project, token: str) -> None:
    one = {"fields": ["text"]}
    async with listening(notes, token, all={}, one=one) as client, following(notes, token, g="text") as socket:
        await made(notes, "/fields/notes", field="colour", type="string", schema={"default_value": "red"}, meta={})
        item = {"id": await made(notes, "/items/notes", text="a"), "text": "a", "number": None, "room": None}
        assert await events(client, 2) == {"all": [{**item, "colour": "red"}], "one": [{"text": "a"}]}
        assert await results(socket, 1) == {"g": {"text": "a"}}


async def test_subscription_goes_on_unless_it_names_a_deleted_field(notes: Project) -> None:
    queries = {
        "all": {},
        "other": {"fields": ["number"]},
        "named": {"fields": ["number", "text"]},
        "filtered": {"fields": ["number"], "filter": {"text": {"_eq": "a"}}},
        "sorted": {"fields": ["number"], "sort": ["text"]},
    }
    async with (
        listening(notes, TOKEN, **queries) as client,
        following(notes, TOKEN, other="number", named="number text") as socket,
    ):
        await done(notes, "DELETE", "/fields/notes/text")
        key = await made(notes, "/items/notes", number=5)
        assert await events(client, 5) == {
            "all": [{"id": key, "number": 5, "room": None}],
            "other": [{"number": 5}],
            "named": "FORBIDDEN",
            "filtered": "FORBIDDEN",
            "sorted": "FORBIDDEN",
        }
        assert await results(socket, 2) == {"other": {"number": 5}, "named": "error"}
        await made(notes, "/fields/notes", field="text", type="string", schema={}, meta={})
        await made(notes, "/items/notes", number=6, text="a")
        heard = await events(client, 2)
        assert (set(heard), heard["all"][0]["text"]) == ({"all", "other"}, "a")


async def test_changed_type_shows_in_the_next_event(notes: Project) -> None:
    async with listening(notes, TOKEN, all={}) as client, following(notes, TOKEN, g="text") as socket:
        await done(notes, "PATCH", "/fields/notes/text", {"type": "integer"})
        await made(notes, "/items/notes", text=7)
        assert (await events(client, 1))["all"][0]["text"] == 7
        assert await results(socket, 1) == {"g": {"text": 7}}


@pytest.mark.parametrize("what", ["/relations/notes/room", "/collections/rooms", "/fields/rooms/name"])
async def test_subscription_ends_where_what_it_is_related_to_is_deleted(notes: Project, what: str) -> None:
    related = {"fields": ["id", "room.name"]}
    async with (
        listening(notes, TOKEN, all={}, related=related) as client,
        following(notes, TOKEN, g="text", related="text room { name }") as socket,
    ):
        await done(notes, "DELETE", what)
        key = await made(notes, "/items/notes", text="a")
        all_fields = [{"id": key, "text": "a", "number": None, "room": None}]
        assert await events(client, 2) == {"all": all_fields, "related": "FORBIDDEN"}
        assert await results(socket, 2) == {"g": {"text": "a"}, "related": "error"}
