"""The schema snapshot as SQLAlchemy tables, for building statements."""

from collections.abc import Mapping

import sqlalchemy as sa

from tidegate.database.capabilities import Capabilities
from tidegate.database.types import api_type
from tidegate.schema.model import Collection, Field, Schema


def build_tables(schema: Schema, capabilities: Capabilities) -> Mapping[str, sa.Table]:
    """One table for each collection, by name, with a column for each field that has one, typed with `ApiType`."""
    metadata = sa.MetaData()
    return {name: _table(collection, metadata, capabilities) for name, collection in schema.collections.items()}


def _table(collection: Collection, metadata: sa.MetaData, capabilities: Capabilities) -> sa.Table:
    columns = (_column(field, capabilities) for field in collection.fields.values() if not field.alias)
    return sa.Table(collection.name, metadata, *columns, quote=True)


def _column(field: Field, capabilities: Capabilities) -> sa.Column[object]:
    return sa.Column(
        field.name,
        api_type(field, capabilities.dialect),
        primary_key=field.primary_key,
        autoincrement=field.auto_increment,
        nullable=field.nullable,
        # A trigger may give a key that the columns say nothing of; SQLAlchemy warns where nothing does.
        server_default=sa.FetchedValue() if field.has_default or field.primary_key else None,
        quote=True,
    )
