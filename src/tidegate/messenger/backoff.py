"""How long to wait between attempts to reach a server again."""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import suppress

FIRST_SECONDS = 0.1
MOST_SECONDS = 5.0
FACTOR = 2.0


def backoff(chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Endless pauses in seconds: growing to a bound, and scattered so that processes do not come back all at once.

    `chance` gives numbers from 0 to 1; each pause is between half of its nominal length and all of it.
    """
    nominal = FIRST_SECONDS
    while True:
        yield nominal * (1 + chance()) / 2
        nominal = min(nominal * FACTOR, MOST_SECONDS)


class Pause:
    """One of them at a time, over early where somebody else has reached the server, or has since the last one."""

    def __init__(self) -> None:
        self._over = asyncio.Event()

    async def last(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        self._over.clear()

    def end(self) -> None:
        self._over.set()
