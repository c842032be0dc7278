"""Faults that no real database is needed for; the integration tests provoke the others."""

import sqlite3

import asyncpg
import pytest
import sqlalchemy as sa
from asyncmy.errors import MySQLError
from sqlalchemy.exc import DBAPIError, EmulatedDBAPIException, IntegrityError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tidegate.database.faults import translate
from tidegate.errors import Conflict, TidegateError
from tidegate.schema import Collection, Field, FieldType, Schema

LABELS = Collection("labels", "code", {name: Field("labels", name, FieldType.STRING) for name in ("code", "color")})
SCHEMA = Schema({"labels": LABELS}, ())
TABLE = sa.Table("labels", sa.MetaData(), sa.Column("code", sa.String), sa.Column("color", sa.String))


class MysqlError(Exception):
    """The arguments of asyncmy's errors."""


def mysql_error(number: int, message: str) -> IntegrityError:
    return IntegrityError("INSERT …", None, MysqlError(number, message))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        EOFError(),
        PoolTimeoutError(),
        asyncpg.InternalClientError("got result for unknown protocol state 3"),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    ],
)
def test_unreachable_database_is_unavailable(error: Exception) -> None:
    assert translate(error, SCHEMA).code == "SERVICE_UNAVAILABLE"


def test_lost_connection_is_unavailable() -> None:
    error = DBAPIError("SELECT 1", None, sqlite3.OperationalError("gone"), connection_invalidated=True)
    assert translate(error, SCHEMA).code == "SERVICE_UNAVAILABLE"


def sqlite_error(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError(name)
    error.sqlite_errorname = name
    return error


class PostgresqlError(EmulatedDBAPIException):
    """The attributes of the errors that SQLAlchemy makes of asyncpg's."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate, asyncpg.PostgresError.new({"C": sqlstate, "M": ""}))
        self.sqlstate = sqlstate


def asyncmy_error(number: int, sqlstate: str | None = None) -> Exception:
    error = MySQLError(number, "")
    error.sqlstate = sqlstate
    return error


@pytest.mark.parametrize(
    "error",
    [
        *(PostgresqlError(state) for state in ("08006", "08003", "25006", "53100", "53300", "57014", "57P05", "58030")),
        *(asyncmy_error(number) for number in (1021, 1041, 1290, 1317, 1792, 1836, 1969, 3024)),
        *(asyncmy_error(number, "08S01") for number in (1047, 1053, 1158, 1159)),
        *(sqlite_error(f"SQLITE_{name}") for name in ("BUSY", "BUSY_SNAPSHOT", "IOERR_WRITE", "FULL", "PROTOCOL")),
    ],
    ids=repr,
)
def test_server_that_cannot_serve_is_unavailable(error: Exception) -> None:
    assert translate(DBAPIError("SELECT 1", None, error), SCHEMA).code == "SERVICE_UNAVAILABLE"


@pytest.mark.parametrize("error", [PostgresqlError("42601"), asyncmy_error(1064), sqlite_error("SQLITE_CORRUPT")])
def test_statement_that_is_wrong_is_our_fault(error: Exception) -> None:
    assert translate(DBAPIError("SELECT 1", None, error), SCHEMA).code == "INTERNAL_SERVER_ERROR"


def test_own_errors_pass() -> None:
    error = TidegateError("FORBIDDEN")
    assert translate(error, SCHEMA) is error


@pytest.mark.parametrize("index", ["PRIMARY", "labels.PRIMARY", "code", "labels_code_unique"])
def test_unique_index_of_mysql_names_its_field(index: str) -> None:
    written = sa.insert(TABLE).values(code="red")
    error = translate(mysql_error(1062, f"Duplicate entry 'red' for key '{index}'"), SCHEMA, written)
    assert error.code == "RECORD_NOT_UNIQUE"
    assert error.extensions == {"collection": "labels", "field": "code", "value": "red"}
    assert error.message == 'Value "red" for field "code" in collection "labels" has to be unique.'


def test_unique_index_of_unknown_name_tells_the_collection_only() -> None:
    error = translate(mysql_error(1062, "Duplicate entry 'red' for key 'other'"), SCHEMA, sa.insert(TABLE))
    assert error.extensions == {"collection": "labels"}


@pytest.mark.parametrize("number", [1205, 1213])
def test_deadlock_is_a_conflict(number: int) -> None:
    assert isinstance(translate(mysql_error(number, "Deadlock found"), SCHEMA), Conflict)


def test_unexpected_error_is_logged_without_values_and_answered_without_details(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = translate(mysql_error(1064, "You have an error near 'secret'"), SCHEMA)
    assert error.code == "INTERNAL_SERVER_ERROR"
    assert not error.extensions
    assert "1064" in caplog.text
    assert "secret" not in caplog.text


def test_mistaken_use_of_sqlalchemy_is_internal() -> None:
    assert translate(InvalidRequestError("misused"), SCHEMA).code == "INTERNAL_SERVER_ERROR"
