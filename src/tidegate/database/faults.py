"""What a database error means to the client: a `TidegateError` that names collection, field and value where known.

Sources: PostgreSQL's documentation, appendix A (SQLSTATE); MariaDB's and MySQL's error codes; sqlite.org/rescode.html.
What is not in these tables is our fault and becomes INTERNAL_SERVER_ERROR. No message carries SQL.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tidegate.errors import Conflict, InvalidPayload, OutdatedSchema, TidegateError
from tidegate.schema.model import Collection, Schema

log = logging.getLogger(__name__)

FAULTS: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, EOFError)
"""What SQLAlchemy and asyncio raise; `Connections.faults` has the drivers' own too."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What an engine's message tells: a code of the table of errors, and what it is about."""

    code: str
    table: str | None = None
    column: str | None = None
    index: str | None = None
    """The unique index, where it is told in place of the column."""
    value: str | None = None


def translate(
    error: Exception,
    schema: Schema,
    statement: sa.Executable | None = None,
    values: Mapping[str, Any] | None = None,
) -> TidegateError:
    """The error for the client.

    `statement` is what was being run, and `values` what was put into it by column, where that is not in the statement;
    they may know what the database does not tell. What comes past SQLAlchemy is said of no statement: drivers raise it
    of a connection that cannot be made, or that breaks.
    """
    if isinstance(error, TidegateError):
        return error
    if isinstance(error, OverflowError):
        return TidegateError("VALUE_OUT_OF_RANGE")
    if isinstance(error, PoolTimeoutError) or not isinstance(error, SQLAlchemyError):
        return unreachable(error)
    fault = _UNKNOWN
    if isinstance(error, DBAPIError):
        fault = Fault("SERVICE_UNAVAILABLE") if error.connection_invalidated else _engine_fault(error)
    if fault is _UNKNOWN:
        log.error("Unexpected database error: %s", _kind(error))
    return _client_error(fault, schema, statement, _values(statement) if values is None else values)


def unreachable(error: Exception) -> TidegateError:
    """The error for the client when there is no connection to be had."""
    if not isinstance(error, OSError | EOFError | PoolTimeoutError):  # which say it themselves
        log.warning("The database cannot be reached: %s", _kind(error))
    return TidegateError("SERVICE_UNAVAILABLE")


def _kind(error: Exception) -> str:
    """The error's type and number, without its message, which may hold values."""
    original: Any = getattr(error, "orig", None) or error
    number = original.args[0] if original.args and isinstance(original.args[0], int) else None
    number = number or getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
    return type(original).__name__ + (f" {number}" if number else "")


def _client_error(
    fault: Fault, schema: Schema, statement: sa.Executable | None, values: Mapping[str, Any]
) -> TidegateError:
    if fault.code == _CONFLICT:
        return Conflict()
    if fault.code == _OUTDATED:
        return OutdatedSchema()
    if fault.code == "INVALID_PAYLOAD":
        return InvalidPayload(f'Invalid value for field "{fault.column}"' if fault.column else "Invalid value")
    if fault.code not in _ABOUT_A_VALUE:
        return TidegateError(fault.code)
    table = _table(statement) or fault.table
    if table is None:
        return TidegateError(fault.code)
    # Of another table, such as one whose rows stand in the way of a deletion, the client may not know.
    told = fault.table in (None, table)
    column = (fault.column or _indexed(fault.index, schema.collections.get(table))) if told else None
    if column is None:
        return TidegateError(fault.code, collection=table)
    extensions: dict[str, Any] = {"collection": table, "field": column}
    written = values.get(column)
    value = fault.value if written is None else written
    if value is not None and not _is_concealed(schema, table, column):
        extensions["value"] = value
    return TidegateError(fault.code, _sentence(fault.code, extensions), **extensions)


def _is_concealed(schema: Schema, table: str, column: str) -> bool:
    """Whether reads never show the field's values, such as tokens; then errors do not either."""
    collection = schema.collections.get(table)
    field = None if collection is None else collection.fields.get(column)
    return field is not None and field.concealed


def _indexed(index: str | None, collection: Collection | None) -> str | None:
    """The field of a unique index, which is named after it: `PRIMARY`, or for `email`: `email` or `…_email_unique`."""
    if index is None or collection is None:
        return None
    if index == "PRIMARY":
        return collection.primary_key
    field = index.removeprefix(f"{collection.name}_").removesuffix("_unique")
    return field if field in collection.fields else None


_ABOUT_A_VALUE: Mapping[str, str] = {
    "RECORD_NOT_UNIQUE": "has to be unique",
    "INVALID_FOREIGN_KEY": "points at an item that does not exist, or at one that must stay",
    "NOT_NULL_VIOLATION": "can't be null",
    "CONTAINS_NULL_VALUES": "contains null values",
    "VALUE_TOO_LONG": "is too long",
    "VALUE_OUT_OF_RANGE": "is out of range",
    "FAILED_VALIDATION": "breaks a rule of the database",
}


