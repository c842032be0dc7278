"""SQLAlchemy types that take API values as binds and give API values as results, the same on every engine.

How a value is stored follows from the column's own type: PostgreSQL and MySQL have a fitting type for everything.
SQLite has none for dates: `date`, `dateTime` and `timestamp` are kept there as milliseconds since the epoch in UTC,
which compare, sort and index rightly and are what a Directus project on SQLite holds. A column in which other programs
keep texts is told by introspection and used as they do. Decimals with more digits than a float holds are texts with a
collation of our own.
"""

import base64
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tidegate.database.capabilities import DialectName
from tidegate.schema import values
from tidegate.schema.model import Field, FieldType

Convert = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


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
FLOAT_DIGITS = 15
"""How many decimal digits a float keeps exactly."""

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
            return _not_none(_real)
        return _not_none(_from_driver(self.field_type, self.scale))


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


def api_type(field: Field, dialect: DialectName) -> ApiType:
    """The type of the field's column."""
    scale = field.numeric_scale if field.type is FieldType.DECIMAL else None
    plain = ApiType(field.type, field.database_type, scale, field.moment_separator)
    if plain.storage_on(dialect) is Storage.OTHER:
        return EngineType(field.type, field.database_type)
    if dialect == "mysql" and field.database_type in GEOMETRIES:
        return GeometryType(field.type, field.database_type)
    return plain


def _not_none(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None

    def process(value: Any) -> Any:
        return None if value is None else convert(value)

    return process


# From API values to what the driver takes.


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


def _dump(value: object) -> str:
    return orjson.dumps(value).decode()


def _join(value: list[str] | str) -> str:
    return value if isinstance(value, str) else ",".join(value)


_MOMENTS = (FieldType.DATE, FieldType.DATE_TIME, FieldType.TIMESTAMP)
_MOMENT_BINDS: Mapping[Storage, Convert] = {
    Storage.AWARE: _moment,
    Storage.NAIVE: lambda text: _moment(text).replace(tzinfo=None),
    Storage.DATE: lambda text: _moment(text).date(),
    Storage.INTEGER: lambda text: (_moment(text) - _EPOCH) // _MILLISECOND,
}
_STORAGE_BINDS: Mapping[Storage, Convert] = {
    Storage.INTEGER: int,
    Storage.REAL: float,
    Storage.DOUBLE: float,
    Storage.NUMERIC: Decimal,
    Storage.BYTES: base64.b64decode,
}
_BINDS: Mapping[tuple[FieldType, Storage], Convert] = {
    (FieldType.TIME, Storage.TIME): time.fromisoformat,
    (FieldType.BOOLEAN, Storage.TEXT): lambda value: "true" if value else "false",
}


# From what the driver gives to API values.

_SAME = {
    (FieldType.STRING, Storage.TEXT),
    (FieldType.TEXT, Storage.TEXT),
    (FieldType.HASH, Storage.TEXT),
    (FieldType.INTEGER, Storage.INTEGER),
    (FieldType.BOOLEAN, Storage.BOOLEAN),
}
"""What a strictly typed database gives as API values already."""


def _from_driver(field_type: FieldType, scale: int | None) -> Convert:
    if field_type is FieldType.DECIMAL:
        return lambda value: _decimal(value, scale)
    return _RESULTS[field_type]


def _decimal(value: Any, scale: int | None) -> str:
    """SQLite keeps them as floats, which hold so many digits and after that noise, or as whatever else was written."""
    if not isinstance(value, Decimal):
        try:
            value = Decimal(f"{value:.{FLOAT_DIGITS}g}" if isinstance(value, float) else value)
        except (ArithmeticError, TypeError, ValueError):
            return _text(value)
    return values.decimal_text(value, scale) if value.is_finite() else str(value)


def _text(value: object) -> str:
    return (
        value if isinstance(value, str) else value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    )


def _integer(value: Any) -> Any:
    return value if type(value) is int else _whole(value)


def _whole(value: Any) -> Any:
    """The integer, or the value as it is: a column of SQLite may hold anything else."""
    if isinstance(value, bytes):
        return int.from_bytes(value)  # MySQL's `bit`
    try:
        number = int(value)
    except (ArithmeticError, ValueError):
        return _text(value)
    return number if number == value or isinstance(value, str) else value


def _big_integer(value: Any) -> str:
    return str(_integer(value))


def _float(value: Any) -> int | float | str:
    try:
        return values.float_number(float(value))
    except (TypeError, ValueError):  # a column of SQLite may hold anything else
        return _text(value)


_SINGLE = struct.Struct("f")


def _real(value: float) -> int | float | str:
    """A single-precision number, with the fewest digits that tell it from its neighbours, as PostgreSQL prints it."""
    single = _SINGLE.pack(value)
    digits = next(digits for digits in range(6, 10) if _SINGLE.pack(float(f"{value:.{digits}g}")) == single)
    return _float(f"{value:.{digits}g}")


def _boolean(value: object) -> bool:
    if isinstance(value, bytes):
        return any(value)  # MySQL's `bit`
    return value.lower() in ("true", "t", "1") if isinstance(value, str) else bool(value)


def _read_moment(value: object) -> datetime | None:
    """What any engine may hold in place of a moment; None for a text that tells none."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, int | float):
        return _EPOCH + value * _MILLISECOND
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def _timestamp(value: object) -> str | None:
    moment = _read_moment(value)
    return None if moment is None else values.timestamp_text(moment)


def _date_time(value: object) -> str | None:
    moment = _read_moment(value)
    return None if moment is None else values.date_time_text(moment)


def _date(value: object) -> str | None:
    moment = _read_moment(value)
    return None if moment is None else values.date_time_text(moment)[:10]


def _time(value: object) -> str:
    if isinstance(value, timedelta):  # MySQL, where a time may be negative or longer than a day
        seconds = int(abs(value).total_seconds())
        sign = "-" if value < timedelta() else ""
        return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return values.time_text(value) if isinstance(value, time) else str(value)[:8]


def _json(value: object) -> Any:
    """SQLite stores a number in a `json` column as a number."""
    return values.json_text(value) if isinstance(value, str | bytes) else value


def _csv(value: object) -> list[str]:
    return values.csv_list(_text(value))


def _uuid(value: object) -> str:
    """In lower case, unless a column of 36 characters holds something else."""
    text = _text(value)
    lower = text.lower()
    return lower if lower == text or values.is_uuid(text) else text


def _binary(value: object) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else _text(value).encode()).decode()


_RESULTS: Mapping[FieldType, Convert] = {
    FieldType.STRING: _text,
    FieldType.TEXT: _text,
    FieldType.HASH: _text,
    FieldType.UNKNOWN: _text,
    FieldType.INTEGER: _integer,
    FieldType.BIG_INTEGER: _big_integer,
    FieldType.FLOAT: _float,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.TIME: _time,
    FieldType.DATE_TIME: _date_time,
    FieldType.TIMESTAMP: _timestamp,
    FieldType.JSON: _json,
    FieldType.CSV: _csv,
    FieldType.UUID: _uuid,
    FieldType.BINARY: _binary,
}
