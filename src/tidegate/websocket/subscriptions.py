"""Subscribing: the subscriptions of one connection, as `subscribe` and `unsubscribe` ask for them.

A subscription is told of and adopted without a wait in between, so that its `init` stands before its first event.
"""

from collections.abc import Iterator
from typing import Protocol

from tidegate.access.rights import Rights
from tidegate.errors import Forbidden, TidegateError
from tidegate.query.parse import parse_query
from tidegate.realtime import json_answers
from tidegate.realtime.subscription import EncodeLeave, Row, Subscriber, Subscription
from tidegate.websocket import answers
from tidegate.websocket.events import encode_item, encode_left_item, encode_left_rows, encode_rows
from tidegate.websocket.items import Somebody
from tidegate.websocket.messages import Subscribe, Unsubscribe, subscription_uid
from tidegate.websocket.services import Services


class Client(Subscriber, Somebody, Protocol):
    """The connection, as subscribing sees it."""

    @property
    def closed(self) -> bool: ...

    def send(self, text: bytes, tail: bytes = b"") -> None: ...


class Subscriptions:
    """Those of one connection. It is passed in and not kept: a cycle would keep its memory after it has closed."""

    __slots__ = ("_by_name", "_opening", "_services")

    def __init__(self, services: Services) -> None:
        self._services = services
        self._by_name: dict[str | Subscription, Subscription] = {}
        """By uid; those without one by themselves."""
        self._opening: Subscription | None = None
        """The one whose snapshot is being read."""

    def __iter__(self) -> Iterator[Subscription]:
        """As they are now; they may come and go meanwhile."""
        return iter(tuple(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    async def subscribe(self, message: Subscribe, client: Client) -> None:
        """Begin a subscription and answer it. Raises `TidegateError`, and then it has not begun."""
        uid, limit = subscription_uid(message.uid), self._services.subscription_limit
        if uid not in self._by_name and len(self._by_name) >= limit:
            raise TidegateError("REQUESTS_EXCEEDED", f"A connection may hold {limit} subscriptions.")
        subscription = Subscription(
            client,
            message.collection,
            parse_query(message.query, self._services.limits),
            encode_rows if message.item is None else encode_item,
            answers.event_tail(uid),
            message.event,
            message.item,
            _told_of_leaving(message),
        )
        await self._open(subscription, uid, client)

    async def resubscribe(self, client: Client) -> None:
        """Begin every subscription anew, as if the client had asked again; the old one goes on until then.

        One that sees nothing at present has missed nothing. One that cannot begin ends, and the client is told.
        """
        async with self._services.resubscribing:
            for name, old in tuple(self._by_name.items()):
                silent = old.group is None and old.held is None
                if silent or self._by_name.get(name) is not old:
                    continue
                new = Subscription(
                    client, old.collection, old.query, old.encode, old.tail, old.event, old.item, old.leave
                )
                try:
                    await self._open(new, name if isinstance(name, str) else None, client)
                except TidegateError as error:
                    self._services.dispatcher.remove(old)
                    self.end(old, error, client)
                else:
                    if self._by_name.get(name) is old:
                        self._remove(name)

    def unsubscribe(self, message: Unsubscribe, client: Client) -> None:
        """End the subscription of this uid, or all of them, and answer."""
        uid = subscription_uid(message.uid)
        for name in list(self._by_name) if uid is None else [uid]:
            self._remove(name)
        client.send(answers.unsubscribed(uid))

    def end(self, subscription: Subscription, error: TidegateError, client: Client) -> None:
        """Forget one that is not registered any more, and tell the client why."""
        for name, known in self._by_name.items():
            if known is subscription:
                del self._by_name[name]
                break
        client.send(json_answers.error("subscribe", error)[:-1], subscription.tail)

    def clear(self) -> None:
        """The connection has closed."""
        for name in tuple(self._by_name):
            self._remove(name)
        if self._opening is not None:
            self._services.dispatcher.remove(self._opening)

    async def _open(self, subscription: Subscription, uid: str | None, client: Client) -> None:
        """Begin the subscription and answer it. Raises `TidegateError`, and then it has not begun."""
        if subscription.event is not None:
            self._services.dispatcher.watch(subscription, await client.rights())
            self._adopt(subscription, uid, client)
            client.send(answers.initial(None, uid))
            return
        rows, rights = await self._snapshot(subscription, client)
        if subscription.held is None:
            # Meanwhile the connection closed, or so much happened that the subscription was ended.
            return
        if subscription.item is not None and not rows:
            self._services.dispatcher.remove(subscription)
            raise Forbidden
        self._adopt(subscription, uid, client)
        client.send(answers.initial(rows if subscription.item is None else rows[0], uid))
        self._services.dispatcher.release(subscription, rights)

    async def _snapshot(self, subscription: Subscription, client: Client) -> tuple[list[Row], Rights]:
        async def work(rights: Rights) -> tuple[list[Row], Rights]:
            return await self._services.dispatcher.snapshot(subscription, rights), rights

        self._opening = subscription
        try:
            return await client.read(work)
        finally:
            self._opening = None

    def _adopt(self, subscription: Subscription, uid: str | None, client: Client) -> None:
        """Keep the subscription, in the place of the one with the same uid."""
        name = subscription if uid is None else uid
        self._remove(name)
        if client.closed:
            self._services.dispatcher.remove(subscription)
        else:
            self._by_name[name] = subscription

    def _remove(self, name: str | Subscription) -> None:
        subscription = self._by_name.pop(name, None)
        if subscription is not None:
            self._services.dispatcher.remove(subscription)


def _told_of_leaving(message: Subscribe) -> EncodeLeave | None:
    if not message.leave:
        return None
    return encode_left_rows if message.item is None else encode_left_item
