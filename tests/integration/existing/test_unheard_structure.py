"""Two processes on one database without a bus: what one drops, the other finds out by what it misses."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.http.project import Answer, Project, running_project
from tests.support.engines import DATABASE_ENGINES, environment, temporary_database
from tests.support.probes import DatabaseEngine

KEY = {"field": "id", "type": "integer", "schema": {"is_primary_key": True, "has_auto_increment": True}, "meta": {}}
FIELDS = [KEY, *({"field": name, "type": "string", "schema": {}, "meta": {}} for name in ("text", "mood", "place"))]
NOTES = {"collection": "notes", "schema": {}, "meta": {}, "fields": FIELDS}
MISSED = (503, "SERVICE_UNAVAILABLE")


@pytest.mark.parametrize("engine", DATABASE_ENGINES)
async def test_what_another_process_dropped_is_missed_and_then_known(engine: DatabaseEngine, tmp_path: Path) -> None:
    async with temporary_database(engine) as url, running_project(tmp_path, environment(url)) as here:
        await done(here, "POST", "/collections", NOTES)
        async with running_project(tmp_path, environment(url)) as there:
            await done(there, "POST", "/items/notes", {"text": "a", "mood": "b", "place": "c"})
            await done(here, "DELETE", "/fields/notes/mood")
            assert await there.code("GET", "/items/notes") == MISSED
            assert (await known(there))[1]["data"] == [{"id": 1, "text": "a", "place": "c"}]
            await done(here, "DELETE", "/fields/notes/place")
            assert await there.code("PATCH", "/items/notes/1", {"place": "d"}) == MISSED
            assert (await known(there))[1]["data"] == [{"id": 1, "text": "a"}]
            await done(here, "DELETE", "/collections/notes")
            assert await there.code("GET", "/items/notes") == MISSED
            assert (await known(there))[0] == 403


async def done(project: Project, method: str, path: str, body: Any = None) -> None:
    status, answer = await project.ask(method, path, body)
    assert status < 300, answer


async def known(project: Project) -> Answer:
    """The first answer by the new schema, which is read beside the requests."""
    async with asyncio.timeout(10):
        while (answer := await project.ask("GET", "/items/notes"))[0] == 503:
            pass
    return answer
