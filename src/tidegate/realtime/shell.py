"""The shell of a machine: one open socket with its timer, whatever protocol it speaks.

Nothing runs for an idle connection but one timer.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass

from tidegate.access.directory import Directory
from tidegate.access.identity import Identity, User
from tidegate.access.rights import Rights
from tidegate.clock import Clock
from tidegate.errors import TidegateError
from tidegate.realtime.connections import Connections
from tidegate.realtime.gate import Admission, Receive, Verify
from tidegate.realtime.machine import Effect, Hangup, Say, SocketMachine
from tidegate.realtime.verify import Credentials, Verified

logger = logging.getLogger(__name__)

_FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Services:
    """What all connections of an endpoint work with."""

    verify: Verify
    directory: Directory
    clock: Clock


class Shell(ABC):
    """One client: a `Connection` of the process."""

    __slots__ = ("_client", "_machine", "_services", "_socket", "_timer", "_timer_at", "send", "valid_until")

    def __init__(self, services: Services, admission: Admission, machine: SocketMachine) -> None:
        """The timer is the caller's to set when it is ready for it."""
        self._services = services
        self._machine = machine
        self._socket = admission.socket
        self._client = admission.client
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        """When it fires, as `deadline` counts."""
        self.send = admission.socket.send
        self.valid_until = _FOREVER
        """When the identity ends, in seconds since the epoch."""
        self._note_identity()

    @abstractmethod
    async def received(self, frame: str | bytes) -> None:
        """Take one message; the next is not to be read before this returns."""

    def gone(self) -> None:
        """The socket has closed. Nothing of the connection stays behind."""
        self._machine.hung_up(self._now())
        self._forget()

    def close(self, code: int, reason: str = "") -> None:
        self._socket.close(code, reason)
        self.gone()

    @property
    def closed(self) -> bool:
        return self._machine.closed

    @property
    def identity(self) -> Identity:
        return self._machine.identity(self._now())

    @abstractmethod
    async def revalidate(self) -> None: ...

    @abstractmethod
    def changes_missed(self) -> None: ...

    def settle(self) -> None:
        """Do what is due by now."""
        self._do(self._machine.on_time(self._now()))

    def _do(self, effects: list[Effect], rights: Rights | None = None) -> None:
        """Perform the effects; `rights` are those of the identity in force, where they are at hand."""
        for effect in effects:
            match effect:
                case Say(text):
                    self.send(text)
                case Hangup(code, reason):
                    self._socket.close(code, reason)
                    self._forget()
                case _:
                    self._act(effect, rights)
        if effects:
            self._set_timer()

    @abstractmethod
    def _act(self, effect: Effect, rights: Rights | None) -> None:
        """Perform an effect that not every protocol has."""

    def _forget(self) -> None:
        """The machine has closed: let go of everything."""
        self._set_timer()

    async def _check(self, credentials: Credentials | None) -> Verified | None:
        """None where the credentials are no good, or cannot be checked."""
        if credentials is None:
            return None
        try:
            return await self._services.verify(credentials, self._client)
        except TidegateError as error:
            logger.debug("Credentials were refused: %s", error.code)
        except Exception:
            logger.exception("Credentials could not be checked")
        return None

    def _note_identity(self) -> None:
        identity = self.identity
        expires = identity.expires if isinstance(identity, User) else None
        self.valid_until = _FOREVER if expires is None else expires

    def _now(self) -> float:
        return self._services.clock.now()

    def _set_timer(self) -> None:
        """Have a timer that fires by the deadline; one that fires too early is set again then."""
        deadline = self._machine.deadline()
        if self._timer is not None:
            if deadline is not None and self._timer_at <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer_at = deadline
            delay = max(0.0, deadline - self._now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.settle()
        if self._timer is None:
            self._set_timer()


async def serve(connection: Shell, connections: Connections, receive: Receive) -> None:
    """Pass on what the client sends until the socket closes."""
    connections.add(connection)
    try:
        while (message := await receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            await connection.received(message["bytes"] if text is None else text)
    finally:
        connections.remove(connection)
        connection.gone()
