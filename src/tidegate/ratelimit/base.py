"""Rate limits as fixed windows (PROTOCOL section 8), as a port. `memory` and `redis` implement it.

A key's window starts at its first hit and lasts as long as the limiter's duration, whatever follows; it is not aligned
to the clock. Everybody has the whole budget again the moment the window ends.

What is limited, and where it is counted:

- messages of one WebSocket: a `window.Window` held by the connection, which lives in one process
- HTTP requests of one address (key: `keys.address_key`) and of all together (one key): a `RateLimiter`
- attempts to log in, over HTTP and WebSocket together: `logins.LoginLimiter` on a `RateLimiter`
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one hit."""

    allowed: bool
    limit: int
    """Hits that one window allows."""
    remaining: int
    """Hits that the window still allows after this one."""
    reset_seconds: float
    """Seconds until the window ends."""


class RateLimiter(Protocol):
    """Counts hits per key. Never raises for want of its store: see `redis` for what happens instead."""

    async def hit(self, key: str, points: int | None = None) -> Verdict:
        """Count one hit, also where it is not allowed. `points`: how many to allow instead of the limiter's own."""
        ...

    async def refund(self, key: str) -> None:
        """Take one hit back, where the key's window still runs."""
        ...
