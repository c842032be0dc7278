from collections.abc import AsyncIterator

import pytest

from tests.integration.realtime.world import World, open_world
from tests.support import engines


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """On SQLite, for what does not depend on the engine."""
    async with engines.temporary_database("sqlite") as url, open_world(url) as opened:
        yield opened


@pytest.fixture(params=engines.DATABASE_ENGINES)
async def any_world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with engines.temporary_database(request.param) as url, open_world(url) as opened:
        yield opened
