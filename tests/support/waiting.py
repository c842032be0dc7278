"""Waiting for other processes, which cannot be told what time it is."""

import asyncio
from collections.abc import Callable

POLL_SECONDS = 0.02


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until the condition holds. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(POLL_SECONDS)
