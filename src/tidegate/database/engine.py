"""The database: reads, transactions, and the schema snapshot that statements are built against."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tidegate.database import capabilities as known
from tidegate.database.capabilities import Capabilities
from tidegate.database.catalog import Catalog, read_catalog
from tidegate.database.connect import DatabaseSettings, connect
from tidegate.database.connections import Connections
from tidegate.database.faults import translate
from tidegate.database.introspection import Snapshot, take_snapshot
from tidegate.database.prepared import PreparedRead
from tidegate.database.tables import build_tables
from tidegate.errors import CommitUnansweredError, Conflict, OutdatedSchema, TidegateError
from tidegate.schema.model import Schema

T = TypeVar("T")


def create_database(settings: DatabaseSettings) -> "Database":
    """The database of these settings, not yet connected."""
    return Database(connect(settings))


class Database:
    """One database. All methods raise only `TidegateError`, without SQL in its message.

    A read that meets a connection which the server has closed meanwhile is done again on a fresh one, and so is the
    first statement of a transaction; a later one raises `Conflict`, since nothing is committed yet. Anything else that
    fails for want of a connection raises SERVICE_UNAVAILABLE.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._handlers: list[Callable[[Schema], None]] = []
        self._outdated_handlers: list[Callable[[], None]] = []
        self._reloading = asyncio.Lock()
        self.capabilities: Capabilities = known.SQLITE
        self.schema = Schema({}, ())
        """The current snapshot."""
        self.tables: Mapping[str, sa.Table] = {}
        """The tables of that snapshot."""
        self.unserved: Mapping[str, str] = {}
        """Tables that are not served, and why."""

    async def start(self) -> None:
        """Connect, find out what the engine can do, and take the first snapshot."""
        await self.reload()

    async def stop(self) -> None:
        await self._connections.close()

    async def fetch(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        """The rows of one read, outside any transaction."""

        def work() -> Sequence[sa.Row[Any]]:
            with self._connections.reader.connect() as connection:
                return connection.execute(statement).all()

        return await self._read(work)

    def prepare(self, statement: sa.Select[Any]) -> PreparedRead:
        """Compile a read that will be run many times; its variable values are `sa.bindparam(name, type_=…)`."""
        return PreparedRead(statement, self._connections.reader.dialect)

    async def fetch_prepared(self, read: PreparedRead, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """The rows of one prepared read, outside any transaction."""
        values = read.parameters(parameters)

        def work() -> Sequence[Sequence[Any]]:
            connection = self._connections.reader.raw_connection()
            try:
                return self._connections.query(connection.driver_connection, read.sql, values)
            finally:
                connection.close()

        try:
            raw = await self._connections.read(work)
        except (TimeoutError, PoolTimeoutError) as error:
            raise translate(error, self.schema) from error
        except self._connections.faults:
            # The other way finds out what it means, and does the read if only the connection was stale.
            return [tuple(row) for row in await self.fetch(read.statement.params(parameters))]
        return read.rows(raw)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """A transaction: committed at the end of the block, rolled back when an error leaves it.

        On SQLite one at a time, from its start. Transactions do not nest.
        """
        async with self._connections.write_lock:
            transaction = Transaction(self, self._connections)
            try:
                yield transaction
                await transaction._commit()
            finally:
                await transaction._end()

    @contextlib.asynccontextmanager
    async def restructuring(self) -> AsyncIterator["Transaction"]:
        """A transaction that changes tables, one at a time among all processes. The caller reloads after it.

        Where `capabilities.transactional_ddl` is false, each statement that changes a table commits what came before.
        On SQLite foreign keys are not enforced meanwhile, so that tables can be rebuilt, and are checked at the end.
        """
        async with self.transaction() as transaction:
            transaction._restructures = True
            yield transaction
            await transaction.run(self._connections.check_structure)

    @property
    def next_version(self) -> int:
        """The least version of a snapshot that is taken from now on; the one that is being taken may be too old."""
        return self.schema.version + 1 + self._reloading.locked()

    async def reload(self, version: int | None = None) -> Schema:
        """Look at the database again, replace `schema` and `tables`, and tell the handlers.

        Given a `version` (`next_version`), not where another call has come to it meanwhile.
        """
        async with self._reloading:
            if version is not None and self.schema.version >= version:
                return self.schema
            snapshot = await self._read(self._snapshot)
            self.capabilities = snapshot.capabilities
            self.unserved = snapshot.unserved
            self.schema = replace(snapshot.schema, version=self.schema.version + 1)
            self.tables = build_tables(self.schema, self.capabilities)
        for handler in self._handlers:
            handler(self.schema)
        return self.schema

    async def end_session(self, session: int) -> bool:
        """Have the session of a transaction (`Transaction.session`) ended whose process is gone; whether it has."""

        def work() -> bool:
            with self._connections.reader.connect() as connection:
                return self._connections.end_session(connection, session)

        return await self._read(work)

    async def catalog(self) -> Catalog:
        """What the engine's catalogue says at this moment."""

        def work() -> Catalog:
            with self._connections.reader.connect() as connection:
                return read_catalog(connection)

        return await self._read(work)

    def on_schema(self, handler: Callable[[Schema], None]) -> None:
        """Have `handler` called with each new snapshot."""
        self._handlers.append(handler)

    def on_outdated(self, handler: Callable[[], None]) -> None:
        """Have `handler` called when the database turns out to lack what the snapshot has."""
        self._outdated_handlers.append(handler)

    def _translated(
        self, error: Exception, statement: sa.Executable | None = None, values: Mapping[str, Any] | None = None
    ) -> TidegateError:
        found = translate(error, self.schema, statement, values)
        if isinstance(found, OutdatedSchema):
            for handler in self._outdated_handlers:
                handler()
        return found

    def _snapshot(self) -> Snapshot:
        with self._connections.reader.connect() as connection:
            return take_snapshot(connection)

    async def _read(self, work: Callable[[], T]) -> T:
        try:
            try:
                return await self._connections.read(work)
            except DBAPIError as error:
                if not self._connections.is_stale(error):
                    raise
                return await self._connections.read(work)
        except self._connections.faults as error:
            raise self._translated(error) from error


class Transaction:
    """One transaction of `Database.transaction`."""

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections
        self._connection: sa.Connection | None = None
        self._fresh = True
        self._restructures = False
        self.session: int | None = None
        """What `end_session` knows the transaction by; known from its first statement on, where the server can tell."""
        self.on_commit_begin: list[Callable[[], None]] = []
        """Called one after the other right before COMMIT is sent."""

    @property
    def capabilities(self) -> Capabilities:
        return self._database.capabilities

    @property
    def tables(self) -> Mapping[str, sa.Table]:
        return self._database.tables

    async def fetch(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        """The rows of a SELECT, or of an INSERT, UPDATE or DELETE with RETURNING."""
        return await self._run(lambda connection: connection.execute(statement).all(), statement)

    async def fetch_inserted(self, statement: sa.Executable, values: Mapping[str, Any]) -> Sequence[sa.Row[Any]]:
        """The rows of an INSERT with RETURNING that is kept for many rows; `values`, at least one, are by column."""
        return await self._run(lambda connection: connection.execute(statement, values).all(), statement, values)

    async def execute(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        """Run a statement whose rows are not needed."""

        def work(connection: sa.Connection) -> sa.CursorResult[Any]:
            result = connection.execute(statement)
            assert isinstance(result, sa.CursorResult)
            return result

        return await self._run(work, statement)

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Call a synchronous function with the connection of this transaction."""
        return await self._run(work, None)

    async def end_session(self, session: int | None) -> bool:
        """Whether the session of another transaction, which has lost its connection, has ended; it is made to."""
        return await self.run(lambda connection: self._connections.end_session(connection, session))

    async def _run(
        self,
        work: Callable[[sa.Connection], T],
        statement: sa.Executable | None,
        values: Mapping[str, Any] | None = None,
    ) -> T:
        try:
            try:
                return await self._connections.write(lambda: work(self._open()))
            except DBAPIError as error:
                if not self._connections.is_stale(error):
                    raise
                if not self._fresh:
                    raise Conflict from error
                await self._connections.write(self._close)
                return await self._connections.write(lambda: work(self._open()))
        except self._connections.faults as error:
            raise self._database._translated(error, statement, values) from error
        finally:
            self._fresh = False

    def _open(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._connections.writer.connect()
            self.session = self._connection.info.get("session")
            if self._restructures:
                self._connections.begin_structure(self._connection)
            else:
                self._connection.begin()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            if self._restructures and not self._connection.invalidated:
                self._connection.detach()  # with its lock and its settings, it serves nothing else
            try:
                self._connection.close()
            except Exception:
                self._connection.invalidate()  # its transaction may be open still; without it, that ends
                raise
            finally:
                self._connection = None

    def _send_commit(self) -> None:
        if self._connection is not None:
            try:
                self._connection.commit()
            except Exception:
                self._connection.invalidate()  # its transaction may be open still
                raise
            self._close()

    async def _commit(self) -> None:
        """Commit. A task that is being cancelled still learns how it ended; the cancellation comes after.

        Raises `CommitUnansweredError` where the connection is lost meanwhile.
        """
        for hook in self.on_commit_begin:
            hook()
        sent = asyncio.ensure_future(self._connections.write(self._send_commit))
        cancelled = False
        while not sent.done():
            try:
                await asyncio.wait([sent])
            except asyncio.CancelledError:
                cancelled = True
        if cancelled and (task := asyncio.current_task()) is not None:
            task.uncancel()
            task.cancel()
        try:
            sent.result()
        except self._connections.faults as error:
            fault = translate(error, self._database.schema)
            if fault.code == "SERVICE_UNAVAILABLE" and not isinstance(fault, Conflict):
                raise CommitUnansweredError from error
            raise fault from error

    async def _end(self) -> None:
        """Give the connection back, rolled back unless committed, even when the task is being cancelled.

        Where that fails the connection is dropped, by which the server rolls back as well.
        """
        if self._connection is not None:
            with contextlib.suppress(*self._connections.faults):
                await asyncio.shield(asyncio.ensure_future(self._connections.write(self._close)))