def _sentence(code: str, extensions: Mapping[str, Any]) -> str:
    value = f'"{extensions["value"]}" ' if isinstance(extensions.get("value"), str | int | float) else ""
    place = f'field "{extensions["field"]}" in collection "{extensions["collection"]}"'
    return f"Value {value}for {place} {_ABOUT_A_VALUE[code]}."


def _table(statement: sa.Executable | None) -> str | None:
    if isinstance(statement, sa.Insert | sa.Update | sa.Delete) and isinstance(statement.table, sa.Table):
        return statement.table.name
    return None


def _values(statement: sa.Executable | None) -> Mapping[str, Any]:
    """The API values that a statement of one row writes, by column."""
    if isinstance(statement, sa.Insert | sa.Update):
        params: Mapping[str, Any] = statement.compile().params
        return params
    return {}


# What each engine says.

_UNKNOWN = Fault("INTERNAL_SERVER_ERROR")
_CONFLICT = "conflict"
"""Not a code of the table of errors: becomes `Conflict`."""
_OUTDATED = "outdated"
"""Nor is this one: becomes `OutdatedSchema`."""


def _engine_fault(error: DBAPIError) -> Fault:
    original: Any = error.orig
    if len(original.args) > 1 and isinstance(original.args[0], int):
        return _mysql(original.args[0], getattr(original, "sqlstate", None) or "", str(original.args[1]))
    if (sqlstate := getattr(original, "sqlstate", None)) is not None:
        return _postgresql(sqlstate, error.driver_exception)
    if (name := getattr(original, "sqlite_errorname", None)) is not None:
        return _sqlite(name, str(original))
    return next((Fault(code) for part, code in _ASYNCPG_MESSAGES.items() if part in str(original)), _UNKNOWN)


_ASYNCPG_MESSAGES: Mapping[str, str] = {
    "invalid input for query argument": "INVALID_PAYLOAD",
    "the number of query arguments cannot exceed": "INVALID_QUERY",
}
"""Parts of what asyncpg says before anything is sent."""


_SQLSTATES: Mapping[str, str] = {
    "23505": "RECORD_NOT_UNIQUE",
    "23503": "INVALID_FOREIGN_KEY",
    "23001": "INVALID_FOREIGN_KEY",
    "23502": "NOT_NULL_VIOLATION",
    "23514": "FAILED_VALIDATION",
    "23P01": "FAILED_VALIDATION",
    "P0001": "FAILED_VALIDATION",
    "2200H": "VALUE_OUT_OF_RANGE",
    "22001": "VALUE_TOO_LONG",
    "22003": "VALUE_OUT_OF_RANGE",
    "22008": "VALUE_OUT_OF_RANGE",
    "54000": "INVALID_QUERY",
    "54001": "INVALID_QUERY",
    "54011": "INVALID_QUERY",
    "42703": _OUTDATED,
    "42P01": _OUTDATED,
    "40001": _CONFLICT,
    "40P01": _CONFLICT,
    "55P03": "SERVICE_UNAVAILABLE",
    "25006": "SERVICE_UNAVAILABLE",
}
_SQLSTATE_CLASSES: Mapping[str, str] = {
    "22": "INVALID_PAYLOAD",
    "08": "SERVICE_UNAVAILABLE",
    "53": "SERVICE_UNAVAILABLE",
    "57": "SERVICE_UNAVAILABLE",
    "58": "SERVICE_UNAVAILABLE",
}
_KEY_DETAIL = re.compile(r"Key \((?P<columns>.+?)\)=\((?P<values>.*)\)", re.DOTALL)


def _postgresql(sqlstate: str, exception: Exception) -> Fault:
    code = _SQLSTATES.get(sqlstate) or _SQLSTATE_CLASSES.get(sqlstate[:2])
    if code is None:
        return _UNKNOWN
    if code == "NOT_NULL_VIOLATION" and "contains null values" in str(exception):
        code = "CONTAINS_NULL_VALUES"
    column = getattr(exception, "column_name", None)
    value = None
    if detail := _KEY_DETAIL.search(getattr(exception, "detail", None) or ""):
        # Of several columns the client may have named one, and may not know what stands in the others.
        column, value = (None, None) if "," in detail["columns"] else (detail["columns"].strip('"'), detail["values"])
    return Fault(code, getattr(exception, "table_name", None), column, value=value)


