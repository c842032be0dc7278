"""Windows in this process."""

from tidegate.clock import Clock
from tidegate.ratelimit.base import Verdict
from tidegate.ratelimit.window import Window

MAX_KEYS = 100_000
"""Windows held at once by one limiter; beyond it the one that ends first goes early."""


class MemoryRateLimiter:
    """Bounded in keys and O(1) per hit: all windows last equally long, so they end in the order in which they began."""

    def __init__(self, points: int, duration: float, clock: Clock, max_keys: int = MAX_KEYS) -> None:
        self._points = points
        self._duration = duration
        self._clock = clock
        self._max_keys = max_keys
        self._windows: dict[str, Window] = {}
        """In the order in which they began."""

    def hit_now(self, key: str, points: int | None = None) -> Verdict:
        """`hit`, for callers that cannot await."""
        now = self._clock.monotonic()
        window = self._windows.get(key)
        if window is None or now >= window.ends:
            window = self._begin(key, now)
        return window.hit(self._points if points is None else points, self._duration, now)

    async def hit(self, key: str, points: int | None = None) -> Verdict:
        return self.hit_now(key, points)

    async def refund(self, key: str) -> None:
        if window := self._windows.get(key):
            window.refund(self._clock.monotonic())

    def __len__(self) -> int:
        """Windows held, running or ended."""
        return len(self._windows)

    def _begin(self, key: str, now: float) -> Window:
        """A new window at the end of the order; each one begun clears up to two others, so ended ones cannot gather."""
        self._windows.pop(key, None)
        for _ in range(2):
            oldest = next(iter(self._windows), None)
            if oldest is None or (len(self._windows) < self._max_keys and now < self._windows[oldest].ends):
                break
            del self._windows[oldest]
        window = self._windows[key] = Window()
        return window
