"""The messenger over a real Redis: the common suite, other programs on the bus, and everything that can break."""

import asyncio
import gzip
import itertools
import json
import logging
import secrets
import shutil
import signal
import uuid
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import ModuleType
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.support.engines import private_server, redis_url
from tests.support.messenger_suite import PATIENCE_SECONDS, Listener, MessengerSuite, message, soon
from tests.support.private_servers import free_port
from tidegate.errors import TidegateError
from tidegate.messenger import publisher, subscriber
from tidegate.messenger.base import Messenger
from tidegate.messenger.redis import RedisMessenger

CHANNEL = "websocket.event"


class Link:
    """A TCP connection to Redis that can be cut: what a network does, without touching a server that others use."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._port = free_port()
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}"

    async def join(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for stream in self._streams:
            stream.transport.abort()
        if self._pumps:
            await asyncio.wait(self._pumps)
        self._streams.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        self._streams |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(_pump(source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.transport.abort()


class RedisBus:
    """A namespace nobody else uses, reached over a link of its own."""

    def __init__(self, link: Link) -> None:
        self.namespace = f"tidegate-test-{secrets.token_hex(6)}"
        self.messengers: list[RedisMessenger] = []
        self._link = link

    def messenger(self, max_backlog_bytes: int = 1_000_000) -> RedisMessenger:
        messenger = RedisMessenger(self._link.url, self.namespace, str(uuid.uuid4()), max_backlog_bytes)
        self.messengers.append(messenger)
        return messenger

    async def interrupt(self) -> None:
        await self._link.cut()

    async def resume(self) -> None:
        await self._link.join()


@asynccontextmanager
async def redis_bus(url: str) -> AsyncIterator[RedisBus]:
    link = Link(url)
    await link.join()
    bus = RedisBus(link)
    try:
        yield bus
    finally:
        for messenger in bus.messengers:
            await messenger.stop()
        await link.cut()


@pytest.fixture
async def bus() -> AsyncIterator[RedisBus]:
    async with redis_bus(await redis_url()) as bus:
        yield bus


@pytest.fixture
async def program() -> AsyncIterator[Redis]:
    """Another program that uses the same Redis."""
    async with Redis.from_url(await redis_url()) as client:
        yield client


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask a server again and again for something that nobody announces."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():
            pass


class TestRedisMessenger(MessengerSuite):
    """The common suite."""


async def test_other_program_hears_json_with_the_node(bus: RedisBus, program: Redis) -> None:
    messenger = bus.messenger()
    await messenger.start()
    async with program.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(f"{bus.namespace}:{CHANNEL}")
        await heard.get_message(timeout=5)
        messenger.publish(CHANNEL, b'{"collection":"messages","action":"create","key":1,"payload":{}}')
        messenger.publish(CHANNEL, message(1, padding=1000))
        plain = await soon(anext(aiter(heard.listen())))
        packed = await soon(anext(aiter(heard.listen())))
    value = json.loads(plain["data"])
    assert uuid.UUID(value.pop("node"))
    assert value == {"collection": "messages", "action": "create", "key": 1, "payload": {}}
    assert json.loads(gzip.decompress(packed["data"]))["number"] == 1


async def test_other_program_is_heard(bus: RedisBus, program: Redis) -> None:
    messenger = bus.messenger()
    heard = Listener(messenger, CHANNEL)
    await messenger.start()
    await program.publish(f"{bus.namespace}:{CHANNEL}", message(1))
    await program.publish(f"{bus.namespace}:{CHANNEL}", gzip.compress(message(2, padding=2000)))
    assert await heard.take(2) == [message(1), message(2, padding=2000)]


async def test_message_that_cannot_be_unpacked_is_counted_and_ignored(bus: RedisBus, program: Redis) -> None:
    messenger = bus.messenger()
    heard = Listener(messenger, CHANNEL)
    await messenger.start()
    await program.publish(f"{bus.namespace}:{CHANNEL}", b"\x1f\x8bnonsense")
    await program.publish(f"{bus.namespace}:{CHANNEL}", message(1))
    assert await heard.next() == message(1)
    assert messenger.unreadable == 1


async def test_namespaces_are_apart(bus: RedisBus) -> None:
    async with redis_bus(await redis_url()) as other:
        sender, receiver, stranger = bus.messenger(), bus.messenger(), other.messenger()
        heard, unheard = Listener(receiver, CHANNEL), Listener(stranger, CHANNEL)
        for messenger in (sender, receiver, stranger):
            await messenger.start()
        sender.publish(CHANNEL, message(1))
        await heard.next()
        other_sender = other.messenger()
        await other_sender.start()
        other_sender.publish(CHANNEL, message(2))
        assert await unheard.next() == message(2)


async def test_start_without_redis_is_refused_without_naming_where_it_was_looked_for() -> None:
    messenger = RedisMessenger(f"redis://user:hidden@127.0.0.1:{free_port()}", "nowhere", str(uuid.uuid4()))
    with pytest.raises(TidegateError) as refused:
        await messenger.start()
    assert refused.value.code == "SERVICE_UNAVAILABLE"
    assert "hidden" not in refused.value.message
    assert "127.0.0.1" not in refused.value.message


async def test_killed_subscriber_subscribes_again_and_reports_the_gap(caplog: pytest.LogCaptureFixture) -> None:
    async with private_server("redis") as server, redis_bus(server.url) as bus, Redis.from_url(server.url) as admin:
        sender, receiver = bus.messenger(), bus.messenger()
        own, heard = Listener(sender, CHANNEL), Listener(receiver, CHANNEL)
        await sender.start()
        await receiver.start()
        assert await admin.client_kill_filter(_type="pubsub") == 2
        await soon(heard.gap.wait())
        await soon(own.gap.wait())
        sender.publish(CHANNEL, message(1))
        assert await heard.next() == message(1)
        assert sender.dropped == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"] * len(caplog.records)
    assert "messages of other processes arrive again" in caplog.messages


async def test_idle_publisher_whose_connection_was_killed_loses_nothing() -> None:
    async with private_server("redis") as server, redis_bus(server.url) as bus, Redis.from_url(server.url) as admin:
        sender, receiver = bus.messenger(), bus.messenger()
        heard = Listener(receiver, CHANNEL)
        await sender.start()
        await receiver.start()
        assert await admin.client_kill_filter(_type="normal", skipme=True) == 2
        await until(lambda: _only_the_administrator_is_connected(admin))
        sender.publish(CHANNEL, message(1))
        assert await heard.next() == message(1)
        assert not heard.gap.is_set()


async def _only_the_administrator_is_connected(admin: Redis) -> bool:
    return len(await admin.client_list(_type="normal")) == 1


async def test_lost_messages_of_a_publisher_are_reported_to_those_who_kept_their_connection() -> None:
    async with private_server("redis") as server, redis_bus(server.url) as bus, Redis.from_url(server.url) as admin:
        sender, receiver = bus.messenger(), bus.messenger()
        heard, own = Listener(receiver, CHANNEL), Listener(sender, CHANNEL)
        await sender.start()
        await receiver.start()
        await admin.client_pause(3_600_000, all=False)
        sender.publish(CHANNEL, message(1))
        await until(lambda: _somebody_waits(admin))
        await admin.client_kill_filter(_type="normal", skipme=True)
        await admin.client_unpause()
        await soon(heard.gap.wait())
        sender.publish(CHANNEL, message(2))
        assert await heard.next() == message(2)
        assert sender.dropped == 1
        assert not own.gap.is_set(), "who lost messages has missed none"


async def test_lost_message_that_is_expendable_is_reported_to_nobody() -> None:
    async with private_server("redis") as server, redis_bus(server.url) as bus, Redis.from_url(server.url) as admin:
        sender, receiver = bus.messenger(), bus.messenger()
        heard = Listener(receiver, CHANNEL)
        await sender.start()
        await receiver.start()
        await admin.client_pause(3_600_000, all=False)
        sender.publish(CHANNEL, message(1), expendable=True)
        await until(lambda: _somebody_waits(admin))
        await admin.client_kill_filter(_type="normal", skipme=True)
        await admin.client_unpause()
        sending = asyncio.create_task(_repeat(sender))
        assert await heard.next() == message(2)
        sending.cancel()
        assert sender.dropped >= 1
        assert not heard.gap.is_set()


async def _somebody_waits(admin: Redis) -> bool:
    return int((await admin.info("clients"))["blocked_clients"]) > 0


async def test_paused_redis_delays_messages_and_loses_none() -> None:
    async with private_server("redis") as server, redis_bus(server.url) as bus, Redis.from_url(server.url) as admin:
        sender, receiver = bus.messenger(), bus.messenger()
        heard = Listener(receiver, CHANNEL)
        await sender.start()
        await receiver.start()
        await admin.client_pause(3_600_000, all=False)
        sent = [message(number) for number in range(500)]
        for each in sent:
            sender.publish(CHANNEL, each)
        await until(lambda: _somebody_waits(admin))
        assert heard.messages.empty()
        await admin.client_unpause()
        assert await heard.take(500) == sent
        assert not heard.gap.is_set()


async def test_messages_over_the_bound_are_dropped_counted_and_reported() -> None:
    async with private_server("redis") as server, redis_bus(server.url) as bus, Redis.from_url(server.url) as admin:
        sender, receiver = bus.messenger(max_backlog_bytes=1000), bus.messenger()
        heard = Listener(receiver, CHANNEL)
        await sender.start()
        await receiver.start()
        await admin.client_pause(3_600_000, all=False)
        for number in range(500):
            sender.publish(CHANNEL, message(number))
        assert 480 < sender.dropped < 500
        await admin.client_unpause()
        kept = 500 - sender.dropped
        assert await heard.take(kept) == [message(number) for number in range(kept)]
        await soon(heard.gap.wait())
        sender.publish(CHANNEL, message(500))
        assert await heard.next() == message(500)


async def test_silent_redis_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "SILENCE_SECONDS", 0.1)
    async with private_server("redis") as server, redis_bus(server.url) as bus, Redis.from_url(server.url) as admin:
        receiver = bus.messenger()
        heard = Listener(receiver, CHANNEL)
        await receiver.start()
        await until(lambda: _was_asked(admin, times=4))
        assert not heard.gap.is_set(), "a Redis that has nothing to say answers when asked"
        await admin.client_pause(500, all=True)
        await soon(heard.gap.wait())


async def _was_asked(admin: Redis, times: int) -> bool:
    return int((await admin.info("commandstats"))["cmdstat_ping"]["calls"]) >= times


class RedisProcess:
    """A Redis that can be stopped and started again on the same port."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._port = free_port()
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}"

    async def start(self) -> None:
        command = [self._program, "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
        await until(self._answers)

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def _answers(self) -> bool:
        async with Redis.from_url(self.url) as client:
            with suppress(RedisError):
                return bool(await client.ping())
        return False


@pytest.fixture
async def restartable() -> AsyncIterator[RedisProcess]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    server = RedisProcess(program)
    await server.start()
    yield server
    await server.kill()


async def test_killed_and_restarted_redis_is_found_again_by_everybody(
    restartable: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = f"tidegate-test-{secrets.token_hex(6)}"
    messengers: list[Messenger] = [RedisMessenger(restartable.url, namespace, str(uuid.uuid4())) for _ in range(3)]
    heard = [Listener(messenger, CHANNEL) for messenger in messengers]
    for messenger in messengers:
        await messenger.start()
    with caplog.at_level(logging.WARNING, logger="tidegate.messenger"):
        await restartable.kill()
        for number in range(1000):
            messengers[0].publish(CHANNEL, message(number))
            await asyncio.sleep(0)
        await restartable.start()
        for listener in heard:
            await soon(listener.gap.wait())
    messengers[1].publish(CHANNEL, message(1000))
    assert await heard[0].next() == message(1000)
    assert await heard[2].next() == message(1000)
    assert 6 <= len(caplog.records) < 20, "one line for each change, not for each attempt or message"
    for messenger in messengers:
        await messenger.stop()


@pytest.mark.parametrize("waiting", [publisher, subscriber], ids=["publisher", "subscriber"])
async def test_connection_that_is_back_brings_the_other_one_back_at_once(
    restartable: RedisProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, waiting: ModuleType
) -> None:
    monkeypatch.setattr(waiting, "backoff", lambda: itertools.repeat(3600.0))
    messenger = RedisMessenger(restartable.url, f"tidegate-test-{secrets.token_hex(6)}", str(uuid.uuid4()))
    heard = Listener(messenger, CHANNEL, own=True)
    await messenger.start()
    await restartable.kill()

    async def both_are_away() -> bool:
        messenger.publish(CHANNEL, message(1))
        await asyncio.sleep(0)
        return all(any(text.startswith(f"messages {of}") for text in caplog.messages) for of in ("to", "of"))

    await until(both_are_away)
    await restartable.start()
    sending = asyncio.create_task(_repeat(messenger))
    await heard.next()
    sending.cancel()
    await messenger.stop()


async def _repeat(messenger: Messenger) -> None:
    while True:
        messenger.publish(CHANNEL, message(2))
        await asyncio.sleep(0.02)


async def test_stop_while_redis_is_away_does_not_hang(restartable: RedisProcess) -> None:
    messenger = RedisMessenger(restartable.url, "stopping", str(uuid.uuid4()))
    await messenger.start()
    await restartable.kill()
    messenger.publish(CHANNEL, message(1))
    await soon(messenger.stop())
    await restartable.start()
