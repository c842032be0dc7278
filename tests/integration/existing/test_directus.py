"""A project that Directus made is served with its SECRET, and its schema stays as it was (PROTOCOL section 6)."""

import base64
import hmac
import itertools
import struct
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import jwt
import pytest
import pytest_asyncio

from tests.conformance.conformance import BASE_ENV
from tests.integration.http.project import Project
from tests.integration.websocket.client import Client
from tests.support import directus
from tests.support.directus import (
    ADMIN_ID,
    ADMIN_ROLE,
    ADMIN_TOKEN,
    AUTHOR_ID,
    EDITOR_ID,
    EDITOR_ROLE,
    EDITOR_TOKEN,
    PASSWORD,
    SESSION_TOKEN,
    TFA_SECRET,
)
from tests.support.engines import DATABASE_ENGINES, environment, temporary_database
from tests.support.probes import DatabaseEngine
from tidegate.app import Tidegate
from tidegate.clock import ManualClock
from tidegate.settings import load_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = BASE_ENV["SECRET"]
VERSIONS: tuple[directus.Version, ...] = ("10", "11", "12")


class Served(NamedTuple):
    """A served project, and what its database held before."""

    project: Project
    engine: DatabaseEngine
    url: str
    version: directus.Version
    catalogue: list[list[tuple[Any, ...]]]
    metadata: list[list[tuple[Any, ...]]]


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=itertools.product(DATABASE_ENGINES, VERSIONS), ids="-".join
)
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    engine, version = request.param
    async with temporary_database(engine) as url:
        await directus.make_project(engine, url, version)
        before = await directus.catalogue(engine, url), await directus.metadata_rows(engine, url)
        clock = ManualClock(float(int(time.time())))
        app = Tidegate(load_settings({**BASE_ENV, **environment(url), "WEBSOCKETS_REST_AUTH": "handshake"}), clock)
        async with app.lifespan():
            project = Project(app, clock)
            async with project.client:
                yield Served(project, engine, url, version, *before)


def access_token(user: str, role: str, *, secret: str = SECRET, **claims: object) -> str:
    """A token as another server with the secret signs it."""
    now = int(time.time())
    common = {"iss": "directus", "iat": now, "exp": now + 900, "app_access": False, "admin_access": False}
    return jwt.encode({**common, "id": user, "role": role, **claims}, secret, "HS256")


async def titles(served: Served, token: str, query: str = "") -> list[str]:
    status, body = await served.project.ask("GET", f"/items/articles?sort=id&fields=title&{query}", None, token)
    assert status == 200, body
    return [row["title"] for row in body["data"]]


async def test_editor_logs_in_with_the_password_of_before(served: Served) -> None:
    login = {"email": "editor@example.com", "password": PASSWORD}
    status, body = await served.project.ask("POST", "/auth/login", login, None)
    assert status == 200, body
    claims = jwt.decode(body["data"]["access_token"], SECRET, ["HS256"], issuer="directus")
    assert (claims["id"], claims["role"], claims["admin_access"]) == (EDITOR_ID, EDITOR_ROLE, False)
    assert await titles(served, body["data"]["access_token"]) == ["Old", "New"]
    refreshed = {"refresh_token": body["data"]["refresh_token"]}
    assert (await served.project.ask("POST", "/auth/refresh", refreshed, None))[0] == 200


async def test_wrong_password_is_refused(served: Served) -> None:
    login = {"email": "editor@example.com", "password": PASSWORD.upper()}
    assert await served.project.code("POST", "/auth/login", login, None) == (401, "INVALID_CREDENTIALS")


async def test_address_is_taken_without_regard_to_case(served: Served) -> None:
    login = {"email": "admin@example.com", "password": PASSWORD}
    assert (await served.project.ask("POST", "/auth/login", login, None))[0] == 200


async def test_static_tokens_give_the_rights_of_their_users(served: Served) -> None:
    assert await titles(served, ADMIN_TOKEN) == ["Old", "New", "Draft"]
    assert await titles(served, EDITOR_TOKEN) == ["Old", "New"]


