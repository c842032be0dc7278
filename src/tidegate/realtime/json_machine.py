"""The authentication life in JSON messages (PROTOCOL section 3.2), for every endpoint of them."""

from dataclasses import dataclass
from typing import ClassVar, Final

from tidegate.access.identity import User
from tidegate.errors import TidegateError
from tidegate.realtime import json_answers
from tidegate.realtime.auth import AuthMachine, State
from tidegate.realtime.auth import Effect as AuthEffect
from tidegate.realtime.json_messages import Auth, Uid
from tidegate.realtime.machine import Effect, Hangup, Rules, Say, SocketMachine


@dataclass(frozen=True, slots=True)
class Verify(Effect):
    """Check the credentials, then call `verified` or `refused`."""

    message: Auth


@dataclass(frozen=True, slots=True)
class Become(Effect):
    """The identity or its rights changed: nothing may leave with the old ones any more."""


_BECOME: Final = Become()
_HANGUP: Final = Hangup()


class JSONMachine(SocketMachine):
    """One socket of JSON messages.

    The failure of a handshake carries no `uid`, any later one does, as recorded of the reference.
    """

    __slots__ = ("_uid",)

    PING: ClassVar = Say(json_answers.PING)
    GONE: ClassVar = _HANGUP

    def __init__(self, auth: AuthMachine, rules: Rules, now: float) -> None:
        """`auth` has left the state `OPENING`."""
        super().__init__(auth, rules)
        self._uid: Uid = None
        """Of the authentication message whose credentials are being checked."""
        self._start_heartbeat(now)

    def verified(self, user: User, refresh_token: str | None, now: float) -> list[Effect]:
        """The credentials are good. The caller has the user's rights at hand."""
        waiting = self._auth.state is State.WAITING
        owed = self._auth.verified(user, now)
        uid = None if waiting and AuthEffect.FAIL in owed else self._uid
        effects = self._say_auth(owed, now, uid, refresh_token)
        self._start_heartbeat(now)
        return effects

    def refused(self, now: float) -> list[Effect]:
        """The credentials are not good."""
        uid = None if self._auth.state is State.WAITING else self._uid
        return self._say_auth(self._auth.refused(now), now, uid)

    def _say_auth(
        self, owed: tuple[AuthEffect, ...], now: float, uid: Uid = None, refresh_token: str | None = None
    ) -> list[Effect]:
        """`VERIFY` and `PERFORM` are the caller's to say."""
        effects: list[Effect] = []
        for effect in owed:
            match effect:
                case AuthEffect.BECOME:
                    effects.append(_BECOME)
                case AuthEffect.CONFIRM:
                    effects.append(Say(json_answers.auth_ok(uid, refresh_token)))
                case AuthEffect.FAIL:
                    effects.append(Say(json_answers.error("auth", TidegateError("AUTH_FAILED"), uid)))
                case AuthEffect.EXPIRE:
                    effects.append(Say(json_answers.error("auth", TidegateError("TOKEN_EXPIRED"))))
                case AuthEffect.TIME_OUT:
                    effects.append(Say(json_answers.error("auth", TidegateError("AUTH_TIMEOUT"))))
                case AuthEffect.CLOSE:
                    self.hung_up(now)
                    effects.append(_HANGUP)
                case AuthEffect.VERIFY | AuthEffect.PERFORM | AuthEffect.REJECT:
                    pass
        return effects

    def _start_heartbeat(self, now: float) -> None:
        """Pings begin when the client is admitted: before that, an answer to one would fail the handshake."""
        if self._auth.admitted:
            self._heartbeat.start(now)
