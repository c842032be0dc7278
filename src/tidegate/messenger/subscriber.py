"""The hearing half of the Redis messenger: one task, one connection that is opened again whenever it is lost.

It speaks to the connection itself instead of redis-py's `PubSub`, which reconnects without saying so (a gap would go
unnoticed), and, in protocol 3, logs every message it hears.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, ConnectionPoolInterface
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tidegate.messenger.backoff import Pause, backoff

SILENCE_SECONDS = 5.0
"""After this long without a word Redis is asked for a sign of life, and given as long again to send it."""

logger = logging.getLogger(__name__)


class Subscriber:
    """Calls `on_message(channel, data)`, and `on_return()` after it has subscribed again. Owns the client.

    To end its `pause` has it try at once whether it can.
    """

    def __init__(
        self,
        client: Redis,
        channels: Sequence[str],
        on_message: Callable[[bytes, bytes], None],
        on_return: Callable[[], None],
    ) -> None:
        self.pause = Pause()
        self._client = client
        self._pool: ConnectionPoolInterface = client.connection_pool
        self._channels = channels
        self._on_message = on_message
        self._on_return = on_return
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises `RedisError` or `OSError` where Redis does not answer."""
        connection = await self._subscribed()
        self._task = asyncio.create_task(self._run(connection), name="messenger subscriber")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._client.aclose()

    async def _run(self, connection: AbstractConnection) -> None:
        while True:
            try:
                await self._listen(connection)
            except (RedisError, OSError) as error:
                logger.warning("messages of other processes are missed: Redis is away (%s)", type(error).__name__)
            await self._drop(connection)
            connection = await self._connect_again()
            logger.warning("messages of other processes arrive again")
            self._on_return()

    async def _connect_again(self) -> AbstractConnection:
        for seconds in backoff():
            await self.pause.last(seconds)
            with suppress(RedisError, OSError):
                return await self._subscribed()
        raise AssertionError("backoff is endless")

    async def _subscribed(self) -> AbstractConnection:
        """A new connection, once Redis has confirmed every channel. Messages that come between are delivered."""
        connection = await self._pool.get_connection()
        try:
            await connection.send_command("SUBSCRIBE", *self._channels)
            confirmed = 0
            while confirmed < len(self._channels):
                answer = await connection.read_response(timeout=SILENCE_SECONDS, disable_decoding=True)
                if answer is None:
                    raise RedisTimeoutError("a subscription was not confirmed")
                confirmed += answer[0] == b"subscribe"
                self._take(answer)
        except BaseException:
            await self._drop(connection)
            raise
        return connection

    async def _drop(self, connection: AbstractConnection) -> None:
        await connection.disconnect(nowait=True)
        await self._pool.release(connection)

    async def _listen(self, connection: AbstractConnection) -> None:
        """Take messages until the connection is lost. Raises `RedisError` or `OSError` then."""
        asked = False
        while True:
            answer = await connection.read_response(timeout=SILENCE_SECONDS, disable_decoding=True)
            if answer is not None:
                asked = False
                self._take(answer)
            elif asked:
                raise RedisTimeoutError("Redis is silent")
            else:
                await connection.send_command("PING")
                asked = True

    def _take(self, answer: Any) -> None:
        match answer:
            case [b"message", bytes(channel), bytes(data)]:
                self._on_message(channel, data)
