"""Marks: what a process says to itself over the bus, to know how much of it it has heard.

Who has a mark back has heard everything that was on the bus when the mark left.
"""

import asyncio
from collections.abc import Callable

import msgspec

from tidegate.messenger.base import Messenger


class _Mark(msgspec.Struct):
    number: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Mark)


def channel(process: str) -> str:
    """The one that this process alone hears."""
    return f"order:{process}"


class Marks:
    """Those of one process. One that is waited for is on its way at a time, and whoever waits shares it."""

    def __init__(self, messenger: Messenger, process: str, on_return: Callable[[], None]) -> None:
        """`on_return` is called for each that comes back, before those who wait for it go on."""
        self._messenger = messenger
        self._channel = channel(process)
        self._on_return = on_return
        self._number = 0
        """Of the last that left."""
        self._awaited = 0
        self._ticks = 0
        self._back: asyncio.Future[None] | None = None
        """Done when the one that is waited for is back."""
        self._next: asyncio.Future[None] | None = None
        """Of the one that leaves then: the first may have left before those who wait for this one asked."""
        messenger.subscribe(self._channel, self._hear, own=True)

    async def round_trip(self) -> None:
        """Wait until everything that is on the bus by now has been heard, or until `release`."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        back = self._next
        if self._back is None:
            self._depart()
        await asyncio.shield(back)

    def send(self) -> None:
        """Send one, whether or not anybody waits for it."""
        self._number += 1
        self._messenger.publish(self._channel, _encoder.encode(_Mark(self._number)), expendable=True)

    def tick(self) -> int:
        """Count the ticks for which the one that is waited for has been on its way; none where nobody waits."""
        self._ticks = 0 if self._back is None else self._ticks + 1
        return self._ticks

    def release(self) -> None:
        """Let nobody wait any more."""
        for future in (self._back, self._next):
            if future is not None:
                future.set_result(None)
        self._back = self._next = None

    def _depart(self) -> None:
        self._back, self._next, self._ticks = self._next, None, 0
        self.send()
        self._awaited = self._number

    def _hear(self, data: bytes) -> None:
        try:
            number = _decoder.decode(data).number
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        self._on_return()
        if self._back is None or number != self._awaited:
            return
        self._back.set_result(None)
        self._back = None
        if self._next is not None:
            self._depart()
