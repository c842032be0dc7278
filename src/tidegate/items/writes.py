"""Writes that have begun: each is finished, also when whoever asked for it goes away.

One that the database gave up for the sake of another (deadlock, serialization failure) is done again.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from tidegate.errors import Conflict

Result = TypeVar("Result")

ATTEMPTS = 5
PAUSE = 0.02
"""Seconds, on average, before the second attempt; more before each further one, and never the same for two writes."""


class Writes:
    """Those of one service."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def finish(self, write: Coroutine[Any, Any, Result]) -> Result:
        """What it returns or raises, to whoever still waits."""
        task = asyncio.get_running_loop().create_task(write)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for the writes that have begun."""
        while self._tasks:
            await asyncio.wait(self._tasks)


async def attempted(write: Callable[[], Awaitable[Result]]) -> Result:
    """What `write` returns, done anew after each `Conflict`; the last attempt's is raised."""
    for attempt in range(1, ATTEMPTS):
        with contextlib.suppress(Conflict):
            return await write()
        await asyncio.sleep(random.uniform(0, 2 * PAUSE * attempt))  # noqa: S311 - no secret
    return await write()
