"""Failed logins per account and per address, over HTTP and WebSocket together.

The budget hangs on who is being guessed and on where the guesses come from, never on a connection: reconnecting, or
changing from one protocol to the other, does not renew it. An account is counted by what was typed, known or not, so
that the limit does not tell whether it exists.
"""

from tidegate.errors import TidegateError
from tidegate.ratelimit.base import RateLimiter
from tidegate.ratelimit.keys import account_key, address_key

LOGIN_WINDOW = 900.0
"""Seconds for which failed logins are remembered: the duration of the limiter that `LoginLimiter` is given."""


class LoginLimiter:
    """Call `attempt` before a password is looked at and `succeeded` after it was right."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    async def attempt(self, email: str, address: str | None, points: int) -> None:
        """Count an attempt as failed until it succeeds, so that many at once cannot slip through.

        The address pays first: once its budget is gone it can use up no account's, nor push windows out of the store.
        `points`: `directus_settings.auth_login_attempts`. Raises `TidegateError` REQUESTS_EXCEEDED.
        """
        for key in _keys(email, address):
            verdict = await self._limiter.hit(key, points)
            if not verdict.allowed:
                raise TidegateError("REQUESTS_EXCEEDED", "Too many failed logins. Try again later.")

    async def succeeded(self, email: str, address: str | None) -> None:
        """Take the attempt back; earlier failures stay counted, else one good account would pay for guessing others."""
        for key in _keys(email, address):
            await self._limiter.refund(key)


def _keys(email: str, address: str | None) -> list[str]:
    account = f"account:{account_key(email)}"
    return [account] if address is None else [f"address:{address_key(address)}", account]
