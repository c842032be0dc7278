"""The keys that a write names: those of rows that one may not see answer as those of rows that are not there."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from tests.integration.http.project import Project, running_project
from tests.support.engines import DATABASE_ENGINES, environment, temporary_database
from tidegate.database.engine import Database

pytestmark = pytest.mark.asyncio(loop_scope="module")


def field(name: str, kind: str, **schema: object) -> dict[str, Any]:
    return {"field": name, "type": kind, "schema": schema, "meta": {}}


def alias(name: str, special: str) -> dict[str, Any]:
    return {"field": name, "type": "alias", "meta": {"special": [special]}}


def relation(collection: str, name: str, to: str | None, **meta: object) -> dict[str, Any]:
    return {"collection": collection, "field": name, "related_collection": to, "meta": meta}


COLLECTIONS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "authors": (field("name", "string"), alias("articles", "o2m")),
    "articles": (
        field("title", "string"),
        field("slug", "string", is_unique=True),
        field("author", "integer"),
        field("owner", "uuid"),
        alias("labels", "m2m"),
        alias("blocks", "m2a"),
    ),
    "labels": (field("code", "string", is_primary_key=True),),
    "articles_labels": (field("article", "integer"), field("label", "string")),
    "blocks": (field("article", "integer"), field("item", "string"), field("collection", "string")),
}
RELATIONS = (
    relation("articles", "author", "authors", one_field="articles"),
    relation("articles", "owner", "directus_users"),
    relation("articles_labels", "article", "articles", one_field="labels", junction_field="label"),
    relation("articles_labels", "label", "labels", junction_field="article"),
    relation("blocks", "article", "articles", one_field="blocks", junction_field="item"),
    relation("blocks", "item", None, one_collection_field="collection", one_allowed_collections=["labels"]),
)
ADA, CODE = {"name": {"_eq": "Ada"}}, {"code": {"_neq": "hidden"}}
"""What may be read of `authors` and of `labels`: author 2 and the label `hidden` may not."""
MANY = ("articles", "articles_labels", "blocks")
FULL: list[tuple[str, str, Any, list[str], Any]] = [
    (name, action, {}, ["*"], None) for name in MANY for action in ("create", "read", "update", "delete")
]
SOME = [("authors", "read", ADA, ["*"], None), ("labels", "read", CODE, ["*"], None)]
WRITERS: Mapping[str, Sequence[tuple[str, str, Any, list[str], Any]]] = {
    "writer": [*FULL, *SOME],
    "maker": [*FULL, ("authors", "create", {}, ["*"], None), ("authors", "update", ADA, ["*"], None)],
    "blind": [*FULL[1:], ("articles", "create", {}, ["title"], {"author": 2})],
    "namer": [
        *(("articles", "read", {}, ["id", "title"], None), ("articles", "update", {}, ["title", "author"], None)),
        *SOME,
    ],
    "reader": [*FULL, ("authors", "read", {}, ["*"], None)],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DATABASE_ENGINES)
async def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    """Somebody for each of `WRITERS`, whose name is the token."""
    folder = tmp_path_factory.mktemp("hidden")
    async with temporary_database(request.param) as url, running_project(folder, environment(url)) as project:
        for name, fields in COLLECTIONS.items():
            await made(project, "/collections", {"collection": name, "schema": {}, "meta": {}, "fields": fields})
        for described in RELATIONS:
            await made(project, "/relations", {**described, "schema": {"on_delete": "SET NULL"}})
        for token, permissions in WRITERS.items():
            user = await made(project, "/users", {"email": f"{token}@example.com", "token": token, "status": "active"})
            policy = await made(project, "/policies", {"name": token})
            await made(project, "/access", {"user": user["id"], "policy": policy["id"]})
            names = ("collection", "action", "permissions", "fields", "presets")
            rows = [{**dict(zip(names, row, strict=True)), "policy": policy["id"]} for row in permissions]
            await made(project, "/permissions", rows)
            project.ids[token] = user["id"]
        yield project


async def made(project: Project, path: str, body: object) -> Any:
    status, answer = await project.ask("POST", path, body)
    assert status == 200, answer
    return answer["data"]


@pytest_asyncio.fixture(loop_scope="module")
async def project(running: Project) -> AsyncIterator[Project]:
    await made(running, "/items/labels", [{"code": "red"}, {"code": "hidden"}])
    await made(running, "/items/authors", [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bo"}])
    articles = [{"id": key, "title": f"t{key}", "slug": f"s{key}", "author": key} for key in (1, 2)]
    await made(running, "/items/articles", articles)
    yield running
    for name in ("blocks", "articles_labels", "articles", "authors", "labels"):
        assert (await running.ask("DELETE", f"/items/{name}", {"query": {"limit": -1}}))[0] == 204


async def stored(project: Project) -> Any:
    return [(await project.ask("GET", f"/items/{name}?limit=-1"))[1]["data"] for name in COLLECTIONS]


VISIBLE, HIDDEN, MISSING = (1, "red"), (2, "hidden"), (99, "missing")
WRITES: list[tuple[str, str, str]] = [
    ("POST", "/items/articles", '{"title": "x", "author": NUMBER}'),
    ("POST", "/items/articles", '[{"title": "x", "author": 1}, {"title": "y", "author": NUMBER}]'),
    ("POST", "/items/articles", '[{"author": NUMBER}, {"slug": "s1"}]'),
    ("PATCH", "/items/articles/1", '{"title": "x", "author": NUMBER}'),
    ("PATCH", "/items/articles", '{"keys": [1, 2], "data": {"author": NUMBER}}'),
    ("PATCH", "/items/articles", '[{"id": 1, "author": NUMBER}, {"id": 2, "title": "x"}]'),
    ("PATCH", "/items/articles/1", '{"author": {"id": NUMBER}}'),
    ("PATCH", "/items/articles/1", '{"labels": [{"label": "CODE"}]}'),
    ("PATCH", "/items/articles/1", '{"labels": {"create": [{"label": "red"}, {"label": "CODE"}]}}'),
    ("PATCH", "/items/articles/1", '{"labels": [{"label": {"code": "CODE"}}]}'),
    ("PATCH", "/items/articles/1", '{"blocks": [{"collection": "labels", "item": {"code": "CODE"}}]}'),
    ("POST", "/items/articles_labels", '{"article": 1, "label": "CODE"}'),
]


def keyed(text: str, keys: tuple[int, str]) -> Any:
    return json.loads(text.replace("NUMBER", str(keys[0])).replace("CODE", keys[1]))


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_hidden_row_is_pointed_at_as_one_that_is_not_there(
    project: Project, method: str, path: str, body: str
) -> None:
    before = await stored(project)
    answers = [await project.ask(method, path, keyed(body, keys), "writer") for keys in (HIDDEN, MISSING)]
    assert answers[0][0] in (400, 403)
    told = [
        str(answer).replace(str(keys[0]), "?").replace(keys[1], "?")
        for answer, keys in zip(answers, (HIDDEN, MISSING), strict=True)
    ]
    assert told[0] == told[1]
    assert await stored(project) == before
    if "s1" not in body:
        assert (await project.ask(method, path, keyed(body, VISIBLE), "writer"))[0] == 200


async def test_looking_takes_a_statement_for_all_and_none_where_nothing_is_hidden(project: Project) -> None:
    await made(project, "/items/authors", [{"id": key, "name": "Ada"} for key in range(10, 20)])
    database: Database = project.app.running.items._database
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, sql: str, *_: object) -> None:
        statements.append(sql)

    sa.event.listen(database._connections.writer, "before_cursor_execute", note)
    counts = []
    for token in ("reader", "writer"):
        for number in (1, 2, 9):
            statements.clear()
            rows = [{"title": "x", "author": key} for key in range(10, 10 + number)]
            assert (await project.ask("POST", "/items/articles", rows, token))[0] == 200
            counts.append(len(statements) - number * (1 + (not database.capabilities.insert_returning)))
    sa.event.remove(database._connections.writer, "before_cursor_execute", note)
    assert [count - counts[0] for count in counts] == [0, 0, 0, 1, 1, 1], counts


async def test_what_one_reads_may_be_written_back(project: Project) -> None:
    refused = (400, "INVALID_FOREIGN_KEY")
    assert (await project.ask("PATCH", "/items/articles/2", {"title": "x", "author": 2}, "writer"))[0] == 200
    assert await project.code("PATCH", "/items/articles", {"keys": [1, 2], "data": {"author": 2}}, "writer") == refused
    assert await project.code("PATCH", "/items/articles/2", {"title": "y", "author": 2}, "namer") == refused
    assert await project.code("PATCH", "/items/articles/2", {"title": "y", "author": 99}, "namer") == refused


async def test_one_knows_oneself(project: Project) -> None:
    own, other = project.ids["writer"], project.ids["maker"]
    assert (await project.ask("POST", "/items/articles", {"owner": own}, "writer"))[0] == 200
    answers = [
        await project.ask("POST", "/items/articles", {"owner": key}, "writer")
        for key in (other, "00000000-0000-4000-8000-000000000000")
    ]
    assert answers[0][0] == 400
    assert str(answers[0]).replace(other, "00000000-0000-4000-8000-000000000000") == str(answers[1])


async def test_preset_may_lead_anywhere(project: Project) -> None:
    assert (await project.ask("POST", "/items/articles", {"title": "of Bo"}, "blind"))[0] == 200
    assert (2, "of Bo") in [(row["author"], row["title"]) for row in (await stored(project))[1]]


async def test_what_the_same_write_makes_may_be_pointed_at(project: Project) -> None:
    """By who may not read it."""
    nested = {"id": 9, "name": "Cy", "articles": [{"title": "x"}, {"id": 1, "title": "y"}]}
    assert (await project.ask("POST", "/items/authors", nested, "maker"))[0] in (200, 204)
    assert (await project.ask("POST", "/items/articles", {"title": "z", "author": {"name": "Di"}}, "maker"))[0] == 200
    authors, articles, *_ = await stored(project)
    names = {row["id"]: row["name"] for row in authors}
    assert {row["title"]: names[row["author"]] for row in articles} == {"x": "Cy", "y": "Cy", "t2": "Bo", "z": "Di"}
    assert await project.code("POST", "/items/articles", {"author": 9}, "maker") == (400, "INVALID_FOREIGN_KEY")


async def test_value_that_is_taken_is_told_to_who_may_write_it(project: Project) -> None:
    taken = (400, "RECORD_NOT_UNIQUE")
    assert await project.code("POST", "/items/articles", {"slug": "s1"}, "writer") == taken
    assert await project.code("POST", "/items/articles", {"author": {"id": 2, "name": "x"}}, "maker") == taken
    assert await project.code("POST", "/items/authors", {"id": 2, "name": "x"}, "maker") == taken
    assert await project.code("POST", "/items/articles", {"author": {"id": 2, "name": "x"}}, "writer") == (
        403,
        "FORBIDDEN",
    )
