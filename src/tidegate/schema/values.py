"""API values: what an item's fields hold between packages and on the wire (docs/architecture.md, "Values").

`parse` is for values that are to be written, `operand` for values that are compared with a field. Both check the value,
give its canonical form and leave canonical values as they are; None passes. The formatting functions give the same
canonical forms from what a driver reads, so that a written value is read back unchanged on every engine.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from uuid import UUID

import orjson

from tidegate.errors import InvalidPayload, TidegateError
from tidegate.schema.model import Field, FieldType

_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_TIME = re.compile(r"([T ])?\d\d:\d\d(:\d\d([.,]\d+)?)?", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)([0-9a-fA-F]{4}\1){3}[0-9a-fA-F]{12}", re.ASCII)

MAX_JSON_LEVELS = 200
"""Arrays and objects inside one another in a `json` value: what is stored must be answerable in any envelope."""

_MAX_DIGITS = 1000
"""The longest number taken, in digits before or after the point."""
_EXACT = Context(prec=2 * _MAX_DIGITS)
_LARGEST_EXACT_FLOAT = 2**53

_INTEGER_BITS: Mapping[str, int] = {"tinyint": 8, "smallint": 16, "mediumint": 24, "bigint": 64}
_BOOLEANS: Mapping[object, bool] = {"true": True, "1": True, 1: True, "false": False, "0": False, 0: False}


def parse(field: Field, value: object) -> Any:
    """The canonical API value for writing `value` to `field`.

    Raises `InvalidPayload` for a value of the wrong kind, and `TidegateError` VALUE_TOO_LONG or VALUE_OUT_OF_RANGE for
    one that does not fit the column. What leads to other items (alias fields) passes as it is.
    """
    if value is None:
        return None
    canonical = _CANONICAL[field.type](field, value)
    fit = _FIT.get(field.type)
    return canonical if fit is None else fit(field, canonical)


def operand(field: Field, value: object) -> Any:
    """The canonical API value for comparing `field` with `value`: as `parse`, but it need not fit the column.

    A `decimal` is not rounded to the column's scale, so that `0.105` stays more than `0.10`.
    """
    return None if value is None else _CANONICAL[field.type](field, value)


def timestamp_text(moment: datetime) -> str:
    """`2026-11-23T16:00:00.000Z`; a moment without zone is taken as UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat(timespec='milliseconds')[:23]}Z"


def date_time_text(moment: datetime) -> str:
    """`2021-02-03T04:05:06`; a moment with a zone is told in UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="seconds")


def time_text(moment: time) -> str:
    """`04:05:06`."""
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def decimal_text(number: Decimal, scale: int | None) -> str:
    """Digits without exponent, padded with zeros to `scale`; further digits are kept."""
    if scale is not None and -number.as_tuple().exponent < scale:  # type: ignore[operator]  # finite: an int
        number = number.quantize(Decimal(1).scaleb(-scale), context=_EXACT)
    text = format(number, "f")
    return text[1:] if text.startswith("-") and not number else text


def rounded(number: Decimal, scale: int) -> Decimal:
    """The number with `scale` digits after the point, halves away from zero."""
    return number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _EXACT)


def float_number(number: float) -> int | float:
    """The number as JSON in JavaScript's spelling: an `int` where there is no fraction."""
    return int(number) if number.is_integer() and abs(number) <= _LARGEST_EXACT_FLOAT else number


def json_value(value: object, levels: int = MAX_JSON_LEVELS) -> Any:
    """The JSON value with its numbers spelled as in JavaScript; an integer beyond 64 bits is a float.

    Raises ValueError for NaN, infinity, and more than `levels` arrays and objects inside one another, OverflowError for
    an integer that is too large for a float.
    """
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(value)
        return float_number(value)
    if not isinstance(value, Mapping | list | tuple):
        return value
    if not levels:
        raise ValueError("too many levels")
    if isinstance(value, Mapping):
        return {key: json_value(part, levels - 1) for key, part in value.items()}
    return [json_value(part, levels - 1) for part in value]


def json_text(text: str | bytes) -> Any:
    """The JSON value that a stored text spells, or the text itself where it spells none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text if isinstance(text, str) else text.decode(errors="replace")


def csv_list(text: str) -> list[str]:
    """A stored `csv` value as its list; an empty text is an empty list."""
    return text.split(",") if text else []


def _invalid(field: Field, what: str) -> InvalidPayload:
    return InvalidPayload(f'Invalid {what} in field "{field.name}"')


def _does_not_fit(code: str, field: Field, how: str) -> TidegateError:
    message = f'Value for field "{field.name}" in collection "{field.collection}" is {how}.'
    return TidegateError(code, message, collection=field.collection, field=field.name)


def _out_of_range(field: Field) -> TidegateError:
    return _does_not_fit("VALUE_OUT_OF_RANGE", field, "out of range")


def _text(field: Field, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(float_number(value) if isinstance(value, float) else value)
    if not isinstance(value, str) or "\0" in value or not _is_unicode(value):
        raise _invalid(field, field.type.value)
    return value


def _is_unicode(text: str) -> bool:
    """False for a text with half of a surrogate pair, which no database stores."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole_number(field: Field, value: object) -> int:
    if isinstance(value, float) and abs(value) >= 2**63:
        raise _out_of_range(field)  # a JSON parser has rounded it already
    if (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and _INTEGER.fullmatch(value)):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(field, field.type.value)
    if not -(2**63) <= value < (2**64 if "unsigned" in field.database_type else 2**63):
        raise _out_of_range(field)
    return value


