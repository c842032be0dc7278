"""Functions of a column that engines spell differently, with the same meaning on all of them."""

from collections.abc import Callable, Mapping
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tidegate.database.capabilities import Capabilities
from tidegate.database.types import LONG_DECIMAL

DatePart = Literal["year", "month", "week", "day", "weekday", "hour", "minute", "second"]
"""`week` is the ISO 8601 week (1 to 53), `weekday` counts from Sunday (0)."""


def date_part(part: DatePart, column: sa.ColumnElement[Any], capabilities: Capabilities) -> sa.ColumnElement[int]:
    """A part of a `date`, `time`, `dateTime` or `timestamp` column, in UTC, as an integer."""
    return sa.cast(_DATE_PARTS[capabilities.dialect](part, column), sa.Integer)


def json_length(column: sa.ColumnElement[Any], capabilities: Capabilities) -> sa.ColumnElement[int]:
    """How many elements the array in a `json` column has; NULL for NULL, 0 for what is no array."""
    text = sa.cast(column, sa.Text) if capabilities.dialect == "postgresql" else sa.type_coerce(column, sa.Text)
    if capabilities.dialect == "sqlite":
        return sa.func.json_array_length(text, type_=sa.Integer)
    if capabilities.dialect == "mysql":
        is_array = sa.func.json_type(text) == "ARRAY"
        length = sa.func.json_length(text, type_=sa.Integer)
    else:
        document = sa.cast(text, postgresql.JSON)  # JSONB takes no U+0000, which a column of type JSON may hold
        is_array = sa.func.json_typeof(document) == "array"
        length = sa.func.json_array_length(document, type_=sa.Integer)
    return sa.case((text.is_(None), sa.null()), (is_array, length), else_=0)


def by_code_point(text: sa.ColumnElement[Any], capabilities: Capabilities) -> sa.ColumnElement[Any]:
    """The text, to be compared and put in order code point by code point, whatever the column's collation."""
    if capabilities.dialect == "postgresql":
        return sa.collate(text, "C")
    if capabilities.dialect == "mysql":
        in_utf8 = sa.cast(text, sa.Text)  # the connection's character set, whatever the column's
        return sa.type_coerce(sa.cast(in_utf8, sa.LargeBinary), _TextOfBytes())
    return text


def as_double(number: sa.ColumnElement[Any], capabilities: Capabilities) -> sa.ColumnElement[Any]:
    """The number as the engine's 64-bit floating-point type."""
    if capabilities.dialect == "mysql":  # MySQL casts to it since 8.0.17 only, and SQLAlchemy does not at all
        return number * sa.literal_column("1e0", sa.Double)
    return sa.cast(number, sa.Double)


def average(doubles: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The mean of a group. PostgreSQL's own also squares the numbers, which fails for those above 1e154."""
    return sa.func.sum(doubles, type_=sa.Double).op("/", return_type=sa.Double())(sa.func.count(doubles))


def exact_sum(numbers: sa.ColumnElement[Any], capabilities: Capabilities) -> sa.ColumnElement[Any]:
    """The sum of a group of `bigInteger` or `decimal` values, with all its digits."""
    if capabilities.dialect == "sqlite":
        return sa.collate(sa.func.exact_sum(numbers, type_=sa.Text), LONG_DECIMAL)
    return sa.func.sum(numbers)


class ExactSum:
    """`exact_sum` on SQLite, which adds up integers of 64 bits and floats only."""

    _ANY_DIGITS: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)

    def __init__(self) -> None:
        self._total: Decimal | None = None

    def step(self, number: float | str | None) -> None:
        if number is not None:
            self._total = self._ANY_DIGITS.add(self._total or Decimal(), Decimal(number))

    def finalize(self) -> str | None:
        return None if self._total is None else format(self._total, "f")


class _TextOfBytes(sa.types.TypeDecorator[str]):
    """A text that the engine handles as its bytes in UTF-8."""

    impl = sa.Text
    cache_ok = True

    def process_result_value(self, value: bytes | str | None, _: sa.Dialect) -> str | None:
        return value.decode() if isinstance(value, bytes) else value


def move_counter(key: sa.Column[Any]) -> sa.Select[Any]:
    """Have a column that counts go on after its largest value; never back. For where given keys do not move it."""
    assert isinstance(key.table, sa.Table)
    quoted = sa.func.quote_ident(sa.literal(key.table.name, sa.Text))
    counter = sa.func.pg_get_serial_sequence(quoted, sa.literal(key.name, sa.Text))
    last = sa.func.coalesce(sa.func.pg_sequence_last_value(sa.cast(counter, postgresql.REGCLASS)), 0)
    largest = sa.type_coerce(sa.func.max(key), sa.BigInteger)
    return sa.select(sa.func.setval(counter, largest)).select_from(key.table).having(largest > last)


def _postgresql_part(part: DatePart, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    found = sa.extract("dow" if part == "weekday" else part, column)
    if part == "year":  # of `infinity` it is no integer; the other parts are null
        return sa.case((sa.func.isfinite(column), found))
    return sa.func.floor(found) if part == "second" else found


def _mysql_part(part: DatePart, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    if part == "week":
        return sa.func.week(column, sa.literal_column("3"))  # mode 3: ISO 8601
    if part == "weekday":
        return sa.func.dayofweek(column) - sa.literal_column("1")
    return sa.extract(part, column)


_SQLITE_FORMATS: Mapping[DatePart, str] = {
    "year": "%Y",
    "month": "%m",
    "day": "%d",
    "weekday": "%w",
    "hour": "%H",
    "minute": "%M",
    "second": "%S",
}


def _sqlite_part(part: DatePart, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Columns hold milliseconds or texts; see `database.types`."""
    stored = sa.type_coerce(column, sa.Text)
    moment = sa.case(
        (sa.func.typeof(stored) == "text", sa.func.datetime(stored)),
        else_=sa.func.datetime(sa.type_coerce(column, sa.Integer) / sa.literal_column("1000.0"), "unixepoch"),
    )
    if part == "week":
        # The ISO week is that of the week's Thursday: its day in the year tells how many weeks came before.
        thursday = sa.func.date(moment, "-3 days", "weekday 4")
        day = sa.cast(sa.func.strftime("%j", thursday), sa.Integer)
        return (day - sa.literal_column("1", sa.Integer)) // sa.literal_column("7", sa.Integer) + sa.literal_column("1")
    return sa.func.strftime(_SQLITE_FORMATS[part], moment)


_DATE_PARTS: Mapping[str, Callable[[DatePart, sa.ColumnElement[Any]], sa.ColumnElement[Any]]] = {
    "postgresql": _postgresql_part,
    "mysql": _mysql_part,
    "sqlite": _sqlite_part,
}