async def test_tokens_that_another_server_signed_are_taken(served: Served) -> None:
    assert await titles(served, access_token(EDITOR_ID, EDITOR_ROLE)) == ["Old", "New"]
    assert await titles(served, access_token(ADMIN_ID, ADMIN_ROLE, admin_access=True)) == ["Old", "New", "Draft"]


async def test_rights_come_from_the_database_and_not_from_the_token(served: Served) -> None:
    assert await titles(served, access_token(EDITOR_ID, ADMIN_ROLE, admin_access=True)) == ["Old", "New"]


async def test_token_of_another_secret_is_refused(served: Served) -> None:
    forged = access_token(ADMIN_ID, ADMIN_ROLE, secret="x" * 40)
    assert await served.project.code("GET", "/items/articles", None, forged) == (401, "INVALID_CREDENTIALS")


async def test_token_of_a_share_is_refused(served: Served) -> None:
    shared: dict[str, Any] = {"share": AUTHOR_ID, "share_scope": {"collection": "articles", "item": "1"}}
    now = int(time.time())
    bare = {"iss": "directus", "iat": now, "exp": now + 900, "role": ADMIN_ROLE, **shared}
    for token in (jwt.encode(bare, SECRET, "HS256"), access_token(ADMIN_ID, ADMIN_ROLE, **shared)):
        assert await served.project.code("GET", "/items/articles", None, token) == (401, "INVALID_CREDENTIALS")


async def test_second_factor_is_asked_for(served: Served) -> None:
    login = {"email": "careful@example.com", "password": PASSWORD}
    assert await served.project.code("POST", "/auth/login", login, None) == (401, "INVALID_OTP")
    wrong = {**login, "otp": "000000"}
    assert await served.project.code("POST", "/auth/login", wrong, None) == (401, "INVALID_OTP")
    code = one_time_password(served.project.clock.now())
    status, body = await served.project.ask("POST", "/auth/login", {**login, "otp": code}, None)
    assert status == 200, body
    assert await served.project.code("GET", "/items/articles", None, body["data"]["access_token"]) == (403, "FORBIDDEN")


