"""`tidegate doctor` on projects of Directus, sound and damaged, and on nothing at all."""

import json
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.cli.test_commands import tidegate
from tests.support import directus, engines
from tests.support.directus import ADMIN_ROLE, EDITOR_POLICY, catalogue, literal, make_project, metadata_rows, quoted
from tests.support.private_servers import free_port
from tests.support.probes import DatabaseEngine

SECRET = "a-secret-of-forty-characters-at-the-least"
DAMAGE: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "directus_permissions": [
        {"collection": "articles", "action": "read", "permissions": {"title": {"_near": "x"}}, "fields": "title"},
        {"collection": "articles", "action": "update", "permissions": [1], "fields": "*"},
        {"collection": "articles", "action": "delete", "permissions": None, "fields": "gone,title"},
        {"collection": "nowhere", "action": "read", "permissions": None, "fields": "*"},
        {"collection": "keyless", "action": "read", "permissions": None, "fields": "*"},
    ],
    "directus_relations": [{"many_collection": "articles", "many_field": "editor", "one_collection": "editors"}],
    "directus_flows": [{"id": ADMIN_ROLE, "name": "Send a mail"}],
}


def insert(engine: DatabaseEngine, table: str, row: Mapping[str, Any]) -> str:
    columns = ", ".join(quoted(engine, name) for name in row)
    values = ", ".join(literal(engine, value) for value in row.values())
    return f"INSERT INTO {quoted(engine, table)} ({columns}) VALUES ({values})"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=engines.DATABASE_ENGINES)
async def project(request: pytest.FixtureRequest) -> AsyncIterator[tuple[DatabaseEngine, str]]:
    async with engines.temporary_database(request.param) as url:
        await make_project(request.param, url, "12")
        yield request.param, url


def examined(folder: Path, url: str, **environ: str) -> tuple[int, Any]:
    found = tidegate("doctor", "--json", folder=folder, SECRET=SECRET, **engines.environment(url), **environ)
    assert found.stderr == ""
    return found.returncode, json.loads(found.stdout)


@pytest.mark.asyncio(loop_scope="module")
async def test_doctor_finds_a_sound_project_healthy_and_writes_nothing(
    project: tuple[DatabaseEngine, str], tmp_path: Path
) -> None:
    engine, url = project
    before = await catalogue(engine, url), await metadata_rows(engine, url)
    code, report = examined(tmp_path, url)
    assert (code, report["healthy"]) == (0, True)
    assert report["database"].lower().startswith(engine)
    assert report["project"] == "a project of Directus 11 or later, or of Tidegate"
    assert report["redis"] == "not used"
    assert {name for name in report["served"] if not name.startswith("directus_")} == {
        "articles",
        "authors",
        "unlisted",
    }
    assert report["unserved"].keys() == {"keyless", "directus_flows", "directus_of_the_future"}
    assert report["unserved"]["keyless"] == "it has no primary key"
    assert report["findings"] == []
    assert (await catalogue(engine, url), await metadata_rows(engine, url)) == before


@pytest.mark.asyncio(loop_scope="module")
async def test_doctor_names_what_will_not_work(project: tuple[DatabaseEngine, str], tmp_path: Path) -> None:
    engine, url = project
    owner = {"policy": EDITOR_POLICY}
    rows = [
        (table, {**row, **(owner if table == "directus_permissions" else {})})
        for table, damage in DAMAGE.items()
        for row in damage
    ]
    elsewhere = f"UPDATE directus_users SET provider = 'okta' WHERE id = '{directus.EDITOR_ID}'"
    versions = f"UPDATE directus_collections SET versioning = {literal(engine, True)} WHERE collection = 'articles'"
    odd = f"ALTER TABLE authors ADD COLUMN place {'geometry' if engine == 'mariadb' else 'point'}"
    await directus.ask(engine, url, [*(insert(engine, *row) for row in rows), elsewhere, versions, odd])
    code, report = examined(tmp_path, url)
    assert (code, report["healthy"]) == (1, False)
    found = {(finding["level"], finding["about"]): finding["sentence"] for finding in report["findings"]}
    assert '"_near"' in found["problem", "directus_permissions 3"]
    assert found["problem", "directus_permissions 4"].endswith("its rules are no JSON objects.")
    assert found["note", "directus_permissions 5"].endswith("names fields that do not exist: gone.")
    assert found["note", "directus_permissions 6"].endswith("the collection does not exist.")
    assert found["note", "directus_permissions 7"].endswith("the collection is not served.")
    assert "editors" in found["problem", "articles.editor"]
    assert found["note", "directus_flows"] == "directus_flows has 1 row: flows do not run."
    assert found["note", "directus_users"] == "1 user of the provider okta can use tokens here, but not log in."
    assert "versions" in found["note", "articles"]
    assert "as text" in found["note", "authors.place"]


