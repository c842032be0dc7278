"""The schema snapshot as SQLAlchemy tables, for building statements.

One snapshot follows another with few differences. A table that is as it was stays the same object, so that it is not
built again and what SQLAlchemy has compiled for it is found again.
"""

from collections.abc import Mapping
from typing import NamedTuple
from weakref import WeakValueDictionary

import sqlalchemy as sa

from tidegate.database.capabilities import Capabilities, DialectName
from tidegate.database.types import api_type
from tidegate.schema.model import Collection, Field, FieldType, Schema


class _Column(NamedTuple):
    """All of a field that its table is built of."""

    name: str
    type: FieldType
    database_type: str
    numeric_scale: int | None
    moment_separator: str
    primary_key: bool
    auto_increment: bool
    nullable: bool
    has_default: bool


_built: WeakValueDictionary[tuple[str, tuple[_Column, ...], DialectName], sa.Table] = WeakValueDictionary()
"""For as long as anybody uses them."""


def build_tables(schema: Schema, capabilities: Capabilities) -> Mapping[str, sa.Table]:
    """One table for each collection, by name, with a column for each field that has one, typed with `ApiType`."""
    return {name: _table(collection, capabilities.dialect) for name, collection in schema.collections.items()}


def _table(collection: Collection, dialect: DialectName) -> sa.Table:
    columns = tuple(_stored(field) for field in collection.fields.values() if not field.alias)
    key = (collection.name, columns, dialect)
    table = _built.get(key)
    if table is None:
        made = (_column(column, dialect) for column in columns)
        table = _built[key] = sa.Table(collection.name, sa.MetaData(), *made, quote=True)
    return table


def _stored(field: Field) -> _Column:
    return _Column(
        field.name,
        field.type,
        field.database_type,
        field.numeric_scale,
        field.moment_separator,
        field.primary_key,
        field.auto_increment,
        field.nullable,
        field.has_default,
    )


def _column(column: _Column, dialect: DialectName) -> sa.Column[object]:
    return sa.Column(
        column.name,
        api_type(column.type, column.database_type, column.numeric_scale, column.moment_separator, dialect),
        primary_key=column.primary_key,
        autoincrement=column.auto_increment,
        nullable=column.nullable,
        # A trigger may give a key that the columns say nothing of; SQLAlchemy warns where nothing does.
        server_default=sa.FetchedValue() if column.has_default or column.primary_key else None,
        quote=True,
    )
