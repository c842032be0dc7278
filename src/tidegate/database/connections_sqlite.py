"""SQLite.

SQLAlchemy's calls run in threads: one hop for each statement, where an asyncio driver makes one for each step of its
cursor and takes twice as long.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from tidegate.database.connections import BUSY_SECONDS, READERS, Connections
from tidegate.database.faults import FAULTS
from tidegate.database.functions import ExactSum
from tidegate.database.types import LONG_DECIMAL
from tidegate.errors import TidegateError

T = TypeVar("T")


class SqliteConnections(Connections):
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
