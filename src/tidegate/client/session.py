"""The client's side of the WebSocket of JSON messages (PROTOCOL section 3) without any I/O.

One `Session` lives as long as the client, over all of its connections. Each method returns effects, which the shell
performs in order. Requests made while nobody is authenticated wait until somebody is; requests under way when a
connection ends fail, subscriptions go on.

    closed ──opened──▶ authenticating ──ok──▶ ready ──TOKEN_EXPIRED──▶ authenticating
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, assert_never

from tidegate.client.messages import ConnectionLostError, Credentials, Event, Login, Token, TokenSource, server_error
from tidegate.errors import TidegateError

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Send:
    """Send the text."""

    text: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask the token source, then call `authenticate`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The connection is authenticated, as far as it is to be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request, or None for one without data."""

    uid: str
    data: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """A request, or a subscription, has failed."""

    uid: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event of a subscription."""

    uid: str
    event: Event


@dataclass(frozen=True, slots=True)
class Rejection:
    """The credentials are not good: nothing more can be done."""

    error: TidegateError


Effect = Send | Fetch | Ready | Answer | Failure | Delivery | Rejection


class State(Enum):
    CLOSED = auto()
    AUTHENTICATING = auto()
    READY = auto()


class Session:
    """Who we are, what was asked and what is subscribed to."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._state = State.CLOSED
        self._refresh_token: str | None = None
        self._uids = (str(number) for number in itertools.count(1))
        self._refreshing = False
        self._waiting: dict[str, Message] = {}
        """Requests to be sent as soon as somebody is authenticated."""
        self._asked: set[str] = set()
        """Requests that were sent on this connection and not answered yet."""
        self._subscriptions: dict[str, Message] = {}
        self._subscribed: set[str] = set()
        """Subscriptions that this connection knows of."""

    def opened(self) -> list[Effect]:
        """A connection is open."""
        self._refresh_token, self._refreshing = None, False
        match self._credentials:
            case None:
                return self._become_ready()
            case Token(token):
                return self.authenticate(token)
            case Login(email, password, otp):
                self._state = State.AUTHENTICATING
                message = {"type": "auth", "email": email, "password": password}
                return [_send(message if otp is None else {**message, "otp": otp})]
            case TokenSource():
                self._state = State.AUTHENTICATING
                return [Fetch()]
            case _:
                assert_never(self._credentials)

    def authenticate(self, token: str) -> list[Effect]:
        """Use this access token."""
        self._state = State.AUTHENTICATING
        return [_send({"type": "auth", "access_token": token})]

    def closed(self) -> list[Effect]:
        """The connection has ended."""
        self._state = State.CLOSED
        lost, self._asked = self._asked, set()
        self._subscribed.clear()
        return [Failure(uid, ConnectionLostError("The connection was lost.")) for uid in lost]

    def request(self, message: Message) -> tuple[str, list[Effect]]:
        """Ask for something; its answer or failure comes under the returned uid."""
        uid = next(self._uids)
        self._waiting[uid] = {**message, "uid": uid}
        return uid, self._catch_up()

    def subscribe(self, message: Message) -> tuple[str, list[Effect]]:
        """Subscribe, now and on every later connection, until `unsubscribe`; events come under the returned uid."""
        uid = next(self._uids)
        self._subscriptions[uid] = {**message, "type": "subscribe", "uid": uid}
        return uid, self._catch_up()

    def unsubscribe(self, uid: str) -> list[Effect]:
        """End a subscription; does nothing for one that has failed."""
        self._subscriptions.pop(uid, None)
        if uid not in self._subscribed:
            return []
        self._subscribed.discard(uid)
        return [_send({"type": "unsubscribe", "uid": uid})]

    def receive(self, text: str | bytes) -> list[Effect]:
        """A message of the server. What is not understood is left alone, as it may be an extension's."""
        try:
            message = json.loads(text)
        except ValueError:
            return []
        if not isinstance(message, dict):
            return []
        uid = str(message.get("uid"))
        failed = message.get("status") == "error"
        error = server_error(message["error"]) if failed and isinstance(message.get("error"), dict) else None
        match message.get("type"):
            case "ping":
                return [_send({"type": "pong"})]
            case "auth":
                return self._authenticated(message) if error is None else self._unauthenticated(error)
            case "subscription" if uid in self._subscriptions and message.get("event") != "unsubscribe":
                return [Delivery(uid, Event(message["event"], message.get("data", [])))]
            case _ if error is not None and uid in self._subscriptions:
                del self._subscriptions[uid]
                self._subscribed.discard(uid)
                return [Failure(uid, error)]
            case _ if uid in self._asked:
                self._asked.discard(uid)
                return [Failure(uid, error) if error else Answer(uid, message.get("data"))]
        return []

    def _authenticated(self, message: Message) -> list[Effect]:
        self._refresh_token, self._refreshing = message.get("refresh_token"), False
        return self._become_ready() if self._state is State.AUTHENTICATING else []

    def _unauthenticated(self, error: TidegateError) -> list[Effect]:
        if error.code == "TOKEN_EXPIRED":
            self._state = State.AUTHENTICATING
            match self._credentials:
                case Login() if self._refresh_token is not None:
                    token, self._refresh_token, self._refreshing = self._refresh_token, None, True
                    return [_send({"type": "auth", "refresh_token": token})]
                case TokenSource():
                    return [Fetch()]
        elif error.code == "AUTH_TIMEOUT" and self._credentials is not None:
            return []  # the server closes, and the next connection is another chance
        elif self._refreshing:
            return self.opened()
        return [Rejection(error)]

    def _become_ready(self) -> list[Effect]:
        self._state = State.READY
        return [Ready(), *self._catch_up()]

    def _catch_up(self) -> list[Effect]:
        """Send what this connection has not been told, if it may be told now."""
        if self._state is not State.READY:
            return []
        new = self._subscriptions.keys() - self._subscribed
        messages = [message for uid, message in self._subscriptions.items() if uid in new]
        messages += self._waiting.values()
        self._subscribed |= new
        self._asked |= self._waiting.keys()
        self._waiting.clear()
        return [_send(message) for message in messages]


def _send(message: Message) -> Send:
    return Send(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
