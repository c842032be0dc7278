"""The authentication life: the table itself, then random lives against the four rules of the module."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.access.identity import Public, User
from tidegate.realtime.auth import TABLE, AuthMachine, Effect, Input, Mode, State

ADDRESS = "192.0.2.7"
TIMEOUT = 10.0
ANNA = User("anna")


def opened(mode: Mode, user: User | None = None, now: float = 0.0) -> AuthMachine:
    machine = AuthMachine(mode, TIMEOUT, ADDRESS)
    if user is None:
        machine.anonymous(now)
    else:
        machine.verified(user, now)
    return machine


def test_the_table_has_no_two_rows_for_one_situation() -> None:
    situations = [(mode, row.state, row.input) for row in TABLE for mode in row.modes]
    assert len(situations) == len(set(situations))


@pytest.mark.parametrize("mode", Mode)
def test_every_reachable_state_has_an_answer_to_every_input_that_can_happen(mode: Mode) -> None:
    rows = {(row.state, row.input): row.next for row in TABLE if mode in row.modes}
    reachable = {State.OPENING}
    for _ in State:
        reachable |= {after for (before, _input), after in rows.items() if before in reachable}
    at_the_upgrade = {Input.ANONYMOUS, Input.VERIFIED, Input.REFUSED, Input.CLOSE}
    timeless = {State.PUBLIC}
    for state in reachable:
        expected = at_the_upgrade if state is State.OPENING else set(Input) - {Input.ANONYMOUS}
        if state in timeless:
            expected = expected - {Input.TIME}
        assert expected <= {event for before, event in rows if before is state}, state


@pytest.mark.parametrize(
    ("mode", "state", "effects"),
    [
        (Mode.PUBLIC, State.PUBLIC, (Effect.BECOME,)),
        (Mode.HANDSHAKE, State.WAITING, ()),
        (Mode.STRICT, State.CLOSED, (Effect.REJECT,)),
    ],
)
def test_machine_opens_without_credentials(mode: Mode, state: State, effects: tuple[Effect, ...]) -> None:
    machine = AuthMachine(mode, TIMEOUT)
    assert machine.anonymous(0.0) == effects
    assert machine.state is state


@pytest.mark.parametrize("mode", Mode)
def test_machine_opens_with_good_credentials_in_every_mode(mode: Mode) -> None:
    machine = AuthMachine(mode, TIMEOUT, ADDRESS)
    assert machine.verified(ANNA, 0.0) == (Effect.BECOME,)
    assert machine.identity(0.0) == ANNA


@pytest.mark.parametrize("mode", Mode)
def test_machine_rejects_bad_credentials_of_the_upgrade_in_every_mode(mode: Mode) -> None:
    machine = AuthMachine(mode, TIMEOUT)
    assert machine.refused(0.0) == (Effect.REJECT,)
    assert machine.state is State.CLOSED


def test_handshake_completes_in_time() -> None:
    machine = opened(Mode.HANDSHAKE)
    assert machine.credentials(1.0) == (Effect.VERIFY,)
    assert machine.verified(ANNA, 2.0) == (Effect.BECOME, Effect.CONFIRM)
    assert machine.identity(2.0) == ANNA
    assert machine.deadline() is None


def test_handshake_times_out_while_credentials_are_checked() -> None:
    machine = opened(Mode.HANDSHAKE)
    machine.credentials(1.0)
    assert machine.on_time(TIMEOUT) == (Effect.FAIL, Effect.CLOSE)
    assert machine.verified(ANNA, TIMEOUT + 1) == ()
    assert machine.identity(TIMEOUT + 1) == Public(ADDRESS)


def test_handshake_fails_on_any_other_message() -> None:
    machine = opened(Mode.HANDSHAKE)
    assert machine.other(1.0) == (Effect.FAIL, Effect.CLOSE)


def test_verified_user_whose_token_expired_meanwhile_is_refused() -> None:
    machine = opened(Mode.HANDSHAKE)
    machine.credentials(1.0)
    assert machine.verified(User("anna", expires=2.0), 2.0) == (Effect.FAIL, Effect.CLOSE)


def test_identity_ends_at_the_moment_of_expiry_even_if_no_timer_fired() -> None:
    machine = opened(Mode.STRICT, User("anna", expires=100.0))
    assert machine.identity(99.999) == User("anna", expires=100.0)
    assert machine.identity(100.0) == Public(ADDRESS)
    assert machine.state is State.AUTHENTICATED


def test_message_after_a_late_timer_is_judged_after_the_expiry() -> None:
    machine = opened(Mode.STRICT, User("anna", expires=100.0))
    assert machine.other(103.0) == (Effect.BECOME, Effect.EXPIRE, Effect.PERFORM)
    assert machine.deadline() == 103.0 + TIMEOUT


@pytest.mark.parametrize(
    ("mode", "effects", "state"),
    [
        (Mode.PUBLIC, (Effect.TIME_OUT,), State.PUBLIC),
        (Mode.HANDSHAKE, (Effect.TIME_OUT, Effect.CLOSE), State.CLOSED),
        (Mode.STRICT, (Effect.TIME_OUT, Effect.CLOSE), State.CLOSED),
    ],
)
def test_expired_connection_times_out(mode: Mode, effects: tuple[Effect, ...], state: State) -> None:
    machine = opened(mode, User("anna", expires=100.0))
    machine.on_time(100.0)
    assert machine.on_time(100.0 + TIMEOUT - 0.001) == ()
    assert machine.on_time(100.0 + TIMEOUT) == effects
    assert machine.state is state


def test_new_credentials_before_expiry_prolong_silently() -> None:
    machine = opened(Mode.HANDSHAKE, User("anna", expires=100.0))
    machine.credentials(99.0)
    assert machine.verified(User("anna", expires=200.0), 99.5) == (Effect.BECOME, Effect.CONFIRM)
    assert machine.on_time(150.0) == ()
    assert machine.deadline() == 200.0


@pytest.mark.parametrize(
    ("mode", "effects"),
    [
        (Mode.PUBLIC, (Effect.BECOME, Effect.FAIL)),
        (Mode.HANDSHAKE, (Effect.FAIL, Effect.CLOSE)),
        (Mode.STRICT, (Effect.FAIL, Effect.CLOSE)),
    ],
)
def test_failed_credentials_and_revocation_end_the_user(mode: Mode, effects: tuple[Effect, ...]) -> None:
    for event in (AuthMachine.refused, AuthMachine.revoked):
        machine = opened(mode, ANNA)
        assert event(machine, 1.0) == effects
        assert machine.identity(1.0) == Public(ADDRESS)


def test_impossible_input_is_a_fault_of_the_caller() -> None:
    with pytest.raises(AssertionError):
        AuthMachine(Mode.PUBLIC, TIMEOUT).other(0.0)


Life = list[tuple[str, float, float | None]]
LIVES: st.SearchStrategy[Life] = st.lists(
    st.tuples(
        st.sampled_from(
            ["credentials", "verified", "refused", "other", "on_time", "revoked", "rights_changed", "close"]
        ),
        st.floats(0.0, 8.0),
        st.none() | st.floats(-2.0, 12.0),
    ),
    max_size=30,
)


@given(mode=st.sampled_from(Mode), url_user=st.booleans(), life=LIVES)
def test_any_life_keeps_the_rules(mode: Mode, url_user: bool, life: Life) -> None:
    machine = AuthMachine(mode, TIMEOUT, ADDRESS)
    now = 1000.0
    known: User | None = User("url") if url_user else None
    if known is None:
        machine.anonymous(now)
    else:
        machine.verified(known, now)
    for number, (name, passed, lifetime) in enumerate(life):
        now += passed
        closed = machine.state is State.CLOSED
        effects: tuple[Effect, ...] = ()
        if name == "verified":
            expires = None if lifetime is None else now + lifetime
            candidate = User(f"user{number}", expires=expires)
            effects = machine.verified(candidate, now)
            if Effect.CONFIRM in effects:
                known = candidate
        elif name == "close":
            machine.close(now)
        else:
            effects = getattr(machine, name)(now)

        identity = machine.identity(now)
        assert identity == Public(ADDRESS) or identity == known
        assert (identity == known) <= (machine.state is State.AUTHENTICATED)
        assert not (closed and effects)
        assert (Effect.CLOSE in effects) == (not closed and machine.state is State.CLOSED and name != "close")
        assert not (Effect.CLOSE in effects and mode is Mode.PUBLIC)
        if Effect.CONFIRM in effects:
            assert effects.index(Effect.BECOME) < effects.index(Effect.CONFIRM)
        deadline = machine.deadline()
        assert deadline is None or deadline > now
        if machine.state is State.CLOSED:
            assert deadline is None
            assert not machine.admitted
