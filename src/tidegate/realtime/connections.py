"""Every open connection of one process: counted at the door, told of changed rights, closed at the end."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from tidegate.access.identity import Identity
from tidegate.errors import TidegateError

BATCH = 100
"""Connections that are looked at together; others get a turn on the loop in between."""


class Connection(Protocol):
    """What the process needs of a connection, whatever it speaks."""

    @property
    def identity(self) -> Identity:
        """Who it is at this moment."""
        ...

    async def revalidate(self) -> None:
        """Find out whether the identity is still good and what it may do now. Must not raise."""
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
