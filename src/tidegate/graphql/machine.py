"""One GraphQL WebSocket, without input or output (PROTOCOL section 4): what to do next, and what to say.

The authentication life is `realtime.auth`, with this protocol's words: credentials come once, in `connection_init` or
in the URL, and whatever ends them ends the connection with 4403. Ids are reserved here, before anything waits.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from tidegate.access.identity import User
from tidegate.errors import TidegateError
from tidegate.graphql import messages
from tidegate.graphql.messages import Complete, Init, Malformed, Message, Ping, Subscribe
from tidegate.realtime import machine
from tidegate.realtime.auth import AuthMachine
from tidegate.realtime.auth import Effect as AuthEffect
from tidegate.realtime.machine import Effect, Hangup, Say, SocketMachine


@dataclass(frozen=True, slots=True)
class Verify(Effect):
    """Check the token, then call `verified` or `refused`; take no other message before."""

    token: str


@dataclass(frozen=True, slots=True)
class Run(Effect):
    """Begin the operation; call `finished` when it has ended by itself."""

    message: Subscribe


@dataclass(frozen=True, slots=True)
class Stop(Effect):
    """The client wants nothing more of the operation."""

    id: str


INVALID_MESSAGE: Final = Hangup(4400, "Invalid message received")
UNAUTHORIZED: Final = Hangup(4401, "Unauthorized")
FORBIDDEN: Final = Hangup(4403, "Forbidden")
NO_SUBPROTOCOL: Final = Hangup(4406, "Subprotocol not acceptable")
INIT_TIMEOUT: Final = Hangup(4408, "Connection initialisation timeout")
INIT_TWICE: Final = Hangup(4429, "Too many initialisation requests")
TERMINATED: Final = Hangup(4499, "Terminated")
"""The code of `graphql-ws` for a peer that answers no ping. Its client connects again, which it does not after 1000."""
_REASON_LENGTH: Final = 123
"""Bytes that a close frame has for its reason (RFC 6455 section 5.5)."""
_ENDING: Final = frozenset({AuthEffect.FAIL, AuthEffect.EXPIRE, AuthEffect.TIME_OUT, AuthEffect.CLOSE})


@dataclass(frozen=True, slots=True)
class Rules(machine.Rules):
    """What the operator has set; one for all connections."""

    init_timeout: float
    """Seconds that a client has for `connection_init`."""
    operation_limit: int
    """Operations that one connection may run at once."""


class GraphQLMachine(SocketMachine):
    """A socket that has been accepted."""

    __slots__ = ("_acknowledged", "_begun", "_init_until", "_operations")

    PING: ClassVar = Say(messages.PING)
    GONE: ClassVar = TERMINATED

    _rules: Rules

    def __init__(self, auth: AuthMachine, rules: Rules, now: float) -> None:
        """`auth` has left the state `OPENING`."""
        super().__init__(auth, rules)
        self._init_until = now + rules.init_timeout
        self._begun = False
        """Whether the client has sent `connection_init`."""
        self._acknowledged = False
        self._operations: set[str] = set()

    @property
    def acknowledged(self) -> bool:
        return self._acknowledged and not self.closed

    def deadline(self) -> float | None:
        due = super().deadline()
        if self._begun or self.closed:
            return due
        return self._init_until if due is None else min(due, self._init_until)

    def received(self, message: Message, now: float) -> list[Effect]:
        """The client sent a message."""
        effects = self.on_time(now)
        if self.closed:
            return effects
        self._heartbeat.heard()
        match message:
            case Malformed():
                effects += self._hang_up(INVALID_MESSAGE, now)
            case Init(token):
                effects += self._init(token, now)
            case Ping(payload) if self._allows(now):
                effects.append(Say(messages.pong(payload)))
            case Subscribe():
                effects += self._subscribe(message, now)
            case Complete(name) if name in self._operations:
                self._operations.discard(name)
                effects.append(Stop(name))
        return effects

    def verified(self, user: User, now: float) -> list[Effect]:
        """The token is good."""
        return self._say_auth(self._auth.verified(user, now), now)

    def refused(self, now: float) -> list[Effect]:
        """The token is not good."""
        return self._say_auth(self._auth.refused(now), now)

    def finished(self, name: str) -> None:
        """The operation has ended by itself, and its id is free."""
        self._operations.discard(name)

    def on_time(self, now: float) -> list[Effect]:
        effects = super().on_time(now)
        if not self._begun and not self.closed and now >= self._init_until:
            effects += self._hang_up(INIT_TIMEOUT, now)
        return effects

    def hung_up(self, now: float) -> None:
        super().hung_up(now)
        self._operations.clear()

    def _init(self, token: str | None, now: float) -> list[Effect]:
        if self._begun:
            return self._hang_up(INIT_TWICE, now)
        self._begun = True
        if token is not None:
            self._auth.credentials(now)
            return [Verify(token)]
        if self._auth.admitted:
            return [self._acknowledge(now)]
        return self._say_auth(self._auth.other(now), now)

    def _subscribe(self, message: Subscribe, now: float) -> list[Effect]:
        name = message.id
        if not self._acknowledged:
            return self._hang_up(UNAUTHORIZED, now)
        if name in self._operations:
            return self._hang_up(Hangup(4409, _cut(f"Subscriber for {name} already exists")), now)
        if not self._allows(now):
            return [_refusal(name, TidegateError("REQUESTS_EXCEEDED"))]
        limit = self._rules.operation_limit
        if len(self._operations) >= limit:
            return [_refusal(name, TidegateError("REQUESTS_EXCEEDED", f"A connection may run {limit} operations."))]
        self._operations.add(name)
        return [Run(message)]

    def _hang_up(self, hangup: Hangup, now: float) -> list[Effect]:
        self.hung_up(now)
        return [hangup]

    def _say_auth(self, owed: tuple[AuthEffect, ...], now: float) -> list[Effect]:
        if not _ENDING.isdisjoint(owed):
            return self._hang_up(FORBIDDEN, now)
        if AuthEffect.CONFIRM in owed:
            return [self._acknowledge(now)]
        return []

    def _acknowledge(self, now: float) -> Say:
        self._acknowledged = True
        self._heartbeat.start(now)
        return Say(messages.ACK)


def _refusal(name: str, fault: TidegateError) -> Say:
    return Say(messages.error(name, [fault.entry()]))


def _cut(reason: str) -> str:
    return reason.encode()[:_REASON_LENGTH].decode(errors="ignore")
