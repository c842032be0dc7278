"""SQLAlchemy types that take API values as binds and give API values as results, the same on every engine.

How a value is stored follows from the column's own type: PostgreSQL and MySQL have a fitting type for everything.
SQLite has none for dates: `date`, `dateTime` and `timestamp` are kept there as milliseconds since the epoch in UTC,
which compare, sort and index rightly and are what a Directus project on SQLite holds. A column in which other programs
keep texts is told by introspection and used as they do. Decimals with more digits than a float holds are texts with a
collation of our own.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from enum import Enum, auto
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tidegate.database.capabilities import DialectName
from tidegate.database.results import EPOCH, MILLISECOND, Convert, from_driver, real
from tidegate.schema.model import FieldType


class Storage(Enum):
    """What a driver takes and gives for a column."""

    TEXT = auto()
    INTEGER = auto()
    REAL = auto()
    DOUBLE = auto()
    NUMERIC = auto()
    BOOLEAN = auto()
    DATE = auto()
    TIME = auto()
    NAIVE = auto()
    """A date and time without a zone."""
    AWARE = auto()
    """A moment, as a date and time with a zone."""
    UUID = auto()
    JSON = auto()
    JSONB = auto()
    BYTES = auto()
    OTHER = auto()
    """Something only this engine has (an enum, an address, an array), handled as text."""


LONG_DECIMAL = "decimal_text"
"""SQLite's column type for decimals of more than `FLOAT_DIGITS` digits; the name gives it text affinity."""
GEOMETRIES = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    }
)
"""MySQL's types that are read as well-known text (`POINT(1 2)`). PostgreSQL writes its own `point` as a text."""

_STORAGES = {
    "postgresql": {
        "character varying": Storage.TEXT,
        "varchar": Storage.TEXT,
        "character": Storage.TEXT,
        "char": Storage.TEXT,
        "text": Storage.TEXT,
        "smallint": Storage.INTEGER,
        "integer": Storage.INTEGER,
        "bigint": Storage.INTEGER,
        "real": Storage.REAL,
        "double precision": Storage.DOUBLE,
        "numeric": Storage.NUMERIC,
        "boolean": Storage.BOOLEAN,
        "date": Storage.DATE,
        "time": Storage.TIME,
        "time without time zone": Storage.TIME,
        "timestamp": Storage.NAIVE,
        "timestamp without time zone": Storage.NAIVE,
        "timestamp with time zone": Storage.AWARE,
        "uuid": Storage.UUID,
        "json": Storage.JSON,
        "jsonb": Storage.JSONB,
        "bytea": Storage.BYTES,
    },
    "mysql": {
        "boolean": Storage.INTEGER,
        "bit": Storage.INTEGER,
        "tinyint": Storage.INTEGER,
        "smallint": Storage.INTEGER,
        "mediumint": Storage.INTEGER,
        "int": Storage.INTEGER,
        "integer": Storage.INTEGER,
        "bigint": Storage.INTEGER,
        "year": Storage.INTEGER,
        "float": Storage.REAL,
        "double": Storage.DOUBLE,
        "decimal": Storage.NUMERIC,
        "numeric": Storage.NUMERIC,
        "date": Storage.DATE,
        "time": Storage.TIME,
        "datetime": Storage.NAIVE,
        "timestamp": Storage.NAIVE,
        "binary": Storage.BYTES,
        "varbinary": Storage.BYTES,
        "tinyblob": Storage.BYTES,
        "blob": Storage.BYTES,
        "mediumblob": Storage.BYTES,
        "longblob": Storage.BYTES,
    },
    "sqlite": {
        "boolean": Storage.INTEGER,
        "date": Storage.INTEGER,
        "datetime": Storage.INTEGER,
        "timestamp": Storage.INTEGER,
        "float": Storage.DOUBLE,
        "real": Storage.DOUBLE,
        "double": Storage.DOUBLE,
        "double precision": Storage.DOUBLE,
        "decimal": Storage.DOUBLE,
        "numeric": Storage.DOUBLE,
        LONG_DECIMAL: Storage.TEXT,
        "blob": Storage.BYTES,
    },
}
_DEFAULT_STORAGE = {
    FieldType.INTEGER: Storage.INTEGER,
    FieldType.BIG_INTEGER: Storage.INTEGER,
    FieldType.FLOAT: Storage.DOUBLE,
    FieldType.DECIMAL: Storage.NUMERIC,
    FieldType.BINARY: Storage.BYTES,
}
"""Where the column's type is not known, as for an expression."""

