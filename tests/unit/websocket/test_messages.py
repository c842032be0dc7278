"""Messages at the edge: what is understood, and for each malformed form its own sentence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.realtime.json_messages import Auth, Malformed, Ping, Pong, Uid, Unknown
from tidegate.websocket.messages import Items, Message, Subscribe, Unsubscribe, parse, subscription_uid

DEEP = "[" * 1_000_000


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ('{"type":"ping"}', Ping()),
        ('{"type":"ping","uid":"p1"}', Ping("p1")),
        (b'{"type":"ping","uid":7}', Ping(7)),
        ('{"type":"pong"}', Pong()),
        ('{"type":"auth"}', Auth()),
        ('{"type":"auth","access_token":1,"uid":4}', Auth(uid=4)),
        ('{"type":"auth","access_token":"t","uid":1.5}', Auth(access_token="t", uid=1.5)),
        ('{"type":"auth","email":"a@b.c","password":"p"}', Auth(email="a@b.c", password="p")),
        (
            '{"type":"items","action":"read","collection":"messages","id":2,"query":{"fields":["id"]}}',
            Items("read", "messages", id=2, query={"fields": ["id"]}),
        ),
        (
            '{"type":"items","action":"create","collection":"messages","data":[{"text":"a"}],"uid":"c"}',
            Items("create", "messages", data=[{"text": "a"}], uid="c"),
        ),
        (
            '{"type":"items","action":"delete","collection":"messages","ids":[1,"2"]}',
            Items("delete", "messages", ids=[1, "2"]),
        ),
        (
            '{"type":"subscribe","collection":"messages","event":"create","item":"x","uid":3}',
            Subscribe("messages", "create", "x", uid=3),
        ),
        ('{"type":"subscribe","collection":"messages","unheard_of":1}', Subscribe("messages")),
        ('{"type":"unsubscribe","uid":"x"}', Unsubscribe("x")),
        ('{"type":"dance","uid":"d"}', Unknown()),
        ('{"type":"ping","uid":1,"uid":2}', Ping(2)),
        ('{"type":"dance","type":"ping","uid":2}', Ping(2)),
        ('{"type":"ping","uid":123456789012345678901234567890}', Ping(123456789012345678901234567890)),
    ],
)
def test_parse_understands(frame: str | bytes, message: Message) -> None:
    assert parse(frame) == message


@pytest.mark.parametrize(
    ("frame", "type_", "uid", "sentence"),
    [
        ("{nope", "server", None, "not JSON"),
        ("", "server", None, "not JSON"),
        ('{"type":"ping"', "server", None, "not JSON"),
        ('{"type":"ping"}{}', "server", None, "not JSON"),
        ('{"type":"ping","uid":NaN}', "server", None, "not JSON"),
        ('{"type":"ping","uid":"\\ud800"}', "server", None, "not JSON"),
        (b'{"type":"\xff"}', "server", None, "not UTF-8"),
        (DEEP, "server", None, "not a JSON object|nested too deeply"),
        ('{"type":"items","query":' + DEEP, "server", None, "nested too deeply"),
        ('{"unknown":' + DEEP, "server", None, "nested too deeply"),
        ("[]", "server", None, "not a JSON object"),
        ('"ping"', "server", None, "not a JSON object"),
        ("null", "server", None, "not a JSON object"),
        ("17", "server", None, "not a JSON object"),
        ('{"hello":1}', "server", None, 'has no "type"'),
        ('{"type":1,"uid":"u"}', "server", None, 'has no "type"'),
        ('{"type":null}', "server", None, 'has no "type"'),
        ('{"type":"ping","uid":{}}', "ping", None, r"uid"),
        ('{"type":"ping","uid":true}', "ping", None, r"uid"),
        ('{"type":"ping","uid":1e999}', "server", None, "not JSON"),
        ('{"type":"items","collection":"messages","uid":"z"}', "items", "z", "action"),
        ('{"type":"items","action":"explode","collection":"messages","uid":"z"}', "items", "z", "action"),
        ('{"type":"items","action":"read","uid":"z"}', "items", "z", "collection"),
        ('{"type":"items","action":"read","collection":7}', "items", None, "collection"),
        ('{"type":"items","action":"read","collection":"a","id":1.5}', "items", None, r"\$.id"),
        ('{"type":"items","action":"read","collection":"a","id":true}', "items", None, r"\$.id"),
        ('{"type":"items","action":"read","collection":"a","ids":"1"}', "items", None, r"\$.ids"),
        ('{"type":"items","action":"read","collection":"a","ids":[null]}', "items", None, r"\$.ids\[0\]"),
        ('{"type":"items","action":"create","collection":"a","data":"x"}', "items", None, r"\$.data"),
        ('{"type":"items","action":"create","collection":"a","data":[1]}', "items", None, r"\$.data\[0\]"),
        ('{"type":"items","action":"read","collection":"a","query":[1]}', "items", None, r"\$.query"),
        ('{"type":"subscribe","collection":"a","query":"*"}', "subscribe", None, r"\$.query"),
        ('{"type":"subscribe","uid":"h"}', "subscribe", "h", "collection"),
        ('{"type":"subscribe","collection":"a","event":"explode","uid":"s"}', "subscribe", "s", r"\$.event"),
        ('{"type":"subscribe","collection":"a","item":[1]}', "subscribe", None, r"\$.item"),
        ('{"type":"unsubscribe","uid":[]}', "unsubscribe", None, r"\$.uid"),
    ],
)
def test_parse_says_what_is_wrong(frame: str | bytes, type_: str, uid: Uid, sentence: str) -> None:
    message = parse(frame)
    assert isinstance(message, Malformed)
    assert (message.type, message.uid, message.error.code) == (type_, uid, "INVALID_PAYLOAD")
    with pytest.raises(type(message.error), match=sentence):
        raise message.error


@given(st.text() | st.binary())
def test_parse_never_raises_on_any_frame(frame: str | bytes) -> None:
    parse(frame)


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["action", "collection", "id", "ids", "data", "query", "uid", "event", "item", "access_token", "email"]


@given(
    type_=st.sampled_from(["ping", "pong", "auth", "items", "subscribe", "unsubscribe", "dance"]),
    rest=st.dictionaries(st.sampled_from(NAMES), JSON_VALUES),
)
def test_parse_answers_every_object_with_its_own_type(type_: str, rest: dict[str, Any]) -> None:
    message = parse(json.dumps({"type": type_} | rest, ensure_ascii=False).encode(errors="replace"))
    if isinstance(message, Malformed):
        assert message.type in {type_, "server"}
    elif isinstance(message, Unknown):
        assert type_ == "dance"
    else:
        assert type(message).__name__.lower() == type_


@pytest.mark.parametrize(("uid", "text"), [(None, None), ("s", "s"), (3, "3"), (3.0, "3"), (1.5, "1.5")])
def test_uid_of_a_subscription_is_text(uid: Uid, text: str | None) -> None:
    assert subscription_uid(uid) == text
