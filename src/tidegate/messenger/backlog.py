"""What a publisher has yet to send: bounded, and exact about losses. Pure: no connection, no clock.

Whoever hears us must learn that something is missing. A *gap notice* says so, and stands behind everything that was
published before it: who reads the database anew when it arrives gets nothing older afterwards. Therefore what could not
be sent before the connection broke is not sent late but given up as lost, and covered by the notice.
"""

from collections import deque
from typing import NamedTuple


class Outgoing(NamedTuple):
    channel: str
    data: bytes
    expendable: bool = False
    """Whether nobody has to learn that it is missing."""


class Backlog:
    """Messages in order. `take`, then exactly one of `sent` or `failed`, then `take` again."""

    def __init__(self, max_bytes: int, gap_notice: Outgoing) -> None:
        self.dropped = 0
        """Messages lost since the start."""
        self._max_bytes = max_bytes
        self._gap_notice = gap_notice
        self._queue: deque[Outgoing] = deque()
        self._bytes = 0
        self._in_flight: list[Outgoing] = []
        self._broken = False
        """Whether nothing may be sent before a notice."""
        self._gap = False

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return bool(self._queue) or self._gap

    def put(self, message: Outgoing) -> None:
        """Queue the message, or drop it: over the bound, and after a loss by a broken connection."""
        if not self._broken and self._bytes + len(message.data) <= self._max_bytes:
            self._queue.append(message)
            self._bytes += len(message.data)
        else:
            self._lose(message)

    def take(self) -> list[Outgoing]:
        """Everything that is to be sent now, in this order."""
        self._in_flight = list(self._queue)
        self._queue.clear()
        if self._gap:
            self._gap = False
            self._in_flight.append(self._gap_notice)
        return self._in_flight

    def sent(self) -> None:
        """What was taken has arrived."""
        self._bytes = sum(len(message.data) for message in self._queue)
        self._in_flight = []
        self._broken = False

    def failed(self) -> None:
        """The connection broke: whether what was taken has arrived is not known, and it is not sent again."""
        for message in (*self._in_flight, *self._queue):
            self._lose(message)
        self._queue.clear()
        self._bytes = 0
        self._in_flight = []
        self._broken = self._gap

    def _lose(self, message: Outgoing) -> None:
        self.dropped += message is not self._gap_notice
        self._gap = self._gap or not message.expendable
