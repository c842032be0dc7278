"""Connections of the logs endpoint in every mode: what is said, and who gets records."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.access.identity import User
from tidegate.logs.machine import LogsMachine, Rules, offered
from tidegate.logs.messages import Message, Subscribe, Unsubscribe, parse
from tidegate.realtime.auth import AuthMachine, Mode, State
from tidegate.realtime.json_machine import Verify
from tidegate.realtime.json_messages import Auth, Ping, Unknown
from tidegate.realtime.machine import Effect, Hangup, Say

NOW = 1_700_000_000.0
TIMEOUT = 10.0
RULES = Rules(offered("info"))


def admin(expires: float | None = None) -> User:
    return User("admin", expires=expires)


def waiting(rules: Rules = RULES) -> LogsMachine:
    """In mode `handshake`, just accepted."""
    auth = AuthMachine(Mode.HANDSHAKE, TIMEOUT)
    auth.anonymous(NOW)
    return LogsMachine(auth, rules, NOW)


def anonymous(rules: Rules = RULES) -> LogsMachine:
    """In mode `public`, just accepted."""
    auth = AuthMachine(Mode.PUBLIC, TIMEOUT)
    auth.anonymous(NOW)
    return LogsMachine(auth, rules, NOW)


def admitted(mode: Mode = Mode.HANDSHAKE, expires: float | None = None, rules: Rules = RULES) -> LogsMachine:
    """Opened with an administrator's token in the URL."""
    auth = AuthMachine(mode, TIMEOUT)
    auth.verified(admin(expires), NOW)
    return LogsMachine(auth, rules, NOW)


def test_client_that_answers_no_ping_is_closed() -> None:
    machine = admitted(rules=Rules(offered("info"), heartbeat_period=30.0))
    assert machine.deadline() == NOW + 30
    assert machine.on_time(NOW + 29) == []
    assert said(machine.on_time(NOW + 30)) == [{"type": "ping"}]
    assert machine.received(parse('{"type":"pong"}'), NOW + 31) == []
    assert said(machine.on_time(NOW + 60)) == [{"type": "ping"}]
    assert machine.on_time(NOW + 90) == [Hangup()]
    assert machine.deadline() is None


def test_client_that_is_not_admitted_yet_is_not_pinged() -> None:
    machine = waiting(Rules(offered("info"), heartbeat_period=1.0))
    assert machine.deadline() == NOW + TIMEOUT
    machine.received(Auth(access_token="t"), NOW + 1)
    machine.verified(admin(), None, NOW + 2)
    assert machine.deadline() == NOW + 3


def said(effects: list[Effect]) -> list[Any]:
    """What is said, without the sentences of errors; `closed` and `verify` for what else is done."""
    told: list[Any] = []
    for effect in effects:
        match effect:
            case Say(text):
                answer = json.loads(text)
                if "error" in answer:
                    answer["error"] = answer["error"]["code"]
                told.append(answer)
            case Verify():
                told.append("verify")
            case Hangup():
                told.append("closed")
    return told


def fault(code: str, type_: str = "auth", **more: Any) -> dict[str, Any]:
    return {"type": type_, "status": "error", "error": code, **more}


FAILED = [fault("AUTH_FAILED"), "closed"]


@pytest.mark.parametrize(
    ("lowest", "names"),
    [
        ("trace", ["trace", "debug", "info", "warn", "error", "fatal"]),
        ("error", ["error", "fatal"]),
        ("silent", []),
    ],
)
def test_offered_levels_are_those_from_the_lowest_up(lowest: str, names: list[str]) -> None:
    assert list(offered(lowest)) == names


def test_administrator_passes_the_handshake() -> None:
    machine = waiting()
    assert said(machine.received(Auth(access_token="t", uid=1), NOW)) == ["verify"]
    assert said(machine.verified(admin(), None, NOW)) == [{"type": "auth", "status": "ok", "uid": 1}]


def test_administrator_with_a_password_gets_a_refresh_token() -> None:
    machine = waiting()
    machine.received(Auth(email="e", password="p"), NOW)
    answer = {"type": "auth", "status": "ok", "refresh_token": "r"}
    assert said(machine.verified(admin(), "r", NOW)) == [answer]


