"""Changing tables on PostgreSQL and MySQL."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tidegate.database.catalog import Column, ForeignKey
from tidegate.database.ddl import (
    column_definition,
    column_type,
    create_unique_index,
    default_expression,
    foreign_key_definition,
    quote,
    run,
    same_default,
    same_type,
    unique_index_definition,
)
from tidegate.schema.model import Field


def add_column(connection: sa.Connection, field: Field) -> None:
    table, dialect = field.collection, connection.dialect
    actions = [f"ADD COLUMN {column_definition(field, dialect)}"]
    if field.unique and dialect.name == "mysql":
        actions.append(unique_index_definition(table, field.name, dialect))
    _alter(connection, table, *actions)
    if field.unique and dialect.name != "mysql":
        run(connection, create_unique_index(table, field.name, dialect))


def alter_columns(connection: sa.Connection, changes: Sequence[tuple[Column, Field]]) -> None:
    if connection.dialect.name == "mysql":
        actions = [action for column, after in changes for action in _mysql_actions(connection, column, after)]
        if actions:
            _alter(connection, changes[0][0].table, *actions)
    else:
        for column, after in changes:
            _alter_postgresql_column(connection, column, after)


def _mysql_actions(connection: sa.Connection, column: Column, after: Field) -> Iterator[str]:
    if column.unique and not after.unique:
        for row in _unique_indexes(connection, column, _MYSQL_UNIQUE):
            yield f"DROP INDEX {quote(row.name, connection.dialect)}"
    yield f"MODIFY COLUMN {column_definition(after, connection.dialect, column)}"
    if after.unique and not column.unique:
        yield unique_index_definition(column.table, column.name, connection.dialect)


def _alter_postgresql_column(connection: sa.Connection, column: Column, after: Field) -> None:
    if column.unique and not after.unique:
        for row in _unique_indexes(connection, column, _POSTGRESQL_UNIQUE):
            quoted = quote(row.name, connection.dialect)
            if row.is_constraint:
                _alter(connection, column.table, f"DROP CONSTRAINT {quoted}")
            else:
                run(connection, f"DROP INDEX {quoted}")
    for action in _postgresql_actions(column, after, connection.dialect):
        _alter(connection, column.table, f"ALTER COLUMN {quote(column.name, connection.dialect)} {action}")
    if after.unique and not column.unique:
        run(connection, create_unique_index(column.table, column.name, connection.dialect))


def _postgresql_actions(column: Column, after: Field, dialect: sa.Dialect) -> list[str]:
    actions = []
    name = quote(column.name, dialect)
    if not same_type(column, after, dialect):
        spelled = column_type(after, dialect)
        if column.default is not None:
            actions.append("DROP DEFAULT")
        actions.append(f"TYPE {spelled} USING {name}::{spelled}")
    if actions or not same_default(column, after):
        default = default_expression(after, dialect)
        actions.append("DROP DEFAULT" if default is None else f"SET DEFAULT {default}")
    if column.nullable != after.nullable:
        actions.append("DROP NOT NULL" if after.nullable else "SET NOT NULL")
    return actions


def drop_column(connection: sa.Connection, table: str, name: str) -> None:
    _alter(connection, table, f"DROP COLUMN {quote(name, connection.dialect)}")


def add_foreign_key(connection: sa.Connection, key: ForeignKey) -> None:
    actions = _matching_target(connection, key) if connection.dialect.name == "mysql" else []
    _alter(connection, key.table, *actions, f"ADD {foreign_key_definition(key, connection.dialect)}")


def drop_foreign_key(connection: sa.Connection, key: ForeignKey) -> None:
    assert key.name is not None, "these engines name every constraint"
    kind = "FOREIGN KEY" if connection.dialect.name == "mysql" else "CONSTRAINT"
    _alter(connection, key.table, f"DROP {kind} {quote(key.name, connection.dialect)}")


def drop_table(connection: sa.Connection, name: str) -> None:
    run(connection, f"DROP TABLE {quote(name, connection.dialect)}")


def _alter(connection: sa.Connection, table: str, *actions: str) -> None:
    run(connection, f"ALTER TABLE {quote(table, connection.dialect)} {', '.join(actions)}")


_POSTGRESQL_UNIQUE = """
    SELECT i.relname AS name, k.conname IS NOT NULL AS is_constraint
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
    LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.contype = 'u'
    WHERE t.relnamespace = quote_ident(current_schema())::regnamespace
          AND t.relname = :table AND a.attname = :column
          AND x.indisunique AND NOT x.indisprimary AND x.indnkeyatts = 1
"""
_MYSQL_UNIQUE = """
    SELECT INDEX_NAME AS name FROM information_schema.STATISTICS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :table AND NON_UNIQUE = 0 AND INDEX_NAME <> 'PRIMARY'
    GROUP BY INDEX_NAME HAVING COUNT(*) = 1 AND MIN(COLUMN_NAME) = :column
"""


def _unique_indexes(connection: sa.Connection, column: Column, sql: str) -> Sequence[sa.Row[Any]]:
    return connection.execute(sa.text(sql), {"table": column.table, "column": column.name}).all()


_MYSQL_COLUMN = """
    SELECT COLUMN_TYPE AS type, CHARACTER_SET_NAME AS charset, COLLATION_NAME AS collation, IS_NULLABLE AS nullable,
           COLUMN_DEFAULT AS expression
    FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :table AND COLUMN_NAME = :column
"""


def _matching_target(connection: sa.Connection, key: ForeignKey) -> list[str]:
    """MySQL wants both columns of a foreign key to have one type, one sign and one collation."""
    find = sa.text(_MYSQL_COLUMN)
    own = connection.execute(find, {"table": key.table, "column": key.column}).one()
    target = connection.execute(find, {"table": key.target, "column": key.target_column}).one()
    if (own.type, own.collation) == (target.type, target.collation):
        return []
    spelled = target.type
    if target.charset is not None:
        spelled += f" CHARACTER SET {target.charset} COLLATE {target.collation}"
    spelled += " NULL" if own.nullable == "YES" else " NOT NULL"
    return [f"MODIFY COLUMN {quote(key.column, connection.dialect)} {spelled}"]
