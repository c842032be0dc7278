"""Changes on the bus, in the form that other programs publish and read (PROTOCOL section 9).

    {"collection": …, "action": "create", "key": …, "payload": {…}}
    {"collection": …, "action": "update", "keys": […], "payload": {…}}
    {"collection": …, "action": "delete", "keys": […], "payload": […]}      payload: the keys once more

Ours also carry the rows, as `"before"` and `"after"`, so that no receiver has to read them, and as `"part"` whose part
the change is (`Part`). Messages of other programs come without; their changes have no images. gzip is the messenger's.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tidegate.items.changes import Action, Change, Image, Key

CHANNEL = "websocket.event"


class Part(NamedTuple):
    """Of which transaction a change is a part."""

    process: str
    number: int
    """Of the transaction, in its process."""
    left: int
    """How many changes of the same transaction follow."""


class _Message(msgspec.Struct):
    """What is read of a message; anything more is ignored."""

    collection: str
    action: Action
    key: Key | None = None
    keys: tuple[Key, ...] = ()
    payload: Any = None
    before: tuple[dict[str, Any], ...] = ()
    after: tuple[dict[str, Any], ...] = ()
    part: Part | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Message)


def encode(change: Change, part: Part | None = None) -> bytes:
    """The change as a message."""
    message: dict[str, Any] = {"collection": change.collection, "action": change.action}
    if change.action == "create":
        message["key"] = change.keys[0]
    else:
        message["keys"] = change.keys
    message["payload"] = change.keys if change.action == "delete" else change.payload
    if change.before:
        message["before"] = change.before
    if change.after:
        message["after"] = change.after
    if part is not None:
        message["part"] = part
    return _encoder.encode(message)


def decode(data: bytes) -> tuple[Change, Part | None] | None:
    """The change that a message tells of, or None where it is not one of those above."""
    try:
        message = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    single = () if message.key is None else (message.key,)
    keys = single if message.action == "create" else message.keys
    if not keys or not all(_fits(images, keys) for images in (message.before, message.after)):
        return None
    payload = message.payload if isinstance(message.payload, Mapping) else {}
    return Change(message.collection, message.action, keys, message.before, message.after, payload), message.part


def _fits(images: tuple[Image, ...], keys: tuple[Key, ...]) -> bool:
    return not images or len(images) == len(keys)
