"""A started, empty database on each engine."""

from collections.abc import AsyncIterator

import pytest

from tests.support.schemas import settings_of
from tidegate.database.engine import Database, create_database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = create_database(settings_of(database_url))
    try:
        await database.start()
        yield database
    finally:
        await database.stop()
