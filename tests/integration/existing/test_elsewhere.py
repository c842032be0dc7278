"""Projects of Directus that are not where, or not what, most are."""

import contextlib
from collections.abc import AsyncIterator

from tests.conformance.conformance import BASE_ENV
from tests.integration.http.project import Project
from tests.support import directus
from tests.support.directus import ADMIN_TOKEN, EDITOR_TOKEN, PASSWORD, SESSION_TOKEN
from tests.support.engines import environment, temporary_database
from tidegate.app import Tidegate
from tidegate.clock import ManualClock
from tidegate.settings import load_settings

LOGIN = {"email": "editor@example.com", "password": PASSWORD}
NEEDED = {
    "directus_access": "id role user policy",
    "directus_collections": "collection singleton sort_field",
    "directus_fields": "id collection field special",
    "directus_permissions": "id collection action permissions validation presets fields policy",
    "directus_policies": "id admin_access app_access enforce_tfa ip_access",
    "directus_relations": "id many_collection many_field one_collection one_field one_collection_field"
    " one_allowed_collections sort_field one_deselect_action",
    "directus_roles": "id",
    "directus_sessions": "token user expires ip user_agent origin",
    "directus_settings": "id auth_login_attempts",
    "directus_users": "id email password tfa_secret status role token provider last_access",
}


@contextlib.asynccontextmanager
async def served(url: str, **environ: str) -> AsyncIterator[Project]:
    clock = ManualClock(1_800_000_000.0)
    app = Tidegate(load_settings({**BASE_ENV, **environment(url), **environ}), clock)
    async with app.lifespan():
        assert not app.running.bootstrapped
        project = Project(app, clock)
        async with project.client:
            yield project


async def test_project_may_be_in_another_schema_of_postgresql() -> None:
    async with temporary_database("postgresql") as url:
        named = ['CREATE SCHEMA "of our ""own"', 'SET search_path = "of our ""own"']
        await directus.ask("postgresql", url, [*named, *directus.statements("postgresql", "11")])
        async with served(url, DB_SEARCH_PATH='array:of our "own,public') as project:
            assert (await project.ask("POST", "/auth/login", LOGIN, None))[0] == 200
            status, body = await project.ask("POST", "/items/articles?fields=title", {"title": "x"}, EDITOR_TOKEN)
            assert (status, body) == (200, {"data": {"title": "x"}})
            unique = {"collection": "articles", "field": "title", "schema": {"is_unique": True}}
            assert (await project.ask("PATCH", "/fields/articles/title", unique, ADMIN_TOKEN))[0] == 200
            unique["schema"] = {"is_unique": False}
            status, body = await project.ask("PATCH", "/fields/articles/title", unique, ADMIN_TOKEN)
            assert (status, body["data"]["schema"]["is_unique"]) == (200, False)
        assert await directus.ask("postgresql", url, ["SELECT * FROM pg_tables WHERE schemaname = 'public'"]) == []


async def test_system_tables_may_lack_all_that_nothing_is_known_by() -> None:
    async with temporary_database("postgresql") as url:
        drop = []
        for table, columns in directus.system_tables("11").items():
            surplus = columns.keys() - NEEDED.get(table, "").split()
            drop += [f'ALTER TABLE {table} DROP COLUMN "{name}" CASCADE' for name in sorted(surplus)]
            drop += [] if table in NEEDED else [f"DROP TABLE {table}"]
        await directus.ask("postgresql", url, [*directus.statements("postgresql", "11"), *drop])
        async with served(url) as project:
            assert (await project.ask("POST", "/auth/login", LOGIN, None))[0] == 200
            given = {"refresh_token": SESSION_TOKEN}
            assert (await project.ask("POST", "/auth/refresh", given, None))[0] == 200
            status, body = await project.ask("GET", "/items/articles?fields=title", None, EDITOR_TOKEN)
            assert (status, body) == (200, {"data": [{"title": "Old"}, {"title": "New"}]})
            status, body = await project.ask("GET", "/items/authors?fields=articles.title", None, ADMIN_TOKEN)
            assert (status, len(body["data"][0]["articles"])) == (200, 3)
            for path in (
                "/users/me?fields=*.*",
                "/roles",
                "/collections",
                "/fields",
                "/permissions/me",
                "/server/info",
            ):
                status, body = await project.ask("GET", path, None, ADMIN_TOKEN)
                assert status == 200, body
            asked = {"query": "{ users_me { email } settings { id } }"}
            status, body = await project.ask("POST", "/graphql/system", asked, ADMIN_TOKEN)
            assert "errors" not in body, body
