"""Changing tables on SQLite, which for most changes means to rebuild them (sqlite.org/lang_altertable.html, section 7).

Rows, indexes, triggers, the AUTOINCREMENT counter and the references of other tables stay. To be called within
`Database.restructuring`, where foreign keys are off and checked at the end.
"""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from tidegate.database.catalog import Column, ForeignKey
from tidegate.database.ddl import (
    column_definition,
    create_unique_index,
    foreign_key_definition,
    lightweight_table,
    quote,
    run,
)
from tidegate.database.sqlite_text import TableText
from tidegate.schema.model import Field

_TEMPORARY = "_tidegate_rebuilt"
Edit = Callable[[TableText], TableText]


def add_column(connection: sa.Connection, field: Field) -> None:
    definition = column_definition(field, connection.dialect)
    _rebuild(connection, field.collection, lambda text: text.add_column(definition))
    if field.unique:
        run(connection, create_unique_index(field.collection, field.name, connection.dialect))


def alter_columns(connection: sa.Connection, changes: Sequence[tuple[Column, Field]]) -> None:
    for column, after in changes:
        _alter_column(connection, column, after)


def _alter_column(connection: sa.Connection, column: Column, after: Field) -> None:
    definition = column_definition(after, connection.dialect, column)
    if column.unique and not after.unique:
        _drop_indexes(connection, column.table, column.name, unique=True)
    _rebuild(
        connection,
        column.table,
        lambda text: (text if after.unique else text.drop_unique(column.name)).replace_column(column.name, definition),
    )
    if after.unique and not column.unique:
        run(connection, create_unique_index(column.table, column.name, connection.dialect))


def drop_column(connection: sa.Connection, table: str, name: str) -> None:
    _drop_indexes(connection, table, name, unique=False)
    _rebuild(connection, table, lambda text: text.drop_column(name))


def add_foreign_key(connection: sa.Connection, key: ForeignKey) -> None:
    constraint = foreign_key_definition(key, connection.dialect)
    _rebuild(connection, key.table, lambda text: text.add_constraint(constraint))


def drop_foreign_key(connection: sa.Connection, key: ForeignKey) -> None:
    _rebuild(connection, key.table, lambda text: text.drop_foreign_key(key.column))


def drop_table(connection: sa.Connection, name: str) -> None:
    run(connection, f"DROP TABLE {quote(name, connection.dialect)}")


def _drop_indexes(connection: sa.Connection, table: str, column: str, *, unique: bool) -> None:
    """Drop the indexes that name the column, or only the unique ones of this column alone."""
    rows = connection.execute(
        sa.text(
            'SELECT l.name, l."unique" AS is_unique, group_concat(i.name, char(0)) AS columns '
            "FROM pragma_index_list(:name) l JOIN pragma_index_info(l.name) i WHERE l.origin = 'c' GROUP BY l.name"
        ),
        {"name": table},
    ).all()
    for row in rows:
        columns = row.columns.split("\0")
        if columns == [column] if unique and row.is_unique else column in columns and not unique:
            run(connection, f"DROP INDEX {quote(row.name, connection.dialect)}")


def _rebuild(connection: sa.Connection, table: str, edit: Edit) -> None:
    stored = connection.execute(
        sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL"), {"name": table}
    ).all()
    before = TableText.parse(next(row.sql for row in stored if row.type == "table"))
    after = edit(before)
    old, new = quote(table, connection.dialect), quote(_TEMPORARY, connection.dialect)
    run(connection, f"CREATE TABLE {new} {after}")
    columns = _stored_columns(connection, table, after)
    source, target = (lightweight_table(name, columns) for name in (table, _TEMPORARY))
    connection.execute(sa.insert(target).from_select(columns, sa.select(source)))
    counter = _counter(connection, table)
    run(connection, f"DROP TABLE {old}")
    run(connection, f"ALTER TABLE {new} RENAME TO {old}")
    if counter is not None:
        connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table})
        connection.execute(
            sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"), {"name": table, "seq": counter}
        )
    for row in stored:
        if row.type in ("index", "trigger"):
            run(connection, row.sql)


def _stored_columns(connection: sa.Connection, table: str, after: TableText) -> list[str]:
    """The columns to copy: those of both tables, without generated ones."""
    kept = {definition.column for definition in after.definitions}
    rows = connection.execute(sa.text("SELECT name, hidden FROM pragma_table_xinfo(:name)"), {"name": table}).all()
    return [row.name for row in rows if row.hidden == 0 and row.name in kept]


def _counter(connection: sa.Connection, table: str) -> int | None:
    """The last key that AUTOINCREMENT gave; None for a table without the keyword."""
    if connection.scalar(sa.text("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'")) == 0:
        return None
    counter: int | None = connection.scalar(
        sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table}
    )
    return counter
