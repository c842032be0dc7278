"""The sending half of the Redis messenger: one task, one connection, whatever waits sent in one go."""

import asyncio
import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tidegate.messenger.backlog import Backlog, Outgoing
from tidegate.messenger.backoff import Pause, backoff

FLUSH_SECONDS = 2.0
"""How long `stop` waits for the last messages to leave."""

logger = logging.getLogger(__name__)


class Publisher:
    """Owns the client it is given. Only its own task uses the connection, so messages stay in order.

    Calls `on_return()` when messages leave again. To end its `pause` has it try at once whether they do.
    """

    def __init__(self, client: Redis, backlog: Backlog, on_return: Callable[[], None]) -> None:
        self.pause = Pause()
        self._client = client
        self._backlog = backlog
        self._on_return = on_return
        self._ready = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises `RedisError` or `OSError` where Redis does not answer."""
        await self._client.ping()
        self._task = asyncio.create_task(self._run(), name="messenger publisher")

    async def stop(self) -> None:
        if self._task is not None:
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._idle.wait()
            except TimeoutError:
                logger.warning("stopped before every message of the bus had left")
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._client.aclose()

    def put(self, message: Outgoing) -> None:
        self._backlog.put(message)
        self._idle.clear()
        self._ready.set()

    async def subscribers(self, channel: str) -> int:
        """How many hear the channel, asked over a connection of its own. Raises `RedisError` or `OSError`."""
        answer = await self._client.pubsub_numsub(channel)
        return int(answer[0][1])

    async def _run(self) -> None:
        pauses = backoff()
        away = False
        while True:
            if not self._backlog:
                self._ready.clear()
                self._idle.set()
                await self._ready.wait()
            try:
                await self._send(self._backlog.take())
            except (RedisError, OSError) as error:
                self._backlog.failed()
                if not away:
                    logger.warning("messages to other processes are lost: Redis is away (%s)", type(error).__name__)
                away = True
                await self.pause.last(next(pauses))
                continue
            self._backlog.sent()
            if away:
                logger.warning("messages to other processes leave again; %d lost so far", self._backlog.dropped)
                self._on_return()
            away = False
            pauses = backoff()

    async def _send(self, messages: list[Outgoing]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for message in messages:
            pipeline.publish(message.channel, message.data)
        await pipeline.execute()
