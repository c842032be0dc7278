"""Every form a message may have, and what each malformed one is told."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.logs.messages import Message, Subscribe, Unsubscribe, parse
from tidegate.realtime.json_answers import error
from tidegate.realtime.json_messages import Auth, Malformed, Ping, Unknown
from tidegate.realtime.verify import Credentials, Password, Refresh, Token


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"type": "auth", "access_token": "t"}, Auth(access_token="t")),
        ({"type": "auth", "email": "e", "password": "p", "otp": "1"}, Auth(email="e", password="p", otp="1")),
        ({"type": "auth", "refresh_token": "r", "uid": 7}, Auth(refresh_token="r", uid=7)),
        ({"type": "auth"}, Auth()),
        ({"type": "auth", "access_token": 5}, Auth()),
        ({"type": "subscribe", "log_level": "warn"}, Subscribe("warn")),
        ({"type": "subscribe", "log_level": "shout", "uid": "u", "more": 1}, Subscribe("shout", "u")),
        ({"type": "unsubscribe"}, Unsubscribe()),
        ({"type": "ping", "uid": 1.5}, Ping(1.5)),
        ({"type": "pong"}, Unknown()),
        ({"type": "items", "action": "read"}, Unknown()),
    ],
)
def test_message(value: dict[str, Any], message: Message) -> None:
    assert parse(json.dumps(value)) == message
    assert parse(json.dumps(value).encode()) == message


@pytest.mark.parametrize(
    ("frame", "type_"),
    [
        ("", "server"),
        ("hello", "server"),
        (b"\xff\xfe", "server"),
        (b'{"type":"\xff"}', "server"),
        ("[" * 100_000, "server"),
        ("null", "server"),
        ("[]", "server"),
        ("{}", "server"),
        ('{"type":1}', "server"),
        ('{"type":"subscribe"}', "subscribe"),
        ('{"type":"subscribe","log_level":40}', "subscribe"),
        ('{"type":"subscribe","log_level":null}', "subscribe"),
        ('{"type":"unsubscribe","uid":{}}', "unsubscribe"),
    ],
)
def test_malformed_message_is_told_so(frame: str | bytes, type_: str) -> None:
    message = parse(frame)
    assert isinstance(message, Malformed)
    assert (message.type, message.error.code) == (type_, "INVALID_PAYLOAD")


@given(st.text() | st.binary())
def test_no_frame_whatever_raises(frame: str | bytes) -> None:
    assert isinstance(parse(frame), msgspec.Struct)


def test_error_echoes_the_uid() -> None:
    message = parse('{"type":"subscribe"}')
    assert isinstance(message, Malformed)
    told = json.loads(error(message.type, message.error, "u"))
    assert told["uid"] == "u"
    assert told["error"]["code"] == "INVALID_PAYLOAD"


@pytest.mark.parametrize(
    ("message", "credentials"),
    [
        (Auth(access_token="t"), Token("t")),
        (Auth(refresh_token="r"), Refresh("r")),
        (Auth(email="e", password="p"), Password("e", "p")),
        (Auth(email="e", password="p", otp="1"), Password("e", "p", "1")),
        (Auth(email="e"), None),
        (Auth(password="p"), None),
        (Auth(), None),
        (Auth(access_token="t", refresh_token="r"), None),
        (Auth(access_token="t", email="e"), None),
    ],
)
def test_credentials_of_a_message(message: Auth, credentials: Credentials | None) -> None:
    assert message.credentials() == credentials
