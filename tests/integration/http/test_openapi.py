"""`/server/specs/oas`: a valid OpenAPI document of what the asker may do."""

from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route, Router

from tests.integration.http.project import ADMIN, MEMBER, Project
from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.http.answers import ErrorEdge
from tidegate.http.openapi import describe_api
from tidegate.http.request import Endpoint
from tidegate.schema import Collection, Field, FieldType, Schema

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def described(project: Project, token: str | None) -> dict[str, Any]:
    status, document = await project.ask("GET", "/server/specs/oas", None, token)
    assert status == 200, document
    found: dict[str, Any] = document
    return found


@pytest.mark.parametrize("token", [ADMIN, MEMBER, None])
async def test_document_is_valid(project: Project, token: str | None) -> None:
    document = await described(project, token)
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


async def test_document_shows_what_the_asker_may_do(project: Project) -> None:
    admin, member = await described(project, ADMIN), await described(project, MEMBER)
    assert {"get", "post", "patch", "delete"} <= admin["paths"]["/items/authors"].keys()
    assert "/users" in admin["paths"]
    assert member["paths"]["/items/authors"].keys() == {"get"}
    assert "/items/hidden_things" in admin["paths"]
    assert "hidden_things" not in str(member)
    assert "age" not in member["components"]["schemas"]["authors"]["properties"]


async def test_every_path_is_described_to_administrators(project: Project) -> None:
    """`/items` and the items of system collections by what there is; SEARCH cannot be described."""
    paths = (await described(project, ADMIN))["paths"]
    edge = project.app.running.http
    assert isinstance(edge, ErrorEdge)
    assert isinstance(edge.app, Router)
    served = {}
    for route in edge.app.routes:
        assert isinstance(route, Route)
        assert isinstance(route.endpoint, Endpoint)
        served[route.path.replace(":item_key", "")] = {method.lower() for method in route.endpoint._handlers} - {
            "head",
            "search",
        }
    for path, methods in served.items():
        if path.startswith("/items/"):
            continue
        if path.startswith("/settings"):  # one object
            methods &= {"get", "patch"} if path == "/settings" else set()
        assert methods <= paths.get(path, {}).keys(), path


async def test_users_see_the_paths_that_they_may_use(project: Project) -> None:
    member, nobody = [(await described(project, token))["paths"] for token in (MEMBER, None)]
    for paths in (member, nobody):
        assert not [path for path in paths if path.startswith(("/collections", "/fields", "/relations"))]
        assert {"/permissions/me", "/graphql", "/server/specs/oas"} <= paths.keys()
    assert member["/users/me"].keys() == {"get"}
    assert {"/users/me", "/roles/me"}.isdisjoint(nobody)


async def test_graphql_is_where_it_is_served() -> None:
    document = describe_api(Schema({}, ()), Rights(Public(), admin=True), "/", "/api/graphql/")
    assert {path for path in document["paths"] if "graphql" in path} == {
        *("/api/graphql/", "/api/graphql/system"),
        *(f"/server/specs/graphql{scope}" for scope in ("", "/items", "/system")),
    }


async def test_refresh_token_need_not_be_in_the_body(project: Project) -> None:
    """It may come in a cookie."""
    paths = (await described(project, None))["paths"]
    for path in ("/auth/refresh", "/auth/logout"):
        asked = paths[path]["post"]["requestBody"]
        assert not asked["required"]
        jsonschema.Draft202012Validator(asked["content"]["application/json"]["schema"]).validate({"mode": "session"})


async def test_collection_with_a_slash_in_its_name_has_no_path() -> None:
    key = Field("a/b", "id", FieldType.INTEGER, primary_key=True)
    schema = Schema({"a/b": Collection("a/b", "id", {"id": key})}, ())
    document = describe_api(schema, Rights(Public(), admin=True), "/", "/graphql")
    assert not [path for path in document["paths"] if path.startswith("/items")]
    OpenAPIV31SpecValidator(document).validate()


async def test_nobody_is_told_of_no_users(project: Project) -> None:
    document = await described(project, None)
    assert "/users" not in document["paths"]
    assert "directus_users" not in str(document)


@pytest.mark.parametrize(
    "path",
    [
        *("/items/articles", "/items/authors", "/items/labels", "/users", "/roles"),
        *("/collections", "/fields", "/relations", "/users/me", "/permissions/me", "/policies/me/globals"),
    ],
)
async def test_answers_are_as_described(project: Project, path: str) -> None:
    document = await described(project, ADMIN)
    answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    status, body = await project.ask("GET", f"{path}?fields=*.*&limit=-1")
    assert status == 200
    jsonschema.Draft202012Validator({**answer, "components": document["components"]}).validate(body)
    assert body["data"]
