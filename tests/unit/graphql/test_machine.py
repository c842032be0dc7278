"""GraphQL connections in every mode: what is said, what runs, and how it ends."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.access.identity import Public, User
from tidegate.graphql.machine import (
    FORBIDDEN,
    INIT_TIMEOUT,
    INIT_TWICE,
    INVALID_MESSAGE,
    TERMINATED,
    UNAUTHORIZED,
    GraphQLMachine,
    Rules,
    Run,
    Stop,
    Verify,
)
from tidegate.graphql.messages import Message, parse
from tidegate.realtime.auth import AuthMachine, Mode
from tidegate.realtime.machine import Effect, Hangup, Say

NOW = 1_700_000_000.0
TIMEOUT = 10.0
RULES = Rules(TIMEOUT, operation_limit=3)
INIT = {"type": "connection_init"}
ACK = {"type": "connection_ack"}


def opened(mode: Mode, user: User | None = None, rules: Rules = RULES) -> GraphQLMachine:
    """Just accepted; with a user, with a token in the URL."""
    auth = AuthMachine(mode, TIMEOUT)
    if user is None:
        auth.anonymous(NOW)
    else:
        auth.verified(user, NOW)
    return GraphQLMachine(auth, rules, NOW)


def ready(rules: Rules = RULES, expires: float | None = None) -> GraphQLMachine:
    """A member who has been acknowledged."""
    machine = opened(Mode.HANDSHAKE, rules=rules)
    machine.received(message(**INIT, payload={"access_token": "t"}), NOW)
    assert said(machine.verified(User("member", expires=expires), NOW)) == [ACK]
    return machine


def message(**parts: Any) -> Message:
    return parse(json.dumps(parts))


def subscribe(name: str = "1") -> Message:
    return message(type="subscribe", id=name, payload={"query": "{ a }"})


def said(effects: list[Effect]) -> list[Any]:
    assert all(isinstance(effect, Say) for effect in effects), effects
    return [json.loads(effect.text) for effect in effects if isinstance(effect, Say)]


def test_handshake_with_good_token_is_acknowledged() -> None:
    machine = opened(Mode.HANDSHAKE)
    asked = machine.received(message(**INIT, payload={"access_token": "t"}), NOW)
    assert asked == [Verify("t")]
    assert not machine.acknowledged
    assert said(machine.verified(User("member"), NOW)) == [ACK]
    assert machine.identity(NOW) == User("member")


@pytest.mark.parametrize("payload", [None, {}, {"access_token": None}, {"token": "t"}])
def test_handshake_without_token_is_closed(payload: dict[str, Any] | None) -> None:
    machine = opened(Mode.HANDSHAKE)
    assert machine.received(message(**INIT, payload=payload), NOW) == [FORBIDDEN]
    assert machine.closed


@pytest.mark.parametrize("mode", Mode)
def test_bad_token_closes_in_every_mode(mode: Mode) -> None:
    machine = opened(mode, User("member") if mode is Mode.STRICT else None)
    machine.received(message(**INIT, payload={"access_token": "t"}), NOW)
    assert machine.refused(NOW) == [FORBIDDEN]
    assert machine.closed


def test_token_that_is_no_text_is_checked_and_not_passed_over() -> None:
    machine = opened(Mode.PUBLIC)
    assert machine.received(message(**INIT, payload={"access_token": 1}), NOW) == [Verify("")]


@pytest.mark.parametrize(("mode", "user"), [(Mode.PUBLIC, None), (Mode.HANDSHAKE, User("m")), (Mode.STRICT, User("m"))])
def test_who_is_known_or_may_be_nobody_needs_no_token(mode: Mode, user: User | None) -> None:
    machine = opened(mode, user)
    assert said(machine.received(message(**INIT), NOW)) == [ACK]
    assert machine.identity(NOW) == (user or Public())


@pytest.mark.parametrize(
    ("mode", "user", "ending"),
    [(Mode.HANDSHAKE, None, FORBIDDEN), (Mode.PUBLIC, None, INIT_TIMEOUT), (Mode.STRICT, User("m"), INIT_TIMEOUT)],
)
def test_client_that_does_not_begin_is_closed_in_time(mode: Mode, user: User | None, ending: Hangup) -> None:
    machine = opened(mode, user)
    assert machine.deadline() == NOW + TIMEOUT
    assert machine.on_time(NOW + TIMEOUT - 1) == []
    assert machine.on_time(NOW + TIMEOUT) == [ending]
    assert machine.deadline() is None


def test_second_initialisation_closes_also_while_the_first_is_checked() -> None:
    assert ready().received(message(**INIT), NOW) == [INIT_TWICE]
    machine = opened(Mode.HANDSHAKE)
    machine.received(message(**INIT, payload={"access_token": "t"}), NOW)
    assert machine.received(message(**INIT, payload={"access_token": "u"}), NOW) == [INIT_TWICE]


@pytest.mark.parametrize("mode", Mode)
def test_operation_before_acknowledgement_is_unauthorized(mode: Mode) -> None:
    """As CVE-2026-35523: nothing runs for who has not been acknowledged, whatever the mode."""
    machine = opened(mode, User("member") if mode is Mode.STRICT else None)
    assert machine.received(subscribe(), NOW) == [UNAUTHORIZED]
    checking = opened(mode, User("member") if mode is Mode.STRICT else None)
    checking.received(message(**INIT, payload={"access_token": "t"}), NOW)
    assert checking.received(subscribe(), NOW) == [UNAUTHORIZED]


def test_operations_of_one_connection_are_bounded() -> None:
    """As CVE-2026-35526."""
    machine = ready()
    for number in range(3):
        assert isinstance(machine.received(subscribe(str(number)), NOW)[0], Run)
    [refusal] = said(machine.received(subscribe("more"), NOW))
    assert (refusal["type"], refusal["id"]) == ("error", "more")
    assert refusal["payload"][0]["extensions"]["code"] == "REQUESTS_EXCEEDED"
    machine.finished("0")
    assert isinstance(machine.received(subscribe("more"), NOW)[0], Run)


def test_id_in_use_closes_and_free_one_is_taken_again() -> None:
    machine = ready()
    machine.received(subscribe("a"), NOW)
    assert machine.received(message(type="complete", id="a"), NOW) == [Stop("a")]
    assert machine.received(message(type="complete", id="a"), NOW) == []
    assert isinstance(machine.received(subscribe("a"), NOW)[0], Run)
    assert machine.received(subscribe("a"), NOW) == [Hangup(4409, "Subscriber for a already exists")]


def test_close_reason_fits_its_frame_whatever_the_id() -> None:
    machine = ready()
    machine.received(subscribe("ü" * 500), NOW)
    [hangup] = machine.received(subscribe("ü" * 500), NOW)
    assert isinstance(hangup, Hangup)
    assert len(hangup.reason.encode()) <= 123


@pytest.mark.parametrize("text", ["", "[]", "1", '{"type":"bogus"}', '{"type":"subscribe","id":"1"}', "\0"])
def test_message_that_is_none_closes(text: str) -> None:
    assert ready().received(parse(text), NOW) == [INVALID_MESSAGE]


@pytest.mark.parametrize(
    "parts",
    [
        {"type": "subscribe", "id": "", "payload": {"query": "{a}"}},
        {"type": "subscribe", "id": 1, "payload": {"query": "{a}"}},
        {"type": "subscribe", "id": "1", "payload": {"query": 1}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": []}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{a}", "operationName": 1}},
        {"type": "complete"},
        {"type": "ping", "payload": []},
        {"type": "connection_init", "payload": "t"},
        {"type": ["ping"]},
    ],
)
def test_message_with_wrong_parts_closes(parts: dict[str, Any]) -> None:
    assert ready().received(message(**parts), NOW) == [INVALID_MESSAGE]


def test_binary_frame_closes() -> None:
    assert ready().received(parse(b'{"type":"ping"}'), NOW) == [INVALID_MESSAGE]


def test_ping_is_answered_with_its_payload_also_before_the_handshake() -> None:
    machine = opened(Mode.HANDSHAKE)
    assert said(machine.received(message(type="ping"), NOW)) == [{"type": "pong"}]
    assert said(machine.received(message(type="ping", payload={"x": 1}), NOW)) == [
        {"type": "pong", "payload": {"x": 1}}
    ]
    assert machine.received(message(type="pong"), NOW) == []


def test_client_that_answers_no_ping_is_terminated() -> None:
    machine = ready(Rules(TIMEOUT, operation_limit=3, heartbeat_period=30.0))
    assert machine.deadline() == NOW + 30
    assert machine.on_time(NOW + 29) == []
    assert said(machine.on_time(NOW + 30)) == [{"type": "ping"}]
    assert machine.received(message(type="pong"), NOW + 31) == []
    assert said(machine.on_time(NOW + 60)) == [{"type": "ping"}]
    assert machine.on_time(NOW + 90) == [TERMINATED]
    assert machine.closed
    assert machine.deadline() is None


def test_heartbeat_begins_with_the_acknowledgement() -> None:
    rules = Rules(TIMEOUT, operation_limit=3, heartbeat_period=1.0)
    machine = opened(Mode.PUBLIC, rules=rules)
    assert machine.on_time(NOW + 5) == []
    assert said(machine.received(message(**INIT), NOW + 5)) == [ACK]
    assert machine.deadline() == NOW + 6


def test_expiry_closes_at_its_moment_whatever_the_timer_does() -> None:
    machine = ready(expires=NOW + 60)
    assert machine.deadline() == NOW + 60
    assert machine.received(subscribe(), NOW + 60) == [FORBIDDEN]
    assert machine.identity(NOW + 60) == Public()
    assert machine.received(subscribe(), NOW + 61) == []


@pytest.mark.parametrize("mode", Mode)
def test_expiry_and_revocation_close_in_every_mode(mode: Mode) -> None:
    for end in (lambda machine: machine.on_time(NOW + 60), lambda machine: machine.revoked(NOW + 1)):
        ending: Callable[[GraphQLMachine], list[Effect]] = end
        machine = opened(mode, User("member", expires=NOW + 60))
        machine.received(message(**INIT), NOW)
        assert ending(machine) == [FORBIDDEN]
        assert machine.closed


def test_messages_beyond_the_rate_are_refused_and_complete_is_not() -> None:
    machine = ready(Rules(TIMEOUT, operation_limit=9, message_points=2, message_duration=1.0))
    assert isinstance(machine.received(subscribe("a"), NOW)[0], Run)
    assert said(machine.received(message(type="ping"), NOW)) == [{"type": "pong"}]
    [refusal] = said(machine.received(subscribe("b"), NOW))
    assert refusal["payload"][0]["extensions"]["code"] == "REQUESTS_EXCEEDED"
    assert machine.received(message(type="ping"), NOW) == []
    assert machine.received(message(type="complete", id="a"), NOW) == [Stop("a")]
    assert isinstance(machine.received(subscribe("b"), NOW + 1)[0], Run)


MESSAGES = st.sampled_from(
    [
        message(**INIT),
        message(**INIT, payload={"access_token": "t"}),
        message(type="ping"),
        subscribe("1"),
        subscribe("2"),
        message(type="complete", id="1"),
        parse("?"),
    ]
)


class Life:
    """A machine with its shell's part of the work, checked at every step."""

    def __init__(self, mode: Mode) -> None:
        self.machine = opened(mode, User("member") if mode is Mode.STRICT else None)
        self.now = NOW
        self.checking = self.acknowledged = False
        self.running: set[str] = set()

    def take(self, step: Message | str) -> None:
        was_closed = self.machine.closed
        effects = self._effects(step)
        assert not (was_closed and effects)
        for effect in effects:
            self._perform(effect)
        assert len(self.running) <= RULES.operation_limit

    def _effects(self, step: Message | str) -> list[Effect]:
        if step in ("good", "bad"):
            if not self.checking:
                return []
            self.checking = False
            if step == "good":
                return self.machine.verified(User("member"), self.now)
            return self.machine.refused(self.now)
        if step == "revoked":
            return self.machine.revoked(self.now)
        if step == "later":
            self.now += 1
            return self.machine.on_time(self.now)
        if step == "ended":
            if self.running:
                self.machine.finished(self.running.pop())
            return []
        assert not isinstance(step, str)
        return [] if self.checking else self.machine.received(step, self.now)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Verify():
                self.checking = True
            case Say(text) if json.loads(text) == ACK:
                self.acknowledged = True
            case Run(asked):
                assert self.acknowledged
                assert asked.id not in self.running
                self.running.add(asked.id)
            case Stop(name):
                self.running.remove(name)
            case Hangup():
                assert self.machine.closed
                self.running.clear()


@given(
    st.sampled_from(Mode), st.lists(st.one_of(MESSAGES, st.sampled_from(["good", "bad", "revoked", "later", "ended"])))
)
def test_nothing_runs_without_acknowledgement_nor_after_the_end(mode: Mode, steps: list[Message | str]) -> None:
    life = Life(mode)
    for step in steps:
        life.take(step)
