"""Doing a write again that the database gave up for the sake of another (deadlock, serialization failure)."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tidegate.errors import Conflict

Result = TypeVar("Result")

ATTEMPTS = 5
PAUSE = 0.02
"""Seconds, on average, before the second attempt; more before each further one, and never the same for two writes."""


async def attempted(write: Callable[[], Awaitable[Result]]) -> Result:
    """What `write` returns, done anew after each `Conflict`; the last attempt's is raised."""
    for attempt in range(1, ATTEMPTS):
        with contextlib.suppress(Conflict):
            return await write()
        await asyncio.sleep(random.uniform(0, 2 * PAUSE * attempt))  # noqa: S311 - no secret
    return await write()
