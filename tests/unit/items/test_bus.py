"""Changes as messages of PROTOCOL section 9, and back."""

import asyncio
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.items.bus import CHANNEL, ChangeRelay, decode, encode
from tidegate.items.changes import Action, Change, Key
from tidegate.items.feed import Feed
from tidegate.messenger.memory import MemoryHub, MemoryMessenger

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


def fields(change: Change | None) -> tuple[Any, ...]:
    """Changes compare by identity; their contents compare by these."""
    assert change is not None
    return change.collection, change.action, change.keys, change.before, change.after, change.payload


@given(changes())
def test_change_comes_back_as_it_was(change: Change) -> None:
    assert fields(decode(encode(change))) == fields(change)


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


class Process:
    """One process on the bus: a feed, and what it hears of the others."""

    def __init__(self, hub: MemoryHub) -> None:
        self.messenger = MemoryMessenger(hub)
        self.feed = Feed()
        self.heard: list[Change] = []
        self.relay = ChangeRelay(self.messenger, self.feed, self.heard.extend)

    def commit(self, *changes: Change) -> None:
        self.feed.settle(self.feed.take(), changes)


def created(key: Key) -> Change:
    return Change("messages", "create", (key,), after=({"id": key},))


async def settled() -> None:
    """Let the loop run once: what was published before has been heard then."""
    await asyncio.sleep(0)


async def test_committed_changes_reach_the_other_processes_in_order() -> None:
    hub = MemoryHub()
    first, second = Process(hub), Process(hub)
    for process in (first, second):
        await process.messenger.start()
    first.commit(created(1), created(2))
    first.commit(Change("messages", "update", (2, 1), ({"a": 1}, {"a": 2}), ({"a": 3}, {"a": 4}), {"a": 5}))
    second.commit(Change("messages", "delete", (1,), before=({"id": 1},)))
    await settled()
    assert [(change.action, change.keys) for change in second.heard] == [
        ("create", (1,)),
        ("create", (2,)),
        ("update", (2, 1)),
    ]
    assert second.heard[2].before == ({"a": 1}, {"a": 2})
    assert [(change.action, change.keys, change.before) for change in first.heard] == [("delete", (1,), ({"id": 1},))]


async def test_single_process_makes_no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(MemoryHub())
    published: list[str] = []
    monkeypatch.setattr(process.messenger, "publish", lambda channel, _: published.append(channel))
    await process.messenger.start()
    process.commit(created(1))
    assert published == []


async def test_message_that_tells_of_no_change_is_counted_and_ignored() -> None:
    hub = MemoryHub()
    process, program = Process(hub), MemoryMessenger(hub)
    await process.messenger.start()
    await program.start()
    program.publish(CHANNEL, b'{"collection":"messages","action":"sort"}')
    program.publish(CHANNEL, b'{"collection":"messages","action":"delete","keys":["7"]}')
    await settled()
    assert [change.keys for change in process.heard] == [("7",)]
    assert process.relay.unreadable == 1
