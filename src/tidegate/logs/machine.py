"""One connection of the logs endpoint, without input or output (PROTOCOL section 5): what to do next, and what to say.

The authentication life is `realtime.auth`; here it gets its words. Only administrators pass: the caller refuses good
credentials of anybody else like bad ones. So a `User` is an administrator here, and whoever is admitted without
credentials (mode `public`) may say what they like and gets nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tidegate.access.identity import Identity, User
from tidegate.errors import Forbidden, TidegateError
from tidegate.logging import LEVELS
from tidegate.logs import messages
from tidegate.logs.messages import Auth, Malformed, Message, Ping, Subscribe, Uid, Unsubscribe
from tidegate.ratelimit.window import Window
from tidegate.realtime.auth import AuthMachine, State
from tidegate.realtime.auth import Effect as AuthEffect
from tidegate.realtime.heartbeat import Beat, Heartbeat


@dataclass(frozen=True, slots=True)
class Say:
    """Send this text."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Verify:
    """Check the credentials, then call `verified` or `refused`; take no other message before."""

    message: Auth


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close the socket."""


Effect = Say | Verify | Hangup

_HANGUP: Final = Hangup()
_PING: Final = Say(messages.PING)
_TOO_MANY: Final = Say(messages.error("server", TidegateError("REQUESTS_EXCEEDED")))
_FAULTS: Final = {
    AuthEffect.FAIL: "AUTH_FAILED",
    AuthEffect.EXPIRE: "TOKEN_EXPIRED",
    AuthEffect.TIME_OUT: "AUTH_TIMEOUT",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator has set; one for all connections."""

    levels: Mapping[str, int]
    """The levels that are offered, by name."""
    message_points: int | None = None
    """Messages that a client may send in one window; None for any number."""
    message_duration: float = 1.0
    """Seconds that a window lasts."""
    heartbeat_period: float | None = None
    """Seconds between pings of the server; None for no heartbeat."""


def offered(lowest: str) -> Mapping[str, int]:
    """The levels from `lowest` (a name of `logging.LEVELS`) up; none from `silent`."""
    return {name: level for name, level in LEVELS.items() if LEVELS[lowest] <= level < LEVELS["silent"]}


class LogsMachine:
    """A socket that has been accepted. `now` is always seconds since the Unix epoch."""

    __slots__ = ("_auth", "_heartbeat", "_level", "_rules", "_uid", "_window")

    def __init__(self, auth: AuthMachine, rules: Rules, now: float) -> None:
        """`auth` has left the state `OPENING`."""
        self._auth = auth
        self._rules = rules
        self._level: int | None = None
        self._uid: Uid = None
        """Of the authentication message whose credentials are being checked."""
        self._window = Window()
        self._heartbeat = Heartbeat(rules.heartbeat_period)
        self._start_heartbeat(now)

    @property
    def following(self) -> bool:
        """Whether the client has subscribed, and may get records when it is who it has to be."""
        return self._level is not None and self._auth.state is not State.CLOSED

    def wants(self, level: int, now: float) -> bool:
        """Whether a record of this level is for the client: asked at every record, so that late timers leak nothing."""
        return self._level is not None and level >= self._level and self.user(now) is not None

    def user(self, now: float) -> User | None:
        """The administrator that the client is, if it is one at this moment."""
        identity = self.identity(now)
        return identity if isinstance(identity, User) else None

    def identity(self, now: float) -> Identity:
        return self._auth.identity(now)

    def deadline(self) -> float | None:
        """When `on_time` is to be called next."""
        due = (self._auth.deadline(), None if self._auth.closed else self._heartbeat.deadline())
        return min((moment for moment in due if moment is not None), default=None)

    def received(self, message: Message, now: float) -> list[Effect]:
        """The client sent a message."""
        effects = self._say_auth(self._auth.on_time(now))
        if self._auth.state is State.CLOSED:
            return effects
        self._heartbeat.heard()
        if self._auth.state is not State.WAITING and not self._allows(now):
            return [*effects, _TOO_MANY]
        if isinstance(message, Auth):
            self._auth.credentials(now)
            self._uid = message.uid
            return [*effects, Verify(message)]
        effects += self._say_auth(self._auth.other(now))
        if self._auth.admitted:
            effects += [Say(answer) for answer in self._answers(message, now)]
        return effects

    def verified(self, user: User, refresh_token: str | None, now: float) -> list[Effect]:
        """The credentials are good, and an administrator's."""
        effects = self._say_auth(self._auth.verified(user, now), self._uid, refresh_token)
        self._start_heartbeat(now)
        return effects

    def refused(self, now: float) -> list[Effect]:
        """The credentials are not good, or not an administrator's."""
        # Before the handshake is over there is nobody yet to whom a uid would mean something.
        uid = None if self._auth.state is State.WAITING else self._uid
        return self._say_auth(self._auth.refused(now), uid)

    def on_time(self, now: float) -> list[Effect]:
        """Settle what is due by now; early or needless calls do nothing."""
        effects = self._say_auth(self._auth.on_time(now))
        beat = None if self._auth.closed else self._heartbeat.on_time(now)
        if beat is Beat.PING:
            effects.append(_PING)
        elif beat is Beat.GONE:
            self.hung_up(now)
            effects.append(_HANGUP)
        return effects

    def revoked(self, now: float) -> list[Effect]:
        """The user is no longer good, or no longer an administrator."""
        return self._say_auth(self._auth.revoked(now))

    def hung_up(self, now: float) -> None:
        """The socket is closed, by either side."""
        self._auth.close(now)

    def _start_heartbeat(self, now: float) -> None:
        """Pings begin when the client is admitted: before that, an answer to one would fail the handshake."""
        if self._auth.admitted:
            self._heartbeat.start(now)

    def _allows(self, now: float) -> bool:
        points = self._rules.message_points
        return points is None or self._window.hit(points, self._rules.message_duration, now).allowed

    def _answers(self, message: Message, now: float) -> list[bytes]:
        match message:
            case Ping(uid):
                return [messages.pong(uid)]
            case Malformed(type_, fault, uid):
                return [messages.error(type_, fault, uid)]
            case Subscribe(_, uid) if self.user(now) is None:
                return [messages.error("logs", Forbidden(), uid)]
            case Subscribe(log_level, uid):
                if log_level not in self._rules.levels:
                    fault = TidegateError("INVALID_PAYLOAD", f'Invalid "{log_level}" log level')
                    return [messages.error("logs", fault, uid)]
                self._level = self._rules.levels[log_level]
                return [messages.subscribed(log_level, uid)]
            case Unsubscribe(uid):
                self._level = None
                return [messages.unsubscribed(uid)]
        return []

    def _say_auth(
        self, owed: tuple[AuthEffect, ...], uid: Uid = None, refresh_token: str | None = None
    ) -> list[Effect]:
        """The authentication's effects in this protocol's words; the others are the caller's to see to."""
        effects: list[Effect] = []
        for effect in owed:
            if effect is AuthEffect.CONFIRM:
                effects.append(Say(messages.auth_ok(uid, refresh_token)))
            elif effect is AuthEffect.CLOSE:
                effects.append(_HANGUP)
            elif code := _FAULTS.get(effect):
                effects.append(Say(messages.error("auth", TidegateError(code), uid)))
        return effects
