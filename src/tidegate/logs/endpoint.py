"""The logs endpoint: sockets in, the machine's effects out (PROTOCOL section 5).

Nothing that is logged while a connection is served comes to the stream (`stream.unrecorded`): it would tell of the
stream's own sending.
"""

import asyncio
import logging
from dataclasses import dataclass

from tidegate.access.directory import Directory
from tidegate.access.identity import Identity
from tidegate.access.sessions import Client
from tidegate.clock import Clock
from tidegate.errors import TidegateError
from tidegate.logs.machine import Effect, Hangup, LogsMachine, Rules, Say, Verify
from tidegate.logs.messages import Auth, parse
from tidegate.logs.stream import LogStream, unrecorded
from tidegate.realtime.auth import Mode
from tidegate.realtime.connections import Connections
from tidegate.realtime.gate import Admission, Door, Gate, Receive
from tidegate.realtime.socket import NORMAL_CLOSURE, Send
from tidegate.realtime.upgrade import Scope
from tidegate.realtime.verify import Credentials, Verified, Verifier

logger = logging.getLogger(__name__)


class Administrators:
    """Checks credentials, and takes those of administrators only."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def verify(self, credentials: Credentials, client: Client) -> Verified:
        """Raises `TidegateError`: credentials that are no good, or not an administrator's; SERVICE_UNAVAILABLE."""
        verified = await self._verifier.verify(credentials, client)
        if not verified.rights.admin:
            raise TidegateError("INVALID_CREDENTIALS")
        return verified


@dataclass(frozen=True, slots=True)
class Services:
    """What all connections of the endpoint work with."""

    administrators: Administrators
    directory: Directory
    stream: LogStream
    connections: Connections
    clock: Clock
    rules: Rules


class LogsEndpoint:
    """An ASGI application for WebSockets."""

    def __init__(
        self, services: Services, door: Door, mode: Mode, auth_timeout: float, connection_limit: int | None = None
    ) -> None:
        """`auth_timeout` in seconds."""
        self._services = services
        self._gate = Gate(door, services.administrators.verify, mode, auth_timeout, connection_limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with unrecorded():
            async with self._gate.admit(scope, receive, send) as admission:
                if admission is not None:
                    await self._serve(LogsConnection(self._services, admission), receive)

    async def _serve(self, connection: "LogsConnection", receive: Receive) -> None:
        self._services.connections.add(connection)
        try:
            while (event := await receive())["type"] != "websocket.disconnect":
                text = event.get("text")
                await connection.received(event["bytes"] if text is None else text)
        finally:
            self._services.connections.remove(connection)
            connection.gone()


class LogsConnection:
    """One client: a `Follower` of the stream, and a `Connection` of the process."""

    __slots__ = ("_client", "_machine", "_services", "_socket", "_timer")

    def __init__(self, services: Services, admission: Admission) -> None:
        self._services = services
        self._socket = admission.socket
        self._client = admission.client
        self._machine = LogsMachine(admission.auth, services.rules, services.clock.now())
        self._timer: asyncio.TimerHandle | None = None
        self._settle()

    async def received(self, frame: str | bytes) -> None:
        """Take one message; the next is not to be read before this returns."""
        credentials = self._do(self._machine.received(parse(frame), self._now()))
        if credentials is not None:
            await self._verify(credentials)

    def deliver(self, level: int, line: bytes) -> None:
        if self._machine.wants(level, self._now()):
            self._socket.send(line)

    def close(self, code: int, reason: str = "") -> None:
        self._socket.close(code, reason)
        self.gone()

    def gone(self) -> None:
        """The socket has closed. Nothing of the connection stays behind."""
        self._machine.hung_up(self._now())
        self._settle()

    def changes_missed(self) -> None:
        """Records of other processes that were lost are not sent again."""

    @property
    def identity(self) -> Identity:
        return self._machine.identity(self._now())

    async def revalidate(self) -> None:
        """Who cannot be shown to be an administrator still gets nothing more."""
        user = self._machine.user(self._now())
        if user is None:
            return
        try:
            admin = (await self._services.directory.rights(user)).admin
        except TidegateError:
            admin = False
        if not admin and self._machine.user(self._now()) is user:
            self._do(self._machine.revoked(self._now()))

    async def _verify(self, message: Auth) -> None:
        credentials = message.credentials()
        verified = None
        if credentials is not None:
            try:
                verified = await self._services.administrators.verify(credentials, self._client)
            except TidegateError as error:
                logger.debug("Credentials were refused: %s", error.code)
        if verified is None:
            self._do(self._machine.refused(self._now()))
        else:
            self._do(self._machine.verified(verified.user, verified.refresh_token, self._now()))

    def _do(self, effects: list[Effect]) -> Auth | None:
        """Perform the effects. Returns the credentials that are to be checked, where there are."""
        credentials = None
        for effect in effects:
            match effect:
                case Say(text):
                    self._socket.send(text)
                case Verify(message):
                    credentials = message
                case Hangup():
                    self._socket.close(NORMAL_CLOSURE)
        self._settle()
        return credentials

    def _settle(self) -> None:
        """Follow the stream, and set the timer, as the machine now wants it."""
        if self._machine.following:
            self._services.stream.follow(self)
        else:
            self._services.stream.unfollow(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._machine.deadline()
        if deadline is not None:
            seconds = max(0.0, deadline - self._now())
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_time)

    def _on_time(self) -> None:
        self._do(self._machine.on_time(self._now()))

    def _now(self) -> float:
        return self._services.clock.now()
