"""The flow of messages on one WebSocket, without input or output: what to do next, and what to say.

Messages are taken one at a time, in the order in which they came, so answers leave in that order; while one is being
performed, those that follow wait in `pending`. Two things do not wait: a `ping` of an admitted client is answered at
once, and time (authentication, heartbeat) passes whatever the database is doing.

The authentication life is `realtime.auth`; this module gives it words.
"""

from dataclasses import dataclass
from typing import Final

from tidegate.access.identity import Identity, User
from tidegate.errors import TidegateError
from tidegate.ratelimit.window import Window
from tidegate.realtime.auth import AuthMachine, State
from tidegate.realtime.auth import Effect as AuthEffect
from tidegate.realtime.heartbeat import Beat, Heartbeat
from tidegate.websocket import answers
from tidegate.websocket.messages import Auth, Malformed, Message, Ping, Pong, Request, Resubscribe, Uid, Unknown

MAX_PENDING: Final = 64
"""Messages of one client that may wait; beyond it nothing is read from the client."""


@dataclass(frozen=True, slots=True)
class Say:
    """Send this text."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Verify:
    """Check the credentials, then call `verified` or `refused`."""

    message: Auth


@dataclass(frozen=True, slots=True)
class Perform:
    """Do what the message asks for, then call `performed`."""

    message: Request | Resubscribe


@dataclass(frozen=True, slots=True)
class Become:
    """The identity or its rights changed: nothing may leave with the old ones any more."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close the socket."""


Effect = Say | Verify | Perform | Become | Hangup

_BECOME: Final = Become()
_HANGUP: Final = Hangup()
_RESUBSCRIBE: Final = Resubscribe()
_TOO_MANY: Final = Malformed("server", TidegateError("REQUESTS_EXCEEDED"))


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator has set; one for all connections of an endpoint."""

    heartbeat_period: float | None = None
    """Seconds between pings of the server; None for no heartbeat, and then a client's `ping` has no answer either."""
    message_points: int | None = None
    """Messages that a client may send in one window; None for any number."""
    message_duration: float = 1.0
    """Seconds that a window lasts."""


