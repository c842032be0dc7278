"""Spelling of tables, columns and constraints in each engine's DDL. Pure; names are quoted, whatever they are.

Types are chosen so that the introspection of a column gives back the field type it was made for; only `csv` and `hash`
need a `special` flag beside them. MySQL's text is made to compare code point by code point, as on the other engines.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tidegate.database.catalog import Column, ForeignKey
from tidegate.database.column_types import default_value, is_default
from tidegate.database.results import FLOAT_DIGITS
from tidegate.database.types import LONG_DECIMAL, ApiType
from tidegate.schema.model import Field, FieldType

CURRENT_TIMESTAMP = "CURRENT_TIMESTAMP"
"""A default that stands for the moment of the insert, in `dateTime` and `timestamp` fields."""
DEFAULT_LENGTH = 255
DEFAULT_PRECISION, DEFAULT_SCALE = 10, 5
MAX_NAME = 63
"""The longest name that every engine takes."""

_TYPES: Mapping[FieldType, tuple[str, str, str]] = {
    FieldType.STRING: ("character varying", "varchar", "varchar"),
    FieldType.HASH: ("character varying", "varchar", "varchar"),
    FieldType.TEXT: ("text", "longtext", "text"),
    FieldType.CSV: ("text", "longtext", "text"),
    FieldType.INTEGER: ("integer", "int", "integer"),
    FieldType.BIG_INTEGER: ("bigint", "bigint", "bigint"),
    FieldType.FLOAT: ("double precision", "double", "double"),
    FieldType.DECIMAL: ("numeric", "decimal", "decimal"),
    FieldType.BOOLEAN: ("boolean", "boolean", "boolean"),
    FieldType.DATE: ("date", "date", "date"),
    FieldType.TIME: ("time without time zone", "time", "time"),
    FieldType.DATE_TIME: ("timestamp without time zone", "datetime", "datetime"),
    FieldType.TIMESTAMP: ("timestamp with time zone", "timestamp(3)", "timestamp"),
    FieldType.JSON: ("json", "json", "json"),
    FieldType.UUID: ("uuid", "char(36)", "char(36)"),
    FieldType.BINARY: ("bytea", "longblob", "blob"),
}
"""On PostgreSQL, MySQL and SQLite."""
_ENGINES = ("postgresql", "mysql", "sqlite")
_NOW = {
    ("postgresql", FieldType.TIMESTAMP): "CURRENT_TIMESTAMP",
    ("postgresql", FieldType.DATE_TIME): "CURRENT_TIMESTAMP",
    ("mysql", FieldType.TIMESTAMP): "CURRENT_TIMESTAMP(3)",
    ("mysql", FieldType.DATE_TIME): "CURRENT_TIMESTAMP",
    ("sqlite", FieldType.TIMESTAMP): "(CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER))",
    ("sqlite", FieldType.DATE_TIME): "(CAST(strftime('%s', 'now') AS INTEGER) * 1000)",
}
CREATABLE = frozenset(_TYPES)
"""The field types that a column can be made for."""


def quote(name: str, dialect: sa.Dialect) -> str:
    """The name as an identifier, whatever it holds."""
    return dialect.identifier_preparer.quote_identifier(name)


def run(connection: sa.Connection, statement: str) -> None:
    """Execute a statement as it stands, without looking for parameters in it."""
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def lightweight_table(name: str, columns: Sequence[str]) -> sa.TableClause:
    """A table of which no more is known than these columns, for statements on its rows."""
    return sa.table(sa.quoted_name(name, quote=True), *(sa.column(sa.quoted_name(one, quote=True)) for one in columns))


def column_type(field: Field, dialect: sa.Dialect) -> str:
    """The type of a new column for the field."""
    short_list = field.type is FieldType.CSV and field.max_length is not None
    name = _TYPES[FieldType.STRING if short_list else field.type][_ENGINES.index(dialect.name)]
    if short_list or field.type in (FieldType.STRING, FieldType.HASH):
        return f"{name}({field.max_length or DEFAULT_LENGTH})"
    if field.type is FieldType.DECIMAL:
        precision = field.numeric_precision or DEFAULT_PRECISION
        if dialect.name == "sqlite" and precision > FLOAT_DIGITS:
            return f"{LONG_DECIMAL}({precision}, {_scale(field)}) COLLATE {LONG_DECIMAL}"
        return f"{name}({precision}, {_scale(field)})"
    return name


def _scale(field: Field) -> int:
    return DEFAULT_SCALE if field.numeric_scale is None else field.numeric_scale


def column_definition(field: Field, dialect: sa.Dialect, present: Column | None = None) -> str:
    """The column as it stands in CREATE TABLE and ADD COLUMN; without its foreign key and unique index.

    Where the column is `present`, its type and default stay as they are unless the field has others.
    """
    keeps_type = present is not None and same_type(present, field, dialect)
    spelled = (
        f"{quote(field.name, dialect)} {present.spelling if present and keeps_type else column_type(field, dialect)}"
    )
    if present is not None and keeps_type and present.collation is not None:
        spelled += f" COLLATE {present.collation}"
    if field.auto_increment:
        return f"{quote(field.name, dialect)} {_AUTO_INCREMENT[dialect.name](field, dialect)}"
    if field.primary_key:
        spelled += " NOT NULL PRIMARY KEY"
    elif not field.nullable:
        spelled += " NOT NULL"
    elif dialect.name == "mysql":
        spelled += " NULL"  # a `timestamp` is NOT NULL unless told
    if present is not None and is_default(present.default) and same_default(present, field):
        default: str | None = f"({present.default})" if dialect.name == "sqlite" else present.default
    else:
        default = default_expression(field, dialect)
    return spelled if default is None else f"{spelled} DEFAULT {default}"


def same_type(column: Column, field: Field, dialect: sa.Dialect) -> bool:
    """Whether the column has the field's type already."""
    if field.database_type == column.type:
        same_numbers = (column.precision, column.scale) == (field.numeric_precision, field.numeric_scale)
        return column.length == field.max_length and same_numbers
    return column.spelling == column_type(field, dialect)


