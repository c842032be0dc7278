"""What `/collections`, `/fields` and `/relations` do to rows of system collections is told, on every engine."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.graphql.client import Socket
from tests.integration.http.project import ADMIN, Project, running_project
from tests.integration.websocket.client import Client
from tests.support import engines
from tests.support.waiting import until
from tidegate.items.changes import Change
from tidegate.schema import Schema

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "the-token-of-ada"
TEXT: dict[str, Any] = {"field": "text", "type": "string", "schema": {}, "meta": {"note": "N"}}
ROOM: dict[str, Any] = {"field": "room", "type": "integer", "schema": {}, "meta": {"group": "text"}}
NOTES: dict[str, Any] = {"collection": "notes", "schema": {}, "meta": {"sort_field": "text"}, "fields": [TEXT, ROOM]}
ROOMS: dict[str, Any] = {"collection": "rooms", "schema": {}, "meta": {}}
FOLLOWED: Mapping[str, list[str]] = {
    "directus_collections": ["collection", "sort_field"],
    "directus_fields": ["collection", "field", "note", "group"],
    "directus_relations": ["many_collection", "many_field", "one_field"],
    "directus_permissions": ["collection", "action"],
}
"""The fields that the administrator asks for."""
Heard = dict[str, list[tuple[str, list[Any]]]]
"""By collection, the event and the keys or values of each row, in order."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=engines.DATABASE_ENGINES)
async def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    """With a user who may read which fields `notes` has, and nothing else."""
    async with (
        engines.temporary_database(request.param) as url,
        running_project(tmp_path_factory.mktemp("project"), engines.environment(url)) as running,
    ):
        user = (await done(running, "POST", "/users", {"email": "ada@example.com", "token": TOKEN}))["id"]
        running.ids["policy"] = (await done(running, "POST", "/policies", {"name": "Fields of notes"}))["id"]
        await done(running, "POST", "/access", {"user": user, "policy": running.ids["policy"]})
        rule = {"fields": ["id", "collection", "field"], "permissions": {"collection": {"_eq": "notes"}}}
        await permit(running, "directus_fields", **rule)
        yield running


async def permit(project: Project, collection: str, **rule: Any) -> Any:
    permission = {"policy": project.ids["policy"], "collection": collection, "action": "read", **rule}
    return (await done(project, "POST", "/permissions", permission))["id"]


async def done(project: Project, method: str, path: str, body: object = None) -> Any:
    status, answer = await project.ask(method, path, body)
    assert status in (200, 204), answer
    return answer["data"] if answer else None


async def heard(client: Client, number: int) -> Heard:
    """The next messages."""
    events: Heard = defaultdict(list)
    for message in [await client.receive() for _ in range(number)]:
        rows = message["data"]
        values = rows if message["event"] == "delete" else [list(row.values()) for row in rows]
        events[message["uid"].removeprefix("directus_")].append((message["event"], values))
    await client.nothing_more()
    return dict(events)


async def results(socket: Socket, number: int) -> list[tuple[str, str, Any]]:
    """Event, key and name of the field, of the next events of `directus_fields`."""
    told = [(await socket.next())["directus_fields_mutated"] for _ in range(number)]
    await socket.quiet()
    return [(each["event"], each["key"], each["data"] and each["data"]["field"]) for each in told]


