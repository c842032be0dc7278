"""Password hashes (argon2id, RFC 9106) in threads of their own, so that the event loop never waits for one.

A hash costs 64 MiB and tens of milliseconds on every processor, on purpose. So few run at once, few may wait, and more
than that is refused: an overload of logins must not take the memory, nor the time, of everything else.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError

from tidegate.errors import TidegateError

T = TypeVar("T")

WORKERS = 2
"""Hashes at once; each one uses four threads of its own."""
WAITING = 64
"""Hashes that may wait for a worker: a few seconds' work."""

_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$" + "A" * 22 + "$" + "A" * 43
"""A well-formed hash that no password has, to spend the time of a real verification on."""


class PasswordHasher:
    """Hashes with the parameters of Node's `argon2`, and verifies any argon2 hash."""

    def __init__(self, workers: int = WORKERS, waiting: int = WAITING) -> None:
        self._argon2 = argon2.PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4, hash_len=32, salt_len=16)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._places = BoundedSemaphore(workers + waiting)

    async def hash(self, password: str) -> str:
        """`$argon2id$v=19$m=65536,t=3,p=4$…`. Raises SERVICE_UNAVAILABLE where too many wait already."""
        return await self._run(lambda: self._argon2.hash(_bytes(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the stored hash is the password's. The work is the same where there is none, or one of another kind.

        Raises SERVICE_UNAVAILABLE where too many wait already.
        """
        return await self._run(lambda: self._verify(stored, _bytes(password)))

    def stop(self) -> None:
        """Take no more work, and drop what waits."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored: str | None, password: bytes) -> bool:
        try:
            return self._argon2.verify(_NOBODYS if stored is None else stored, password)
        except VerifyMismatchError:
            return False
        except (Argon2Error, InvalidHashError):  # no hash of argon2, which took no time to find out
            return stored is not None and self._verify(None, password)

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise TidegateError("SERVICE_UNAVAILABLE")
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)


def _bytes(password: str) -> bytes:
    """UTF-8; half a surrogate pair, which JSON can carry, makes an odd password but no failure."""
    return password.encode("utf-8", "surrogatepass")