_MYSQL_CODES: Mapping[int, str] = {
    1062: "RECORD_NOT_UNIQUE",
    1586: "RECORD_NOT_UNIQUE",
    1451: "INVALID_FOREIGN_KEY",
    1452: "INVALID_FOREIGN_KEY",
    1048: "NOT_NULL_VIOLATION",
    1364: "NOT_NULL_VIOLATION",
    1138: "CONTAINS_NULL_VALUES",
    1265: "CONTAINS_NULL_VALUES",
    1406: "VALUE_TOO_LONG",
    1264: "VALUE_OUT_OF_RANGE",
    1690: "VALUE_OUT_OF_RANGE",
    1292: "VALUE_OUT_OF_RANGE",
    1366: "INVALID_PAYLOAD",
    4025: "FAILED_VALIDATION",
    1526: "FAILED_VALIDATION",
    1644: "FAILED_VALIDATION",
    1467: "VALUE_OUT_OF_RANGE",
    3819: "FAILED_VALIDATION",
    1005: "INVALID_FOREIGN_KEY",
    1215: "INVALID_FOREIGN_KEY",
    1832: "INVALID_FOREIGN_KEY",
    1833: "INVALID_FOREIGN_KEY",
    1071: "INVALID_PAYLOAD",
    1267: "INVALID_QUERY",
    1118: "INVALID_PAYLOAD",
    1436: "INVALID_QUERY",
    1054: _OUTDATED,
    1146: _OUTDATED,
    1205: _CONFLICT,
    1213: _CONFLICT,
    1020: _CONFLICT,
    1021: "SERVICE_UNAVAILABLE",
    1041: "SERVICE_UNAVAILABLE",
    1114: "SERVICE_UNAVAILABLE",
    1290: "SERVICE_UNAVAILABLE",
    1317: "SERVICE_UNAVAILABLE",
    1792: "SERVICE_UNAVAILABLE",
    1836: "SERVICE_UNAVAILABLE",
    1969: "SERVICE_UNAVAILABLE",
    3024: "SERVICE_UNAVAILABLE",
}
_MYSQL_DUPLICATE = re.compile(r"Duplicate entry '.*' for key '(?:(?P<table>[^'.]+)\.)?(?P<index>[^']+)'", re.DOTALL)
_MYSQL_FOREIGN_KEY = re.compile(r"`\.`(?P<table>[^`]+)`, CONSTRAINT `[^`]+` FOREIGN KEY \(`(?P<column>[^`]+)`\)")
_MYSQL_COLUMN = re.compile(r"(?:[Cc]olumn|Field) '(?P<column>[^']+)'")


def _mysql(number: int, sqlstate: str, message: str) -> Fault:
    code = _MYSQL_CODES.get(number)
    if code is None and sqlstate.startswith("08"):
        code = "SERVICE_UNAVAILABLE"
    if code is None:
        return _UNKNOWN
    if duplicate := _MYSQL_DUPLICATE.search(message):
        # What stands in the index is not told: it may have several columns, of which the client named one.
        return Fault(code, duplicate["table"], index=duplicate["index"])
    if broken := _MYSQL_FOREIGN_KEY.search(message):
        return Fault(code, broken["table"], broken["column"])
    column = _MYSQL_COLUMN.search(message)
    return Fault(code, column=column["column"] if column else None)


_SQLITE_NAMES: Mapping[str, str] = {
    "SQLITE_CONSTRAINT_UNIQUE": "RECORD_NOT_UNIQUE",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "RECORD_NOT_UNIQUE",
    "SQLITE_CONSTRAINT_ROWID": "RECORD_NOT_UNIQUE",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "INVALID_FOREIGN_KEY",
    "SQLITE_CONSTRAINT_NOTNULL": "NOT_NULL_VIOLATION",
    "SQLITE_CONSTRAINT_CHECK": "FAILED_VALIDATION",
    "SQLITE_CONSTRAINT_TRIGGER": "FAILED_VALIDATION",
    "SQLITE_TOOBIG": "VALUE_TOO_LONG",
    "SQLITE_MISMATCH": "INVALID_PAYLOAD",
}
_SQLITE_UNAVAILABLE = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_NOMEM",
    "SQLITE_PROTOCOL",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
)
"""First parts of names."""
_SQLITE_MESSAGES: Mapping[str, str] = {
    "parser stack overflow": "INVALID_QUERY",
    "Expression tree is too large": "INVALID_QUERY",
    "integer overflow": "VALUE_OUT_OF_RANGE",
    "no such table: main.": "INVALID_FOREIGN_KEY",
    "foreign key mismatch": "INVALID_FOREIGN_KEY",
    "no such table: ": _OUTDATED,
    "no such column: ": _OUTDATED,
}
"""First parts of messages, for errors that have no name of their own; the first that fits tells."""
_SQLITE_NO_COLUMN = re.compile(r"table .+ has no column named ")
_SQLITE_COLUMN = re.compile(r"failed: (?P<table>[^.]+)\.(?P<column>[^,]+)$")


def _sqlite(name: str, message: str) -> Fault:
    code = _SQLITE_NAMES.get(name)
    if code is None:
        code = next((code for start, code in _SQLITE_MESSAGES.items() if message.startswith(start)), None)
    if code is None and _SQLITE_NO_COLUMN.match(message):
        code = _OUTDATED
    if code is None:
        return Fault("SERVICE_UNAVAILABLE") if name.startswith(_SQLITE_UNAVAILABLE) else _UNKNOWN
    about = _SQLITE_COLUMN.search(message)
    return Fault(code, about["table"], about["column"]) if about else Fault(code)
