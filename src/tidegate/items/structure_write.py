"""One change of the structure: of tables, and of the metadata rows beside them, both or neither.

Where the database commits each DDL statement by itself (`Capabilities.transactional_ddl`), the metadata rows are
written and taken back before the first of them, so that only DDL itself can fail then. What becomes of metadata rows
is told as that of any item, if and only if it is committed. After every change the database is looked at anew.
"""

from collections.abc import Awaitable, Callable

import sqlalchemy as sa

from tidegate.database.ddl import run
from tidegate.database.engine import Database
from tidegate.errors import Conflict, TidegateError
from tidegate.items.feed import Feed, recorded
from tidegate.items.structure_rows import MetadataWriter
from tidegate.items.writes import Writes, attempted

Alter = Callable[[sa.Connection], None]
"""Changes tables, all or none of them (`database.alter`)."""
Record = Callable[[MetadataWriter], Awaitable[None]]
"""Writes metadata rows."""


class StructureWriter:
    """Changes the structure, whoever may."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self._database = database
        self._feed = feed
        self.writes = Writes()

    async def write(self, record: Record, alter: Alter | None = None) -> None:
        """Change both, also anew where the database gave it up for the sake of another and took all of it back.

        Raises what the database refuses, such as RECORD_NOT_UNIQUE, INVALID_FOREIGN_KEY and CONTAINS_NULL_VALUES;
        SERVICE_UNAVAILABLE.
        """
        await self.writes.finish(self._attempt(record, alter))

    async def _attempt(self, record: Record, alter: Alter | None) -> None:
        try:
            await attempted(lambda: self._transact(record, alter))
        finally:
            await self._database.reload()  # also what failed may have come halfway, or be there unanswered

    async def _transact(self, record: Record, alter: Alter | None) -> None:
        altered = False
        try:
            async with recorded(self._database, self._feed, restructuring=True) as (transaction, changes):
                metadata = MetadataWriter(self._database, transaction, changes)
                if alter is not None and not self._database.capabilities.transactional_ddl:
                    await record(metadata)
                    await transaction.run(lambda connection: run(connection, "ROLLBACK"))
                    changes.clear()
                    altered = True
                if alter is not None:
                    await transaction.run(alter)
                await record(metadata)
        except Conflict:
            if altered:  # nobody takes that back, and it cannot be done twice
                raise TidegateError("SERVICE_UNAVAILABLE") from None
            raise
