"""Rows as the database makes them of what is written: defaults, computed columns and triggers included."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningInsert

from tidegate.database.engine import Database, Transaction
from tidegate.database.functions import move_counter
from tidegate.errors import TidegateError
from tidegate.items.changes import Key
from tidegate.items.payload import mask
from tidegate.schema import Collection


class Rows:
    """Writes rows within `transaction`, whoever may. Values are API values; what is returned is masked.

    Every method raises FAILED_VALIDATION where a trigger refuses a row.
    """

    def __init__(self, database: Database, transaction: Transaction) -> None:
        self._tables = database.tables
        self._capabilities = database.capabilities
        self._transaction = transaction

    async def insert(self, collection: Collection, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The row that is there then."""
        table = self._tables[collection.name]
        key_column = table.c[collection.primary_key]
        if self._capabilities.insert_returning:
            rows = await self._insert_returning(table, columns)
            if rows and collection.triggered:
                key = rows[0]._mapping[collection.primary_key]
                rows = await self._transaction.fetch(sa.select(table).where(key_column == key))
        else:
            inserted = (await self._transaction.execute(sa.insert(table).values(columns))).inserted_primary_key
            key = inserted[0] if inserted is not None and inserted[0] is not None else columns.get(key_column.name)
            rows = await self._transaction.fetch(sa.select(table).where(key_column == key))
        if not rows:
            raise _not_taken(collection)
        if rows[0]._mapping[collection.primary_key] is None:  # SQLite takes that for most primary keys
            place = {"collection": collection.name, "field": collection.primary_key}
            raise TidegateError("NOT_NULL_VIOLATION", **place)
        given = collection.primary_key in columns
        if given and collection.key_field.auto_increment and not self._capabilities.given_keys_move_counter:
            await self._transaction.execute(move_counter(key_column))
        return mask(collection, dict(rows[0]._mapping))

    async def _insert_returning(self, table: sa.Table, columns: Mapping[str, Any]) -> Sequence[sa.Row[Any]]:
        statement = _insert_into(table)
        if columns:
            return await self._transaction.fetch_inserted(statement, columns)
        return await self._transaction.fetch(statement.values({}))

    async def update(
        self, collection: Collection, keys: Sequence[Key], columns: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The rows of `keys`, which are there, each named once, in that order, as they are then."""
        table = self._tables[collection.name]
        key_column = table.c[collection.primary_key]
        rows: Sequence[sa.Row[Any]]
        if columns and self._capabilities.update_returning and not collection.triggered:
            statement = sa.update(table).where(key_column.in_(keys)).values(columns)
            rows = await self._transaction.fetch(statement.returning(*table.c))
        else:
            if columns:
                statement = sa.update(table).where(key_column.in_(keys)).values(columns)
                if (await self._transaction.execute(statement)).rowcount < len(keys):
                    raise _not_taken(collection)
            rows = await self._transaction.fetch(sa.select(table).where(key_column.in_(keys)))
        images = {row._mapping[collection.primary_key]: mask(collection, dict(row._mapping)) for row in rows}
        if any(key not in images for key in keys):
            raise _not_taken(collection)
        return [images[key] for key in keys]

    async def delete(self, collection: Collection, keys: Sequence[Key]) -> None:
        """Delete the rows of `keys`, which are there, each named once."""
        table = self._tables[collection.name]
        key_column = table.c[collection.primary_key]
        deleted = await self._transaction.execute(sa.delete(table).where(key_column.in_(keys)))
        if deleted.rowcount < len(keys):
            raise _not_taken(collection)


@lru_cache(maxsize=512)
def _insert_into(table: sa.Table) -> ReturningInsert[Any]:
    """Kept for each table, as making one takes longer than running it; a changed table is another one."""
    return sa.insert(table).returning(*table.c)


def _not_taken(collection: Collection) -> TidegateError:
    """A trigger had the database leave the row as it was, without an error."""
    return TidegateError("FAILED_VALIDATION", collection=collection.name)
