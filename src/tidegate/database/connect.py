"""Where the database is, and how to reach it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from tidegate.database.connections import Connections
from tidegate.database.connections_server import MysqlConnections, PostgresqlConnections
from tidegate.database.connections_sqlite import SqliteConnections


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where the database is: the `DB_*` settings of PROTOCOL section 2."""

    client: Literal["sqlite3", "pg", "mysql"] = "sqlite3"
    filename: str = "data/tidegate.db"
    host: str | None = None
    port: int | None = None
    database: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    connection_string: str | None = field(default=None, repr=False)
    """A URL in place of the five above."""
    search_path: tuple[str, ...] | None = None
    """PostgreSQL's; None for that of the user."""


def connect(settings: DatabaseSettings) -> Connections:
    """The engines for the settings; connections open when they are used."""
    if settings.client == "sqlite3":
        return SqliteConnections(Path(settings.filename))
    if settings.connection_string is None:
        url = sa.URL.create(
            "", settings.user, settings.password, settings.host, settings.port, settings.database or None
        )
    else:
        url = sa.make_url(settings.connection_string)
    return PostgresqlConnections(url, settings.search_path) if settings.client == "pg" else MysqlConnections(url)
