"""How the events of subscriptions are said on the WebSocket: one message for each created row, one for any other write.

A message lacks its end, which is the subscription's own (`answers.event_tail`).
"""

from collections.abc import Sequence

from tidegate.items.changes import Action, Key
from tidegate.realtime.subscription import Row
from tidegate.websocket.answers import encode_event


def encode_rows(action: Action, keys: Sequence[Key], rows: Sequence[Row]) -> list[bytes]:
    """For who subscribed to a collection: `data` is a list."""
    match action:
        case "create":
            return [encode_event(action, [row]) for row in rows]
        case "update":
            return [encode_event(action, rows)]
        case "delete":
            return [encode_event(action, keys)]


def encode_item(action: Action, keys: Sequence[Key], rows: Sequence[Row]) -> list[bytes]:
    """For who subscribed to one item: `data` is the item, or its key."""
    return [encode_event(action, entry) for entry in (keys if action == "delete" else rows)]


def encode_left_rows(keys: Sequence[Key]) -> list[bytes]:
    """For who subscribed to a collection, of rows that an update took out of sight."""
    return [encode_event("leave", keys)]


def encode_left_item(keys: Sequence[Key]) -> list[bytes]:
    """For who subscribed to one item, when an update took it out of sight."""
    return [encode_event("leave", key) for key in keys]
