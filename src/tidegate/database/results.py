"""From what drivers give to API values. A column of SQLite may hold anything else than its type says."""

import base64
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tidegate.schema import values
from tidegate.schema.model import FieldType

Convert = Callable[[Any], Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
FLOAT_DIGITS = 15
"""How many decimal digits a float keeps exactly."""


def from_driver(field_type: FieldType, scale: int | None) -> Convert:
    """To API values of the type from what any driver gives; `scale` is a decimal's, None for any."""
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


def real(value: float) -> int | float | str:
    """A single-precision number, with the fewest digits that tell it from its neighbours, as PostgreSQL prints it."""
    single = _SINGLE.pack(value)
    digits = next(digits for digits in range(6, 10) if _SINGLE.pack(float(f"{value:.{digits}g}")) == single)
    return _float(f"{value:.{digits}g}")


def _boolean(value: object) -> bool:
    if isinstance(value, bytes):
        return any(value)  # MySQL's `bit`
    return value.lower() in ("true", "t", "1") if isinstance(value, str) else bool(value)


def _read_moment(value: object) -> datetime | None:
    """What any engine may hold in place of a moment; None for what tells none, or none that Python knows."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    try:
        if isinstance(value, int | float):
            return EPOCH + value * MILLISECOND
        return datetime.fromisoformat(str(value))
    except (OverflowError, ValueError):
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
    **dict.fromkeys((FieldType.STRING, FieldType.TEXT, FieldType.HASH, FieldType.UNKNOWN), _text),
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
