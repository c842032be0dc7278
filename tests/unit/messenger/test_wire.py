"""Messages as other programs on the bus see them."""

import gzip
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.messenger import wire

NODE = str(uuid.UUID(int=1))
OTHER = str(uuid.UUID(int=2))
OWN, FOREIGN = wire.mark(NODE), wire.mark(OTHER)

objects = st.dictionaries(
    st.text(max_size=5), st.none() | st.integers() | st.text(max_size=400) | st.lists(st.booleans()), max_size=8
)


@given(objects)
def test_packed_message_is_json_with_the_node_and_unpacks_for_others_only(value: dict[str, object]) -> None:
    value.pop("node", None)
    message = json.dumps(value).encode()
    packed = wire.pack(OWN, message)
    assert json.loads(gzip.decompress(packed) if packed[:1] == b"\x1f" else packed) == {"node": NODE, **value}
    assert wire.unpack(FOREIGN, packed) == message
    assert wire.unpack(OWN, packed) is None


@pytest.mark.parametrize(("length", "compressed"), [(998, False), (999, False), (1000, True), (5000, True)])
def test_message_is_compressed_from_a_thousand_bytes(length: int, compressed: bool) -> None:
    frame = len(wire.pack(OWN, b'{"a":""}'))
    packed = wire.pack(OWN, b'{"a":"' + b"x" * (length - frame) + b'"}')
    assert packed.startswith(b"\x1f\x8b") is compressed
    assert compressed or len(packed) == length
    assert wire.unpack(OWN, packed) is None


@pytest.mark.parametrize("message", [b"", b"[]", b'"text"', b" {}", b"1"])
def test_only_objects_can_be_packed(message: bytes) -> None:
    with pytest.raises(ValueError, match="object"):
        wire.pack(OWN, message)


@pytest.mark.parametrize(
    "foreign",
    [
        b'{"collection":"messages","action":"create","key":1,"payload":{}}',
        b'{"node":"short","a":1}',
        b'{"node":1}',
        b'{"node":"',
        OWN[:-1],
        b"not json",
        b"",
    ],
)
def test_message_of_another_program_is_taken_as_it_is(foreign: bytes) -> None:
    assert wire.unpack(OWN, foreign) == foreign
    assert wire.unpack(OWN, gzip.compress(foreign)) == foreign


def test_node_in_another_place_does_not_make_a_message_our_own() -> None:
    message = b'{"a":1,"node":"' + NODE.encode() + b'"}'
    assert wire.unpack(OWN, message) == message


@pytest.mark.parametrize(
    "broken",
    [b"\x1f\x8b", b"\x1f\x8bnonsense", gzip.compress(b"x" * 5000)[:-4], gzip.compress(b"x" * 5000)[:20]],
    ids=["magic only", "nonsense", "checksum cut", "body cut"],
)
def test_broken_compression_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"gzip|short"):
        wire.unpack(OWN, broken)


def test_message_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BYTES", 10_000)
    with pytest.raises(ValueError, match="too long"):
        wire.unpack(OWN, gzip.compress(b"{" + b" " * 1_000_000 + b"}"))


@given(st.binary(max_size=200))
def test_no_bytes_whatever_break_more_than_themselves(data: bytes) -> None:
    for sent in (data, b"\x1f\x8b" + data, gzip.compress(data)):
        try:
            wire.unpack(OWN, sent)
        except ValueError:
            continue
