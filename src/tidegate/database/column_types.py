"""Which field type a column has, told from its own type, its `special` flags, and its default. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.database.catalog import Column
from tidegate.database.types import LONG_DECIMAL
from tidegate.errors import TidegateError
from tidegate.schema import values
from tidegate.schema.model import Field, FieldType

_UUID_LENGTH = 36

_FIELD_TYPES: Mapping[str, FieldType] = {
    "varchar": FieldType.STRING,
    "character varying": FieldType.STRING,
    "char": FieldType.STRING,
    "character": FieldType.STRING,
    "nvarchar": FieldType.STRING,
    "nchar": FieldType.STRING,
    "text": FieldType.TEXT,
    "tinytext": FieldType.TEXT,
    "mediumtext": FieldType.TEXT,
    "longtext": FieldType.TEXT,
    "clob": FieldType.TEXT,
    "tinyint": FieldType.INTEGER,
    "smallint": FieldType.INTEGER,
    "mediumint": FieldType.INTEGER,
    "int": FieldType.INTEGER,
    "integer": FieldType.INTEGER,
    "year": FieldType.INTEGER,
    "bigint": FieldType.BIG_INTEGER,
    "real": FieldType.FLOAT,
    "float": FieldType.FLOAT,
    "double": FieldType.FLOAT,
    "double precision": FieldType.FLOAT,
    "decimal": FieldType.DECIMAL,
    "numeric": FieldType.DECIMAL,
    LONG_DECIMAL: FieldType.DECIMAL,
    "boolean": FieldType.BOOLEAN,
    "date": FieldType.DATE,
    "time": FieldType.TIME,
    "time without time zone": FieldType.TIME,
    "datetime": FieldType.DATE_TIME,
    "timestamp without time zone": FieldType.DATE_TIME,
    "timestamp": FieldType.TIMESTAMP,
    "timestamp with time zone": FieldType.TIMESTAMP,
    "json": FieldType.JSON,
    "jsonb": FieldType.JSON,
    "uuid": FieldType.UUID,
    "bytea": FieldType.BINARY,
    "blob": FieldType.BINARY,
    "tinyblob": FieldType.BINARY,
    "mediumblob": FieldType.BINARY,
    "longblob": FieldType.BINARY,
    "binary": FieldType.BINARY,
    "varbinary": FieldType.BINARY,
}
_SPECIAL_TYPES: Mapping[str, FieldType] = {
    "cast-json": FieldType.JSON,
    "cast-csv": FieldType.CSV,
    "cast-boolean": FieldType.BOOLEAN,
    "cast-timestamp": FieldType.TIMESTAMP,
    "cast-datetime": FieldType.DATE_TIME,
    "uuid": FieldType.UUID,
    "hash": FieldType.HASH,
}


def field_type(column: Column, special: Sequence[str]) -> FieldType:
    """The column's own type, unless a `special` flag tells a more exact one."""
    for flag in special:
        if flag in _SPECIAL_TYPES:
            return _SPECIAL_TYPES[flag]
    if column.type == "bit" and column.precision:
        return FieldType.BIG_INTEGER  # of MySQL; that of PostgreSQL tells no precision
    if column.checked_json:
        return FieldType.JSON
    if column.enumerated:
        return FieldType.STRING
    if column.length == _UUID_LENGTH and column.type in ("char", "character"):
        return FieldType.UUID
    return _FIELD_TYPES.get(column.type.removesuffix(" unsigned"), FieldType.UNKNOWN)


_QUOTED = re.compile(r"'(?P<text>(?:[^']|'')*)'(?:::.+)?", re.DOTALL)
_PLAIN = re.compile(r"-?[\d.]+|true|false", re.IGNORECASE)


def default_value(field: Field, expression: str | None) -> Any:
    """The API value of a default that is a literal; None for any other expression, and for no default."""
    if expression is None:
        return None
    bare = expression.strip("()")
    quoted = _QUOTED.fullmatch(bare)
    if quoted is None and not _PLAIN.fullmatch(bare):
        return None
    text = quoted["text"].replace("''", "'") if quoted else bare.lower()
    try:
        return values.parse(field, values.json_text(text) if field.type is FieldType.JSON else text)
    except TidegateError:
        return None


def is_default(expression: str | None) -> bool:
    """Whether a row gets something other than NULL where the column is left out."""
    return expression is not None and not expression.upper().startswith("NULL")
