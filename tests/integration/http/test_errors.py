"""One shape for every error, however it arises."""

import json

import pytest

from tests.integration.http.project import ADMIN, MEMBER, Project
from tidegate.errors import ERROR_CODES

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "content", "headers", "expected"),
    [
        ("GET", "/nowhere", None, {}, (404, "ROUTE_NOT_FOUND")),
        ("GET", "/", None, {}, (404, "ROUTE_NOT_FOUND")),
        ("GET", "/items", None, {}, (404, "ROUTE_NOT_FOUND")),
        ("PUT", "/items/messages", None, {}, (404, "ROUTE_NOT_FOUND")),
        ("POST", "/items/messages/1", b"{}", JSON, (404, "ROUTE_NOT_FOUND")),
        ("POST", "/users/invite", b"{}", JSON, (404, "ROUTE_NOT_FOUND")),
        ("GET", "/auth/login", None, {}, (404, "ROUTE_NOT_FOUND")),
        ("POST", "/activity", b"{}", JSON, (404, "ROUTE_NOT_FOUND")),
        ("POST", "/items/site", b"{}", JSON, (404, "ROUTE_NOT_FOUND")),
        ("DELETE", "/items/site", b"[1]", JSON, (404, "ROUTE_NOT_FOUND")),
        ("POST", "/items/messages", b"{nope", JSON, (400, "INVALID_PAYLOAD")),
        ("POST", "/items/messages", b"{}", {"content-type": "text/plain"}, (400, "INVALID_PAYLOAD")),
        ("POST", "/items/messages", b"", {}, (400, "INVALID_PAYLOAD")),
        ("POST", "/items/messages", b"null", JSON, (400, "INVALID_PAYLOAD")),
        ("POST", "/items/messages", b'["a"]', JSON, (400, "INVALID_PAYLOAD")),
        ("POST", "/items/messages", b"[" * 5000, JSON, (400, "INVALID_PAYLOAD")),
        ("POST", "/items/messages", b'{"a":' * 300 + b"1" + b"}" * 300, JSON, (400, "INVALID_PAYLOAD")),
        ("POST", "/items/messages", b"x" * 1_100_000, JSON, (413, "CONTENT_TOO_LARGE")),
        ("PATCH", "/items/messages", b"{}", JSON, (400, "INVALID_PAYLOAD")),
        ("PATCH", "/items/messages", b'{"data":{}}', JSON, (400, "INVALID_PAYLOAD")),
        ("PATCH", "/items/messages", b'{"keys":[1]}', JSON, (400, "INVALID_PAYLOAD")),
        ("PATCH", "/items/messages", b'{"keys":1,"data":{}}', JSON, (400, "INVALID_PAYLOAD")),
        ("PATCH", "/items/messages", b'{"keys":[1],"data":[]}', JSON, (400, "INVALID_PAYLOAD")),
        ("PATCH", "/items/messages/1", b"[]", JSON, (400, "INVALID_PAYLOAD")),
        ("DELETE", "/items/messages", b"", {}, (400, "INVALID_PAYLOAD")),
        ("DELETE", "/items/messages", b"{}", JSON, (400, "INVALID_PAYLOAD")),
        ("DELETE", "/items/messages", b"[[1]]", JSON, (400, "INVALID_PAYLOAD")),
        ("SEARCH", "/items/messages", b"[]", JSON, (400, "INVALID_PAYLOAD")),
        ("SEARCH", "/items/messages", b'{"query":{"limit":"x"}}', JSON, (400, "INVALID_QUERY")),
        ("GET", "/items/messages?limit=x", None, {}, (400, "INVALID_QUERY")),
        ("GET", "/items/messages?filter[id][_bogus]=1", None, {}, (400, "INVALID_QUERY")),
        ("GET", "/items/messages?filter={nope", None, {}, (400, "INVALID_QUERY")),
        ("GET", "/items/bogus", None, {}, (403, "FORBIDDEN")),
        ("GET", "/items/messages/999", None, {}, (403, "FORBIDDEN")),
        ("GET", "/items/messages/not-a-key", None, {}, (403, "FORBIDDEN")),
        ("GET", "/items/messages?fields=bogus", None, {}, (403, "FORBIDDEN")),
        ("GET", "/items/directus_users", None, {}, (403, "FORBIDDEN")),
        ("POST", "/items/directus_users", b"{}", JSON, (403, "FORBIDDEN")),
        ("GET", "/items/directus_users/1", None, {}, (403, "FORBIDDEN")),
        ("POST", "/items/labels", b'{"code":"red"}', JSON, (400, "RECORD_NOT_UNIQUE")),
        ("POST", "/items/articles", b'{"author":999}', JSON, (400, "INVALID_FOREIGN_KEY")),
        ("POST", "/items/articles", b'{"published_on":"not a date"}', JSON, (400, "INVALID_PAYLOAD")),
        ("POST", "/users", b'{"email":"member@example.com"}', JSON, (400, "RECORD_NOT_UNIQUE")),
        ("POST", "/access", b"{}", JSON, (400, "NOT_NULL_VIOLATION")),
    ],
)
async def test_server_answers_with_error_of_one_shape(
    project: Project,
    method: str,
    path: str,
    content: bytes | None,
    headers: dict[str, str],
    expected: tuple[int, str],
) -> None:
    answer = await project.client.request(
        method, path, content=content, headers={**headers, "authorization": f"Bearer {ADMIN}"}
    )
    body = answer.json()
    assert set(body) == {"errors"}
    (error,) = body["errors"]
    assert set(error) == {"message", "extensions"}
    assert (answer.status_code, error["extensions"]["code"]) == expected
    assert answer.status_code == ERROR_CODES[error["extensions"]["code"]].status
    assert not any(word in json.dumps(body) for word in ("SELECT", "INSERT", "sqlite", "Traceback", ".py"))


async def test_unknown_route_is_named(project: Project) -> None:
    status, body = await project.ask("GET", "/nowhere/at/all")
    error = {
        "message": "Route /nowhere/at/all doesn't exist.",
        "extensions": {"path": "/nowhere/at/all", "code": "ROUTE_NOT_FOUND"},
    }
    assert (status, body) == (404, {"errors": [error]})


async def test_hidden_and_missing_look_the_same(project: Project) -> None:
    hidden, missing = [await project.ask("GET", f"/items/{name}", None, MEMBER) for name in ("hidden_things", "bogus")]
    assert hidden[0] == missing[0] == 403
    assert json.dumps(hidden[1]).replace("hidden_things", "bogus") == json.dumps(missing[1])
    hidden, missing = [await project.ask("GET", f"/items/notes/{key}", None, MEMBER) for key in (3, 999)]
    assert hidden == missing


async def test_failed_write_leaves_nothing(project: Project) -> None:
    body = [{"text": "first of two"}, {"text": "second", "room": "abc"}]
    assert await project.code("POST", "/items/messages", body) == (400, "INVALID_PAYLOAD")
    _, found = await project.ask("GET", "/items/messages?filter[text][_eq]=first of two")
    assert found == {"data": []}
