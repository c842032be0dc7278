"""Changing tables, on any engine. To be called within `Database.restructuring`.

On MySQL, which commits each statement by itself, what is changed of one table is one statement.
"""

from collections.abc import Sequence
from typing import Protocol

import sqlalchemy as sa

from tidegate.database import alter_server, alter_sqlite
from tidegate.database.catalog import Column, ForeignKey
from tidegate.schema.model import Field


class Alterations(Protocol):
    """What can be changed of a table. Rows stay; what they cannot become raises the engine's error."""

    def add_column(self, connection: sa.Connection, field: Field) -> None:
        """Add a column to `field.collection`, with its unique index where it is unique."""
        ...

    def alter_columns(self, connection: sa.Connection, changes: Sequence[tuple[Column, Field]]) -> None:
        """Give columns of one table the type, nullability, default and uniqueness of these fields, all or none.

        What they have of them already stays.
        """
        ...

    def drop_column(self, connection: sa.Connection, table: str, name: str) -> None:
        """Drop a column without a foreign key, and the indexes that name it."""
        ...

    def add_foreign_key(self, connection: sa.Connection, key: ForeignKey) -> None: ...

    def drop_foreign_key(self, connection: sa.Connection, key: ForeignKey) -> None: ...

    def drop_table(self, connection: sa.Connection, name: str) -> None:
        """Drop a table that no foreign key leads to."""
        ...


def alterations(connection: sa.Connection) -> Alterations:
    """How the connection's engine does it."""
    return alter_sqlite if connection.dialect.name == "sqlite" else alter_server
