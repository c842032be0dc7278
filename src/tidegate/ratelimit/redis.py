"""Windows in Redis, shared by every process that uses the same prefix.

While Redis is away each process counts for itself: nobody is locked out because of it and no gate stands open. This
holds for every use, logins above all; across n processes the budget is then up to n times as large.
"""

import logging
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from tidegate.clock import Clock
from tidegate.ratelimit.base import Verdict
from tidegate.ratelimit.memory import MemoryRateLimiter
from tidegate.ratelimit.window import verdict

TIMEOUT_SECONDS = 0.5
"""How long a request waits for Redis before this process counts by itself."""
RETRY_SECONDS = 1.0
"""How long after a failure Redis is left alone."""

logger = logging.getLogger(__name__)
scripts = files(__package__)


def connect(url: str) -> Redis:
    """A client as the limiters need it: a request must not wait long for its count. The caller owes `aclose`."""
    return Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 0)
    )


class RedisRateLimiter:
    """Windows under `{prefix}:{key}`. `client`: from `connect`, may be shared among limiters."""

    def __init__(self, client: Redis, prefix: str, points: int, duration: float, clock: Clock) -> None:
        self._prefix = prefix
        self._points = points
        self._duration = duration
        self._clock = clock
        self._hit = client.register_script((scripts / "hit.lua").read_text())
        self._refund = client.register_script((scripts / "refund.lua").read_text())
        self._local = MemoryRateLimiter(points, duration, clock)
        self._away = False
        self._retry_at = 0.0
        """While Redis is away: when to ask it again."""

    async def hit(self, key: str, points: int | None = None) -> Verdict:
        answer: list[int] | None = await self._ask(self._hit, key, round(self._duration * 1000))
        if answer is None:
            return self._local.hit_now(key, points)
        hits, milliseconds = answer
        return verdict(hits, self._points if points is None else points, milliseconds / 1000)

    async def refund(self, key: str) -> None:
        if await self._ask(self._refund, key) is None:
            await self._local.refund(key)

    async def _ask(self, script: AsyncScript, key: str, *args: int) -> Any:
        """Run the script; None where Redis is away. While it is, one request in RETRY_SECONDS asks and may wait."""
        now = self._clock.monotonic()
        if self._away and now < self._retry_at:
            return None
        self._retry_at = now + RETRY_SECONDS
        try:
            answer = await script(keys=[f"{self._prefix}:{key}"], args=args)
        except (RedisError, OSError) as error:
            if not self._away:
                logger.warning("rate limits are counted in this process: Redis is away (%s)", type(error).__name__)
            self._away = True
            return None
        self._away = False
        return answer
