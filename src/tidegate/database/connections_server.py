"""PostgreSQL and MySQL.

SQLAlchemy's asyncio drivers switch greenlets while they wait (`greenlet_spawn`, what `sqlalchemy.ext.asyncio` is made
of); that package itself is not imported, since it loads the ORM, which takes a quarter of a second at start.
"""

import asyncio
import contextlib
import secrets
import ssl
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_only, greenlet_spawn

from tidegate.database.connections import BUSY_SECONDS, READERS, Connections
from tidegate.database.faults import FAULTS, unreachable
from tidegate.errors import TidegateError

T = TypeVar("T")

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 60
"""After this long without an answer a database server counts as unreachable."""
POOL_WAIT_SECONDS = 20
WRITERS = 8
"""Transactions that may be open at once."""
_STRUCTURE_LOCK = 7_104_331_925
"""Any number that nobody else takes for an advisory lock."""


class ServerConnections(Connections):
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


class PostgresqlConnections(ServerConnections):
    def __init__(self, url: sa.URL, search_path: Sequence[str] | None = None) -> None:
        # Statements are small and many: compiling them to machine code costs more than it gains.
        server_settings = {"timezone": "UTC", "application_name": "tidegate", "jit": "off"}
        if search_path:
            server_settings["search_path"] = ", ".join('"' + name.replace('"', '""') + '"' for name in search_path)
        connect_args: dict[str, Any] = {"timeout": CONNECT_SECONDS, "server_settings": server_settings}
        if sslmode := url.query.get("sslmode"):
            connect_args["ssl"] = sslmode
        url = url.set(drivername="postgresql+asyncpg", query={})
        options = {"json_deserializer": str}  # `database.types` reads it
        self.writer = self._engine(url, WRITERS, connect_args, **options)
        self.reader = self._engine(url, READERS, connect_args, isolation_level="AUTOCOMMIT", **options)
        sa.event.listen(self.writer, "connect", self._on_session)
        for engine in (self.writer, self.reader):
            sa.event.listen(engine, "connect", _take_moments_as_they_are)
        self._dbapi: Any = self.reader.dialect.loaded_dbapi
        driver: Any = self._dbapi.driver
        self.faults = (
            *FAULTS,
            OverflowError,  # asyncpg's, for a moment that Python does not know
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
_INFINITIES = {-(2**31): date.min, 2**31 - 1: date.max}
_MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = 24 * 60 * 60 * 1_000_000
"""In microseconds, as PostgreSQL counts a time."""


def _take_moments_as_they_are(connection: Any, _record: object) -> None:
    """asyncpg takes the first and the last day that Python knows for PostgreSQL's `-infinity` and `infinity`.

    It has no `24:00` either. Other moments that Python does not know it refuses by OverflowError.
    """

    def encode_date(day: date) -> tuple[int]:
        return (day.toordinal() - _POSTGRESQL_EPOCH,)

    def decode_date(days: tuple[int]) -> date:
        """Raises OverflowError for a day that Python does not know; an infinity is the first or the last."""
        if days[0] in _INFINITIES:
            return _INFINITIES[days[0]]
        return date.min + timedelta(days=days[0] + _POSTGRESQL_EPOCH - 1)

    def encode_time(moment: time | str) -> tuple[int]:
        if isinstance(moment, str):
            return (_DAY,)
        return ((datetime.combine(_MIDNIGHT, moment, UTC) - _MIDNIGHT) // _MICROSECOND,)

    def decode_time(microseconds: tuple[int]) -> time | str:
        return "24:00:00" if microseconds[0] == _DAY else (_MIDNIGHT + microseconds[0] * _MICROSECOND).time()

    for name, encode, decode in (("date", encode_date, decode_date), ("time", encode_time, decode_time)):
        connection.run_async(partial(_set_codec, name, encode, decode))


async def _set_codec(name: str, encode: Callable[[Any], Any], decode: Callable[[Any], Any], driver: Any) -> None:
    await driver.set_type_codec(name, schema="pg_catalog", encoder=encode, decoder=decode, format="tuple")


_MYSQL_MODES = (
    "STRICT_ALL_TABLES",
    "NO_ZERO_DATE",
    "NO_ZERO_IN_DATE",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "NO_ENGINE_SUBSTITUTION",
    "NO_AUTO_VALUE_ON_ZERO",
)
_NO_SUCH_SESSION = 1094
_SORTED_BYTES = 8_192
"""By how much of a text MySQL puts rows in order; 1,024 by default. A dozen such texts fit its sort buffer."""


class MysqlConnections(ServerConnections):
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
            try:
                connection.exec_driver_sql(f"KILL {int(holder)}")
            except OperationalError as error:
                if getattr(error.orig, "args", ())[:1] != (_NO_SUCH_SESSION,):  # it ended between the two statements
                    raise
        return holder is None

    def query(self, connection: Any, sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return await_only(_query_asyncmy(connection, sql, tuple(parameters)))


async def _query_asyncmy(connection: Any, sql: str, parameters: tuple[Any, ...]) -> Sequence[Sequence[Any]]:
    async with connection.cursor() as cursor:
        await cursor.execute(sql, parameters)
        rows: Sequence[Sequence[Any]] = await cursor.fetchall()
        return rows
