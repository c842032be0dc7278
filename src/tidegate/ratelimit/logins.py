"""Failed logins per account and per address, over HTTP and WebSocket together.

The budget hangs on who is being guessed and on where the guesses come from, never on a connection: reconnecting, or
changing from one protocol to the other, does not renew it. An account is counted by what was typed, known or not, so
that the limit does not tell whether it exists.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from tidegate.errors import TidegateError
from tidegate.ratelimit.base import RateLimiter
from tidegate.ratelimit.keys import account_key, address_key

LOGIN_WINDOW = 900.0
"""Seconds for which failed logins are remembered: the duration of the limiter that `LoginLimiter` is given."""
ADDRESS_FACTOR = 4
"""How many accounts' budgets one address has: behind it may be an office."""


class LoginLimiter:
    """One for everything that looks at passwords."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    @asynccontextmanager
    async def attempt(self, email: str, address: str | None, points: int) -> AsyncIterator[None]:
        """Look at the password within the block. `points`: what an account may fail within the window.

        The attempt counts as failed from the start, so that many at once cannot slip through, and no more once the
        block ends well or with an error that judges nothing (`ErrorCode.retry`). Earlier failures stay counted, else
        one good account would pay for guessing others. The address pays first: once its budget is gone it can use up
        no account's, nor push windows out of the store.

        Raises `TidegateError` REQUESTS_EXCEEDED before the block.
        """
        keys = _keys(email, address)
        for key, factor in keys:
            verdict = await self._limiter.hit(key, points * factor)
            if not verdict.allowed:
                raise TidegateError("REQUESTS_EXCEEDED", "Too many failed logins. Try again later.")
        try:
            yield
        except TidegateError as error:
            if not error.row.retry:
                raise
            await self._refund(keys)
            raise
        await self._refund(keys)

    async def _refund(self, keys: Iterable[tuple[str, int]]) -> None:
        for key, _ in keys:
            await self._limiter.refund(key)


def _keys(email: str, address: str | None) -> list[tuple[str, int]]:
    """What to count under, and how many times an account's budget each may use."""
    account = (f"account:{account_key(email)}", 1)
    return [account] if address is None else [(f"address:{address_key(address)}", ADDRESS_FACTOR), account]
