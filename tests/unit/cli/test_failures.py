"""The sentence for an operator when a server does not start: what and why, and no credentials."""

import asyncmy.errors
import pytest
import redis.exceptions

from tidegate.cli.failures import why_not_started
from tidegate.errors import TidegateError
from tidegate.settings import Settings


def failed(cause: BaseException) -> TidegateError:
    """As `database` and `messenger` raise it: a code for clients, and the driver's error behind it."""
    error = TidegateError("SERVICE_UNAVAILABLE")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("settings", "cause", "sentence"),
    [
        (
            {"db_filename": "data/x.db"},
            ValueError("unable to open database file\n(Background on this error …)"),
            "The database data/x.db cannot be used: unable to open database file.",
        ),
        (
            {"db_client": "pg", "db_host": "db", "db_database": "app", "db_password": "hush"},
            ConnectionRefusedError(111, "Connection refused"),
            "The database db:5432/app cannot be used: Connection refused.",
        ),
        (
            {"db_client": "pg", "db_connection_string": "postgres://me:hush@db:1234/app"},
            OSError("postgres://me:hush@db is away."),
            "The database db:1234/app cannot be used: postgres://me:***@db is away.",
        ),
        (
            {"redis": "redis://:hush@cache:6379/0"},
            redis.exceptions.ConnectionError("Error 111 connecting to cache:6379."),
            "Redis at cache:6379/0 cannot be used: Error 111 connecting to cache:6379.",
        ),
        (
            {"db_client": "mysql", "db_host": "db", "db_database": "app"},
            asyncmy.errors.OperationalError(1049, "Unknown database 'app'"),
            "The database db:3306/app cannot be used: Unknown database 'app'.",
        ),
        (
            {"db_client": "mysql", "db_host": "db", "db_database": "app"},
            TimeoutError(),
            "The database db:3306/app cannot be used: it does not answer.",
        ),
    ],
)
def test_sentence_names_what_failed_and_why(settings: dict[str, str], cause: Exception, sentence: str) -> None:
    said = why_not_started(failed(cause), Settings.model_validate({"secret": "s", **settings}))
    assert said == sentence
    assert "hush" not in said