async def test_rows_that_describe_the_structure_are_told_to_whoever_may_read_them(project: Project) -> None:
    async with (
        Client(project.app, f"/websocket?access_token={ADMIN}") as admin,
        Client(project.app, f"/websocket?access_token={TOKEN}") as user,
        Socket(project.app) as admins_socket,
        Socket(project.app) as users_socket,
    ):
        for name, fields in FOLLOWED.items():
            asked = {"type": "subscribe", "collection": name, "uid": name, "query": {"fields": fields}}
            assert (await admin.ask(**asked))["event"] == "init"
        mine = {"fields": ["field"]}
        answer = await user.ask(type="subscribe", collection="directus_fields", uid="directus_fields", query=mine)
        assert (answer["event"], answer["data"]) == ("init", [])
        for socket, token in ((admins_socket, ADMIN), (users_socket, TOKEN)):
            await socket.begin(token)
            await socket.subscribe("subscription { directus_fields_mutated { key event data { field } } }")

        await done(project, "POST", "/collections", [ROOMS, NOTES])
        assert await heard(admin, 6) == {
            "collections": [("create", [["rooms", None]]), ("create", [["notes", "text"]])],
            "fields": [
                ("create", [["rooms", "id", None, None]]),
                ("create", [["notes", "id", None, None]]),
                ("create", [["notes", "text", "N", None]]),
                ("create", [["notes", "room", None, "text"]]),
            ],
        }
        names = ["id", "text", "room"]
        assert await heard(user, 3) == {"fields": [("create", [[name]]) for name in names]}
        rows = await done(project, "GET", "/fields/notes")
        keys = {row["field"]: row["meta"]["id"] for row in rows}
        assert await results(users_socket, 3) == [("create", str(keys[name]), name) for name in names]
        assert len(await results(admins_socket, 4)) == 4

        await done(project, "PATCH", "/fields/notes", [{"field": name, "meta": {"note": name}} for name in names[1:]])
        assert await heard(admin, 2) == {
            "fields": [("update", [["notes", "text", "text", None]]), ("update", [["notes", "room", "room", "text"]])]
        }
        assert await heard(user, 2) == {"fields": [("update", [["text"]]), ("update", [["room"]])]}
        await results(admins_socket, 2)
        assert await results(users_socket, 2) == [("update", str(keys[name]), name) for name in names[1:]]

        relation = {"collection": "notes", "field": "room", "related_collection": "rooms"}
        await done(project, "POST", "/relations", {**relation, "meta": {"one_field": "notes"}})
        await done(project, "POST", "/fields/rooms", {"field": "notes", "type": "alias", "meta": {"special": ["o2m"]}})
        assert await heard(admin, 2) == {
            "relations": [("create", [["notes", "room", "notes"]])],
            "fields": [("create", [["rooms", "notes", None, None]])],
        }
        alias = (await done(project, "GET", "/fields/rooms/notes"))["meta"]["id"]
        related = (await done(project, "GET", "/relations/notes/room"))["meta"]["id"]
        await results(admins_socket, 1)

        await done(project, "DELETE", "/fields/notes/text")
        assert await heard(admin, 3) == {
            "fields": [("delete", [keys["text"]]), ("update", [["notes", "room", "room", None]])],
            "collections": [("update", [["notes", None]])],
        }
        assert await heard(user, 2) == {"fields": [("delete", [keys["text"]]), ("update", [["room"]])]}
        assert await results(users_socket, 2) == [
            ("delete", str(keys["text"]), None),
            ("update", str(keys["room"]), "room"),
        ]
        await results(admins_socket, 2)

        permission = await permit(project, "notes")
        assert await heard(admin, 1) == {"permissions": [("create", [["notes", "read"]])]}
        await done(project, "DELETE", "/collections/notes")
        assert await heard(admin, 5) == {
            "fields": [("delete", [alias]), ("delete", [keys["id"], keys["room"]])],
            "relations": [("delete", [related])],
            "permissions": [("delete", [permission])],
            "collections": [("delete", ["notes"])],
        }
        assert await heard(user, 1) == {"fields": [("delete", [keys["id"], keys["room"]])]}
        assert await results(users_socket, 2) == [("delete", str(keys[name]), None) for name in ("id", "room")]
        await results(admins_socket, 3)

        refused = [{"collection": "things", "schema": {}}, {"collection": "rooms", "schema": {}}]
        assert await project.code("POST", "/collections", refused) == (400, "INVALID_PAYLOAD")
        await done(project, "DELETE", "/collections/rooms")
        assert set(await heard(admin, 2)) == {"fields", "collections"}
        await user.nothing_more()
        await users_socket.quiet()


async def test_nothing_is_told_before_the_new_structure_is_known(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = project.app.running.items._database
    reload, known = database.reload, asyncio.Event()

    async def late() -> Schema:
        await known.wait()
        return await reload()

    async with Client(project.app, f"/websocket?access_token={ADMIN}") as admin:
        asked = {"collection": "directus_collections", "uid": "directus_collections", "query": {"fields": ["note"]}}
        await admin.ask(type="subscribe", **asked)
        told: list[Change] = []
        project.app.running.feed.subscribe(told.extend)
        monkeypatch.setattr(database, "reload", late)
        folder = {"collection": "folder", "schema": None, "meta": {"note": "N"}}
        making = asyncio.ensure_future(done(project, "POST", "/collections", folder))
        await until(lambda: bool(told))
        await admin.nothing_more()
        known.set()
        await making
        assert await heard(admin, 1) == {"collections": [("create", [["N"]])]}
