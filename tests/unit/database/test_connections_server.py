"""Which errors end a connection; the integration tests break real ones off."""

import asyncpg
import pytest
from asyncmy import errors
from asyncmy.errors import MySQLError

from tidegate.database.connect import DatabaseSettings, connect
from tidegate.database.connections_server import ServerConnections


def said(severity: str, sqlstate: str) -> asyncpg.PostgresError:
    """What PostgreSQL says, as asyncpg reads it."""
    error: asyncpg.PostgresError = asyncpg.PostgresError.new({"C": sqlstate, "V": severity, "M": ""})
    return error


def numbered(number: int, sqlstate: str) -> MySQLError:
    error = errors.OperationalError(number, "")
    error.sqlstate = sqlstate
    return error


@pytest.mark.parametrize(
    ("client", "error", "lost"),
    [
        ("pg", said("FATAL", "57P01"), True),
        ("pg", said("FATAL", "57P02"), True),
        ("pg", said("FATAL", "57P03"), True),
        ("pg", said("FATAL", "25P03"), True),
        ("pg", said("PANIC", "XX000"), True),
        ("pg", said("ERROR", "23505"), False),
        ("pg", said("ERROR", "40001"), False),
        ("pg", said("ERROR", "57014"), False),
        ("pg", asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"), True),
        ("pg", asyncpg.InterfaceError("cannot perform operation: another operation is in progress"), True),
        ("pg", asyncpg.InterfaceError("cannot rollback; the transaction is in error state"), True),
        ("pg", asyncpg.InterfaceError("the number of query arguments cannot exceed 32767"), False),
        ("pg", asyncpg.DataError("invalid input for query argument $1: 'x'"), False),
        ("pg", ValueError("of a value"), False),
        ("mysql", numbered(1053, "08S01"), True),
        ("mysql", numbered(1047, "08S01"), True),
        ("mysql", numbered(1213, "40001"), False),
        ("mysql", numbered(1317, "70100"), False),
        ("mysql", errors.InternalError("Packet sequence number wrong - got 1 expected 2"), True),
        ("mysql", errors.InterfaceError(0, "Not connected"), True),
        ("mysql", errors.IntegrityError(1062, "Duplicate entry"), False),
        ("mysql", ValueError("of a value"), False),
    ],
    ids=repr,
)
def test_error_that_ends_a_connection(client: str, error: Exception, lost: bool) -> None:
    server = connect(DatabaseSettings("pg" if client == "pg" else "mysql", host="127.0.0.1"))
    assert isinstance(server, ServerConnections)
    assert server._is_lost(error) is lost
