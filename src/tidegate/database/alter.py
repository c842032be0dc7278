"""Making and changing tables, on any engine. To be called within `Database.restructuring`.

Rows stay; what they cannot become raises the engine's error. On MySQL, which commits each statement by itself, what is
changed of one table is one statement.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import sqlalchemy as sa

from tidegate.database import alter_server, alter_sqlite
from tidegate.database.catalog import Column, ForeignKey, read_catalog
from tidegate.database.ddl import create_table, lightweight_table, run
from tidegate.errors import TidegateError
from tidegate.schema.model import Field


class Alterations(Protocol):
    """What each engine does in its own way."""

    def add_column(self, connection: sa.Connection, field: Field) -> None: ...

    def alter_columns(self, connection: sa.Connection, changes: Sequence[tuple[Column, Field]]) -> None:
        """Of one table, all or none. What the columns have of the fields already stays."""
        ...

    def drop_column(self, connection: sa.Connection, table: str, name: str) -> None:
        """Drop a column without a foreign key, and the indexes that name it."""
        ...

    def add_foreign_key(self, connection: sa.Connection, key: ForeignKey) -> None: ...

    def drop_foreign_key(self, connection: sa.Connection, key: ForeignKey) -> None: ...

    def drop_table(self, connection: sa.Connection, name: str) -> None:
        """Drop a table that no foreign key leads to."""
        ...


def _alterations(connection: sa.Connection) -> Alterations:
    return alter_sqlite if connection.dialect.name == "sqlite" else alter_server


def create_tables(connection: sa.Connection, tables: Mapping[str, Sequence[Field]]) -> None:
    """Make tables with these fields, all or none."""
    made: list[str] = []
    try:
        for name, fields in tables.items():
            table, *indexes = create_table(name, fields, [], connection.dialect)
            run(connection, table)
            made.append(name)
            for index in indexes:
                run(connection, index)
    except BaseException:
        if connection.dialect.name == "mysql":  # elsewhere a rollback takes them back
            with contextlib.suppress(Exception):  # the first error is the one to tell
                for name in made:
                    _alterations(connection).drop_table(connection, name)
        raise


def drop_table(connection: sa.Connection, name: str) -> None:
    """Drop a table, and the foreign keys of others that lead to it."""
    for key in read_catalog(connection).foreign_keys:
        if key.target == name and key.table != name:
            _alterations(connection).drop_foreign_key(connection, key)
    _alterations(connection).drop_table(connection, name)


def add_column(connection: sa.Connection, field: Field) -> None:
    """Add a column to `field.collection`, with its unique index where it is unique."""
    _alterations(connection).add_column(connection, field)


def alter_columns(connection: sa.Connection, table: str, fields: Sequence[Field]) -> None:
    """Give columns of one table the type, nullability, default and uniqueness of these fields, all or none.

    Raises CONTAINS_NULL_VALUES for a column with nulls that is to have none.
    """
    columns = {column.name: column for column in read_catalog(connection).columns if column.table == table}
    for field in fields:
        if columns[field.name].nullable and not field.nullable and _has_nulls(connection, table, field.name):
            raise TidegateError("CONTAINS_NULL_VALUES", collection=table, field=field.name)
    _alterations(connection).alter_columns(connection, [(columns[field.name], field) for field in fields])


def _has_nulls(connection: sa.Connection, table: str, name: str) -> bool:
    rows = lightweight_table(table, [name])
    found = connection.execute(sa.select(sa.literal(1)).select_from(rows).where(rows.c[name].is_(None)).limit(1))
    return found.first() is not None


def drop_column(connection: sa.Connection, table: str, name: str) -> None:
    """Drop a column, its foreign keys, and the indexes that name it."""
    drop_foreign_keys(connection, table, name)
    _alterations(connection).drop_column(connection, table, name)


def add_foreign_key(connection: sa.Connection, key: ForeignKey) -> None:
    _alterations(connection).add_foreign_key(connection, key)


def drop_foreign_keys(connection: sa.Connection, table: str, name: str) -> None:
    """Drop the foreign keys of a column."""
    for key in _foreign_keys(connection, table, name):
        _alterations(connection).drop_foreign_key(connection, key)


def change_rule(connection: sa.Connection, table: str, name: str, on_delete: str) -> None:
    """Give the foreign keys of a column another rule (`cascade`, `set null` …)."""
    for key in _foreign_keys(connection, table, name):
        _alterations(connection).drop_foreign_key(connection, key)
        _alterations(connection).add_foreign_key(connection, replace(key, on_delete=on_delete, name=None))


def _foreign_keys(connection: sa.Connection, table: str, name: str) -> list[ForeignKey]:
    return [key for key in read_catalog(connection).foreign_keys if (key.table, key.column) == (table, name)]
