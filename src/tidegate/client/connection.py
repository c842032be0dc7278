"""The client: a `Session` on a real WebSocket that is opened again when it is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any, Self, assert_never
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import backoff, process_exception
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tidegate.client.messages import (
    ConnectionLostError,
    Credentials,
    Event,
    EventName,
    Item,
    Key,
    RefusedError,
    SubscriptionOverflowError,
    TokenSource,
)
from tidegate.client.session import (
    Answer,
    Delivery,
    Effect,
    Failure,
    Fetch,
    Ready,
    Rejection,
    Send,
    Session,
)

PATH = "/websocket"
EVENTS_WAITING = 10_000
"""How many events of one subscription may wait to be taken before it is ended."""
Query = Mapping[str, Any]


def reconnect_delays() -> Generator[float]:
    """Seconds to wait before each attempt to reconnect: up to a second at first, growing to half a minute."""
    return backoff(initial_delay=1.0, min_delay=1.0, max_delay=30.0)


class Client:
    """Reads, writes and subscribes over one WebSocket.

        async with Client("http://127.0.0.1:8055", Token("…")) as client:
            await client.create("messages", {"text": "hello"})
            async with client.subscribe("messages") as events:
                async for event in events:
                    print(event.name, event.data)

    Entering connects and authenticates, or raises: `OSError` where no server answers, `RefusedError` where it opens no
    WebSocket, `TidegateError` AUTH_FAILED.
    A connection lost later is opened again, and subscriptions begin again with an `init` event. Requests under way
    then raise `ConnectionLostError`. Every method raises `TidegateError` with the server's code when it is refused.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        delays: Callable[[], Generator[float]] = reconnect_delays,
    ) -> None:
        self._url = websocket_url(url)
        self._credentials = credentials
        self._delays = delays
        self._pauses = delays()
        self._session = Session(credentials)
        self._websocket: ClientConnection | None = None
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._inboxes: dict[str, asyncio.Queue[Event | Exception]] = {}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended: Exception | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        try:
            await self._ready
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def read(self, collection: str, query: Query | None = None) -> list[Item]:
        """The items that match the query (PROTOCOL section 7)."""
        items: list[Item] = await self._items("read", collection, query=query)
        return items

    async def read_one(self, collection: str, key: Key, query: Query | None = None) -> Item:
        item: Item = await self._items("read", collection, id=key, query=query)
        return item

    async def create(self, collection: str, item: Item, query: Query | None = None) -> Item:
        """The item as it was created; `query.fields` says which fields of it."""
        created: Item = await self._items("create", collection, data=item, query=query)
        return created

    async def update(self, collection: str, key: Key, changes: Item, query: Query | None = None) -> Item:
        """The item as it is after the change."""
        updated: Item = await self._items("update", collection, id=key, data=changes, query=query)
        return updated

    async def delete(self, collection: str, key: Key) -> None:
        await self._items("delete", collection, id=key)

    @contextlib.asynccontextmanager
    async def subscribe(
        self,
        collection: str,
        query: Query | None = None,
        *,
        event: EventName | None = None,
        item: Key | None = None,
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Events of a collection, or of one item, until the block is left. `event` asks for one kind only.

        The iterator raises what ends the subscription: `TidegateError` when the server refuses it, what ended the
        client, or `SubscriptionOverflowError`.
        """
        self._raise_if_ended()
        message = _without_none(collection=collection, query=query, event=event, item=item)
        uid, effects = self._session.subscribe(message)
        inbox = self._inboxes[uid] = asyncio.Queue()
        await self._perform_all(effects)
        try:
            yield _events(inbox)
        finally:
            self._inboxes.pop(uid, None)
            await self._perform_all(self._session.unsubscribe(uid))

    async def _items(self, action: str, collection: str, **members: Any) -> Any:
        self._raise_if_ended()
        message = {"type": "items", "action": action, "collection": collection, **_without_none(**members)}
        uid, effects = self._session.request(message)
        answer = self._answers[uid] = asyncio.get_running_loop().create_future()
        try:
            await self._perform_all(effects)
            return await answer
        finally:
            del self._answers[uid]

    async def _run(self) -> None:
        try:
            while True:
                await self._connect()
                await asyncio.sleep(next(self._pauses))
        except Exception as error:  # noqa: BLE001 - whatever ends the client is raised to everybody who waits for it
            self._end(error)

    async def _connect(self) -> None:
        """One connection, until it is lost. Raises what no further attempt would change."""
        try:
            async with connect(self._url, compression=None, max_size=None) as websocket:
                await self._serve(websocket)
        except ConnectionClosed:
            pass
        except (OSError, InvalidHandshake) as error:
            if not self._ready.done() or process_exception(error) is error:
                raise (RefusedError(str(error)) if isinstance(error, InvalidHandshake) else error) from None

    async def _serve(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        try:
            await self._perform_all(self._session.opened())
            async for text in websocket:
                await self._perform_all(self._session.receive(text))
        finally:
            self._websocket = None
            await self._perform_all(self._session.closed())

    async def _perform_all(self, effects: list[Effect]) -> None:
        for effect in effects:
            await self._perform(effect)

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Send(text):
                await self._send(text)
            case Fetch():
                assert isinstance(self._credentials, TokenSource)
                await self._perform_all(self._session.authenticate(await self._credentials.get()))
            case Ready():
                self._pauses = self._delays()
                if not self._ready.done():
                    self._ready.set_result(None)
            case Answer(uid, data):
                self._settle(uid, data, None)
            case Failure(uid, error):
                self._settle(uid, None, error)
                self._deliver(uid, error)
            case Delivery(uid, event):
                self._deliver(uid, event)
            case Rejection(error):
                raise error
            case _:
                assert_never(effect)

    async def _send(self, text: str) -> None:
        if self._websocket is not None:
            with contextlib.suppress(ConnectionClosed):  # the reading side notices and tells everybody
                await self._websocket.send(text)

    def _settle(self, uid: str, data: Any, error: Exception | None) -> None:
        answer = self._answers.get(uid)
        if answer is None or answer.done():
            return
        if error is None:
            answer.set_result(data)
        else:
            answer.set_exception(error)

    def _deliver(self, uid: str, event: Event | Exception) -> None:
        inbox = self._inboxes.get(uid)
        if inbox is None:
            return
        if inbox.qsize() < EVENTS_WAITING:
            inbox.put_nowait(event)
        else:
            del self._inboxes[uid]
            inbox.put_nowait(SubscriptionOverflowError(f"More than {EVENTS_WAITING} events were waiting."))

    def _raise_if_ended(self) -> None:
        if self._ended is not None:
            raise self._ended

    def _end(self, error: Exception) -> None:
        self._ended = error
        if not self._ready.done():
            self._ready.set_exception(error)
        for uid in list(self._answers):
            self._settle(uid, None, error)
        for uid in list(self._inboxes):
            self._deliver(uid, error)

    async def _stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._ended is None:
            self._end(ConnectionLostError("The client was closed."))


def websocket_url(url: str) -> str:
    """The WebSocket's URL for a server's; one with a path of its own keeps it. Raises ValueError."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.netloc:
        raise ValueError(f"{url} is not an http, https, ws or wss URL")
    path = PATH if parts.path in ("", "/") else parts.path
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


async def _events(inbox: asyncio.Queue[Event | Exception]) -> AsyncIterator[Event]:
    while True:
        event = await inbox.get()
        if isinstance(event, Exception):
            raise event
        yield event


def _without_none(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