def one_time_password(now: float) -> str:
    """The code of an authenticator application at that moment (RFC 6238), by hand."""
    digest = hmac.digest(base64.b32decode(TFA_SECRET), struct.pack(">q", int(now // 30)), "sha1")
    start = digest[-1] & 0x0F
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


async def test_user_of_the_app_reads_who_they_are(served: Served) -> None:
    assert await served.project.code("GET", "/users?fields=email,token", None, EDITOR_TOKEN) == (403, "FORBIDDEN")
    for path in ("/users/me", "/users"):
        status, body = await served.project.ask("GET", f"{path}?fields=id,email,role.name,password", None, EDITOR_TOKEN)
        row = {"id": EDITOR_ID, "email": "editor@example.com", "role": {"name": "Editor"}, "password": "**********"}
        assert (status, body["data"]) == (200, row if path == "/users/me" else [row])
    status, body = await served.project.ask("GET", "/roles?fields=id", None, EDITOR_TOKEN)
    assert (status, body["data"]) == (200, [{"id": EDITOR_ROLE}])
    change = {"first_name": "x"}
    assert await served.project.code("PATCH", "/users/me", change, EDITOR_TOKEN) == (403, "FORBIDDEN")


async def test_open_session_goes_on(served: Served) -> None:
    token = access_token(EDITOR_ID, EDITOR_ROLE, session=SESSION_TOKEN)
    assert await titles(served, token) == ["Old", "New"]
    ended = access_token(EDITOR_ID, EDITOR_ROLE, session="T" * 64)
    assert await served.project.code("GET", "/items/articles", None, ended) == (401, "INVALID_CREDENTIALS")


async def test_values_are_read_as_the_api_spells_them(served: Served) -> None:
    asked = "/items/articles/1?fields=*,author.name,author.articles.title"
    status, body = await served.project.ask("GET", asked, None, ADMIN_TOKEN)
    assert status == 200, body
    assert body["data"] == {
        "id": 1,
        "title": "Old",
        "status": "published",
        "published": True,
        "published_on": "2021-02-03T04:05:06.000Z",
        "starts": "2021-02-03T04:05:06",
        "price": 12.5 if served.engine == "sqlite" else "12.50",
        "views": "9007199254740993",
        "details": {"a": [1, None]},
        "tags": ["x", "y"],
        "author": {"name": "Ada O'Hara", "articles": [{"title": "Old"}, {"title": "New"}, {"title": "Draft"}]},
        "user_created": EDITOR_ID,
        "date_created": "2024-05-06T07:08:09.000Z",
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("filter[published_on][_gt]=2023-01-01", ["New"]),
        ("filter[published_on][_lte]=2021-02-03T04:05:06Z", ["Old"]),
        ("filter[published_on][_between]=2021-01-01,2021-12-31", ["Old"]),
        ("filter[published_on][_lt]=$NOW", ["Old", "New"]),
        ("filter[year(published_on)][_eq]=2021", ["Old"]),
        ("filter[starts][_eq]=2021-02-03T04:05:06", ["Old"]),
        ("filter[published][_eq]=true", ["Old"]),
        ("filter[views][_eq]=9007199254740993", ["Old"]),
        ("filter[tags][_contains]=y", ["Old"]),
        (f"filter[author][_eq]={AUTHOR_ID.upper()}", ["Old", "New", "Draft"]),
        ("filter[author][name][_starts_with]=Ada", ["Old", "New", "Draft"]),
        ("filter[published_on][_null]=true", ["Draft"]),
    ],
)
async def test_filters_find_what_they_name(served: Served, query: str, found: list[str]) -> None:
    assert await titles(served, ADMIN_TOKEN, query) == found


async def test_tables_without_metadata_are_the_administrators(served: Served) -> None:
    status, body = await served.project.ask("GET", "/items/unlisted?fields=*,article.title", None, ADMIN_TOKEN)
    name = "row of a table that Directus does not know"
    assert (status, body["data"]) == (200, [{"id": 1, "name": name, "article": {"title": "Old"}}])
    assert await served.project.code("GET", "/items/unlisted", None, EDITOR_TOKEN) == (403, "FORBIDDEN")
    assert await served.project.code("GET", "/items/keyless", None, ADMIN_TOKEN) == (403, "FORBIDDEN")


async def test_subscriber_hears_of_what_is_written_here(served: Served) -> None:
    async with Client(served.project.app, "/websocket") as socket:
        assert (await socket.ask(type="auth", access_token=EDITOR_TOKEN))["status"] == "ok"
        query = {"fields": ["title", "status", "user_created", "date_created"]}
        init = await socket.ask(type="subscribe", collection="articles", query=query)
        assert [row["title"] for row in init["data"]] == ["Old", "New"]
        status, body = await served.project.ask("POST", "/items/articles", {"title": "Fresh"}, EDITOR_TOKEN)
        assert status == 200, body
        event = await socket.receive()
        assert event["event"] == "create"
        (row,) = event["data"]
        assert row == {**row, "title": "Fresh", "status": "published", "user_created": EDITOR_ID}
        assert row["date_created"].endswith("Z")
        key = body["data"]["id"]
        assert (await served.project.ask("DELETE", f"/items/articles/{key}", None, ADMIN_TOKEN))[0] == 204
        assert await socket.receive() == {"type": "subscription", "event": "delete", "data": [str(key)]}


async def test_serving_has_left_schema_and_metadata_alone(served: Served) -> None:
    """Comes last: everything above has been served meanwhile."""
    assert not served.project.app.running.bootstrapped
    assert await directus.catalogue(served.engine, served.url) == served.catalogue
    assert await directus.metadata_rows(served.engine, served.url) == served.metadata
