"""A project with everything that the application of Directus can make is served as it is, by a user who may not do DDL.

PROTOCOL section 6. What tokens, passwords and values are like in general is in `test_directus`.
"""

import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import quote

import jwt
import pytest
import pytest_asyncio

from tests.conformance.conformance import BASE_ENV
from tests.integration.existing.magazine import BIG, DRAFT, FILE, PAGE, USERS, world
from tests.integration.http.project import Project
from tests.integration.websocket.client import Client
from tests.support import directus
from tests.support.directus import ADMIN_TOKEN, EDITOR_ID, EDITOR_TOKEN, PASSWORD
from tests.support.engines import environment, temporary_database
from tests.support.probes import DatabaseEngine
from tidegate.app import Tidegate
from tidegate.clock import ManualClock
from tidegate.settings import load_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = 1_800_000_000.0
WORLDS: tuple[tuple[DatabaseEngine, directus.Version], ...] = (
    ("sqlite", "10"),
    ("sqlite", "11"),
    ("postgresql", "11"),
    ("mariadb", "12"),
)


class Served(NamedTuple):
    """A served project, and what its catalogue was before."""

    project: Project
    engine: DatabaseEngine
    url: str
    version: directus.Version
    catalogue: list[list[tuple[Any, ...]]]

    async def data(self, method: str, path: str, body: object = None, token: str | None = ADMIN_TOKEN) -> Any:
        status, answer = await self.project.ask(method, path, body, token)
        assert status == 200, answer
        return answer["data"]

    async def titles(self, token: str | None) -> set[str]:
        return {row["title"] for row in await self.data("GET", "/items/pages?fields=title", None, token)}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WORLDS, ids="-".join)
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    engine, version = request.param
    async with temporary_database(engine) as url:
        await directus.make_project(engine, url, version, world(version))
        before = await directus.catalogue(engine, url)
        async with user_without_ddl(engine, url) as user:
            settings = {**BASE_ENV, **environment(url), **user, "WEBSOCKETS_REST_AUTH": "public"}
            clock = ManualClock(NOW)
            app = Tidegate(load_settings(settings), clock)
            async with app.lifespan():
                project = Project(app, clock)
                async with project.client:
                    yield Served(project, engine, url, version, before)


@contextlib.asynccontextmanager
async def user_without_ddl(engine: DatabaseEngine, url: str) -> AsyncIterator[dict[str, str]]:
    """The settings of a user of the database server who may read and write rows, and nothing else."""
    if engine == "sqlite":
        yield {}
        return
    name = f"tidegate_test_{secrets.token_hex(6)}"
    postgresql = engine == "postgresql"
    grants = (
        (
            f"CREATE ROLE {name} LOGIN",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}",
        )
        if postgresql
        else (f"CREATE USER {name}", f"GRANT SELECT, INSERT, UPDATE, DELETE ON {url.rpartition('/')[2]}.* TO {name}")
    )
    await directus.ask(engine, url, grants)
    try:
        yield {"DB_USER": name}
    finally:
        drop = (f"DROP OWNED BY {name}", f"DROP ROLE {name}") if postgresql else (f"DROP USER {name}",)
        await directus.ask(engine, url, drop)


def access_token(user: str, **claims: object) -> str:
    now = int(NOW)
    common = {"iss": "directus", "iat": now, "exp": now + 900, "app_access": False, "admin_access": False}
    return jwt.encode({**common, "id": user, "role": None, **claims}, BASE_ENV["SECRET"], "HS256")


NESTED = ",".join(
    (
        "title,blocks.sort,blocks.collection,blocks.item:block_text.text,blocks.item:block_quote.quote",
        "translations.title,translations.languages_code.name,images.directus_files_id.filename_download",
        "authors.directus_users_id.email,cover.title,user_created.role.name",
    )
)


async def test_relations_of_all_kinds_are_followed(served: Served) -> None:
    assert await served.data("GET", f"/items/pages/{PAGE}?fields={NESTED}") == {
        "title": "First",
        "blocks": [
            {"sort": 1, "collection": "block_quote", "item": {"quote": "Said"}},
            {"sort": 2, "collection": "block_text", "item": {"text": "Hello"}},
            {"sort": 3, "collection": "block_of_the_past", "item": None},
        ],
        "translations": [{"title": "Translated", "languages_code": {"name": "English"}}],
        "images": [{"directus_files_id": {"filename_download": "cover.jpg"}}],
        "authors": [{"directus_users_id": {"email": "editor@example.com"}}],
        "cover": {"title": "Cover"},
        "user_created": {"role": {"name": "Editor"}},
    }


