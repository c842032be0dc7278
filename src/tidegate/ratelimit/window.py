"""One fixed window: the arithmetic of every limiter, and the whole limiter of one WebSocket connection."""

from tidegate.ratelimit.base import Verdict


class Window:
    """Counts hits on one key. Times are seconds of a monotonic clock."""

    __slots__ = ("ends", "hits")

    def __init__(self) -> None:
        self.hits = 0
        self.ends = 0.0
        """When the window ends; a window that has ended starts anew at the next hit."""

    def hit(self, points: int, duration: float, now: float) -> Verdict:
        if now >= self.ends:
            self.hits = 0
            self.ends = now + duration
        self.hits += 1
        return verdict(self.hits, points, self.ends - now)

    def refund(self, now: float) -> None:
        if now < self.ends and self.hits:
            self.hits -= 1


def verdict(hits: int, points: int, reset_seconds: float) -> Verdict:
    """What the last of `hits` hits in a window gets."""
    return Verdict(hits <= points, points, max(0, points - hits), reset_seconds)
