"""The logs endpoint: sockets in, the machine's effects out (PROTOCOL section 5).

Nothing that is logged while a connection is served comes to the stream (`stream.unrecorded`): it would tell of the
stream's own sending.
"""

from dataclasses import dataclass

from tidegate.access.rights import Rights
from tidegate.access.sessions import Client
from tidegate.errors import TidegateError
from tidegate.logs import machine
from tidegate.logs.machine import LogsMachine
from tidegate.logs.messages import parse
from tidegate.logs.stream import LogStream, unrecorded
from tidegate.realtime import shell
from tidegate.realtime.connections import Connections
from tidegate.realtime.gate import Admission, Gate, Receive
from tidegate.realtime.json_machine import Verify
from tidegate.realtime.json_messages import Auth
from tidegate.realtime.machine import Effect
from tidegate.realtime.shell import Shell, serve
from tidegate.realtime.socket import Send
from tidegate.realtime.upgrade import Scope
from tidegate.realtime.verify import Credentials, Verified, Verifier


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
class Services(shell.Services):
    """What all connections of the endpoint work with; `verify` takes administrators only."""

    stream: LogStream
    rules: machine.Rules


class LogsEndpoint:
    """Serves one connection for each call."""

    def __init__(self, gate: Gate, services: Services, connections: Connections) -> None:
        self._gate = gate
        self._services = services
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with unrecorded():
            async with self._gate.admit(scope, receive, send) as admission:
                if admission is not None:
                    await serve(LogsConnection(self._services, admission), self._connections, receive)


class LogsConnection(Shell):
    """One client: a `Follower` of the stream too."""

    __slots__ = ()

    _machine: LogsMachine
    _services: Services

    def __init__(self, services: Services, admission: Admission) -> None:
        super().__init__(services, admission, LogsMachine(admission.auth, services.rules, services.clock.now()))
        self._set_timer()

    async def received(self, frame: str | bytes) -> None:
        effects = self._machine.received(parse(frame), self._now())
        self._do(effects)
        for effect in effects:
            if isinstance(effect, Verify):
                await self._verify(effect.message)

    def deliver(self, level: int, line: bytes) -> None:
        if self._machine.wants(level, self._now()):
            self.send(line)

    def changes_missed(self) -> None:
        """Records of other processes that were lost are not sent again."""

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
        verified = await self._check(message.credentials())
        if verified is None:
            self._do(self._machine.refused(self._now()))
        else:
            self._do(self._machine.verified(verified.user, verified.refresh_token, self._now()))

    def _do(self, effects: list[Effect], rights: Rights | None = None) -> None:
        super()._do(effects, rights)
        self._follow()

    def _act(self, effect: Effect, _rights: Rights | None) -> None:
        """`Verify` is performed by `received`, and `Become` asks for nothing: `wants` looks at each record."""

    def _forget(self) -> None:
        super()._forget()
        self._follow()

    def _follow(self) -> None:
        """Follow the stream as the machine now wants it."""
        if self._machine.following:
            self._services.stream.follow(self)
        else:
            self._services.stream.unfollow(self)
