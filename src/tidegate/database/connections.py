"""Two SQLAlchemy engines for one database, one for transactions and one for reads, and how their calls are awaited."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")

BUSY_SECONDS: Final = 10
"""How long a writer waits for another process that is alone at writing or at changing tables."""
READERS: Final = 4
"""Connections that read outside transactions."""


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
    write_lock: AbstractAsyncContextManager[object]
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
        """Have a session of `writer` that has lost its connection or its process ended by the server.

        True when it has ended, and its transaction with it; until then ask again.
        """

    def is_stale(self, error: DBAPIError) -> bool:
        """Whether only the connection was too old for the statement, which a fresh one may well perform."""
        return error.connection_invalidated

    async def close(self) -> None:
        await self.write(self.writer.dispose)
        await self.read(self.reader.dispose)
