"""One filled database on each engine, shared by the tests of a module, which only read."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support import engines
from tests.support.schemas import filled_database
from tidegate.database.engine import Database


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=engines.DATABASE_ENGINES)
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    async with engines.temporary_database(request.param) as url, filled_database(url) as filled:
        yield filled
