"""Two SQLAlchemy engines for one database, one for transactions and one for reads, and how their calls are awaited.

SQLAlchemy's core is synchronous. For PostgreSQL and MySQL its asyncio drivers switch greenlets while they wait
(`greenlet_spawn`, what `sqlalchemy.ext.asyncio` is made of); that package itself is not imported, since it loads the
ORM, which takes a quarter of a second at start. For SQLite the calls run in threads: one hop for each statement, where
an asyncio driver makes one for each step of its cursor and takes twice as long.
"""

import asyncio
import contextlib
import secrets
import sqlite3
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, QueuePool
from sqlalchemy.util import await_only, greenlet_spawn

from tidegate.database.faults import FAULTS, unreachable
from tidegate.database.functions import ExactSum
from tidegate.database.types import LONG_DECIMAL
from tidegate.errors import TidegateError

T = TypeVar("T")

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 60
"""After this long without an answer a database server counts as unreachable."""
POOL_WAIT_SECONDS = 20
BUSY_SECONDS = 10
"""How long SQLite waits for another process that writes."""
_STRUCTURE_LOCK = 7_104_331_925
"""Any number that nobody else takes for an advisory lock."""
READERS = 4
"""Connections that read outside transactions."""
WRITERS = 8
"""Transactions that may be open at once where the database takes several."""


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


