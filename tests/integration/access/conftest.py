"""A project in a real database, with the parts that decide who may do what."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.integration.access.project import FILLED, Project, open_project
from tests.support import engines


@pytest_asyncio.fixture(scope="package", loop_scope="package", params=engines.DATABASE_ENGINES)
async def project_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """An empty project, once on each engine."""
    async with engines.temporary_database(request.param) as url, open_project(url):
        yield url


@pytest.fixture
async def project(project_url: str) -> AsyncIterator[Project]:
    """The same, as the tests before have not left it."""
    async with open_project(project_url) as opened:
        first = {name: await opened.keys(name) for name in FILLED}
        opened.statements.clear()
        yield opened
        await opened.clear(first)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def sqlite_file() -> AsyncIterator[Path]:
    """An empty project in a file that nobody has open."""
    async with engines.temporary_database("sqlite") as url:
        async with open_project(url):
            pass
        yield Path(urlsplit(url).path)


@pytest.fixture
async def sqlite_project(sqlite_file: Path, tmp_path: Path) -> AsyncIterator[Project]:
    """An empty project on SQLite, for what does not depend on the engine."""
    copy = shutil.copy(sqlite_file, tmp_path / "data.db")
    async with open_project(f"sqlite://{copy}") as opened:
        yield opened


@pytest.fixture
async def postgresql_project() -> AsyncIterator[Project]:
    """An empty project on PostgreSQL, where several write at once and what waits for a lock can be seen."""
    async with engines.temporary_database("postgresql") as url, open_project(url) as opened:
        yield opened