def _big_integer(field: Field, value: object) -> str:
    return str(_whole_number(field, value))


def _fit_integer(field: Field, value: int) -> int:
    bits = _INTEGER_BITS.get(field.database_type.split("(")[0].split(" ")[0], 32)
    low, high = (0, 2**bits) if "unsigned" in field.database_type else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    if not low <= value < high:
        raise _out_of_range(field)
    return value


def _number(field: Field, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _invalid(field, field.type.value)
    text = repr(value) if isinstance(value, float) else value
    if isinstance(text, str) and not _NUMBER.fullmatch(text):
        raise _invalid(field, field.type.value)
    if len(str(text)) > _MAX_DIGITS or abs((number := Decimal(text)).adjusted()) > _MAX_DIGITS:
        raise _out_of_range(field)
    return number


def _float(field: Field, value: object) -> int | float:
    number = float(_number(field, value))
    if not math.isfinite(number):
        raise _out_of_range(field)
    return float_number(number)


def _decimal(field: Field, value: object) -> str:
    return decimal_text(_number(field, value), field.numeric_scale)


def _fit_decimal(field: Field, value: str) -> str:
    if field.numeric_scale is None:
        return value
    number = rounded(Decimal(value), field.numeric_scale)
    if field.numeric_precision is not None and number.adjusted() >= field.numeric_precision - field.numeric_scale:
        raise _out_of_range(field)
    return decimal_text(number, field.numeric_scale)


def _boolean(field: Field, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, int | float | str) or value not in _BOOLEANS:
        raise _invalid(field, "boolean")
    return _BOOLEANS[value]


def _moment(field: Field, value: object) -> datetime:
    """A moment in UTC; one that is spelled without a zone is taken as UTC."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.replace(",", "."))
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise _invalid(field, "Date format" if field.type is FieldType.DATE else "DateTime format")


def _date(field: Field, value: object) -> str:
    return _moment(field, value).date().isoformat()


def _date_time(field: Field, value: object) -> str:
    return date_time_text(_moment(field, value))


def _timestamp(field: Field, value: object) -> str:
    return timestamp_text(_moment(field, value))


def _time(field: Field, value: object) -> str:
    if isinstance(value, str):
        if _TIME.fullmatch(value):
            try:
                return time_text(time.fromisoformat(value.replace(",", ".").strip("T ")))
            except ValueError:
                raise _invalid(field, "Time format") from None
        if _MOMENT.fullmatch(value):
            return time_text(_moment(field, value).time())
    raise _invalid(field, "Time format")


def _json(field: Field, value: object) -> Any:
    try:
        return json_value(value)
    except (OverflowError, ValueError):
        raise _invalid(field, "json") from None


def _csv(field: Field, value: object) -> list[str]:
    parts = value if isinstance(value, list | tuple) else [value]
    return csv_list(",".join(_text(field, part) for part in parts))


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _uuid(field: Field, value: object) -> str:
    if not isinstance(value, str) or not is_uuid(value):
        raise _invalid(field, "uuid")
    return str(UUID(value))


def _binary(field: Field, value: object) -> str:
    """Bytes travel as Base64 (RFC 4648)."""
    if not isinstance(value, str):
        raise _invalid(field, "binary")
    try:
        return base64.b64encode(base64.b64decode(value, validate=True)).decode()
    except (binascii.Error, ValueError):
        raise _invalid(field, "binary") from None


def _fit_text(field: Field, value: str) -> str:
    if field.max_length is not None and len(value) > field.max_length:
        raise _does_not_fit("VALUE_TOO_LONG", field, "too long")
    return value


def _fit_csv(field: Field, value: list[str]) -> list[str]:
    _fit_text(field, ",".join(value))
    return value


def _as_it_is(_: Field, value: object) -> object:
    return value


_CANONICAL: Mapping[FieldType, Callable[[Field, object], Any]] = {
    **dict.fromkeys((FieldType.STRING, FieldType.TEXT, FieldType.HASH, FieldType.UNKNOWN), _text),
    FieldType.INTEGER: _whole_number,
    FieldType.BIG_INTEGER: _big_integer,
    FieldType.FLOAT: _float,
    FieldType.DECIMAL: _decimal,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.TIME: _time,
    FieldType.DATE_TIME: _date_time,
    FieldType.TIMESTAMP: _timestamp,
    FieldType.JSON: _json,
    FieldType.CSV: _csv,
    FieldType.UUID: _uuid,
    FieldType.BINARY: _binary,
    FieldType.ALIAS: _as_it_is,
}

_FIT: Mapping[FieldType, Callable[[Field, Any], Any]] = {
    **dict.fromkeys((FieldType.STRING, FieldType.TEXT, FieldType.HASH), _fit_text),
    FieldType.INTEGER: _fit_integer,
    FieldType.DECIMAL: _fit_decimal,
    FieldType.CSV: _fit_csv,
}