_POSTGRESQL_TYPES: dict[Storage, sa.types.TypeEngine[Any]] = {
    Storage.INTEGER: sa.BigInteger(),  # an operand may be larger than the column; assignment checks the range
    Storage.REAL: sa.Float(24),  # spelled with its precision, since FLOAT alone is the longer one
    Storage.DOUBLE: sa.Double(),
    Storage.NUMERIC: sa.Numeric(),
    Storage.BOOLEAN: sa.Boolean(),
    Storage.DATE: sa.Date(),
    Storage.TIME: sa.Time(),
    Storage.NAIVE: sa.DateTime(),
    Storage.AWARE: sa.DateTime(timezone=True),
    Storage.UUID: sa.Uuid(as_uuid=False),
    Storage.JSON: postgresql.JSON(),
    Storage.JSONB: postgresql.JSONB(),
    Storage.BYTES: sa.LargeBinary(),
}
_PYTHON_TYPES: dict[FieldType, sa.types.TypeEngine[Any]] = {
    FieldType.INTEGER: sa.Integer(),
    FieldType.BIG_INTEGER: sa.BigInteger(),
    FieldType.FLOAT: sa.Double(),
    FieldType.DECIMAL: sa.Numeric(),
    FieldType.BOOLEAN: sa.Boolean(),
}
"""Which operators an expression has."""


class ApiType(sa.types.TypeDecorator[Any]):
    """The API values of one field type in a column of `database_type` (lower case, without length)."""

    impl: sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]] = sa.String
    cache_ok = True

    def __init__(
        self, field_type: FieldType, database_type: str = "", scale: int | None = None, moment_separator: str = ""
    ) -> None:
        super().__init__()
        self.field_type = field_type
        self.database_type = database_type
        self.scale = scale
        self.moment_separator = moment_separator
        self.impl = _PYTHON_TYPES.get(field_type, self.impl)

    def storage_on(self, dialect: str) -> Storage:
        """What the driver of the engine takes and gives; by the field type where the column's own is not known."""
        name = self.database_type.removesuffix(" unsigned")
        known = _STORAGES[dialect].get(name)
        if known is not None:
            return known
        if name and dialect == "postgresql":
            return Storage.OTHER
        return _DEFAULT_STORAGE.get(self.field_type, Storage.TEXT)

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(_POSTGRESQL_TYPES.get(self.storage_on(dialect.name), sa.String()))
        return dialect.type_descriptor(self.impl_instance)

    def bind_processor(self, dialect: sa.Dialect) -> Convert | None:
        if self.moment_separator:
            return _not_none(_spaced) if self.moment_separator == " " else None
        return _not_none(_to_driver(self.field_type, self.storage_on(dialect.name)))

    def result_processor(self, dialect: sa.Dialect, _coltype: object) -> Convert | None:
        storage = self.storage_on(dialect.name)
        if dialect.name != "sqlite" and (self.field_type, storage) in _SAME:
            return None
        if dialect.name == "postgresql" and storage is Storage.REAL:
            return _not_none(real)
        return _not_none(from_driver(self.field_type, self.scale))


