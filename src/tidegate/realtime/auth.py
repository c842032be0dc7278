"""The authentication life of a connection: every transition of every endpoint, as one table.

Who a connection is changes while it is open. It opens with or without credentials, is asked for them, gives better or
worse ones, outlives its token, has its user suspended. Every endpoint (messages, GraphQL, logs) lives the same life and
differs only in how it says things on the wire, so the life is here and the words are not.

There are three axes:

* The **mode** is the operator's choice and never changes (PROTOCOL section 3.1). It decides what an upgrade without
  credentials leads to, and whether a failure closes the socket (`handshake`, `strict`) or leaves it open with public
  rights (`public`).
* The **state** says what the connection is at this moment. The user of `AUTHENTICATED` is data beside the state.
* The **input** is what just happened. Checking credentials needs a database, so it is two inputs with time between
  them: `CREDENTIALS` asks for the check (`VERIFY`), `VERIFIED` or `REFUSED` is its outcome. No state stands for
  "checking": the table says what an outcome means in whatever state the connection is by then, so a token that
  expires, a timeout that passes or a user that is suspended during the check needs no special case.

Four rules hold everywhere; `tests/unit/realtime/test_auth.py` draws random lives and checks them:

1. "Nobody" is an identity (`Public`). The identity is a `User` in state `AUTHENTICATED` only, and only before the
   moment its credentials expire: `identity(now)` asks the clock, not the state, so a late timer leaks nothing.
2. The machine reads no clock. Every input carries the time and first settles what is due by then, so a message that
   arrives after the expiry is always judged after the expiry. The shell calls `on_time` at `deadline()`.
3. `BECOME` stands before the words that tell of it: rights are in force before anything is confirmed.
4. `CLOSED` is final and says nothing.

The diagram in `docs/authentication.md` is generated from `TABLE` by `auth_diagram.py`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from tidegate.access.identity import Identity, Public, User


class Mode(StrEnum):
    """The setting `WEBSOCKETS_*_AUTH`."""

    PUBLIC = "public"
    HANDSHAKE = "handshake"
    STRICT = "strict"


class State(StrEnum):
    OPENING = "opening"
    """The upgrade request is being looked at; there is no socket yet."""
    WAITING = "waiting"
    """Open, and the first message must be good credentials."""
    PUBLIC = "public"
    """Open, as nobody in particular."""
    AUTHENTICATED = "authenticated"
    """Open, as a user, until the credentials expire."""
    EXPIRED = "expired"
    """Open, as nobody: the credentials have expired and new ones are awaited."""
    CLOSED = "closed"


class Input(StrEnum):
    ANONYMOUS = "anonymous"
    """The upgrade request carries no credentials."""
    CREDENTIALS = "credentials"
    """The client sent an authentication message."""
    VERIFIED = "verified"
    """Credentials (of the upgrade request or a message) are good."""
    REFUSED = "refused"
    """Credentials (of the upgrade request or a message) are not good."""
    OTHER = "other"
    """The client sent anything else."""
    TIME = "time"
    """The deadline of the state has passed."""
    REVOKED = "revoked"
    """The user or the session behind the connection is no longer good."""
    RIGHTS_CHANGED = "rights changed"
    """Policies, permissions, roles or the schema changed: the same identity may now do other things."""
    CLOSE = "close"
    """The socket is closed, by either side."""


class Effect(StrEnum):
    """What the shell owes after an input, in the order given."""

    REJECT = "reject"
    """Answer the upgrade with 401."""
    VERIFY = "verify"
    """Check the credentials, then call `verified` or `refused`."""
    PERFORM = "perform"
    """Do what the message asks for, as `identity(now)`."""
    BECOME = "become"
    """The identity or its rights changed: from here on nothing may leave with the old ones."""
    CONFIRM = "confirm"
    """Say that the credentials are good."""
    FAIL = "fail"
    """Say AUTH_FAILED."""
    EXPIRE = "expire"
    """Say TOKEN_EXPIRED."""
    TIME_OUT = "time out"
    """Say AUTH_TIMEOUT."""
    CLOSE = "close"
    """Close the socket."""


class Row(NamedTuple):
    """One transition: in these modes, this input in this state leads to the next state and has these effects."""

    modes: frozenset[Mode]
    state: State
    input: Input
    next: State
    effects: tuple[Effect, ...]


_ANY = frozenset(Mode)
_OPEN_DOOR = frozenset({Mode.PUBLIC})
_HANDSHAKE = frozenset({Mode.HANDSHAKE})
_STRICT = frozenset({Mode.STRICT})
_GUARDED = frozenset({Mode.HANDSHAKE, Mode.STRICT})

_E, _I, _S = Effect, Input, State

# fmt: off
TABLE: tuple[Row, ...] = (
    # The upgrade. Credentials in it are checked in every mode.
    Row(_ANY,       _S.OPENING,       _I.VERIFIED,       _S.AUTHENTICATED, (_E.BECOME,)),
    Row(_ANY,       _S.OPENING,       _I.REFUSED,        _S.CLOSED,        (_E.REJECT,)),
    Row(_OPEN_DOOR, _S.OPENING,       _I.ANONYMOUS,      _S.PUBLIC,        (_E.BECOME,)),
    Row(_HANDSHAKE, _S.OPENING,       _I.ANONYMOUS,      _S.WAITING,       ()),
    Row(_STRICT,    _S.OPENING,       _I.ANONYMOUS,      _S.CLOSED,        (_E.REJECT,)),
    # The handshake: good credentials in time, or out.
    Row(_HANDSHAKE, _S.WAITING,       _I.CREDENTIALS,    _S.WAITING,       (_E.VERIFY,)),
    Row(_HANDSHAKE, _S.WAITING,       _I.VERIFIED,       _S.AUTHENTICATED, (_E.BECOME, _E.CONFIRM)),
    Row(_HANDSHAKE, _S.WAITING,       _I.REFUSED,        _S.CLOSED,        (_E.FAIL, _E.CLOSE)),
    Row(_HANDSHAKE, _S.WAITING,       _I.OTHER,          _S.CLOSED,        (_E.FAIL, _E.CLOSE)),
    Row(_HANDSHAKE, _S.WAITING,       _I.TIME,           _S.CLOSED,        (_E.FAIL, _E.CLOSE)),
    # Nobody, which only the public mode puts up with for long.
    Row(_OPEN_DOOR, _S.PUBLIC,        _I.CREDENTIALS,    _S.PUBLIC,        (_E.VERIFY,)),
    Row(_OPEN_DOOR, _S.PUBLIC,        _I.VERIFIED,       _S.AUTHENTICATED, (_E.BECOME, _E.CONFIRM)),
    Row(_OPEN_DOOR, _S.PUBLIC,        _I.REFUSED,        _S.PUBLIC,        (_E.FAIL,)),
    Row(_OPEN_DOOR, _S.PUBLIC,        _I.OTHER,          _S.PUBLIC,        (_E.PERFORM,)),
    Row(_OPEN_DOOR, _S.PUBLIC,        _I.RIGHTS_CHANGED, _S.PUBLIC,        (_E.BECOME,)),
    # A user.
    Row(_ANY,       _S.AUTHENTICATED, _I.CREDENTIALS,    _S.AUTHENTICATED, (_E.VERIFY,)),
    Row(_ANY,       _S.AUTHENTICATED, _I.VERIFIED,       _S.AUTHENTICATED, (_E.BECOME, _E.CONFIRM)),
    Row(_OPEN_DOOR, _S.AUTHENTICATED, _I.REFUSED,        _S.PUBLIC,        (_E.BECOME, _E.FAIL)),
    Row(_GUARDED,   _S.AUTHENTICATED, _I.REFUSED,        _S.CLOSED,        (_E.FAIL, _E.CLOSE)),
    Row(_ANY,       _S.AUTHENTICATED, _I.OTHER,          _S.AUTHENTICATED, (_E.PERFORM,)),
    Row(_ANY,       _S.AUTHENTICATED, _I.TIME,           _S.EXPIRED,       (_E.BECOME, _E.EXPIRE)),
    Row(_OPEN_DOOR, _S.AUTHENTICATED, _I.REVOKED,        _S.PUBLIC,        (_E.BECOME, _E.FAIL)),
    Row(_GUARDED,   _S.AUTHENTICATED, _I.REVOKED,        _S.CLOSED,        (_E.FAIL, _E.CLOSE)),
    Row(_ANY,       _S.AUTHENTICATED, _I.RIGHTS_CHANGED, _S.AUTHENTICATED, (_E.BECOME,)),
    # A user whose token has ended: nobody, with a while to come back.
    Row(_ANY,       _S.EXPIRED,       _I.CREDENTIALS,    _S.EXPIRED,       (_E.VERIFY,)),
    Row(_ANY,       _S.EXPIRED,       _I.VERIFIED,       _S.AUTHENTICATED, (_E.BECOME, _E.CONFIRM)),
    Row(_OPEN_DOOR, _S.EXPIRED,       _I.REFUSED,        _S.PUBLIC,        (_E.FAIL,)),
    Row(_GUARDED,   _S.EXPIRED,       _I.REFUSED,        _S.CLOSED,        (_E.FAIL, _E.CLOSE)),
    Row(_ANY,       _S.EXPIRED,       _I.OTHER,          _S.EXPIRED,       (_E.PERFORM,)),
    Row(_OPEN_DOOR, _S.EXPIRED,       _I.TIME,           _S.PUBLIC,        (_E.TIME_OUT,)),
    Row(_GUARDED,   _S.EXPIRED,       _I.TIME,           _S.CLOSED,        (_E.TIME_OUT, _E.CLOSE)),
    Row(_ANY,       _S.EXPIRED,       _I.RIGHTS_CHANGED, _S.EXPIRED,       (_E.BECOME,)),
    # Nobody has nothing that could be revoked; who may do nothing yet is not touched by changed rights.
    Row(_OPEN_DOOR, _S.PUBLIC,        _I.REVOKED,        _S.PUBLIC,        ()),
    Row(_ANY,       _S.EXPIRED,       _I.REVOKED,        _S.EXPIRED,       ()),
    Row(_HANDSHAKE, _S.WAITING,       _I.REVOKED,        _S.WAITING,       ()),
    Row(_HANDSHAKE, _S.WAITING,       _I.RIGHTS_CHANGED, _S.WAITING,       ()),
    # The end, from everywhere, and for good.
    *(Row(_ANY,     state,            _I.CLOSE,          _S.CLOSED,        ()) for state in State),
    *(Row(_ANY,     _S.CLOSED,        late, _S.CLOSED, ()) for late in Input if late is not _I.CLOSE),
)
# fmt: on

_TRANSITIONS: Mapping[Mode, Mapping[tuple[State, Input], tuple[State, tuple[Effect, ...]]]] = {
    mode: {(row.state, row.input): (row.next, row.effects) for row in TABLE if mode in row.modes} for mode in Mode
}


class AuthMachine:
    """The authentication life of one connection, without input or output.

    `now` is always seconds since the Unix epoch, as in `exp`. Inputs return the effects that the caller owes.
    """

    __slots__ = ("_auth_timeout", "_deadline", "_public", "_transitions", "_user", "mode", "state")

    def __init__(self, mode: Mode, auth_timeout: float, ip: str | None = None) -> None:
        """`auth_timeout` in seconds: for the first message, and after expiry. `ip` is the client's address."""
        self.mode = mode
        self.state = State.OPENING
        self._auth_timeout = auth_timeout
        self._public = Public(ip)
        self._user: User | None = None
        self._deadline: float | None = None
        self._transitions = _TRANSITIONS[mode]

    def identity(self, now: float) -> Identity:
        """Who the connection is at this moment."""
        user = self._user
        if user is None or (user.expires is not None and user.expires <= now):
            return self._public
        return user

    def deadline(self) -> float | None:
        """When `on_time` is to be called next; None for never."""
        return self._deadline

    @property
    def admitted(self) -> bool:
        """Whether the client may ask for anything at all."""
        return self.state in {State.PUBLIC, State.AUTHENTICATED, State.EXPIRED}

    @property
    def closed(self) -> bool:
        return self.state is State.CLOSED

    def anonymous(self, now: float) -> tuple[Effect, ...]:
        """The upgrade request carries no credentials."""
        return self._step(Input.ANONYMOUS, now)

    def credentials(self, now: float) -> tuple[Effect, ...]:
        """The client sent an authentication message."""
        return self.on_time(now) + self._step(Input.CREDENTIALS, now)

    def verified(self, user: User, now: float) -> tuple[Effect, ...]:
        """The credentials belong to the user; they may have expired since they were checked."""
        if user.expires is not None and user.expires <= now:
            return self.refused(now)
        due = self.on_time(now)
        if self.state is not State.CLOSED:
            self._user = user
        return due + self._step(Input.VERIFIED, now)

    def refused(self, now: float) -> tuple[Effect, ...]:
        """The credentials are not good."""
        return self.on_time(now) + self._step(Input.REFUSED, now)

    def other(self, now: float) -> tuple[Effect, ...]:
        """The client sent a message that is not about authentication."""
        return self.on_time(now) + self._step(Input.OTHER, now)

    def on_time(self, now: float) -> tuple[Effect, ...]:
        """Settle what is due by now; early or needless calls do nothing."""
        if self._deadline is None or now < self._deadline:
            return ()
        return self._step(Input.TIME, now)

    def revoked(self, now: float) -> tuple[Effect, ...]:
        """The user or session is no longer good."""
        return self.on_time(now) + self._step(Input.REVOKED, now)

    def rights_changed(self, now: float) -> tuple[Effect, ...]:
        """The same identity may now do other things than before."""
        return self.on_time(now) + self._step(Input.RIGHTS_CHANGED, now)

    def close(self, now: float) -> None:
        """The socket is closed."""
        self._step(Input.CLOSE, now)

    def _step(self, event: Input, now: float) -> tuple[Effect, ...]:
        before = self.state
        transition = self._transitions.get((before, event))
        if transition is None:
            raise AssertionError(f"{event!r} cannot happen in state {before!r} of mode {self.mode!r}")
        self.state, effects = transition
        if self.state is not State.AUTHENTICATED:
            self._user = None
        if self.state is State.AUTHENTICATED:
            assert self._user is not None, "only a verified user leads here"
            self._deadline = self._user.expires
        elif self.state not in {State.WAITING, State.EXPIRED}:
            self._deadline = None
        elif self.state is not before:
            # Counted from the moment the client is told, which a late timer may have put off.
            self._deadline = now + self._auth_timeout
        return effects