def test_bad_credentials_fail() -> None:
    for machine, told in ((waiting(), FAILED), (anonymous(), [fault("AUTH_FAILED", uid=1)])):
        machine.received(Auth(access_token="t", uid=1), NOW)
        assert said(machine.refused(NOW)) == told


@pytest.mark.parametrize("message", [Subscribe("info"), Unsubscribe(), Ping(), Unknown(), parse("nonsense")])
def test_first_message_must_be_credentials(message: Message) -> None:
    assert said(waiting().received(message, NOW)) == FAILED


def test_handshake_that_takes_too_long_fails() -> None:
    machine = waiting()
    assert machine.deadline() == NOW + TIMEOUT
    assert said(machine.on_time(NOW + TIMEOUT)) == FAILED
    assert said(machine.received(Auth(access_token="t"), NOW + TIMEOUT)) == []


def test_credentials_that_arrive_with_the_timeout_come_too_late() -> None:
    assert said(waiting().received(Auth(access_token="t"), NOW + TIMEOUT)) == FAILED


def test_administrator_subscribes_and_unsubscribes() -> None:
    machine = admitted()
    assert not machine.following
    assert said(machine.received(Subscribe("warn", "u"), NOW)) == [
        {"type": "logs", "event": "subscribe", "log_level": "warn", "uid": "u"}
    ]
    assert [machine.wants(level, NOW) for level in (30, 40, 60)] == [False, True, True]
    assert said(machine.received(Unsubscribe(), NOW)) == [{"type": "logs", "event": "unsubscribe"}]
    assert not machine.wants(60, NOW)


def test_second_subscription_replaces_the_first() -> None:
    machine = admitted()
    machine.received(Subscribe("error"), NOW)
    machine.received(Subscribe("info"), NOW)
    assert machine.wants(30, NOW)


@pytest.mark.parametrize("level", ["shout", "", "WARN", "debug", "silent"])
def test_level_that_is_not_offered_is_invalid_and_changes_nothing(level: str) -> None:
    machine = admitted()
    machine.received(Subscribe("warn"), NOW)
    assert said(machine.received(Subscribe(level, 1), NOW)) == [fault("INVALID_PAYLOAD", "logs", uid=1)]
    assert machine.wants(40, NOW)
    assert not machine.wants(30, NOW)


def test_nobody_may_not_subscribe() -> None:
    machine = anonymous()
    assert said(machine.received(Subscribe("info", 1), NOW)) == [fault("FORBIDDEN", "logs", uid=1)]
    assert not machine.following


def test_nobody_may_unsubscribe() -> None:
    assert said(anonymous().received(Unsubscribe(), NOW)) == [{"type": "logs", "event": "unsubscribe"}]


def test_ping_is_answered_and_unknown_types_are_not() -> None:
    machine = anonymous()
    assert said(machine.received(Ping(1), NOW)) == [{"type": "pong", "uid": 1}]
    assert said(machine.received(Unknown(), NOW)) == []


def test_nonsense_is_told_so_and_the_connection_stays() -> None:
    machine = admitted()
    assert said(machine.received(parse("nonsense"), NOW)) == [fault("INVALID_PAYLOAD", "server")]
    assert said(machine.received(Ping(), NOW)) == [{"type": "pong"}]


def test_malformed_message_of_a_known_type_is_answered_as_the_endpoint_answers() -> None:
    machine = admitted()
    told = [fault("INVALID_PAYLOAD", "logs", uid=1)]
    assert said(machine.received(parse('{"type":"subscribe","uid":1}'), NOW)) == told


def test_expired_administrator_gets_no_records_until_authenticated_again() -> None:
    machine = admitted(expires=NOW + 5)
    machine.received(Subscribe("info"), NOW)
    assert not machine.wants(60, NOW + 5), "even where the timer is late"
    assert said(machine.on_time(NOW + 5)) == [fault("TOKEN_EXPIRED")]
    assert said(machine.received(Subscribe("info"), NOW + 5)) == [fault("FORBIDDEN", "logs")]
    machine.received(Auth(access_token="t", uid=2), NOW + 6)
    assert said(machine.verified(admin(), None, NOW + 6)) == [{"type": "auth", "status": "ok", "uid": 2}]
    assert machine.wants(60, NOW + 6)


