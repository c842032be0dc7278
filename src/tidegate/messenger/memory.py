"""The bus of one process; with a shared `MemoryHub`, of several that live in one event loop, as in tests."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from tidegate.messenger.base import Handler


class MemoryHub:
    """Joins messengers; each stands for one process."""

    def __init__(self) -> None:
        self.members: list[MemoryMessenger] = []
        """Those that are started."""
        self._away = False

    def interrupt(self) -> None:
        """From now on messages are lost, as while a server is away."""
        self._away = True

    def resume(self) -> None:
        """Carry messages again, and let everybody know that some may have been missed."""
        self._away = False
        for member in self.members:
            member.missed()

    def carry(self, sender: "MemoryMessenger", channel: str, message: bytes) -> None:
        if not self._away:
            for member in self.members:
                member.receive(channel, message, own=member is sender)

    def hears(self, channel: str) -> bool:
        return any(member.listens(channel) for member in self.members)


class MemoryMessenger:
    """One process on a hub; on a hub of its own unless it is given one."""

    def __init__(self, hub: MemoryHub | None = None) -> None:
        self._hub = hub or MemoryHub()
        self._handlers: defaultdict[str, list[Handler]] = defaultdict(list)
        self._own_handlers: defaultdict[str, list[Handler]] = defaultdict(list)
        """Those that hear this process too; they are among the others as well."""
        self._gap_handlers: list[Callable[[], None]] = []

    @property
    def alone(self) -> bool:
        return all(member is self for member in self._hub.members)

    async def start(self) -> None:
        self._hub.members.append(self)

    async def stop(self) -> None:
        if self in self._hub.members:
            self._hub.members.remove(self)

    def publish(self, channel: str, message: bytes, *, expendable: bool = False) -> None:  # noqa: ARG002 - none is lost alone
        self._hub.carry(self, channel, message)

    def subscribe(self, channel: str, handler: Handler, own: bool = False) -> None:
        self._handlers[channel].append(handler)
        if own:
            self._own_handlers[channel].append(handler)

    async def is_heard(self, channel: str) -> bool:
        return self._hub.hears(channel)

    def on_gap(self, handler: Callable[[], None]) -> None:
        self._gap_handlers.append(handler)

    def listens(self, channel: str) -> bool:
        return channel in self._handlers

    def receive(self, channel: str, message: bytes, own: bool) -> None:
        """Handlers run later, as they would with a network in between, so that no publisher runs inside of one."""
        for handler in (self._own_handlers if own else self._handlers).get(channel, ()):
            asyncio.get_running_loop().call_soon(handler, message)

    def missed(self) -> None:
        for handler in self._gap_handlers:
            asyncio.get_running_loop().call_soon(handler)