class Connections(ABC):
    """The engines, and `write` and `read` which run a function that uses them and await its result.

    Connections go back to their pool as they are, without a ROLLBACK for safety's sake: whoever takes one ends its
    transaction, and drops it where that fails.

    When the awaiting task is cancelled, the function has ended or has had the cancellation raised in it before the
    cancellation goes on, so that nobody else uses its connection at the same time.
    """

    writer: sa.Engine
    reader: sa.Engine
    """In autocommit: no BEGIN and no ROLLBACK travel."""
    write_lock: contextlib.AbstractAsyncContextManager[object]
    """Held for a whole transaction."""
    faults: tuple[type[Exception], ...]
    """What SQLAlchemy and the driver raise; the rest is a mistake in the program and is not caught."""

    @abstractmethod
    async def write(self, work: Callable[[], T]) -> T: ...

    @abstractmethod
    async def read(self, work: Callable[[], T]) -> T: ...

    @abstractmethod
    def query(self, connection: Any, sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """Rows of one statement straight from the driver's connection; to be called within `read`."""

    @abstractmethod
    def begin_structure(self, connection: sa.Connection) -> None:
        """Begin a transaction that changes tables, alone among all processes until the connection is closed."""

    @abstractmethod
    def check_structure(self, connection: sa.Connection) -> None:
        """Before the commit of such a transaction: raise `TidegateError` for what was not enforced in it."""

    @abstractmethod
    def end_session(self, connection: sa.Connection, session: int | None) -> bool:
        """Have a session of `writer` that has lost its connection ended by the server.

        True when it has ended, and its transaction with it; until then ask again. To be called within a transaction.
        """

    def is_stale(self, error: DBAPIError) -> bool:
        """Whether only the connection was too old for the statement, which a fresh one may well perform."""
        return error.connection_invalidated

    async def close(self) -> None:
        await self.write(self.writer.dispose)
        await self.read(self.reader.dispose)


def connect(settings: DatabaseSettings) -> Connections:
    """The engines for the settings; connections open when they are used."""
    if settings.client == "sqlite3":
        return _Sqlite(Path(settings.filename))
    if settings.connection_string is None:
        url = sa.URL.create(
            "", settings.user, settings.password, settings.host, settings.port, settings.database or None
        )
    else:
        url = sa.make_url(settings.connection_string)
    return _Postgresql(url) if settings.client == "pg" else _Mysql(url)


class _Sqlite(Connections):
    """One connection that writes and a few that only read, on a write-ahead log.

    `synchronous=FULL` syncs the log at every commit: what was acknowledged survives the loss of power, not only the
    death of the process, and its events have been told to others by then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.write_lock = asyncio.Lock()
        self._write_thread = ThreadPoolExecutor(1, "sqlite-writer")
        self._read_threads = ThreadPoolExecutor(READERS, "sqlite-reader")
        common = ("foreign_keys=ON", "case_sensitive_like=ON", "synchronous=FULL")
        self.writer = self._engine(1, ("journal_mode=WAL", *common))
        self.reader = self._engine(READERS, (*common, "query_only=ON"))
        self.faults = (*FAULTS, sqlite3.Error)
        sa.event.listen(self.writer, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))

    def _engine(self, size: int, pragmas: Sequence[str]) -> sa.Engine:
        engine = sa.create_engine(
            sa.URL.create("sqlite+pysqlite", database=str(self._path)),
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0,
            pool_reset_on_return=None,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False, "isolation_level": None},
            hide_parameters=True,
        )

        def before_connect(*_: object) -> None:
            self._path.parent.mkdir(parents=True, exist_ok=True)

        def on_connect(connection: Any, _record: object) -> None:
            connection.create_collation(LONG_DECIMAL, _compare_decimals)
            connection.create_aggregate("exact_sum", 1, ExactSum)
            connection.create_function("lower", 1, _lower, deterministic=True)
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")

        sa.event.listen(engine, "do_connect", before_connect)
        sa.event.listen(engine, "connect", on_connect)
        return engine

    async def write(self, work: Callable[[], T]) -> T:
        return await _in_thread(self._write_thread, work)

    async def read(self, work: Callable[[], T]) -> T:
        return await _in_thread(self._read_threads, work)

    def query(self, connection: Any, sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = connection.execute(sql, parameters).fetchall()
        return rows

    def begin_structure(self, connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute("PRAGMA legacy_alter_table=ON")  # a renamed table takes no reference of others with it
        connection.begin()

    def check_structure(self, connection: sa.Connection) -> None:
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise TidegateError("INVALID_FOREIGN_KEY", collection=broken.table)

    def end_session(self, _connection: sa.Connection, _session: int | None) -> bool:
        """It has ended with the connection, which is of this process."""
        return True

    async def close(self) -> None:
        await super().close()
        self._write_thread.shutdown()
        self._read_threads.shutdown()


def _compare_decimals(left: str, right: str) -> int:
    """The collation of decimals that are kept as text."""
    try:
        first, second = Decimal(left), Decimal(right)
    except InvalidOperation:  # not ours; any order will do, as long as it is one
        return (left > right) - (left < right)
    return (first > second) - (first < second)


def _lower(text: Any) -> Any:
    """SQLite's own knows the letters of ASCII only."""
    return text.lower() if isinstance(text, str) else text


async def _in_thread(threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    future = asyncio.get_running_loop().run_in_executor(threads, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if not future.cancelled():  # a thread cannot be stopped
            await asyncio.wait([future])
        raise


class _Server(Connections):
    """A database server, on an asyncio driver.

    Each session of `writer` holds a lock under a random number of its own, kept as `session` in `Connection.info`. The
    server lets go of it when the session has ended, so that others see that, whatever became of the connection.
    """

    write_lock = contextlib.nullcontext()

    def _engine(self, url: sa.URL, size: int, connect_args: dict[str, Any], **options: Any) -> sa.Engine:
        engine = sa.create_engine(
            url,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            pool_reset_on_return=None,
            connect_args=connect_args,
            hide_parameters=True,
            **options,
        )
        sa.event.listen(engine, "do_connect", _on_connect)
        sa.event.listen(engine, "handle_error", self._on_error)
        return engine

    def _on_session(self, connection: Any, record: ConnectionPoolEntry) -> None:
        number = secrets.randbits(62)
        if self._hold(connection, number):
            record.info["session"] = number

    @abstractmethod
    def _hold(self, connection: Any, number: int) -> bool:
        """Take the lock of a new session; False where the server knows no such locks."""

    def _on_error(self, context: sa.engine.ExceptionContext) -> None:
        """Drop a connection that is lost in a way which SQLAlchemy does not take for that.

        Whatever the driver says at that moment is then said of the loss, also where it is no error of a database.
        """
        error, connection = context.original_exception, context.connection
        if connection is None or connection.closed or connection.invalidated or not isinstance(error, Exception):
            return
        if self._is_lost(error) or self._is_closed(connection.connection.driver_connection):
            context.is_disconnect = True
            if context.sqlalchemy_exception is None and not isinstance(error, TidegateError):
                raise DBAPIError(None, None, error, hide_parameters=True, connection_invalidated=True)

    @abstractmethod
    def _is_lost(self, error: Exception) -> bool:
        """Whether the connection is good for nothing after this error."""

    @abstractmethod
    def _is_closed(self, connection: Any) -> bool:
        """Whether the driver has closed its connection, or knows that it is closed."""

    def check_structure(self, connection: sa.Connection) -> None:
        """A server enforces everything all the time."""

    async def write(self, work: Callable[[], T]) -> T:
        return await self.read(work)

    async def read(self, work: Callable[[], T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        async with asyncio.timeout(STATEMENT_SECONDS):
            before = task.cancelling()
            try:
                return await greenlet_spawn(work)
            finally:
                # Drivers may lose a cancellation: asyncmy raises an error of its own instead, and `asyncio.wait_for`,
                # by which it connects, returns before Python 3.12 when both end at once.
                if task.cancelling() > before:
                    raise asyncio.CancelledError


def _on_connect(
    dialect: sa.Dialect, _record: object, arguments: Sequence[Any], options: Mapping[str, Any]
) -> DBAPIConnection:
    """A connection that cannot be made is the absence of the database, whatever the driver calls it."""
    try:
        return dialect.connect(*arguments, **options)
    except Exception as error:
        raise unreachable(error) from error


_END_SESSION = sa.text("""
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid = CAST(CAST(:high AS bigint) AS oid) AND objid = CAST(CAST(:low AS bigint) AS oid)
""")
"""A lock under a number of 64 bits is shown as its two halves."""


class _Postgresql(_Server):
    def __init__(self, url: sa.URL) -> None:
        connect_args: dict[str, Any] = {
            "timeout": CONNECT_SECONDS,
            # Statements are small and many: compiling them to machine code costs more than it gains.
            "server_settings": {"timezone": "UTC", "application_name": "tidegate", "jit": "off"},
        }
        if sslmode := url.query.get("sslmode"):
            connect_args["ssl"] = sslmode
        url = url.set(drivername="postgresql+asyncpg", query={})
        options = {"json_deserializer": str}  # `database.types` reads it
        self.writer = self._engine(url, WRITERS, connect_args, **options)
        self.reader = self._engine(url, READERS, connect_args, isolation_level="AUTOCOMMIT", **options)
        sa.event.listen(self.writer, "connect", self._on_session)
        for engine in (self.writer, self.reader):
            sa.event.listen(engine, "connect", _take_dates_as_they_are)
        self._dbapi: Any = self.reader.dialect.loaded_dbapi
        driver: Any = self._dbapi.driver
        self.faults = (
            *FAULTS,
            self._dbapi.Error,
            driver.PostgresError,
            driver.InterfaceError,
            driver.InternalClientError,
        )

    def _is_lost(self, error: Exception) -> bool:
        """The server has ended the session, or asyncpg is half way through hearing it or in a state of its own."""
        said = getattr(error, "orig", None) or error
        if isinstance(said, self._dbapi.driver.InterfaceError):
            return str(said).startswith("cannot ")  # perform, start, commit, …; the others are about a statement
        ended = getattr(said, "severity_en", None) in {"FATAL", "PANIC"}
        return ended or isinstance(said, self._dbapi.driver.InternalClientError)

    def _is_closed(self, connection: Any) -> bool:
        closed: bool = connection.is_closed()
        return closed

    def is_stale(self, error: DBAPIError) -> bool:
        """Also where a table changed after the connection had prepared the statement (SQLAlchemy prepares it anew)."""
        changed: type[Exception] = self._dbapi.InvalidCachedStatementError
        return error.connection_invalidated or isinstance(error.orig, changed)

    def begin_structure(self, connection: sa.Connection) -> None:
        connection.begin()
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_STRUCTURE_LOCK})")

    def _hold(self, connection: Any, number: int) -> bool:
        await_only(connection.driver_connection.execute(f"SELECT pg_advisory_lock({number})"))
        return True

    def end_session(self, connection: sa.Connection, session: int | None) -> bool:
        if session is None or connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({session})").scalar():
            return session is not None
        connection.execute(_END_SESSION, {"high": session >> 32, "low": session & 0xFFFF_FFFF})
        return False

    def query(self, connection: Any, sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = await_only(connection.fetch(sql, *parameters))
        return rows


_POSTGRESQL_EPOCH = date(2000, 1, 1).toordinal()


def _take_dates_as_they_are(connection: Any, _record: object) -> None:
    """asyncpg takes the first and the last day that Python knows for PostgreSQL's `-infinity` and `infinity`."""

    def encode(day: date) -> tuple[int]:
        return (day.toordinal() - _POSTGRESQL_EPOCH,)

    def decode(days: tuple[int]) -> date:
        """A day that Python does not know, infinities among them, is the nearest that it knows."""
        ordinal = days[0] + _POSTGRESQL_EPOCH
        return date.fromordinal(min(max(ordinal, date.min.toordinal()), date.max.toordinal()))

    connection.run_async(
        lambda driver: driver.set_type_codec(
            "date", schema="pg_catalog", encoder=encode, decoder=decode, format="tuple"
        )
    )


_MYSQL_MODES = (
    "STRICT_ALL_TABLES",
    "NO_ZERO_DATE",
    "NO_ZERO_IN_DATE",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "NO_ENGINE_SUBSTITUTION",
    "NO_AUTO_VALUE_ON_ZERO",
)


_SORTED_BYTES = 8_192
"""By how much of a text MySQL puts rows in order; 1,024 by default. A dozen such texts fit its sort buffer."""


class _Mysql(_Server):
    def __init__(self, url: sa.URL) -> None:
        connect_args: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "charset": "utf8mb4",
            "init_command": (
                f"SET time_zone = '+00:00', sql_mode = '{','.join(_MYSQL_MODES)}', max_sort_length = {_SORTED_BYTES}"
            ),
        }
        if url.query.get("ssl") == "true":
            connect_args["ssl"] = ssl.create_default_context()
        url = url.set(drivername="mysql+asyncmy", query={})
        self.writer = self._engine(url, WRITERS, connect_args, isolation_level="READ COMMITTED")
        self.reader = self._engine(
            url,
            READERS,
            connect_args,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
        )
        sa.event.listen(self.writer, "connect", self._on_session)
        self._dbapi: Any = self.reader.dialect.loaded_dbapi
        self.faults = (*FAULTS, self._dbapi.driver.errors.MySQLError)

    def _is_lost(self, error: Exception) -> bool:
        """The server has ended the session (SQLSTATE class 08), or asyncmy is out of step with it."""
        ended = (getattr(error, "sqlstate", None) or "").startswith("08")
        return ended or isinstance(error, self._dbapi.InterfaceError | self._dbapi.InternalError)

    def _is_closed(self, connection: Any) -> bool:
        return not connection.connected

    def begin_structure(self, connection: sa.Connection) -> None:
        connection.begin()
        # Locks are the server's, not the database's; this one ends with the connection.
        name = f"concat('tidegate {_STRUCTURE_LOCK} ', substr(sha1(DATABASE()), 1, 16))"
        if connection.exec_driver_sql(f"SELECT GET_LOCK({name}, {BUSY_SECONDS})").scalar() != 1:
            raise TidegateError("SERVICE_UNAVAILABLE")

    def _hold(self, connection: Any, number: int) -> bool:
        """A cluster of MariaDB refuses."""
        try:
            await_only(_query_asyncmy(connection.driver_connection, f"SELECT GET_LOCK('tidegate {number}', 0)", ()))
        except self._dbapi.Error:
            return False
        return True

    def end_session(self, connection: sa.Connection, session: int | None) -> bool:
        if session is None:
            return False
        holder = connection.exec_driver_sql(f"SELECT IS_USED_LOCK('tidegate {session}')").scalar()
        if holder is not None:
            connection.exec_driver_sql(f"KILL {int(holder)}")
        return holder is None

    def query(self, connection: Any, sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return await_only(_query_asyncmy(connection, sql, tuple(parameters)))


async def _query_asyncmy(connection: Any, sql: str, parameters: tuple[Any, ...]) -> Sequence[Sequence[Any]]:
    async with connection.cursor() as cursor:
        await cursor.execute(sql, parameters)
        rows: Sequence[Sequence[Any]] = await cursor.fetchall()
        return rows
