"""Changes on the bus, in the form that other programs publish and read (PROTOCOL section 9).

    {"collection": …, "action": "create", "key": …, "payload": {…}}
    {"collection": …, "action": "update", "keys": […], "payload": {…}}
    {"collection": …, "action": "delete", "keys": […], "payload": […]}      payload: the keys once more

Ours also carry the rows, as `"before"` and `"after"`, so that no receiver has to read them. Messages of other programs
come without; their changes have no images. gzip is the messenger's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidegate.items.changes import Action, Change, Image, Key
from tidegate.items.feed import ChangeHandler, Feed
from tidegate.messenger.base import Messenger

CHANNEL = "websocket.event"


class _Message(msgspec.Struct):
    """What is read of a message; anything more is ignored."""

    collection: str
    action: Action
    key: Key | None = None
    keys: tuple[Key, ...] = ()
    payload: Any = None
    before: tuple[dict[str, Any], ...] = ()
    after: tuple[dict[str, Any], ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Message)


def encode(change: Change) -> bytes:
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
    return _encoder.encode(message)


def decode(data: bytes) -> Change | None:
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
    return Change(message.collection, message.action, keys, message.before, message.after, payload)


class ChangeRelay:
    """Publishes what is committed here and hands over, in order, what is committed elsewhere.

    Make it before the messenger starts. After a gap (`Messenger.on_gap`) changes of others may be missing.
    """

    def __init__(self, messenger: Messenger, feed: Feed, on_remote: ChangeHandler) -> None:
        self.unreadable = 0
        """Messages on the channel that told of no change and were ignored."""
        self._messenger = messenger
        self._on_remote = on_remote
        feed.subscribe(self._publish)
        messenger.subscribe(CHANNEL, self._receive)

    def _publish(self, changes: Sequence[Change]) -> None:
        if self._messenger.alone:
            return
        for change in changes:
            self._messenger.publish(CHANNEL, encode(change))

    def _receive(self, data: bytes) -> None:
        change = decode(data)
        if change is None:
            self.unreadable += 1
        else:
            self._on_remote([change])


def _fits(images: tuple[Image, ...], keys: tuple[Key, ...]) -> bool:
    return not images or len(images) == len(keys)
