"""The metadata rows beside collections, fields and relations."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tidegate.database.engine import Database, Transaction
from tidegate.items.changes import Change
from tidegate.items.outcome import KEYS_PER_STATEMENT
from tidegate.items.payload import mask
from tidegate.items.rows import Rows
from tidegate.items.structure_input import NewField, Object, meta_row

COLLECTIONS, FIELDS, RELATIONS = "directus_collections", "directus_fields", "directus_relations"
Row = Mapping[str, Any]


class MetadataRows:
    """Rows of the tables above, as requests want them and as they are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def from_input(self, meta: Object, table: str) -> dict[str, Any]:
        """What a request's `meta` object sets. Raises `InvalidPayload`."""
        return meta_row(meta, self._database.schema.collections[table])

    def of_field(self, made: NewField) -> dict[str, Any]:
        """The row of a field to be made."""
        row = self.from_input(made.meta or {}, FIELDS)
        return {"collection": made.field.collection, "field": made.field.name, **row}

    async def all(self, table: str) -> list[Row]:
        select = sa.select(self._database.tables[table])
        return [row._asdict() for row in await self._database.fetch(select)]


class MetadataWriter:
    """Writes rows within `transaction`, found by what some of their columns hold (`place`), and adds to `changes`."""

    def __init__(self, database: Database, transaction: Transaction, changes: list[Change]) -> None:
        self._collections = database.schema.collections
        self._tables = database.tables
        self._rows = Rows(database, transaction)
        self._transaction = transaction
        self._changes = changes

    def has(self, table: str) -> bool:
        """Whether the database has the table: versions of Directus differ."""
        return table in self._tables

    async def find(self, table: str, place: Row) -> list[Row]:
        """The rows at a place, all where it is empty, locked and fit to leave the transaction."""
        collection, columns = self._collections[table], self._tables[table].c
        select = sa.select(self._tables[table]).where(*(columns[name] == value for name, value in place.items()))
        select = select.order_by(columns[collection.primary_key])
        if self._transaction.capabilities.for_update:
            select = select.with_for_update()
        return [mask(collection, row._asdict()) for row in await self._transaction.fetch(select)]

    async def insert(self, table: str, row: Row) -> None:
        collection = self._collections[table]
        image = await self._rows.insert(collection, row)
        key = image[collection.primary_key]
        self._changes.append(Change(table, "create", (key,), after=(image,), payload=row))

    async def update(self, table: str, place: Row, row: Row) -> None:
        await self._update(table, await self.find(table, place), row)

    async def put(self, table: str, place: Row, row: Row) -> None:
        """Change the row at a place, or make it."""
        found = await self.find(table, place)
        if not found:
            await self.insert(table, {**place, **row})
        elif row:
            await self._update(table, found, row)

    async def delete(self, table: str, place: Row) -> None:
        collection = self._collections[table]
        found = await self.find(table, place)
        for start in range(0, len(found), KEYS_PER_STATEMENT):
            before = tuple(found[start : start + KEYS_PER_STATEMENT])
            keys = tuple(row[collection.primary_key] for row in before)
            await self._rows.delete(collection, keys)
            self._changes.append(Change(table, "delete", keys, before=before))

    async def _update(self, table: str, found: Sequence[Row], row: Row) -> None:
        if found:
            collection = self._collections[table]
            keys = tuple(before[collection.primary_key] for before in found)
            after = tuple(await self._rows.update(collection, keys, row))
            self._changes.append(Change(table, "update", keys, tuple(found), after, row))
