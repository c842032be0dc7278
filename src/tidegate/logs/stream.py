"""Log records of every process of the deployment, to the connections of this one that follow them.

Source: PROTOCOL section 5. Records come from `logging.tap`, in whatever thread logs; they wait, bounded, for the event
loop, which encodes each once and hands the same line to its followers and to the bus. What finds no room is dropped,
counted, and reported in the stream itself. Whoever logs never waits.

What logging does on behalf of the stream must not be logged into it, or one record would make another for ever:
whatever runs `unrecorded`, and all tasks and callbacks that it starts, is left out.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import RLock
from typing import Any, Literal, Protocol

import msgspec

from tidegate.logging import LEVELS, FinishedRecord, tap
from tidegate.messenger.base import Messenger

CHANNEL = "logs"
MAX_WAITING = 1000
"""Records that may wait for the event loop."""

Style = Literal["pretty", "raw"]
"""`pretty`: level, time and what a person would read; `raw`: the whole record."""

_unrecorded: ContextVar[bool] = ContextVar("_unrecorded", default=False)
_encoder = msgspec.json.Encoder()


@contextmanager
def unrecorded() -> Iterator[None]:
    """What logs in here, or in a task or callback started in here, does not come to the stream of this process."""
    token = _unrecorded.set(True)
    try:
        yield
    finally:
        _unrecorded.reset(token)


class Follower(Protocol):
    """A connection that may want records."""

    def deliver(self, level: int, line: bytes) -> None:
        """Take one message for the client, or leave it; must not wait, and not raise."""
        ...


class _Data(msgspec.Struct):
    level: int


class _Line(msgspec.Struct, tag="logs"):
    """What is read of a line that another process has sent."""

    data: _Data


_decoder = msgspec.json.Decoder(_Line)


class LogStream:
    """Joins the log of this process, the bus, and the followers.

    While nobody follows and nobody else is on the bus, nothing is tapped and logging costs nothing more.
    """

    def __init__(self, node: str, level: str, style: Style, messenger: Messenger) -> None:
        """`node`: this process, as followers are told. `level`: the lowest that is offered, of `logging.LEVELS`."""
        self.dropped = 0
        """Records that found no room."""
        self._reported = 0
        self._level = level
        self._style: Style = style
        self._end = b',"uid":' + _encoder.encode(node) + b"}"
        self._messenger = messenger
        self._loop: asyncio.AbstractEventLoop | None = None
        self._followers: dict[Follower, None] = {}
        self._end_tap: Callable[[], None] | None = None
        self._waiting: list[FinishedRecord] = []
        self._flush_due = False
        self._lock = RLock()
        """Guards what any thread may touch. Reentrant: freeing an object may log, anywhere."""
        messenger.subscribe(CHANNEL, self._hear)

    def start(self) -> None:
        """After the messenger has started."""
        self._loop = asyncio.get_running_loop()
        self._adjust_tap()

    def stop(self) -> None:
        """Before the event loop ends."""
        self._followers.clear()
        self._loop = None
        self._adjust_tap()

    def follow(self, follower: Follower) -> None:
        self._followers[follower] = None
        self._adjust_tap()

    def unfollow(self, follower: Follower) -> None:
        self._followers.pop(follower, None)
        self._adjust_tap()

    def _adjust_tap(self) -> None:
        wanted = self._loop is not None and (bool(self._followers) or not self._messenger.alone)
        if wanted and self._end_tap is None:
            self._end_tap = tap(self._level, self._take)
        elif not wanted and self._end_tap is not None:
            self._end_tap()
            self._end_tap = None

    def _take(self, record: FinishedRecord) -> None:
        """In any thread."""
        loop = self._loop
        if loop is None or _unrecorded.get():
            return
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                self.dropped += 1
                return
            self._waiting.append(record)
            if self._flush_due:
                return
            self._flush_due = True
        with suppress(RuntimeError):  # the loop has ended, and who logs must not suffer for it
            loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        with self._lock:
            records, self._waiting = self._waiting, []
            self._flush_due = False
            missing = self.dropped - self._reported
            self._reported = self.dropped
        if missing:
            text = f"{missing} log records were dropped"
            records.append({"level": LEVELS["warn"], "time": records[-1]["time"], "msg": text})
        with unrecorded():
            for record in records:
                self._send(record)

    def _send(self, record: FinishedRecord) -> None:
        line = b'{"type":"logs","data":' + _encoder.encode(_shown(record, self._style)) + self._end
        if not self._messenger.alone:
            self._messenger.publish(CHANNEL, line, expendable=True)
        self._deliver(record["level"], line)

    def _hear(self, line: bytes) -> None:
        try:
            level = _decoder.decode(line).data.level
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        with unrecorded():
            self._deliver(level, line)

    def _deliver(self, level: int, line: bytes) -> None:
        for follower in tuple(self._followers):
            follower.deliver(level, line)


def _shown(record: FinishedRecord, style: Style) -> dict[str, Any]:
    if style == "raw":
        return dict(record)
    message = f"{record['msg']}\n{record['err']['stack']}" if "err" in record else record["msg"]
    return {"level": record["level"], "time": record["time"], "msg": message}
