"""How many statements the database is asked to run, counted at its drivers: by relations and levels, never by rows."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from tests.integration.graphql.client import Socket, data
from tests.integration.http.project import Project, running_project
from tests.integration.websocket.client import Client
from tests.support import engines
from tidegate.database.engine import Database

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "the-token-of-ada"
Ask = Callable[[Project, str], Awaitable[Any]]


class Counted(Project):
    """A project that counts the statements of its database."""

    def count_statements(self) -> None:
        self.statements: list[str] = []
        connections = self.database._connections
        query = connections.query

        def counted(connection: Any, sql: str, parameters: Sequence[Any]) -> Any:
            self.statements.append(sql)
            return query(connection, sql, parameters)

        connections.query = counted  # type: ignore[method-assign]

        def note(_connection: Any, _cursor: Any, sql: str, *_: object) -> None:
            self.statements.append(sql)

        sa.event.listen(connections.reader, "before_cursor_execute", note)
        sa.event.listen(connections.writer, "before_cursor_execute", note)

    @property
    def database(self) -> Database:
        return self.app.running.items._database

    async def fill(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        async with self.database.transaction() as transaction:
            await transaction.execute(sa.insert(self.database.tables[table]).values([dict(row) for row in rows]))


def number(name: str) -> dict[str, Any]:
    return {"field": name, "type": "integer", "schema": {}, "meta": {}}


def text(name: str) -> dict[str, Any]:
    return {"field": name, "type": "string", "schema": {}, "meta": {}}


def alias(name: str, special: str) -> dict[str, Any]:
    return {"field": name, "type": "alias", "meta": {"special": [special]}}


COLLECTIONS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "pages": (text("name"), number("parent"), alias("children", "o2m"), alias("blocks", "m2a"), alias("tags", "m2m")),
    "tags": (text("name"), alias("pages", "m2m")),
    "pages_tags": (number("pages_id"), number("tags_id")),
    "blocks": (number("pages_id"), text("item"), text("collection")),
}
RELATIONS: Sequence[Mapping[str, Any]] = (
    {"collection": "pages", "field": "parent", "related_collection": "pages", "meta": {"one_field": "children"}},
    {
        "collection": "pages_tags",
        "field": "pages_id",
        "related_collection": "pages",
        "schema": {"on_delete": "CASCADE"},
        "meta": {"one_field": "tags", "junction_field": "tags_id"},
    },
    {
        "collection": "pages_tags",
        "field": "tags_id",
        "related_collection": "tags",
        "meta": {"one_field": "pages", "junction_field": "pages_id"},
    },
    {
        "collection": "blocks",
        "field": "pages_id",
        "related_collection": "pages",
        "schema": {"on_delete": "CASCADE"},
        "meta": {"one_field": "blocks", "junction_field": "item", "one_deselect_action": "delete"},
    },
    {
        "collection": "blocks",
        "field": "item",
        "related_collection": None,
        "meta": {"one_collection_field": "collection", "one_allowed_collections": ["pages", "tags"]},
    },
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=engines.DATABASE_ENGINES)
async def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Counted]:
    """Pages that have parents, children, tags and blocks; and a user whose rights are rules."""
    async with (
        engines.temporary_database(request.param) as url,
        running_project(tmp_path_factory.mktemp("project"), engines.environment(url)) as running,
    ):
        running.__class__ = Counted
        assert isinstance(running, Counted)
        user = await made(running, "/users", {"email": "ada@example.com", "token": TOKEN, "status": "active"})
        policy = await made(running, "/policies", {"name": "Pages"})
        await made(running, "/access", {"user": user["id"], "policy": policy["id"]})
        described = [
            {"collection": name, "schema": {}, "meta": {}, "fields": fields} for name, fields in COLLECTIONS.items()
        ]
        await made(running, "/collections", described)
        for relation in RELATIONS:
            await made(running, "/relations", relation)
        for collection in COLLECTIONS:
            rule = {
                "collection": collection,
                "permissions": {"id": {"_gt": 0}},
                "fields": ["*"],
                "policy": policy["id"],
            }
            for action in ("create", "read", "update", "delete"):
                await made(running, "/permissions", {**rule, "action": action})
        running.count_statements()
        yield running


async def made(project: Project, path: str, body: object) -> Any:
    status, answer = await project.ask("POST", path, body)
    assert status == 200, answer
    return answer["data"]


@pytest_asyncio.fixture(loop_scope="module")
async def pages(project: Counted) -> AsyncIterator[Counted]:
    """Four levels of pages: four roots, each page with two children, two tags and two blocks."""
    first, rows = 1, [{"id": number, "parent": 0} for number in range(1, 5)]
    while len(rows) < 60:
        level = rows[first - 1 :]
        first = len(rows) + 1
        rows += [{"id": first + 2 * at + more, "parent": row["id"]} for at, row in enumerate(level) for more in (0, 1)]
    await project.fill("pages", [{**row, "parent": row["parent"] or None, "name": f"page {row['id']}"} for row in rows])
    await project.fill("tags", [{"id": number, "name": f"tag {number}"} for number in range(1, 7)])
    keys = [row["id"] for row in rows]
    await project.fill("pages_tags", [{"pages_id": key, "tags_id": (key + n) % 6 + 1} for key in keys for n in (0, 1)])
    blocks = [
        {"pages_id": key, "collection": name, "item": str(key % number + 1)}
        for key in keys
        for name, number in (("pages", 60), ("tags", 6))
    ]
    await project.fill("blocks", blocks)
    yield project
    async with project.database.transaction() as transaction:
        await transaction.execute(sa.update(project.database.tables["pages"]).values(parent=None))
        for name in ("blocks", "pages_tags", "tags", "pages"):
            await transaction.execute(sa.delete(project.database.tables[name]))


NESTED = {
    "many to one": ["id", "parent.parent.parent.name"],
    "one to many": ["id", "children.children.children.name"],
    "many to many": ["id", "tags.tags_id.pages.pages_id.name"],
    "many to any": ["id", "blocks.item:pages.blocks.item:tags.name", "blocks.item:tags.name"],
    "all of them": ["*.*.*"],
}
SELECTIONS = {
    "many to one": "id parent { parent { parent { name } } }",
    "one to many": "id children { children { children { name } } }",
    "many to many": "id tags { tags_id { pages { pages_id { name } } } }",
    "many to any": (
        "id blocks { item { ... on pages { blocks { item { ... on tags { name } } } } ... on tags { name } } }"
    ),
}


def order(kind: str) -> str:
    """Those with children come first, those with parents last."""
    return "-id" if kind == "many to one" else "id"


def query(kind: str, rows: int) -> dict[str, Any]:
    return {"fields": NESTED[kind], "sort": order(kind), "limit": rows}


async def over_http(project: Project, kind: str, rows: int) -> Any:
    status, answer = await project.ask("SEARCH", "/items/pages", {"query": query(kind, rows)}, TOKEN)
    assert status == 200, answer
    return answer["data"]


async def over_websocket(project: Project, kind: str, rows: int) -> Any:
    async with Client(project.app, f"/websocket?access_token={TOKEN}") as client:
        answer = await client.ask(type="items", action="read", collection="pages", query=query(kind, rows))
    return answer["data"]


async def as_snapshot(project: Project, kind: str, rows: int) -> Any:
    async with Client(project.app, f"/websocket?access_token={TOKEN}") as client:
        answer = await client.ask(type="subscribe", collection="pages", query=query(kind, rows))
    assert answer["event"] == "init"
    return answer["data"]


async def over_graphql(project: Project, kind: str, rows: int) -> Any:
    document = f'query {{ pages(limit: {rows}, sort: ["{order(kind)}"]) {{ {SELECTIONS[kind]} }} }}'
    return (await data(project, document, TOKEN))["pages"]


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("read", [over_http, over_websocket, as_snapshot, over_graphql])
async def test_statements_of_a_read_do_not_grow_with_its_rows(
    pages: Counted, read: Callable[[Project, str, int], Awaitable[Any]], kind: str
) -> None:
    if read is over_graphql and kind not in SELECTIONS:
        pytest.skip("GraphQL has no wildcards")
    counts = []
    few = 14 if kind == "all of them" else 2  # with parents, and parents of these
    for rows in (few, few, 30):
        pages.statements.clear()
        answer = await read(pages, kind, rows)
        assert len(answer) == rows
        assert "page " in str(answer) or "tag " in str(answer), "the deepest level is there"
        counts.append(len(pages.statements))
    assert counts[1] == counts[2]
    assert counts[2] <= counts[0]
    if kind in ("many to one", "one to many"):
        assert counts[2] == 4, pages.statements


@pytest.mark.parametrize("kind", SELECTIONS)
async def test_statements_of_an_event_do_not_grow_with_its_rows(pages: Counted, kind: str) -> None:
    counts = []
    async with Client(pages.app, f"/websocket?access_token={TOKEN}") as client, Socket(pages.app) as socket:
        await socket.begin(TOKEN)
        await socket.subscribe(f"subscription {{ pages_mutated {{ data {{ {SELECTIONS[kind]} }} }} }}")
        fields = {"fields": NESTED[kind], "limit": 1}
        assert (await client.ask(type="subscribe", collection="pages", query=fields))["event"] == "init"
        some = range(60, 30, -1) if kind == "many to one" else range(1, 31)
        for keys in (list(some[:2]), list(some[:2]), list(some)):
            pages.statements.clear()
            body = {"keys": keys, "data": {"name": f"page of {len(keys)}"}}
            status, answer = await pages.ask("PATCH", "/items/pages?fields=id&limit=-1", body)
            assert (status, len(answer["data"])) == (200, len(keys))
            assert len((await client.receive())["data"]) == len(keys)
            for _ in keys:
                await socket.next()
            counts.append(len(pages.statements))
    assert counts[1] == counts[2]


def child(levels: int, width: int) -> dict[str, Any]:
    """A page with pages below it, each with a tag and a block of its own."""
    page: dict[str, Any] = {"name": "new", "tags": [{"tags_id": {"name": "t"}}]}
    page["blocks"] = [{"collection": "tags", "item": {"name": "b"}}]
    if levels:
        page["children"] = [child(levels - 1, width) for _ in range(width)]
    return page


async def test_statements_of_nested_writes_grow_with_the_rows_they_touch(
    project: Counted, record_property: Callable[[str, object], None]
) -> None:
    """Twice the rows take twice the statements at most, beside what a request takes anyway."""
    created, updated, deleted = [], [], []
    for width in (1, 4, 8, 16):  # the first one also looks up rights
        project.statements.clear()
        status, answer = await project.ask("POST", "/items/pages?fields=id,children.id", child(1, width), TOKEN)
        assert status == 200, answer
        created.append(len(project.statements))
        root, children = answer["data"]["id"], answer["data"]["children"]
        project.statements.clear()
        renamed = [{**page, "name": "renamed", "tags": [], "blocks": []} for page in children]
        status, answer = await project.ask("PATCH", f"/items/pages/{root}?fields=id", {"children": renamed}, TOKEN)
        assert status == 200, answer
        updated.append(len(project.statements))
        project.statements.clear()
        body = {"children": {"create": [], "update": [], "delete": [page["id"] for page in children]}}
        status, answer = await project.ask("PATCH", f"/items/pages/{root}?fields=id", body, TOKEN)
        assert status == 200, answer
        assert await project.ask("DELETE", "/items/pages", [root, *(page["id"] for page in children)], TOKEN) == (
            204,
            "",
        )
        deleted.append(len(project.statements))
    for _, four, eight, sixteen in (created, updated):
        assert sixteen - eight == 2 * (eight - four)
    assert deleted[1] == deleted[2] == deleted[3]
    record_property(
        f"statements of nested creates, updates, deletes, {project.database.capabilities.dialect}",
        (created, updated, deleted),
    )
