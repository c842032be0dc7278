"""Changing tables on PostgreSQL and MySQL."""

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
)
from tidegate.schema.model import Field


def add_column(connection: sa.Connection, field: Field) -> None:
    definition = column_definition(field, connection.dialect)
    _alter(connection, field.collection, f"ADD COLUMN {definition}")
    if field.unique:
        run(connection, create_unique_index(field.collection, field.name, connection.dialect))


def alter_column(connection: sa.Connection, column: Column, after: Field) -> None:
    if column.unique and not after.unique:
        _drop_unique(connection, column)
    if connection.dialect.name == "mysql":
        _alter(connection, column.table, f"MODIFY COLUMN {column_definition(after, connection.dialect, column)}")
    else:
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
    if connection.dialect.name == "mysql":
        _match_target(connection, key)
    _alter(connection, key.table, f"ADD {foreign_key_definition(key, connection.dialect)}")


def drop_foreign_key(connection: sa.Connection, key: ForeignKey) -> None:
    assert key.name is not None, "these engines name every constraint"
    kind = "FOREIGN KEY" if connection.dialect.name == "mysql" else "CONSTRAINT"
    _alter(connection, key.table, f"DROP {kind} {quote(key.name, connection.dialect)}")


def drop_table(connection: sa.Connection, name: str) -> None:
    run(connection, f"DROP TABLE {quote(name, connection.dialect)}")


def _alter(connection: sa.Connection, table: str, action: str) -> None:
    run(connection, f"ALTER TABLE {quote(table, connection.dialect)} {action}")


_POSTGRESQL_UNIQUE = """
    SELECT i.relname AS name, k.conname IS NOT NULL AS is_constraint
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
    LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.contype = 'u'
    WHERE t.relnamespace = current_schema()::regnamespace AND t.relname = :table AND a.attname = :column
          AND x.indisunique AND NOT x.indisprimary AND x.indnkeyatts = 1
"""
_MYSQL_UNIQUE = """
    SELECT INDEX_NAME AS name, FALSE AS is_constraint FROM information_schema.STATISTICS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :table AND NON_UNIQUE = 0 AND INDEX_NAME <> 'PRIMARY'
    GROUP BY INDEX_NAME HAVING COUNT(*) = 1 AND MIN(COLUMN_NAME) = :column
"""


def _drop_unique(connection: sa.Connection, column: Column) -> None:
    mysql = connection.dialect.name == "mysql"
    rows = connection.execute(
        sa.text(_MYSQL_UNIQUE if mysql else _POSTGRESQL_UNIQUE), {"table": column.table, "column": column.name}
    ).all()
    for row in rows:
        quoted = quote(row.name, connection.dialect)
        if mysql or row.is_constraint:
            _alter(connection, column.table, f"DROP {'INDEX' if mysql else 'CONSTRAINT'} {quoted}")
        else:
            run(connection, f"DROP INDEX {quoted}")


_MYSQL_COLUMN = """
    SELECT COLUMN_TYPE AS type, CHARACTER_SET_NAME AS charset, COLLATION_NAME AS collation, IS_NULLABLE AS nullable,
           COLUMN_DEFAULT AS expression
    FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :table AND COLUMN_NAME = :column
"""


def _match_target(connection: sa.Connection, key: ForeignKey) -> None:
    """MySQL wants both columns of a foreign key to have one type, one sign and one collation."""
    find = sa.text(_MYSQL_COLUMN)
    own = connection.execute(find, {"table": key.table, "column": key.column}).one()
    target = connection.execute(find, {"table": key.target, "column": key.target_column}).one()
    if (own.type, own.collation) == (target.type, target.collation):
        return
    spelled = target.type
    if target.charset is not None:
        spelled += f" CHARACTER SET {target.charset} COLLATE {target.collation}"
    spelled += " NULL" if own.nullable == "YES" else " NOT NULL"
    _alter(connection, key.table, f"MODIFY COLUMN {quote(key.column, connection.dialect)} {spelled}")
