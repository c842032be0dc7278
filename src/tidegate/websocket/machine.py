"""The flow of messages on one WebSocket, without input or output: what to do next, and what to say.

Messages are taken one at a time, in the order in which they came, so answers leave in that order; while one is being
performed, those that follow wait in `pending`. Two things do not wait: a `ping` of an admitted client is answered at
once, and time (authentication, heartbeat) passes whatever the database is doing.
"""

from dataclasses import dataclass
from typing import Final

from tidegate.access.identity import User
from tidegate.errors import TidegateError
from tidegate.realtime import json_answers
from tidegate.realtime.auth import AuthMachine, State
from tidegate.realtime.json_machine import JSONMachine, Verify
from tidegate.realtime.json_messages import Auth, Malformed, Ping, Pong, Unknown
from tidegate.realtime.machine import Effect, Rules, Say
from tidegate.websocket.messages import Message, Request, Resubscribe

MAX_PENDING: Final = 64
"""Messages of one client that may wait; beyond it nothing is read from the client."""


@dataclass(frozen=True, slots=True)
class Perform(Effect):
    """Do what the message asks for, then call `performed`."""

    message: Request | Resubscribe


_RESUBSCRIBE: Final = Resubscribe()
_TOO_MANY: Final = Malformed("server", TidegateError("REQUESTS_EXCEEDED"))


class MessageMachine(JSONMachine):
    """One WebSocket that has been accepted. Without a heartbeat a client's `ping` has no answer either."""

    __slots__ = ("_busy", "_pending")

    def __init__(self, auth: AuthMachine, rules: Rules, now: float) -> None:
        """`auth` has left the state `OPENING`."""
        super().__init__(auth, rules, now)
        self._pending: list[Message] = []
        self._busy = False

    @property
    def full(self) -> bool:
        """Whether reading has to stop until more has been performed."""
        return len(self._pending) >= MAX_PENDING

    def received(self, message: Message, now: float) -> list[Effect]:
        """The client sent a message."""
        effects = self._say_auth(self._auth.on_time(now), now)
        if self.closed:
            return effects
        self._heartbeat.heard()
        if self._is_counted() and not self._allows(now) and not isinstance(message, Pong):
            message = _TOO_MANY
        if isinstance(message, Ping) and self._auth.admitted:
            if self._rules.heartbeat_period is not None:
                effects.append(Say(json_answers.pong(message.uid)))
            return effects
        self._pending.append(message)
        return effects + self._next(now)

    def verified(self, user: User, refresh_token: str | None, now: float) -> list[Effect]:
        self._busy = False
        return super().verified(user, refresh_token, now) + self._next(now)

    def refused(self, now: float) -> list[Effect]:
        self._busy = False
        return super().refused(now) + self._next(now)

    def performed(self, now: float) -> list[Effect]:
        """What a message asked for has been done and answered."""
        self._busy = False
        return self._next(now)

    def revoked(self, now: float) -> list[Effect]:
        return super().revoked(now) + self._next(now)

    def rights_changed(self, now: float) -> list[Effect]:
        """The same identity may now do other things."""
        return self._say_auth(self._auth.rights_changed(now), now)

    def changes_missed(self, now: float) -> list[Effect]:
        """Changes that the client should have heard of were lost."""
        effects = self._say_auth(self._auth.on_time(now), now)
        if self._auth.admitted and _RESUBSCRIBE not in self._pending:
            self._pending.append(_RESUBSCRIBE)
        return effects + self._next(now)

    def hung_up(self, now: float) -> None:
        super().hung_up(now)
        self._pending.clear()

    def _is_counted(self) -> bool:
        """Whether the message counts for the rate limit: the one that completes a handshake does not."""
        return self._auth.state is not State.WAITING or self._busy or bool(self._pending)

    def _next(self, now: float) -> list[Effect]:
        """Take messages until one has to be waited for."""
        effects: list[Effect] = []
        while self._pending and not self._busy and not self.closed:
            effects += self._take(self._pending.pop(0), now)
        return effects

    def _take(self, message: Message, now: float) -> list[Effect]:
        if isinstance(message, Auth):
            due = self._say_auth(self._auth.credentials(now), now)
            if self.closed:
                return due
            self._busy = True
            self._uid = message.uid
            return [*due, Verify(message)]
        waiting = self._auth.state is State.WAITING
        effects = self._say_auth(self._auth.other(now), now)
        if waiting or self.closed:
            return effects
        match message:
            case Malformed(type_, fault, uid):
                effects.append(Say(json_answers.error(type_, fault, uid)))
            case Ping(uid):
                if self._rules.heartbeat_period is not None:
                    effects.append(Say(json_answers.pong(uid)))
            case Pong() | Unknown():
                pass
            case _:
                self._busy = True
                effects.append(Perform(message))
        return effects
