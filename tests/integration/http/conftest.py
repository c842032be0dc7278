from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.http.project import Project, seeded_project


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    """The fixture's project, one for each module: its tests write where others do not look."""
    async with seeded_project(tmp_path_factory.mktemp("project")) as running:
        yield running
