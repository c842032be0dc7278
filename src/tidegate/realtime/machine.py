"""What the machines of all protocols share: the authentication life, the heartbeat, the rate limit.

A machine is sans-I/O. `shell` tells it what happens, and does the effects that come back in their order. `now` is
always seconds since the Unix epoch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from tidegate.access.identity import Identity
from tidegate.ratelimit.window import Window
from tidegate.realtime.auth import AuthMachine, State
from tidegate.realtime.auth import Effect as AuthEffect
from tidegate.realtime.heartbeat import Beat, Heartbeat
from tidegate.realtime.socket import NORMAL_CLOSURE


class Effect:
    """What the shell owes after an input."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Say(Effect):
    """Send this text."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Hangup(Effect):
    """Close the socket."""

    code: int = NORMAL_CLOSURE
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator has set; one for all connections of an endpoint."""

    heartbeat_period: float | None = None
    """Seconds between pings of the server; None for no heartbeat."""
    message_points: int | None = None
    """Messages that a client may send in one window; None for any number."""
    message_duration: float = 1.0
    """Seconds that a window lasts."""


class SocketMachine(ABC):
    """One socket that has been accepted."""

    __slots__ = ("_auth", "_heartbeat", "_rules", "_window")

    PING: ClassVar[Say]
    """The server's question whether the client is there."""
    GONE: ClassVar[Hangup]
    """What comes of it where the client says nothing for one period more."""

    def __init__(self, auth: AuthMachine, rules: Rules) -> None:
        """`auth` has left the state `OPENING`."""
        self._auth = auth
        self._rules = rules
        self._heartbeat = Heartbeat(rules.heartbeat_period)
        self._window = Window()

    @property
    def closed(self) -> bool:
        return self._auth.state is State.CLOSED

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

    def on_time(self, now: float) -> list[Effect]:
        """Settle what is due by now; early or needless calls do nothing."""
        effects = self._say_auth(self._auth.on_time(now), now)
        beat = None if self.closed else self._heartbeat.on_time(now)
        if beat is Beat.PING:
            effects.append(self.PING)
        elif beat is Beat.GONE:
            self.hung_up(now)
            effects.append(self.GONE)
        return effects

    def revoked(self, now: float) -> list[Effect]:
        """The user or session is no longer good."""
        return self._say_auth(self._auth.revoked(now), now)

    def hung_up(self, now: float) -> None:
        """The socket is closed, by either side."""
        self._auth.close(now)

    def _allows(self, now: float) -> bool:
        """Count a message; whether it keeps to the rate limit."""
        points = self._rules.message_points
        return points is None or self._window.hit(points, self._rules.message_duration, now).allowed

    @abstractmethod
    def _say_auth(self, owed: tuple[AuthEffect, ...], now: float) -> list[Effect]:
        """The authentication's effects in the words of the protocol."""
