"""What is said on the logs endpoint (PROTOCOL section 5), beside what is said on every endpoint of JSON messages."""

import msgspec

from tidegate.realtime.json_answers import answer
from tidegate.realtime.json_messages import Auth, Malformed, Parser, Ping, Uid, Unknown


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    log_level: str
    uid: Uid = None


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe"):
    uid: Uid = None


Understood = Auth | Subscribe | Unsubscribe | Ping
Message = Understood | Unknown | Malformed

parse = Parser[Understood](Auth, Subscribe, Unsubscribe, Ping).parse


def subscribed(level: str, uid: Uid) -> bytes:
    return answer(uid, type="logs", event="subscribe", log_level=level)


def unsubscribed(uid: Uid) -> bytes:
    return answer(uid, type="logs", event="unsubscribe")
