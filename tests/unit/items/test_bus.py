"""Changes as messages of PROTOCOL section 9, and back."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.items.bus import Part, decode, encode
from tidegate.items.changes import Action, Change, Key

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
rows = st.dictionaries(texts, values, max_size=4)
keys = st.integers(-(2**63), 2**63 - 1) | texts


@st.composite
def changes(draw: st.DrawFn) -> Change:
    action: Action = draw(st.sampled_from(get_args(Action)))
    count = 1 if action == "create" else draw(st.integers(1, 3))
    images = st.just(()) | st.tuples(*[rows] * count)
    return Change(
        draw(texts),
        action,
        draw(st.tuples(*[keys] * count)),
        draw(images),
        draw(images),
        {} if action == "delete" else draw(rows),
    )


def fields(told: tuple[Change, Part | None] | None) -> tuple[Any, ...]:
    """Changes compare by identity; their contents compare by these."""
    assert told is not None
    change, _ = told
    return change.collection, change.action, change.keys, change.before, change.after, change.payload


parts = st.none() | st.builds(Part, texts, st.integers(0, 2**53), st.integers(0, 100))


@given(changes(), parts)
def test_change_comes_back_as_it_was(change: Change, part: Part | None) -> None:
    told = decode(encode(change, part))
    assert fields(told) == fields((change, part))
    assert told is not None
    assert told[1] == part


@given(changes())
def test_message_has_the_members_that_other_programs_read(change: Change) -> None:
    message = json.loads(encode(change))
    assert message["collection"] == change.collection
    assert message["action"] == change.action
    if change.action == "create":
        assert message["key"] == change.keys[0]
        assert "keys" not in message
    else:
        assert message["keys"] == list(change.keys)
        assert "key" not in message
    assert message["payload"] == (list(change.keys) if change.action == "delete" else change.payload)


@pytest.mark.parametrize(
    ("message", "keys", "payload"),
    [
        ({"collection": "messages", "action": "create", "key": 1, "payload": {"text": "a"}}, (1,), {"text": "a"}),
        ({"collection": "messages", "action": "create", "key": "a-uuid", "payload": {}}, ("a-uuid",), {}),
        (
            {"collection": "messages", "action": "update", "keys": [1, "2"], "payload": {"text": "a"}},
            (1, "2"),
            {"text": "a"},
        ),
        ({"collection": "messages", "action": "delete", "keys": [1], "payload": [1]}, (1,), {}),
        ({"collection": "messages", "action": "delete", "keys": [1]}, (1,), {}),
        ({"collection": "messages", "action": "delete", "keys": [1], "payload": None, "event": "x"}, (1,), {}),
    ],
)
def test_message_of_another_program_is_a_change_without_images(
    message: dict[str, Any], keys: tuple[Key, ...], payload: dict[str, Any]
) -> None:
    assert fields(decode(json.dumps(message).encode())) == ("messages", message["action"], keys, (), (), payload)


@pytest.mark.parametrize(
    "message",
    [
        {"action": "create", "key": 1},
        {"collection": "messages", "key": 1},
        {"collection": 1, "action": "create", "key": 1},
        {"collection": "messages", "action": "sort", "keys": [1]},
        {"collection": "messages", "action": "create"},
        {"collection": "messages", "action": "create", "key": None},
        {"collection": "messages", "action": "create", "key": {}},
        {"collection": "messages", "action": "create", "keys": [1]},
        {"collection": "messages", "action": "update", "key": 1},
        {"collection": "messages", "action": "update", "keys": []},
        {"collection": "messages", "action": "update", "keys": [None]},
        {"collection": "messages", "action": "update", "keys": [True]},
        {"collection": "messages", "action": "update", "keys": 1},
        {"collection": "messages", "action": "update", "keys": [1, 2], "after": [{}]},
        {"collection": "messages", "action": "update", "keys": [1], "before": [1]},
        {"collection": "messages", "action": "update", "keys": [1], "after": "row"},
        {"collection": "messages", "action": "update", "keys": [1], "part": ["a", "b", "c"]},
        [],
        None,
        "text",
    ],
)
def test_other_shapes_are_no_change(message: object) -> None:
    assert decode(json.dumps(message).encode()) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"not json", b"\xff\xfe", b'{"collection":"\xff","action":"create","key":1}', b"[" * 100_000],
    ids=["nothing", "cut", "text", "bytes", "no UTF-8", "deep"],
)
def test_what_is_not_json_is_no_change(data: bytes) -> None:
    assert decode(data) is None