async def test_fields_that_are_only_there_to_be_looked_at_have_no_value(served: Served) -> None:
    page = await served.data("GET", f"/items/pages/{PAGE}")
    assert {"blocks", "translations", "images", "authors"} < page.keys()
    assert page.keys().isdisjoint({"divider-x1y2z3", "details"})
    told = {name: page[name] for name in ("day", "rating", "active", "extra", "keywords", "pin", "cover")}
    assert told == {
        "day": "2021-02-03",
        "rating": 4.5,
        "active": True,
        "extra": {"a": [1, None, "ü"]},
        "keywords": ["k"],
        "pin": "**********",
        "cover": FILE,
    }
    assert (await served.data("GET", f"/items/pages/{DRAFT}?fields=extra,keywords")) == {"extra": None, "keywords": []}


@pytest.mark.parametrize(
    "condition",
    [
        {"blocks": {"item:block_text": {"text": {"_eq": "Hello"}}}},
        {"translations": {"languages_code": {"name": {"_eq": "English"}}}},
        {"authors": {"directus_users_id": {"role": {"name": {"_eq": "Editor"}}}}},
        {"images": {"directus_files_id": {"title": {"_contains": "over"}}}},
        {"day": {"_between": ["2021-02-01", "2021-02-28"]}},
    ],
    ids=lambda condition: next(iter(condition)),
)
async def test_filters_go_through_relations(served: Served, condition: Any) -> None:
    found = await served.data("GET", f"/items/pages?fields=title&filter={quote(json.dumps(condition))}")
    assert found == [{"title": "First"}]


async def test_keys_may_be_texts_and_large_numbers_and_a_collection_may_have_one_item(served: Served) -> None:
    assert await served.data("GET", "/items/languages/en-US", None, None) == {"code": "en-US", "name": "English"}
    assert await served.data("GET", f"/items/counters/{BIG}") == {"id": str(BIG), "label": "many"}
    assert await served.data("GET", "/items/globals") == {"id": 1, "site": "Example"}


async def test_folders_have_metadata_and_no_table(served: Served) -> None:
    folder = await served.data("GET", "/collections/content")
    assert (folder["schema"], folder["meta"]["icon"]) == (None, "folder")
    assert (await served.project.ask("GET", "/items/content", None, ADMIN_TOKEN))[0] == 403


async def test_rights_are_those_of_the_project(served: Served) -> None:
    """Before there were policies, roles did not have what the public has."""
    inherited = set() if served.version == "10" else {"First"}
    assert await served.titles(None) == {"First"}
    assert await served.titles("lonely-token") == {"First"}
    assert await served.titles(EDITOR_TOKEN) == {"First"}
    assert await served.titles("okta-token") == inherited
    assert await served.titles("nameless-token") == inherited
    assert await served.titles("chief-token") == {"Second"} | inherited
    assert await served.titles(access_token(USERS["okta"])) == inherited
    counters = await served.project.ask("GET", "/items/counters", None, "chief-token")
    assert counters[0] == (403 if served.version == "10" else 200)


@pytest.mark.parametrize("name", ["chief", "lonely", "old", "other"])
async def test_users_log_in_whatever_hashed_their_passwords(served: Served, name: str) -> None:
    login = {"email": f"{name}@example.com", "password": PASSWORD}
    answer = await served.data("POST", "/auth/login", login, None)
    assert jwt.decode(answer["access_token"], options={"verify_signature": False})["id"] == USERS[name]


@pytest.mark.parametrize("name", ["suspended", "invited", "draft", "okta", "blank"])
async def test_others_do_not_log_in(served: Served, name: str) -> None:
    login = {"email": f"{name}@example.com", "password": PASSWORD}
    assert await served.project.code("POST", "/auth/login", login, None) == (401, "INVALID_CREDENTIALS")
    if name not in ("okta", "blank"):
        for token in (f"{name}-token", access_token(USERS[name])):
            assert await served.project.code("GET", "/items/pages", None, token) == (401, "INVALID_CREDENTIALS")


