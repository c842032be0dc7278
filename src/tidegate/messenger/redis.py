"""The bus of several processes: Redis publish/subscribe on channels `{namespace}:{channel}` (PROTOCOL section 9)."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tidegate.errors import TidegateError
from tidegate.messenger import wire
from tidegate.messenger.backlog import Backlog, Outgoing
from tidegate.messenger.base import Handler
from tidegate.messenger.publisher import Publisher
from tidegate.messenger.subscriber import Subscriber

MAX_BACKLOG_BYTES = 16 * 1024 * 1024
"""Bytes that may wait for Redis before messages are dropped."""
CONNECT_SECONDS = 5.0
SEND_SECONDS = 10.0
"""How long Redis may take to confirm what was published before the connection is given up."""
GAP_CHANNEL = "gap"
"""Says that its sender has lost messages."""
GAP_SECONDS = 0.1
"""Gaps this close together are reported as one: after an outage every process reports its own."""

logger = logging.getLogger(__name__)


class RedisMessenger:
    """`node`: the UUID of this process, by which it knows its own messages."""

    def __init__(self, url: str, namespace: str, node: str, max_backlog_bytes: int = MAX_BACKLOG_BYTES) -> None:
        self.unreadable = 0
        """Messages of others that could not be unpacked and were ignored."""
        self._namespace = namespace
        self._mark = wire.mark(node)
        self._backlog = Backlog(max_backlog_bytes, self._outgoing(GAP_CHANNEL, b"{}"))
        self._publisher = Publisher(_client(url, SEND_SECONDS), self._backlog, self._can_send)
        self._url = url
        self._subscriber: Subscriber | None = None
        self._handlers: defaultdict[bytes, list[Handler]] = defaultdict(list)
        self._own_handlers: defaultdict[bytes, list[Handler]] = defaultdict(list)
        """Those that hear this process too; they are among the others as well."""
        self._gap_handlers: list[Callable[[], None]] = []
        self._gap_timer: asyncio.TimerHandle | None = None
        self.subscribe(GAP_CHANNEL, lambda _: self._gap())

    @property
    def alone(self) -> bool:
        return False

    @property
    def dropped(self) -> int:
        """Messages of this process that were lost, for want of a connection or of room."""
        return self._backlog.dropped

    async def start(self) -> None:
        channels = [channel.decode() for channel in self._handlers]
        self._subscriber = Subscriber(_client(self._url, None), channels, self._receive, self._can_hear)
        try:
            await self._subscriber.start()
            await self._publisher.start()
        except (RedisError, OSError) as error:
            await self.stop()
            reason = f"The bus cannot be reached ({type(error).__name__})."
            raise TidegateError("SERVICE_UNAVAILABLE", reason) from error

    async def stop(self) -> None:
        await self._publisher.stop()
        if self._subscriber is not None:
            await self._subscriber.stop()
        if self._gap_timer is not None:
            self._gap_timer.cancel()

    def publish(self, channel: str, message: bytes, *, expendable: bool = False) -> None:
        self._publisher.put(self._outgoing(channel, message, expendable))

    def subscribe(self, channel: str, handler: Handler, own: bool = False) -> None:
        name = f"{self._namespace}:{channel}".encode()
        self._handlers[name].append(handler)
        if own:
            self._own_handlers[name].append(handler)

    async def is_heard(self, channel: str) -> bool:
        try:
            return await self._publisher.subscribers(f"{self._namespace}:{channel}") > 0
        except (RedisError, OSError):
            return True

    def on_gap(self, handler: Callable[[], None]) -> None:
        self._gap_handlers.append(handler)

    def _outgoing(self, channel: str, message: bytes, expendable: bool = False) -> Outgoing:
        return Outgoing(f"{self._namespace}:{channel}", wire.pack(self._mark, message), expendable)

    def _receive(self, channel: bytes, data: bytes) -> None:
        """Handlers run as callbacks of the loop, which reports their faults: none may end the subscriber."""
        handlers = self._handlers
        try:
            message = wire.unpack(self._mark, data)
            if message is None and channel in self._own_handlers:
                handlers = self._own_handlers
                message = wire.unpack(wire.NOBODY, data)
        except ValueError:
            self.unreadable += 1
            return
        if message is not None:
            for handler in handlers[channel]:
                asyncio.get_running_loop().call_soon(handler, message)

    def _can_send(self) -> None:
        if self._subscriber is not None:
            self._subscriber.pause.end()

    def _can_hear(self) -> None:
        self._publisher.pause.end()
        self._gap()

    def _gap(self) -> None:
        if self._gap_timer is None:
            self._gap_timer = asyncio.get_running_loop().call_later(GAP_SECONDS, self._report_gap)

    def _report_gap(self) -> None:
        self._gap_timer = None
        for handler in self._gap_handlers:
            handler()


def _client(url: str, answer_seconds: float | None) -> Redis:
    """No retries: a message that may have been sent is not sent again. Protocol 2: see `subscriber`."""
    return Redis.from_url(
        url,
        protocol=2,
        socket_timeout=answer_seconds,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
