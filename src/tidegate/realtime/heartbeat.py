"""The heartbeat of one connection, without input or output: who sends nothing between two pings is gone.

Source: PROTOCOL section 3.4. `now` is always seconds since the Unix epoch.
"""

from enum import Enum, auto


class Beat(Enum):
    """What is due."""

    PING = auto()
    """Ask whether the client is there."""
    GONE = auto()
    """It has not answered the last ping: close."""


class Heartbeat:
    """It beats from `start` on."""

    __slots__ = ("_heard", "_next", "_period")

    def __init__(self, period: float | None) -> None:
        """`period` in seconds; None for never."""
        self._period = period
        self._next: float | None = None
        self._heard = True

    def start(self, now: float) -> None:
        """The client may be asked from now on. Only the first call counts."""
        if self._next is None and self._period is not None:
            self._next = now + self._period

    def heard(self) -> None:
        """The client has sent something."""
        self._heard = True

    def deadline(self) -> float | None:
        """When `on_time` is to be called next."""
        return self._next

    def on_time(self, now: float) -> Beat | None:
        """What is due by now; early or needless calls do nothing."""
        if self._next is None or self._period is None or now < self._next:
            return None
        if not self._heard:
            return Beat.GONE
        self._heard = False
        self._next = now + self._period
        return Beat.PING
