"""What is refused before it is executed: the same over HTTP and over the socket (as CVE-2026-30241)."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from graphql import get_introspection_query

from tests.integration.graphql.client import Socket, data
from tests.integration.http.project import ADMIN, MEMBER, Project, running_project, seeded_project
from tests.unit.graphql.test_protection import BOMBS, CPU_SECONDS, EXPANDING

pytestmark = pytest.mark.asyncio(loop_scope="module")

NESTED_LISTS = "{ authors {" + " articles { author {" * 6 + " id " + "} } " * 6 + "} }"
INTROSPECTION = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"
DOCUMENTS = {**BOMBS, **EXPANDING, "lists in lists": NESTED_LISTS, "introspection in itself": INTROSPECTION}


@pytest_asyncio.fixture(loop_scope="module")
async def socket(project: Project) -> AsyncIterator[Socket]:
    async with Socket(project.app) as socket:
        await socket.begin(MEMBER)
        yield socket


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_bomb_is_refused_alike_and_at_once_on_both_transports(
    project: Project, socket: Socket, name: str
) -> None:
    await data(project, "{ messages(limit: 1) { id } }", MEMBER)
    body = {"query": DOCUMENTS[name]}
    started = time.process_time()
    status, answer = await project.ask("POST", "/graphql", body, MEMBER)
    over_http = time.process_time() - started
    assert status == 400
    [refusal] = answer["errors"]
    assert refusal["extensions"]["code"] == "GRAPHQL_VALIDATION"
    await socket.quiet()
    started = time.process_time()
    await socket.send(type="subscribe", id="1", payload=body)
    errors = await socket.errors()
    over_the_socket = time.process_time() - started
    assert errors == refusal["extensions"]["errors"]
    assert max(over_http, over_the_socket) < CPU_SECONDS


async def test_variables_of_many_values_are_refused_on_both_transports(project: Project, socket: Socket) -> None:
    query = "query ($ids: [GraphQLStringOrFloat]) { messages(filter: {room: {_in: $ids}}) { id } }"
    body = {"query": query, "variables": {"ids": [1] * 100_000}}
    assert await project.code("POST", "/graphql", body, MEMBER) == (400, "GRAPHQL_VALIDATION")
    await socket.send(type="subscribe", id="1", payload=body)
    assert "values" in (await socket.errors())[0]["message"]


async def test_operator_sets_the_number_of_tokens(tmp_path: Path) -> None:
    async with running_project(tmp_path, {"GRAPHQL_QUERY_TOKEN_LIMIT": "9"}) as project:
        assert await data(project, "{ directus: __typename a: __typename }") == {"directus": "Query", "a": "Query"}
        body = {"query": "{ a: __typename b: __typename c: __typename }"}
        assert await project.code("POST", "/graphql", body) == (400, "GRAPHQL_VALIDATION")


async def test_common_introspection_is_answered(project: Project) -> None:
    for path in ("/graphql", "/graphql/system"):
        found = await data(project, get_introspection_query(), ADMIN, path=path)
        assert found["__schema"]["queryType"]["name"] == "Query"


async def test_schema_tells_nobody_of_what_they_may_not_read(project: Project) -> None:
    status, sdl = await project.ask("GET", "/server/specs/graphql/items", None, MEMBER)
    assert status == 200
    assert "type notes {" in sdl
    assert "secret" not in sdl.partition("type notes {")[2].partition("}")[0]
    assert "hidden_things" not in sdl
    assert "hidden_things" in (await project.ask("GET", "/server/specs/graphql/items"))[1]
    assert "type Query" in (await project.ask("GET", "/server/specs/graphql/system"))[1]


async def test_without_introspection_nothing_of_the_schema_is_told(tmp_path: Path) -> None:
    async with seeded_project(tmp_path, {"GRAPHQL_INTROSPECTION": "false"}) as project:
        for scope in ("items", "system"):
            assert await project.code("GET", f"/server/specs/graphql/{scope}") == (404, "ROUTE_NOT_FOUND")
        assert await project.code("POST", "/graphql", {"query": "{ __schema { queryType { name } } }"}) == (
            400,
            "GRAPHQL_VALIDATION",
        )
        for query, known in (
            ("{ messagess { id } }", "messages"),
            ('{ messages(filter: {tex: {_eq: "a"}}) { id } }', "text"),
            ("query ($f: messages_filter) { messages(filter: $f) { id } }", "text"),
        ):
            body: dict[str, Any] = {"query": query, "variables": {"f": {"tex": {"_eq": "a"}}}}
            status, answer = await project.ask("POST", "/graphql", body)
            [error] = answer["errors"][0]["extensions"]["errors"]
            assert status == 400
            assert f'"{known}"' not in error["message"]
            assert f"'{known}'" not in error["message"]
            assert "Did you mean" not in error["message"]
        assert (await data(project, "{ messages(limit: 1) { __typename } }")) == {
            "messages": [{"__typename": "messages"}]
        }
