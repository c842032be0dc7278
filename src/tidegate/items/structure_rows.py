"""The metadata rows beside collections, fields and relations."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tidegate.database.engine import Database, Transaction
from tidegate.items.structure_input import NewField, Object, meta_row

COLLECTIONS, FIELDS, RELATIONS = "directus_collections", "directus_fields", "directus_relations"
Row = Mapping[str, Any]


class MetadataRows:
    """Rows of the tables above, found by what some of their columns hold (`place`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def from_input(self, meta: Object, table: str) -> dict[str, Any]:
        """What a request's `meta` object sets. Raises `InvalidPayload`."""
        return meta_row(meta, self._database.schema.collections[table])

    def of_field(self, made: NewField) -> dict[str, Any]:
        """The row of a field to be made."""
        row = self.from_input(made.meta or {}, FIELDS)
        return {"collection": made.field.collection, "field": made.field.name, **row}

    async def all(self, table: str, source: Transaction | None = None) -> list[Row]:
        select = sa.select(self._database.tables[table])
        return [row._asdict() for row in await (source or self._database).fetch(select)]

    async def insert(self, transaction: Transaction, table: str, row: Row) -> None:
        await transaction.execute(sa.insert(self._database.tables[table]).values(**row))

    async def update(self, transaction: Transaction, table: str, place: Row, row: Row) -> None:
        await transaction.execute(sa.update(self._database.tables[table]).where(*self._at(table, place)).values(**row))

    async def put(self, transaction: Transaction, table: str, place: Row, row: Row) -> None:
        """Change the row at a place, or make it."""
        target = self._database.tables[table]
        if not await transaction.fetch(sa.select(sa.literal(1)).select_from(target).where(*self._at(table, place))):
            await self.insert(transaction, table, {**place, **row})
        elif row:
            await self.update(transaction, table, place, row)

    async def delete(self, transaction: Transaction, table: str, place: Row) -> None:
        await transaction.execute(sa.delete(self._database.tables[table]).where(*self._at(table, place)))

    def _at(self, table: str, place: Row) -> list[sa.ColumnElement[bool]]:
        return [self._database.tables[table].c[name] == value for name, value in place.items()]