def same_default(column: Column, field: Field) -> bool:
    """Whether the column has the field's default already, also where it is an expression."""
    if field.default is None:
        return field.has_default == is_default(column.default)
    return bool(field.default == default_value(field, column.default))


_AUTO_INCREMENT: Mapping[str, Callable[[Field, sa.Dialect], str]] = {
    "postgresql": lambda field, dialect: (
        f"{column_type(field, dialect)} GENERATED BY DEFAULT AS IDENTITY NOT NULL PRIMARY KEY"
    ),
    "mysql": lambda field, dialect: f"{column_type(field, dialect)} NOT NULL AUTO_INCREMENT PRIMARY KEY",
    # The keyword keeps SQLite from giving the key of a deleted row to another; it wants the type to be `integer`.
    "sqlite": lambda _field, _dialect: "integer NOT NULL PRIMARY KEY AUTOINCREMENT",
}


def default_expression(field: Field, dialect: sa.Dialect) -> str | None:
    """The DEFAULT of the field's `default`, an API value or `CURRENT_TIMESTAMP`; None where it has none."""
    if field.default is None:
        return None
    if field.default == CURRENT_TIMESTAMP and (dialect.name, field.type) in _NOW:
        return _NOW[dialect.name, field.type]
    database_type = _TYPES[field.type][_ENGINES.index(dialect.name)].split("(")[0]
    bind = ApiType(field.type, database_type).bind_processor(dialect)
    literal = _literal(field.default if bind is None else bind(field.default), dialect)
    # MySQL takes a default for a text only in brackets.
    return f"({literal})" if dialect.name == "mysql" and database_type in ("longtext", "json") else literal


def _literal(value: Any, dialect: sa.Dialect) -> str:
    if isinstance(value, bool):
        return str(value).lower() if dialect.name == "postgresql" else str(int(value))
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("'", "''")
    return f"'{text.replace(chr(92), chr(92) * 2)}'" if dialect.name == "mysql" else f"'{text}'"


def foreign_key_definition(key: ForeignKey, dialect: sa.Dialect) -> str:
    """The constraint as it stands in CREATE TABLE and ADD."""
    name = quote(key.name or constraint_name(key.table, key.column, "foreign"), dialect)
    target = f"{quote(key.target, dialect)} ({quote(key.target_column or 'id', dialect)})"
    return (
        f"CONSTRAINT {name} FOREIGN KEY ({quote(key.column, dialect)}) REFERENCES {target} "
        f"ON DELETE {key.on_delete.upper()}"
    )


def create_table(name: str, fields: Sequence[Field], keys: Sequence[ForeignKey], dialect: sa.Dialect) -> list[str]:
    """CREATE TABLE, and the unique indexes of its fields."""
    parts = [column_definition(field, dialect) for field in fields if not field.alias]
    parts += [foreign_key_definition(key, dialect) for key in keys]
    options = ""
    if dialect.name == "mysql":
        collation = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
        options = f" ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation}"
    statements = [f"CREATE TABLE {quote(name, dialect)} ({', '.join(parts)}){options}"]
    return statements + [
        create_unique_index(name, field.name, dialect)
        for field in fields
        if field.unique and not field.primary_key and not field.alias
    ]


def create_unique_index(table: str, column: str, dialect: sa.Dialect) -> str:
    """CREATE UNIQUE INDEX of one column, under the name that tells which (`faults` reads it)."""
    name = quote(constraint_name(table, column, "unique"), dialect)
    return f"CREATE UNIQUE INDEX {name} ON {quote(table, dialect)} ({quote(column, dialect)})"


def unique_index_definition(table: str, column: str, dialect: sa.Dialect) -> str:
    """The same within ALTER TABLE of MySQL."""
    name = quote(constraint_name(table, column, "unique"), dialect)
    return f"ADD UNIQUE INDEX {name} ({quote(column, dialect)})"


def constraint_name(table: str, column: str, kind: str) -> str:
    """`articles_author_foreign`; what would be too long ends with a digest instead."""
    name = f"{table}_{column}_{kind}"
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: MAX_NAME - len(digest) - 1]}_{digest}"
