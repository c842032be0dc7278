"""A started, empty database on each engine."""

from collections.abc import AsyncIterator

import pytest

from tests.support.schemas import started_database
from tidegate.database.engine import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with started_database(database_url) as database:
        yield database
