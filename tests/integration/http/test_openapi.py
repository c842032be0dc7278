"""`/server/specs/oas`: a valid OpenAPI document of what the asker may do."""

from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.integration.http.project import ADMIN, MEMBER, Project

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


async def test_nobody_is_told_of_no_users(project: Project) -> None:
    document = await described(project, None)
    assert "/users" not in document["paths"]
    assert "directus_users" not in str(document)


@pytest.mark.parametrize("path", ["/items/articles", "/items/authors", "/items/labels", "/users", "/roles"])
async def test_answers_are_as_described(project: Project, path: str) -> None:
    document = await described(project, ADMIN)
    answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    status, body = await project.ask("GET", f"{path}?fields=*.*&limit=-1")
    assert status == 200
    jsonschema.Draft202012Validator({**answer, "components": document["components"]}).validate(body)
    assert body["data"]