async def test_doctor_knows_a_project_of_directus_10(tmp_path: Path) -> None:
    async with engines.temporary_database("sqlite") as url:
        await make_project("sqlite", url, "10")
        code, report = examined(tmp_path, url)
    assert (code, report["project"]) == (0, "a project of Directus 10")


async def test_project_amid_a_migration_is_refused(tmp_path: Path) -> None:
    async with engines.temporary_database("sqlite") as url:
        await make_project("sqlite", url, "10")
        await directus.ask("sqlite", url, ["CREATE TABLE directus_policies (id char(36) PRIMARY KEY, ip_access text)"])
        code, report = examined(tmp_path, url)
        started = tidegate("start", folder=tmp_path, SECRET=SECRET, PORT="0", **engines.environment(url))
    assert (code, report["project"]) == (1, "a project of Directus 11 or later, or of Tidegate")
    (finding,) = report["findings"]
    assert (
        "it lacks directus_access, directus_permissions.policy, directus_policies.admin_access, …; "
        in (finding["sentence"])
    )
    assert (started.returncode, started.stderr) == (1, f"tidegate: {finding['sentence']}\n")


async def test_doctor_knows_tables_without_a_project(tmp_path: Path) -> None:
    tables = (
        'CREATE TABLE things (id integer PRIMARY KEY, "a.b" text, bare)',
        'CREATE TABLE "of/this" (id integer PRIMARY KEY)',
        "CREATE VIEW seen AS SELECT id FROM things",
    )
    async with engines.temporary_database("sqlite") as url:
        await directus.ask("sqlite", url, tables)
        code, report = examined(tmp_path, url)
    assert (code, report["project"]) == (0, "tables without a project")
    assert report["served"] == {"things": 3, "of/this": 1}
    assert report["unserved"] == {"seen": "it is a view"}
    assert {finding["about"] for finding in report["findings"]} == {"things.a.b", "things.bare", "of/this"}


def test_doctor_makes_no_file(tmp_path: Path) -> None:
    code, report = examined(tmp_path, f"sqlite://{tmp_path}/data.db")
    assert (code, report["project"], report["database"]) == (0, "none yet", None)
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_cannot_be_reached(tmp_path: Path) -> None:
    port = free_port()
    url = f"postgresql://postgres@127.0.0.1:{port}/nothing"
    code, report = examined(tmp_path, url, REDIS=f"redis://127.0.0.1:{port}")
    assert (code, report["redis"]) == (1, "not reachable")
    assert {finding["about"]: finding["sentence"].partition(":")[0] for finding in report["findings"]} == {
        "REDIS": "Redis at 127.0.0.1",
        "database": "The database 127.0.0.1",
    }


def test_doctor_says_in_its_report_alone_that_a_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "data.db").write_text("a text that is as long as the head of a database would be\n" * 10)
    code, report = examined(tmp_path, f"sqlite://{tmp_path}/data.db")
    assert code == 1
    (finding,) = report["findings"]
    assert finding["sentence"] == f"The database {tmp_path}/data.db cannot be used: file is not a database."


def test_doctor_reads_settings_closely(tmp_path: Path) -> None:
    found = tidegate("doctor", folder=tmp_path, WEBSOCKETS_REST_AUHT="public", LOG_STYLE="loud")
    assert found.returncode == 1
    assert "Problem   LOG_STYLE is 'loud'" in found.stdout
    assert "Note      WEBSOCKETS_REST_AUHT is not a setting" in found.stdout


async def test_doctor_tells_people_in_lines(tmp_path: Path) -> None:
    async with engines.temporary_database("sqlite") as url:
        await make_project("sqlite", url)
        environ = {**engines.environment(url), "SECRET": SECRET}
        told: subprocess.CompletedProcess[str] = tidegate("doctor", folder=tmp_path, **environ)
    assert told.stdout.startswith("Tidegate  0.")
    assert told.stdout.endswith("Nothing stands in the way.\n")
    assert "\nServed    3 collections: articles, authors, unlisted\n" in told.stdout
