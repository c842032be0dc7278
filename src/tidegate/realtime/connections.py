"""Every open connection of one process: told of changed rights and of lost changes, drained, closed at the end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from tidegate.access.identity import Identity
from tidegate.errors import TidegateError

BATCH = 100
"""Connections that are looked at together; others get a turn on the loop in between."""
DRAIN_TICK = 0.1
"""Seconds between the batches in which connections are closed."""


Sleep = Callable[[float], Awaitable[None]]


class Connection(Protocol):
    """What the process needs of a connection, whatever it speaks."""

    @property
    def identity(self) -> Identity:
        """Who it is at this moment."""
        ...

    async def revalidate(self) -> None:
        """Find out whether the identity is still good and what it may do now. Must not raise."""
        ...

    def changes_missed(self) -> None:
        """Changes that it should have told its client of were lost: see that the client begins anew."""
        ...

    def close(self, code: int, reason: str = "") -> None: ...


class RightsSource(Protocol):
    """What is asked of `access.directory.Directory`."""

    generation: int
    """Grows when rights that were handed out may have changed."""

    async def read_ahead(self, identities: Sequence[Identity]) -> None:
        """Have at hand what `revalidate` of these will ask for. May raise `TidegateError`."""
        ...


class Connections:
    """The open connections of every endpoint."""

    def __init__(self, directory: RightsSource) -> None:
        self._open: set[Connection] = set()
        self._directory = directory
        self._seen = directory.generation
        self._revalidation: asyncio.Task[None] | None = None
        self._missed = False
        """Whether changes were lost that connections have not been told of."""

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        self._open.add(connection)

    def remove(self, connection: Connection) -> None:
        self._open.discard(connection)

    def rights_changed(self) -> None:
        """Look at every connection again soon: one round at a time, and another if more changes during it."""
        if self._revalidation is None or self._revalidation.done():
            self._revalidation = asyncio.get_running_loop().create_task(self._revalidate())

    def changes_missed(self) -> None:
        """Have every client begin anew, soon, and after its rights have been looked at."""
        self._missed = True
        self.rights_changed()

    async def drain(self, code: int, seconds: float, sleep: Sleep = asyncio.sleep) -> None:
        """Close every connection, evenly over this time, so that clients do not come back all at once."""
        everybody = tuple(self._open)
        ticks = max(1, round(seconds / DRAIN_TICK))
        for tick in range(ticks):
            if not self._open:
                return
            for connection in everybody[tick * len(everybody) // ticks : (tick + 1) * len(everybody) // ticks]:
                if connection in self._open:
                    connection.close(code)
            await sleep(seconds / ticks)
        self.close_all(code)

    def close_all(self, code: int, reason: str = "") -> None:
        for connection in tuple(self._open):
            connection.close(code, reason)

    async def stop(self) -> None:
        if self._revalidation is not None:
            self._revalidation.cancel()
            await asyncio.wait([self._revalidation])

    async def _revalidate(self) -> None:
        while self._seen != (generation := self._directory.generation):
            everybody = tuple(self._open)
            for start in range(0, len(everybody), BATCH):
                batch = self._open.intersection(everybody[start : start + BATCH])
                with suppress(TidegateError):  # each connection finds out for itself
                    await self._directory.read_ahead([connection.identity for connection in batch])
                await asyncio.gather(*(connection.revalidate() for connection in batch))
            self._seen = generation
        if self._missed:
            self._missed = False
            for connection in tuple(self._open):
                connection.changes_missed()