def test_expired_administrator_who_stays_silent_is_closed() -> None:
    machine = admitted(expires=NOW + 5)
    machine.on_time(NOW + 5)
    assert said(machine.on_time(NOW + 5 + TIMEOUT)) == [fault("AUTH_TIMEOUT"), "closed"]


def test_demoted_administrator_stops_receiving() -> None:
    for mode, told in ((Mode.STRICT, FAILED), (Mode.PUBLIC, [fault("AUTH_FAILED")])):
        machine = admitted(mode)
        machine.received(Subscribe("info"), NOW)
        assert said(machine.revoked(NOW)) == told
        assert not machine.wants(60, NOW)
        assert machine.user(NOW) is None


def test_closed_connection_follows_nothing() -> None:
    machine = admitted()
    machine.received(Subscribe("info"), NOW)
    machine.hung_up(NOW)
    assert not machine.following
    assert not machine.wants(60, NOW)
    assert said(machine.received(Ping(), NOW)) == []
    assert said(machine.verified(admin(), None, NOW)) == []


def test_messages_over_the_limit_are_refused_and_not_performed() -> None:
    machine = admitted(rules=Rules(offered("info"), message_points=1, message_duration=60))
    machine.received(Ping(), NOW)
    assert said(machine.received(Subscribe("info"), NOW)) == [fault("REQUESTS_EXCEEDED", "server")]
    assert said(machine.received(Auth(access_token="t"), NOW)) == [fault("REQUESTS_EXCEEDED", "server")]
    assert not machine.following
    assert said(machine.received(Ping(), NOW + 60)) == [{"type": "pong"}]


def test_message_that_completes_the_handshake_is_not_counted() -> None:
    machine = waiting(Rules(offered("info"), message_points=1, message_duration=60))
    machine.received(Auth(access_token="t"), NOW)
    machine.verified(admin(), None, NOW)
    assert said(machine.received(Ping(), NOW)) == [{"type": "pong"}]
    assert said(machine.received(Ping(), NOW)) == [fault("REQUESTS_EXCEEDED", "server")]


class Life:
    """A connection beside a model, which knows only until when an administrator's credentials are good."""

    def __init__(self, mode: Mode) -> None:
        self.now = NOW
        self.auth = AuthMachine(mode, TIMEOUT)
        self.good_until = 0.0
        if mode is Mode.STRICT:
            self.auth.verified(admin(), NOW)
            self.good_until = float("inf")
        else:
            self.auth.anonymous(NOW)
        self.machine = LogsMachine(self.auth, RULES, NOW)

    def authenticate(self, user: User | None) -> None:
        """With an administrator's credentials, or (None) with others."""
        if not any(isinstance(effect, Verify) for effect in self.machine.received(Auth(access_token="t"), self.now)):
            return
        self.good_until = 0.0
        if user is None:
            self.machine.refused(self.now)
        else:
            self.machine.verified(user, None, self.now)
            self.good_until = user.expires or float("inf")

    def revoke(self) -> None:
        self.good_until = 0.0
        self.machine.revoked(self.now)


STEPS: dict[str, Callable[[Life], object]] = {
    "good": lambda life: life.authenticate(admin()),
    "expiring": lambda life: life.authenticate(admin(life.now + 5)),
    "bad": lambda life: life.authenticate(None),
    "subscribe": lambda life: life.machine.received(Subscribe("info"), life.now),
    "unsubscribe": lambda life: life.machine.received(Unsubscribe(), life.now),
    "nonsense": lambda life: life.machine.received(parse("nonsense"), life.now),
    "revoked": lambda life: life.revoke(),
    "time": lambda life: life.machine.on_time(life.now),
    "close": lambda life: life.machine.hung_up(life.now),
}


@given(st.sampled_from(Mode), st.lists(st.tuples(st.sampled_from(list(STEPS)), st.floats(0, 20)), max_size=25))
def test_records_go_only_to_administrators_whose_credentials_are_good(
    mode: Mode, steps: list[tuple[str, float]]
) -> None:
    life = Life(mode)
    for step, pause in steps:
        life.now += pause
        STEPS[step](life)
        good = life.now < life.good_until and life.auth.state is not State.CLOSED
        assert good or not life.machine.wants(60, life.now)
        assert not life.machine.wants(20, life.now), "a level that is not offered"