class EngineType(ApiType):
    """A type that only this engine has: read as text, and written and compared by casting a text to it."""

    cache_ok = True

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        if self.database_type == "inet":
            return sa.type_coerce(sa.func.abbrev(column), self)  # a cast adds the length of the mask
        return sa.type_coerce(sa.cast(column, sa.Text), self)

    def bind_expression(self, bindparam: sa.BindParameter[Any]) -> sa.ColumnElement[Any]:
        # `bit` alone is one bit long.
        return sa.cast(bindparam, _Spelled("bit varying" if self.database_type == "bit" else self.database_type))


class GeometryType(ApiType):
    """Read as well-known text."""

    cache_ok = True

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.type_coerce(sa.func.ST_AsText(column), self)


class _Spelled(sa.types.UserDefinedType[Any]):
    """A type by its spelling, which comes from the database's catalogue."""

    cache_ok = True

    def __init__(self, spelling: str) -> None:
        self.spelling = spelling

    def get_col_spec(self, **_: Any) -> str:
        return self.spelling


def api_type(
    field_type: FieldType, database_type: str, numeric_scale: int | None, moment_separator: str, dialect: DialectName
) -> ApiType:
    """The type of a field's column."""
    scale = numeric_scale if field_type is FieldType.DECIMAL else None
    plain = ApiType(field_type, database_type, scale, moment_separator)
    if plain.storage_on(dialect) is Storage.OTHER:
        return EngineType(field_type, database_type)
    if dialect == "mysql" and database_type in GEOMETRIES:
        return GeometryType(field_type, database_type)
    return plain


def _not_none(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None

    def process(value: Any) -> Any:
        return None if value is None else convert(value)

    return process


def _to_driver(field_type: FieldType, storage: Storage) -> Convert | None:
    if field_type in _MOMENTS:
        return _MOMENT_BINDS.get(storage)
    if field_type is FieldType.JSON:
        return _dump
    if field_type is FieldType.CSV:
        return _dump if storage in (Storage.JSON, Storage.JSONB) else _join
    return _BINDS.get((field_type, storage), _STORAGE_BINDS.get(storage))


def _spaced(text: str) -> str:
    """As SQLite's own CURRENT_TIMESTAMP spells a moment."""
    return text[: len("2021-02-03T04:05:06")].replace("T", " ")


def _moment(text: str) -> datetime:
    """The moment that a `date`, `dateTime` or `timestamp` tells, in UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _time(text: str) -> time | str:
    """What is no time of day to Python (`24:00:00`, `-100:00:01`) as it is: its database gave it like that."""
    try:
        return time.fromisoformat(text)
    except ValueError:
        return text


def _dump(value: object) -> str:
    return orjson.dumps(value).decode()


def _join(value: list[str] | str) -> str:
    return value if isinstance(value, str) else ",".join(value)


_MOMENTS = (FieldType.DATE, FieldType.DATE_TIME, FieldType.TIMESTAMP)
_MOMENT_BINDS: Mapping[Storage, Convert] = {
    Storage.AWARE: _moment,
    Storage.NAIVE: lambda text: _moment(text).replace(tzinfo=None),
    Storage.DATE: lambda text: _moment(text).date(),
    Storage.INTEGER: lambda text: (_moment(text) - EPOCH) // MILLISECOND,
}
_STORAGE_BINDS: Mapping[Storage, Convert] = {
    Storage.INTEGER: int,
    Storage.REAL: float,
    Storage.DOUBLE: float,
    Storage.NUMERIC: Decimal,
    Storage.BYTES: base64.b64decode,
}
_BINDS: Mapping[tuple[FieldType, Storage], Convert] = {
    (FieldType.TIME, Storage.TIME): _time,
    (FieldType.BOOLEAN, Storage.TEXT): lambda value: "true" if value else "false",
}
_SAME = {
    (FieldType.STRING, Storage.TEXT),
    (FieldType.TEXT, Storage.TEXT),
    (FieldType.HASH, Storage.TEXT),
    (FieldType.INTEGER, Storage.INTEGER),
    (FieldType.BOOLEAN, Storage.BOOLEAN),
}
"""What a strictly typed database gives as API values already."""
