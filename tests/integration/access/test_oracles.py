"""A member asks for what must stay unknown in every way that the query language and nested writes offer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.http.project import Project, running_project
from tests.support.engines import DATABASE_ENGINES, environment, temporary_database

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEMBER = "token-of-the-member"
KEY = {"field": "id", "type": "integer", "schema": {"is_primary_key": True, "has_auto_increment": True}, "meta": {}}
PUBLISHED = {"status": {"_eq": "published"}}
COLLECTIONS = {
    "authors": {"name": "string", "secret": "string"},
    "articles": {"title": "string", "status": "string", "hidden": "string", "seen": "dateTime", "author": "integer"},
    "diaries": {"author": "integer"},
}
AUTHORS = [{"name": "Ada", "secret": "s1"}, {"name": "Bob", "secret": "s2"}]
ARTICLES = [
    {"title": "A", "status": "published", "hidden": "h1", "author": 1},
    {"title": "B", "status": "draft", "hidden": "h2", "author": 1},
    {"title": "C", "status": "published", "hidden": "h3", "author": 2},
]
PERMISSIONS: list[tuple[str, str, list[str], dict[str, Any]]] = [
    ("articles", "read", ["id", "title", "status", "author"], PUBLISHED),
    ("articles", "update", ["title", "status", "author"], PUBLISHED),
    ("articles", "create", ["title", "status", "author"], {}),
    ("authors", "read", ["id", "name", "articles"], {"name": {"_eq": "Ada"}}),
    ("authors", "update", ["name", "articles"], {"name": {"_eq": "Ada"}}),
    ("authors", "create", ["name", "articles"], {}),
    ("authors", "delete", [], {}),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DATABASE_ENGINES)
async def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    folder: Path = tmp_path_factory.mktemp("oracles")
    async with temporary_database(request.param) as url, running_project(folder, environment(url)) as project:
        await _fill(project)
        yield project


async def _fill(project: Project) -> None:
    async def post(path: str, body: object) -> Any:
        status, answer = await project.ask("POST", path, body)
        assert status == 200, answer
        return answer["data"]

    for collection, types in COLLECTIONS.items():
        fields = [{"field": name, "type": type_, "schema": {}, "meta": {}} for name, type_ in types.items()]
        await post("/collections", {"collection": collection, "schema": {}, "meta": {}, "fields": [KEY, *fields]})
    for collection in ("articles", "diaries"):
        alias = {"field": collection, "type": "alias", "schema": None, "meta": {"special": ["o2m"]}}
        await post("/fields/authors", alias)
        place = {"collection": collection, "field": "author", "related_collection": "authors"}
        await post("/relations", {**place, "meta": {"one_field": collection}, "schema": {"on_delete": "NO ACTION"}})
    await post("/items/authors", AUTHORS)
    await post("/items/articles", ARTICLES)
    await post("/items/diaries", {"author": 2})
    policy = (await post("/policies", {"name": "Member"}))["id"]
    role = (await post("/roles", {"name": "Member"}))["id"]
    await post("/access", {"role": role, "policy": policy})
    await post("/users", {"email": "m@example.com", "role": role, "token": MEMBER, "status": "active"})
    names = ("collection", "action", "fields", "permissions")
    await post("/permissions", [{"policy": policy, **dict(zip(names, row, strict=True))} for row in PERMISSIONS])


async def ask(project: Project, collection: str, query: dict[str, Any]) -> tuple[int, Any]:
    return await project.ask("SEARCH", f"/items/{collection}", {"query": query}, MEMBER)


OF_A_FIELD: list[dict[str, Any]] = [
    {"fields": ["hidden"]},
    {"fields": ["count(hidden)"]},
    {"filter": {"hidden": {"_eq": "h1"}}},
    {"filter": {"hidden": {"_nonsense": 1}}},
    {"filter": {"_or": [{"id": {"_eq": 1}}, {"_and": [{"hidden": {"_starts_with": "h"}}]}]}},
    {"filter": {"year(hidden)": {"_null": True}}},
    {"filter": {"author": {"articles": {"_some": {"hidden": {"_eq": "h2"}}}}}},
    {"sort": ["-hidden"]},
    {"sort": ["hidden.x"]},
    {"sort": ["year(hidden)"]},
    {"aggregate": {"min": ["hidden"]}},
    {"aggregate": {"count": ["hidden"]}},
    {"groupBy": ["hidden"]},
    {"groupBy": ["year(hidden)"]},
    {"groupBy": ["author"], "aggregate": {"count": "*"}, "sort": ["hidden"]},
    {"alias": {"x": "hidden"}, "fields": ["x"]},
    {"alias": {"title": "hidden"}, "fields": ["title"], "sort": ["title"]},
    {"alias": {"x": "hidden"}, "groupBy": ["x"]},
    {"fields": ["author.articles.hidden"]},
    {"fields": ["author.articles.id"], "deep": {"author": {"articles": {"_filter": {"hidden": {"_eq": "h1"}}}}}},
    {"fields": ["author.articles.id"], "deep": {"author": {"articles": {"_sort": ["hidden"]}}}},
    {"fields": ["author.articles.id"], "deep": {"author": {"articles": {"_aggregate": {"min": ["hidden"]}}}}},
]


@pytest.mark.parametrize("query", OF_A_FIELD, ids=str)
async def test_field_that_may_not_be_read_is_one_that_is_not_there(project: Project, query: dict[str, Any]) -> None:
    answer = await ask(project, "articles", query)
    absent = await ask(project, "articles", _renamed(query))
    assert answer[0] == 403
    assert str(answer).replace("hidden", "absent") == str(absent)


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {_renamed(key): _renamed(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part) for part in value]
    return value.replace("hidden", "absent") if isinstance(value, str) else value


BLIND: list[tuple[str, dict[str, Any], Any]] = [
    ("articles", {"search": "h1", "fields": ["id"]}, []),
    ("articles", {"filter": {"author": {"name": {"_eq": "Bob"}}}, "fields": ["id"]}, []),
    ("articles", {"filter": {"author": {"name": {"_neq": "Ada"}}}, "fields": ["id"]}, []),
    (
        "articles",
        {"filter": {"author": {"articles": {"_some": {"status": {"_eq": "draft"}}}}}, "fields": ["id"]},
        [],
    ),
    ("authors", {"filter": {"count(articles)": {"_gt": 1}}, "fields": ["id"]}, []),
    ("authors", {"fields": ["count(articles)"]}, [{"articles_count": "1"}]),
    ("authors", {"groupBy": ["count(articles)"]}, [{"articles_count": "1"}]),
    ("authors", {"fields": ["articles"]}, [{"articles": [1]}]),
    ("articles", {"aggregate": {"count": "*"}}, [{"count": "2"}]),
    ("articles", {"sort": ["author.name", "-id"], "fields": ["id"]}, [{"id": 1}, {"id": 3}]),
]


@pytest.mark.parametrize(("collection", "query", "answer"), BLIND, ids=str)
async def test_rows_that_may_not_be_read_change_no_answer(
    project: Project, collection: str, query: dict[str, Any], answer: Any
) -> None:
    status, body = await ask(project, collection, query)
    assert (status, body["data"]) == (200, answer)


async def test_counts_are_of_what_may_be_read(project: Project) -> None:
    _, body = await ask(project, "articles", {"meta": "*", "filter": {"id": {"_gt": 1}}})
    assert body["meta"] == {"total_count": 2, "filter_count": 1}


HIDDEN_ROW, NO_ROW = 2, 99
ABOUT_A_ROW: list[tuple[str, str, Any]] = [
    ("PATCH", "/items/articles/{}", {"title": "x"}),
    ("GET", "/items/articles/{}", None),
    ("DELETE", "/items/articles/{}", None),
    ("PATCH", "/items/articles", {"keys": [1, "{}"], "data": {"title": "x"}}),
    ("PATCH", "/items/articles", [{"id": "{}", "title": "x"}]),
    ("PATCH", "/items/authors/1", {"articles": [1, "{}"]}),
    ("PATCH", "/items/authors/1", {"articles": [{"id": "{}", "title": "x"}]}),
    ("PATCH", "/items/authors/1", {"articles": {"create": [], "update": [{"id": "{}", "title": "x"}], "delete": []}}),
    ("POST", "/items/articles", {"title": "t", "author": {"id": "{}", "name": "x"}}),
]


@pytest.mark.parametrize(("method", "path", "body"), ABOUT_A_ROW, ids=str)
async def test_row_that_may_not_be_seen_is_one_that_is_not_there(
    project: Project, method: str, path: str, body: Any
) -> None:
    answers = [await project.ask(method, path.format(key), _keyed(body, key), MEMBER) for key in (HIDDEN_ROW, NO_ROW)]
    assert answers[0][0] == 403
    assert answers[0] == answers[1]


def _keyed(value: Any, key: int) -> Any:
    if isinstance(value, dict):
        return {name: _keyed(part, key) for name, part in value.items()}
    if isinstance(value, list):
        return [_keyed(part, key) for part in value]
    return key if value == "{}" else value


async def test_related_item_to_let_go_of_is_left_alone_where_it_may_not_be_seen(project: Project) -> None:
    let_go = {"articles": {"create": [], "update": [], "delete": ["{}"]}}
    path = "/items/authors/1?fields=articles"
    answers = [await project.ask("PATCH", path, _keyed(let_go, key), MEMBER) for key in (HIDDEN_ROW, NO_ROW)]
    assert answers[0] == answers[1] == (200, {"data": {"articles": [1]}})
    _, body = await project.ask("GET", f"/items/articles/{HIDDEN_ROW}?fields=author")
    assert body["data"] == {"author": 1}


async def test_new_set_of_related_items_leaves_alone_what_may_not_be_seen(project: Project) -> None:
    for items in ([], [1]):
        status, body = await project.ask("PATCH", "/items/authors/1?fields=articles", {"articles": items}, MEMBER)
        assert (status, body["data"]) == (200, {"articles": items})
    _, body = await project.ask("GET", "/items/articles/2?fields=author,title")
    assert body["data"] == {"author": 1, "title": "B"}


async def test_item_that_must_stay_tells_nothing_of_what_points_at_it(project: Project) -> None:
    status, body = await project.ask("DELETE", "/items/authors/2", None, MEMBER)
    assert (status, body["errors"][0]["extensions"]["code"]) == (400, "INVALID_FOREIGN_KEY")
    assert "articles" not in str(body)
    assert "diaries" not in str(body)
