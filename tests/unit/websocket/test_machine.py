"""The flow of messages: what is said and done in which order, by passing messages and numbers in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.access.identity import Public, User
from tidegate.errors import InvalidPayload
from tidegate.realtime.auth import AuthMachine, Mode
from tidegate.realtime.json_machine import Become, Verify
from tidegate.realtime.json_messages import Auth, Malformed, Ping, Pong, Unknown
from tidegate.realtime.machine import Effect, Hangup, Rules, Say
from tidegate.websocket.machine import MAX_PENDING, MessageMachine, Perform
from tidegate.websocket.messages import Items, Message, Resubscribe, Subscribe, Unsubscribe

ANNA = User("anna")
READ = Items("read", "messages", uid=1)
LIVELY = Rules(heartbeat_period=30.0)


def opened(mode: Mode, rules: Rules = LIVELY, user: User | None = None, timeout: float = 10.0) -> MessageMachine:
    auth = AuthMachine(mode, timeout)
    if user is None:
        auth.anonymous(0.0)
    else:
        auth.verified(user, 0.0)
    return MessageMachine(auth, rules, 0.0)


def told(effects: list[Effect]) -> list[Any]:
    """What was said, decoded; other effects by their class."""
    return [json.loads(effect.text) if isinstance(effect, Say) else type(effect) for effect in effects]


def auth_error(code: str, **extra: Any) -> dict[str, Any]:
    sentences = {
        "AUTH_FAILED": "Authentication failed.",
        "TOKEN_EXPIRED": "Token expired.",
        "AUTH_TIMEOUT": "Authentication timed out.",
    }
    return {"type": "auth", "status": "error", "error": {"code": code, "message": sentences[code]}, **extra}


def test_handshake_confirms_with_uid_and_refresh_token() -> None:
    machine = opened(Mode.HANDSHAKE)
    message = Auth(access_token="t", uid="hello")
    assert machine.received(message, 1.0) == [Verify(message)]
    assert told(machine.verified(ANNA, "r", 2.0)) == [
        Become,
        {"type": "auth", "status": "ok", "uid": "hello", "refresh_token": "r"},
    ]
    assert machine.identity(2.0) == ANNA


@pytest.mark.parametrize(
    "message", [READ, Ping("p"), Pong(), Unknown(), Malformed("server", InvalidPayload("x")), Subscribe("messages")]
)
def test_handshake_fails_on_any_other_first_message(message: Message) -> None:
    machine = opened(Mode.HANDSHAKE)
    assert told(machine.received(message, 1.0)) == [auth_error("AUTH_FAILED"), Hangup]
    assert machine.closed


def test_handshake_fails_without_echo_of_the_uid() -> None:
    machine = opened(Mode.HANDSHAKE)
    machine.received(Auth(access_token="t", uid="u1"), 1.0)
    assert told(machine.refused(2.0)) == [auth_error("AUTH_FAILED"), Hangup]


def test_handshake_with_a_token_that_expires_while_it_is_checked_fails_without_echo_of_the_uid() -> None:
    machine = opened(Mode.HANDSHAKE)
    machine.received(Auth(access_token="t", uid="u1"), 1.0)
    assert told(machine.verified(User("anna", expires=2.0), None, 2.0)) == [auth_error("AUTH_FAILED"), Hangup]


def test_later_failure_echoes_the_uid() -> None:
    machine = opened(Mode.PUBLIC, user=ANNA)
    machine.received(Auth(access_token="t", uid="u1"), 1.0)
    assert told(machine.refused(2.0)) == [Become, auth_error("AUTH_FAILED", uid="u1")]
    assert machine.identity(2.0) == Public()


def test_handshake_times_out() -> None:
    machine = opened(Mode.HANDSHAKE)
    assert machine.deadline() == 10.0
    assert machine.on_time(9.9) == []
    assert told(machine.on_time(10.0)) == [auth_error("AUTH_FAILED"), Hangup]
    assert machine.deadline() is None
    assert machine.received(READ, 11.0) == []


def test_messages_behind_the_handshake_wait_for_it() -> None:
    machine = opened(Mode.HANDSHAKE)
    machine.received(Auth(access_token="t"), 1.0)
    assert machine.received(Ping("p"), 1.0) == []
    assert machine.received(READ, 1.0) == []
    effects = machine.verified(ANNA, None, 2.0)
    assert told(effects) == [Become, {"type": "auth", "status": "ok"}, {"type": "pong", "uid": "p"}, Perform]


def test_messages_are_performed_one_at_a_time_in_order() -> None:
    machine = opened(Mode.PUBLIC)
    first, second, third = Subscribe("a"), READ, Unsubscribe()
    assert machine.received(first, 1.0) == [Perform(first)]
    assert machine.received(second, 1.0) == []
    assert machine.received(Malformed("server", InvalidPayload("x")), 1.0) == []
    assert machine.received(third, 1.0) == []
    assert machine.performed(2.0) == [Perform(second)]
    assert [type(effect) for effect in machine.performed(3.0)] == [Say, Perform]
    assert machine.performed(4.0) == []


def test_ping_is_answered_while_a_message_is_performed() -> None:
    machine = opened(Mode.PUBLIC)
    machine.received(READ, 1.0)
    assert told(machine.received(Ping("now"), 1.0)) == [{"type": "pong", "uid": "now"}]


def test_ping_has_no_answer_without_heartbeat() -> None:
    machine = opened(Mode.PUBLIC, Rules())
    assert machine.received(Ping(), 1.0) == []
    assert machine.deadline() is None


def test_unknown_types_and_pongs_have_no_answer() -> None:
    machine = opened(Mode.PUBLIC)
    assert machine.received(Unknown(), 1.0) == []
    assert machine.received(Pong(), 1.0) == []


def test_reading_stops_when_too_much_waits() -> None:
    machine = opened(Mode.PUBLIC)
    for _ in range(MAX_PENDING):
        machine.received(READ, 1.0)
        assert not machine.full
    machine.received(READ, 1.0)
    assert machine.full
    machine.performed(1.0)
    assert not machine.full


def test_silent_client_is_pinged_and_then_hung_up_on() -> None:
    machine = opened(Mode.STRICT, user=ANNA)
    assert machine.deadline() == 30.0
    assert told(machine.on_time(30.0)) == [{"type": "ping"}]
    assert machine.on_time(59.9) == []
    assert machine.on_time(60.0) == [Hangup()]
    assert machine.closed


def test_client_that_sends_anything_is_kept() -> None:
    machine = opened(Mode.STRICT, user=ANNA)
    for period in range(1, 5):
        assert told(machine.on_time(period * 30.0)) == [{"type": "ping"}]
        machine.received(Unknown(), period * 30.0 + 10)


def test_heartbeat_begins_with_the_admission() -> None:
    machine = opened(Mode.HANDSHAKE, timeout=100.0)
    assert machine.on_time(31.0) == []
    machine.received(Auth(access_token="t"), 40.0)
    machine.verified(ANNA, None, 41.0)
    assert machine.deadline() == 71.0


def test_expiry_is_told_and_messages_go_on_as_nobody() -> None:
    machine = opened(Mode.STRICT, user=User("anna", expires=20.0))
    assert machine.deadline() == 20.0
    assert told(machine.on_time(20.0)) == [Become, auth_error("TOKEN_EXPIRED")]
    assert machine.received(READ, 21.0) == [Perform(READ)]
    assert machine.identity(21.0) == Public()
    assert told(machine.on_time(30.0)) == [auth_error("AUTH_TIMEOUT"), Hangup]


def test_message_that_finds_the_token_expired_is_performed_after_the_client_is_told() -> None:
    machine = opened(Mode.PUBLIC, user=User("anna", expires=20.0))
    assert told(machine.received(READ, 25.0)) == [Become, auth_error("TOKEN_EXPIRED"), Perform]


def test_revocation_ends_the_connection_and_what_waits() -> None:
    machine = opened(Mode.STRICT, user=ANNA)
    machine.received(READ, 1.0)
    machine.received(READ, 1.0)
    assert told(machine.revoked(2.0)) == [auth_error("AUTH_FAILED"), Hangup]
    assert machine.performed(3.0) == []


def test_messages_over_the_limit_are_told_so_in_their_turn() -> None:
    machine = opened(Mode.HANDSHAKE, Rules(message_points=2, message_duration=60.0))
    machine.received(Auth(access_token="t"), 0.0)
    machine.verified(ANNA, None, 0.0)
    assert machine.received(READ, 1.0) == [Perform(READ)]
    assert machine.received(READ, 1.0) == []
    assert machine.received(READ, 1.0) == []
    assert machine.performed(1.0) == [Perform(READ)]
    assert told(machine.performed(1.0)) == [
        {
            "type": "server",
            "status": "error",
            "error": {"code": "REQUESTS_EXCEEDED", "message": "Too many requests."},
        }
    ]
    assert machine.received(READ, 61.0) == [Perform(READ)]


def test_pongs_over_the_limit_are_not_scolded() -> None:
    machine = opened(Mode.PUBLIC, Rules(message_points=1, message_duration=60.0))
    assert [machine.received(Pong(), 1.0) for _ in range(3)] == [[], [], []]


MESSAGES: list[Message] = [
    Auth(access_token="t", uid=1),
    READ,
    Subscribe("a"),
    Ping(),
    Pong(),
    Unknown(),
    Malformed("items", InvalidPayload("x"), 2),
]


def take(
    machine: MessageMachine, step: Message | str, running: Effect | None, expires: float | None, now: float
) -> list[Effect] | None:
    """What follows from the step; None where it cannot happen now."""
    match step:
        case "verified" | "refused" if not isinstance(running, Verify):
            return None
        case "performed" if not isinstance(running, Perform):
            return None
        case "verified":
            return machine.verified(User("anna", expires=expires), None, now)
        case "refused":
            return machine.refused(now)
        case "performed":
            return machine.performed(now)
        case "hung_up":
            machine.hung_up(now)
            return []
        case "revoked":
            return machine.revoked(now)
        case str():
            return machine.on_time(now)
    return machine.received(step, now)


@given(
    mode=st.sampled_from([Mode.PUBLIC, Mode.HANDSHAKE]),
    steps=st.lists(
        st.tuples(
            st.sampled_from([*MESSAGES, "verified", "refused", "performed", "on_time", "revoked", "hung_up"]),
            st.floats(0.0, 20.0),
            st.none() | st.floats(-1.0, 50.0),
        ),
        max_size=40,
    ),
)
def test_any_flow_performs_one_message_at_a_time_and_ends_silently(
    mode: Mode, steps: list[tuple[Message | str, float, float | None]]
) -> None:
    machine = opened(mode, Rules(heartbeat_period=25.0, message_points=5, message_duration=10.0))
    now = 0.0
    running: Effect | None = None
    for step, passed, lifetime in steps:
        now += passed
        closed_before = machine.closed
        effects = take(machine, step, running, None if lifetime is None else now + lifetime, now)
        if effects is None:
            continue
        if step in {"verified", "refused", "performed"}:
            running = None
        begun = [effect for effect in effects if isinstance(effect, Verify | Perform)]
        assert len(begun) <= (0 if running else 1)
        running = begun[0] if begun else running
        assert not (closed_before and effects)
        assert (Hangup() in effects) <= (effects[-1:] == [Hangup()] and machine.closed)
        assert not machine.closed or machine.deadline() is None


def test_missed_changes_take_their_turn_among_the_messages_and_once() -> None:
    machine = opened(Mode.STRICT, user=ANNA)
    assert machine.received(READ, 1.0) == [Perform(READ)]
    assert machine.changes_missed(1.0) == []
    assert machine.changes_missed(1.0) == []
    assert machine.performed(2.0) == [Perform(Resubscribe())]
    assert machine.performed(3.0) == []


def test_missed_changes_do_not_disturb_a_handshake() -> None:
    machine = opened(Mode.HANDSHAKE)
    assert machine.changes_missed(1.0) == []
    assert not machine.closed