class MessageMachine:
    """One WebSocket that has been accepted. `now` is always seconds since the Unix epoch.

    The failure of a handshake carries no `uid`, any later one does, as recorded of the reference.
    """

    __slots__ = ("_auth", "_busy", "_heartbeat", "_pending", "_rules", "_uid", "_window")

    def __init__(self, auth: AuthMachine, rules: Rules, now: float) -> None:
        """`auth` has left the state `OPENING`."""
        self._auth = auth
        self._rules = rules
        self._pending: list[Message] = []
        self._busy = False
        self._uid: Uid = None
        """Of the authentication message whose credentials are being checked."""
        self._window = Window() if rules.message_points is not None else None
        self._heartbeat = Heartbeat(rules.heartbeat_period)
        self._start_heartbeat(now)

    @property
    def closed(self) -> bool:
        return self._auth.state is State.CLOSED

    @property
    def full(self) -> bool:
        """Whether reading has to stop until more has been performed."""
        return len(self._pending) >= MAX_PENDING

    def identity(self, now: float) -> Identity:
        """Who the client is at this moment."""
        return self._auth.identity(now)

    def deadline(self) -> float | None:
        """When `on_time` is to be called next."""
        auth = self._auth.deadline()
        beat = self._heartbeat.deadline()
        if beat is None or self.closed:
            return auth
        return beat if auth is None else min(auth, beat)

    def received(self, message: Message, now: float) -> list[Effect]:
        """The client sent a message."""
        effects = self._say_auth(self._auth.on_time(now))
        if self.closed:
            return effects
        self._heartbeat.heard()
        if self._is_counted() and self._window is not None and self._rules.message_points is not None:
            verdict = self._window.hit(self._rules.message_points, self._rules.message_duration, now)
            if not verdict.allowed and not isinstance(message, Pong):
                message = _TOO_MANY
        if isinstance(message, Ping) and self._auth.admitted:
            if self._rules.heartbeat_period is not None:
                effects.append(Say(answers.pong(message.uid)))
            return effects
        self._pending.append(message)
        return effects + self._next(now)

    def verified(self, user: User, refresh_token: str | None, now: float) -> list[Effect]:
        """The credentials are good. The caller has the user's rights at hand."""
        self._busy = False
        waiting = self._auth.state is State.WAITING
        owed = self._auth.verified(user, now)
        uid = None if waiting and AuthEffect.FAIL in owed else self._uid
        effects = self._say_auth(owed, uid, refresh_token)
        self._start_heartbeat(now)
        return effects + self._next(now)

    def refused(self, now: float) -> list[Effect]:
        """The credentials are not good."""
        self._busy = False
        uid = None if self._auth.state is State.WAITING else self._uid
        return self._say_auth(self._auth.refused(now), uid) + self._next(now)

    def performed(self, now: float) -> list[Effect]:
        """What a message asked for has been done and answered."""
        self._busy = False
        return self._next(now)

    def on_time(self, now: float) -> list[Effect]:
        """Settle what is due by now; early or needless calls do nothing."""
        effects = self._say_auth(self._auth.on_time(now))
        beat = None if self.closed else self._heartbeat.on_time(now)
        if beat is Beat.PING:
            effects.append(Say(answers.PING))
        elif beat is Beat.GONE:
            self.hung_up(now)
            effects.append(_HANGUP)
        return effects

    def revoked(self, now: float) -> list[Effect]:
        """The user or session is no longer good."""
        return self._say_auth(self._auth.revoked(now)) + self._next(now)

    def rights_changed(self, now: float) -> list[Effect]:
        """The same identity may now do other things."""
        return self._say_auth(self._auth.rights_changed(now))

    def changes_missed(self, now: float) -> list[Effect]:
        """Changes that the client should have heard of were lost."""
        effects = self._say_auth(self._auth.on_time(now))
        if self._auth.admitted and _RESUBSCRIBE not in self._pending:
            self._pending.append(_RESUBSCRIBE)
        return effects + self._next(now)

    def hung_up(self, now: float) -> None:
        """The socket is closed, by either side."""
        self._auth.close(now)
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
            due = self._say_auth(self._auth.credentials(now))
            if self.closed:
                return due
            self._busy = True
            self._uid = message.uid
            return [*due, Verify(message)]
        waiting = self._auth.state is State.WAITING
        effects = self._say_auth(self._auth.other(now))
        if waiting or self.closed:
            return effects
        match message:
            case Malformed(type_, fault, uid):
                effects.append(Say(answers.error(type_, fault, uid)))
            case Ping(uid):
                if self._rules.heartbeat_period is not None:
                    effects.append(Say(answers.pong(uid)))
            case Pong() | Unknown():
                pass
            case _:
                self._busy = True
                effects.append(Perform(message))
        return effects

    def _say_auth(
        self, owed: tuple[AuthEffect, ...], uid: Uid = None, refresh_token: str | None = None
    ) -> list[Effect]:
        """The authentication's effects in this protocol's words. `VERIFY` and `PERFORM` are the caller's to say."""
        effects: list[Effect] = []
        for effect in owed:
            match effect:
                case AuthEffect.BECOME:
                    effects.append(_BECOME)
                case AuthEffect.CONFIRM:
                    effects.append(Say(answers.auth_ok(uid, refresh_token)))
                case AuthEffect.FAIL:
                    effects.append(Say(answers.error("auth", TidegateError("AUTH_FAILED"), uid)))
                case AuthEffect.EXPIRE:
                    effects.append(Say(answers.error("auth", TidegateError("TOKEN_EXPIRED"))))
                case AuthEffect.TIME_OUT:
                    effects.append(Say(answers.error("auth", TidegateError("AUTH_TIMEOUT"))))
                case AuthEffect.CLOSE:
                    self._pending.clear()
                    effects.append(_HANGUP)
                case AuthEffect.VERIFY | AuthEffect.PERFORM | AuthEffect.REJECT:
                    pass
        return effects

    def _start_heartbeat(self, now: float) -> None:
        """Pings begin when the client is admitted: before that, an answer to one would fail the handshake."""
        if self._auth.admitted:
            self._heartbeat.start(now)
