from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.http.project import Project, seeded_project


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    """The fixture's project with sockets in handshake mode, one for each module."""
    async with seeded_project(tmp_path_factory.mktemp("project")) as running:
        yield running