async def test_refresh_tokens_of_before_are_good_once(served: Served) -> None:
    for letter in "RO":
        given = {"refresh_token": letter * 64}
        fresh = await served.data("POST", "/auth/refresh", given, None)
        assert (await served.data("POST", "/auth/refresh", {"refresh_token": fresh["refresh_token"]}, None)) != fresh
        assert await served.project.code("POST", "/auth/refresh", given, None) == (401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("letter", "PXHr")
async def test_sessions_that_are_over_suspended_or_of_a_share_are_not_refreshed(served: Served, letter: str) -> None:
    given = {"refresh_token": letter * 64}
    assert await served.project.code("POST", "/auth/refresh", given, None) == (401, "INVALID_CREDENTIALS")


SYSTEM = ("users", "roles", "permissions", "files", "folders", "settings", "presets", "activity", "revisions", "shares")
SINCE_11 = ("policies", "access", "comments")


async def test_system_collections_are_read_and_subscribed_to(served: Served) -> None:
    for name in (*SYSTEM, *(() if served.version == "10" else SINCE_11)):
        assert isinstance(await served.data("GET", f"/{name}?fields=*.*"), list | dict), name
        async with Client(served.project.app, f"/websocket?access_token={ADMIN_TOKEN}") as socket:
            answer = await socket.ask(type="subscribe", collection=f"directus_{name}")
            assert answer["event"] == "init", answer
    for path in ("/collections", "/fields", "/relations", "/permissions/me", "/policies/me/globals"):
        await served.data("GET", path)
    chief = await served.data("GET", f"/users/{USERS['chief']}?fields=department.name")
    assert chief == {"department": {"name": "News"}}


async def test_graphql_has_the_project_and_its_system_collections(served: Served) -> None:
    blocks = 'blocks(sort: ["sort"]) { item { ... on block_text { text } ... on block_quote { quote } } }'
    asked = f'{{ pages_by_id(id: "{PAGE}") {{ title {blocks} cover {{ title }} }} globals {{ site }} }}'
    found = await served.data("POST", "/graphql", {"query": asked})
    items = [block["item"] for block in found["pages_by_id"]["blocks"]]
    assert items == [{"quote": "Said"}, {"text": "Hello"}, None]
    asked = (
        "{ users { email role { name } department { name } } permissions { action fields } settings { project_name } }"
    )
    found = await served.data("POST", "/graphql/system", {"query": asked})
    assert {"email": "chief@example.com", "role": {"name": "Chief"}, "department": {"name": "News"}} in found["users"]


async def test_editor_works_over_a_socket(served: Served) -> None:
    async with Client(served.project.app, "/websocket") as editor, Client(served.project.app, "/websocket") as admin:
        login = await editor.ask(type="auth", email="editor@example.com", password=PASSWORD)
        assert login["status"] == "ok"
        assert (await admin.ask(type="auth", access_token=ADMIN_TOKEN))["status"] == "ok"
        query = {"fields": ["title", "status", "user_created", "blocks.item:block_quote.quote"]}
        init = await admin.ask(type="subscribe", collection="pages", query=query)
        assert [row["title"] for row in init["data"]] == ["Second", "First"]
        blocks = [{"collection": "block_quote", "item": {"quote": "New"}}]
        refused = await editor.ask(type="items", action="create", collection="pages", data={"blocks": blocks})
        assert refused["error"]["code"] == "FORBIDDEN"
        wrong = await editor.ask(type="items", action="create", collection="pages", data={"slug": "Not So"})
        assert wrong["error"]["code"] == "FAILED_VALIDATION"
        made = await editor.ask(type="items", action="create", collection="pages", data={"slug": "new", "extra": {}})
        assert (made["data"]["title"], made["data"]["extra"]) == ("Untitled", {})
        told = {"title": "Untitled", "status": "published", "user_created": EDITOR_ID, "blocks": []}
        assert (await admin.receive())["data"] == [told]
        key = made["data"]["id"]
        await editor.ask(type="items", action="update", collection="pages", id=key, data={"title": "Titled"})
        event = await admin.receive()
        assert (event["event"], event["data"]) == ("update", [{**told, "title": "Titled"}])
        body = {"blocks": blocks, "translations": [{"languages_code": "en-US", "title": "x"}]}
        path = f"/items/pages/{key}?fields=blocks.item:block_quote.quote,translations.title,date_updated"
        changed = await served.data("PATCH", path, body)
        assert changed["blocks"] == [{"item": {"quote": "New"}}]
        assert changed["translations"] == [{"title": "x"}]
        assert changed["date_updated"].endswith("Z")
        assert (await admin.receive())["data"] == [{**told, "title": "Titled", "blocks": [{"item": {"quote": "New"}}]}]
        await admin.ask(type="items", action="delete", collection="pages", id=key)


async def test_serving_has_left_the_schema_alone(served: Served) -> None:
    """Comes last: everything above has been served meanwhile."""
    assert not served.project.app.running.bootstrapped
    assert await directus.catalogue(served.engine, served.url) == served.catalogue
