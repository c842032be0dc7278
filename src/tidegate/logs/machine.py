"""One connection of the logs endpoint, without input or output (PROTOCOL section 5): what to do next, and what to say.

Only administrators pass: the caller refuses good credentials of anybody else like bad ones. So a `User` is an
administrator here, and whoever is admitted without credentials (mode `public`) may say what they like and gets nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tidegate.access.identity import User
from tidegate.errors import Forbidden, TidegateError
from tidegate.logging import LEVELS
from tidegate.logs import messages
from tidegate.logs.messages import Message, Subscribe, Unsubscribe
from tidegate.realtime import json_answers, machine
from tidegate.realtime.auth import AuthMachine, State
from tidegate.realtime.json_machine import JSONMachine, Verify
from tidegate.realtime.json_messages import Auth, Malformed, Ping
from tidegate.realtime.machine import Effect, Say

_TOO_MANY: Final = Say(json_answers.error("server", TidegateError("REQUESTS_EXCEEDED")))


@dataclass(frozen=True, slots=True)
class Rules(machine.Rules):
    """What the operator has set; one for all connections."""

    levels: Mapping[str, int]
    """The levels that are offered, by name."""


def offered(lowest: str) -> Mapping[str, int]:
    """The levels from `lowest` (a name of `logging.LEVELS`) up; none from `silent`."""
    return {name: level for name, level in LEVELS.items() if LEVELS[lowest] <= level < LEVELS["silent"]}


class LogsMachine(JSONMachine):
    """A socket that has been accepted."""

    __slots__ = ("_level",)

    _rules: Rules

    def __init__(self, auth: AuthMachine, rules: Rules, now: float) -> None:
        """`auth` has left the state `OPENING`."""
        super().__init__(auth, rules, now)
        self._level: int | None = None
        """The lowest that the client has subscribed to."""

    @property
    def following(self) -> bool:
        """Whether the client has subscribed, and may get records when it is who it has to be."""
        return self._level is not None and not self.closed

    def wants(self, level: int, now: float) -> bool:
        """Whether a record of this level is for the client: asked at every record, so that late timers leak nothing."""
        return self._level is not None and level >= self._level and self.user(now) is not None

    def user(self, now: float) -> User | None:
        """The administrator that the client is, if it is one at this moment."""
        identity = self.identity(now)
        return identity if isinstance(identity, User) else None

    def received(self, message: Message, now: float) -> list[Effect]:
        """The client sent a message."""
        effects = self._say_auth(self._auth.on_time(now), now)
        if self.closed:
            return effects
        self._heartbeat.heard()
        if self._auth.state is not State.WAITING and not self._allows(now):
            return [*effects, _TOO_MANY]
        if isinstance(message, Auth):
            self._auth.credentials(now)
            self._uid = message.uid
            return [*effects, Verify(message)]
        effects += self._say_auth(self._auth.other(now), now)
        if self._auth.admitted:
            effects += [Say(answer) for answer in self._answers(message, now)]
        return effects

    def _answers(self, message: Message, now: float) -> list[bytes]:
        match message:
            case Ping(uid):
                return [json_answers.pong(uid)]
            case Malformed(type_, fault, uid):
                return [json_answers.error("server" if type_ == "server" else "logs", fault, uid)]
            case Subscribe(_, uid) if self.user(now) is None:
                return [json_answers.error("logs", Forbidden(), uid)]
            case Subscribe(log_level, uid):
                if log_level not in self._rules.levels:
                    fault = TidegateError("INVALID_PAYLOAD", f'Invalid "{log_level}" log level')
                    return [json_answers.error("logs", fault, uid)]
                self._level = self._rules.levels[log_level]
                return [messages.subscribed(log_level, uid)]
            case Unsubscribe(uid):
                self._level = None
                return [messages.unsubscribed(uid)]
        return []
