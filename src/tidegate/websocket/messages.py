"""What clients say on the WebSocket (PROTOCOL section 3.4), beside those of every endpoint of JSON messages."""

from typing import Any, Literal

import msgspec

from tidegate.items.changes import Key
from tidegate.realtime.json_messages import Auth, Malformed, Parser, Ping, Pong, Uid, Unknown


class Items(msgspec.Struct, frozen=True, tag="items"):
    action: Literal["create", "read", "update", "delete"]
    collection: str
    id: Key | None = None
    ids: list[Key] | None = None
    data: dict[str, Any] | list[dict[str, Any]] | None = None
    query: dict[str, Any] | None = None
    uid: Uid = None


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    collection: str
    event: Literal["create", "update", "delete"] | None = None
    item: Key | None = None
    leave: bool = False
    query: dict[str, Any] | None = None
    uid: Uid = None


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe"):
    uid: Uid = None


class Resubscribe(msgspec.Struct, frozen=True):
    """What no client says: changes were missed, so every subscription begins anew, in its turn among the messages."""


Request = Items | Subscribe | Unsubscribe
"""A message that is performed with the rights of the connection."""
Understood = Ping | Pong | Auth | Request
Message = Understood | Unknown | Malformed | Resubscribe

parse = Parser[Understood](Ping, Pong, Auth, Items, Subscribe, Unsubscribe).parse


def subscription_uid(uid: Uid) -> str | None:
    """The uid of a subscription, which is text: numbers are spelled as JavaScript spells them."""
    if isinstance(uid, float) and uid.is_integer():
        uid = int(uid)
    return None if uid is None else str(uid)
