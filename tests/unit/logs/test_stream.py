"""The log of several processes as one stream."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tidegate.logs import stream as stream_module
from tidegate.logs.stream import CHANNEL, LogStream, Style, unrecorded
from tidegate.messenger.memory import MemoryHub, MemoryMessenger

log = logging.getLogger("tidegate.test")


class Recorder:
    """A follower that wants everything."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.levels: list[int] = []

    def deliver(self, level: int, line: bytes) -> None:
        self.lines.append(json.loads(line))
        self.levels.append(level)

    @property
    def texts(self) -> list[str]:
        return [line["data"]["msg"] for line in self.lines]


class Processes:
    """Processes on one bus. They share the logging of the test's, so each record comes from every tap."""

    def __init__(self) -> None:
        self.hub = MemoryHub()
        self.streams: list[LogStream] = []

    async def start(self, level: str = "info", style: Style = "raw") -> LogStream:
        return (await self.start_several(1, level, style))[0]

    async def start_several(self, count: int, level: str = "info", style: Style = "raw") -> list[LogStream]:
        messengers = [MemoryMessenger(self.hub) for _ in range(count)]
        self.streams = [LogStream(f"node-{number}", level, style, each) for number, each in enumerate(messengers)]
        for messenger in messengers:
            await messenger.start()
        for stream in self.streams:
            stream.start()
        return self.streams


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    processes = Processes()
    yield processes
    for stream in processes.streams:
        stream.stop()


async def settled() -> None:
    """Let the loop run what is due, and what that makes due: a flush, then what it published."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_follower_gets_records_at_or_above_the_level_that_is_offered(processes: Processes) -> None:
    stream, follower = await processes.start(level="warn"), Recorder()
    stream.follow(follower)
    log.info("too low")
    log.warning("watch out for %s", "rocks")
    log.critical("aground")
    await settled()
    assert follower.texts == ["watch out for rocks", "aground"]
    assert follower.levels == [40, 60]


async def test_line_is_a_message_of_the_protocol(processes: Processes) -> None:
    stream, follower = await processes.start(), Recorder()
    stream.follow(follower)
    log.warning("watch out", extra={"request": 7})
    await settled()
    (line,) = follower.lines
    assert line["type"] == "logs"
    assert line["uid"] == "node-0"
    assert {"level": 40, "msg": "watch out", "request": 7, "name": "tidegate.test"}.items() <= line["data"].items()
    assert isinstance(line["data"]["time"], int)


async def test_pretty_line_holds_what_a_person_reads(processes: Processes) -> None:
    stream, follower = await processes.start(style="pretty"), Recorder()
    stream.follow(follower)
    try:
        raise LookupError("no such rock")
    except LookupError:
        log.exception("aground", extra={"request": 7})
    await settled()
    data = follower.lines[0]["data"]
    assert set(data) == {"level", "time", "msg"}
    assert data["msg"].startswith("aground\nTraceback")
    assert data["msg"].endswith("LookupError: no such rock")


async def test_secrets_do_not_appear(processes: Processes) -> None:
    stream, follower = await processes.start(), Recorder()
    stream.follow(follower)
    log.info('"GET /items/messages?access_token=canary-token HTTP/1.1" 200', extra={"password": "canary-password"})
    await settled()
    assert len(follower.lines) == 1
    assert "canary" not in json.dumps(follower.lines)


async def test_records_reach_the_followers_of_every_process_with_the_node_they_come_from(processes: Processes) -> None:
    _, second = await processes.start_several(2)
    follower = Recorder()
    second.follow(follower)
    log.warning("one")
    await settled()
    assert sorted((line["uid"], line["data"]["msg"]) for line in follower.lines) == [
        ("node-0", "one"),
        ("node-1", "one"),
    ]


async def test_process_that_is_alone_taps_the_log_only_while_somebody_follows(processes: Processes) -> None:
    before = list(logging.getLogger().handlers)
    stream, follower = await processes.start(), Recorder()
    assert logging.getLogger().handlers == before
    stream.follow(follower)
    assert len(logging.getLogger().handlers) == len(before) + 1
    stream.unfollow(follower)
    assert logging.getLogger().handlers == before


async def test_follower_gets_nothing_after_leaving(processes: Processes) -> None:
    stream, staying, leaving = await processes.start(), Recorder(), Recorder()
    stream.follow(staying)
    stream.follow(leaving)
    log.info("one")
    await settled()
    stream.unfollow(leaving)
    stream.unfollow(leaving)
    log.info("two")
    await settled()
    assert staying.texts == ["one", "two"]
    assert leaving.texts == ["one"]


def log_a_hundred(name: str) -> None:
    for number in range(100):
        log.info("%s %d", name, number)


async def test_records_of_other_threads_arrive_in_their_order(processes: Processes) -> None:
    stream, follower = await processes.start(), Recorder()
    stream.follow(follower)
    threads = [threading.Thread(target=log_a_hundred, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await settled()
    for name in ("a", "b", "c"):
        own = [text for text in follower.texts if text.startswith(name)]
        assert own == [f"{name} {number}" for number in range(100)]


async def test_what_finds_no_room_is_dropped_counted_and_reported(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "MAX_WAITING", 3)
    stream, follower = await processes.start(style="pretty"), Recorder()
    stream.follow(follower)
    for number in range(10):
        log.info("%d", number)
    await settled()
    assert follower.texts == ["0", "1", "2", "7 log records were dropped"]
    assert stream.dropped == 7
    log.info("later")
    await settled()
    assert follower.texts[4:] == ["later"]


async def test_sending_that_logs_does_not_feed_the_stream(processes: Processes) -> None:
    stream = await processes.start(level="trace")

    class Chatty(Recorder):
        """Logs whatever it is handed, at once, in a callback and in a task."""

        def deliver(self, level: int, line: bytes) -> None:
            super().deliver(level, line)
            log.debug("sending a frame")
            asyncio.get_running_loop().call_soon(log.debug, "sent a frame")
            self.task = asyncio.create_task(self.drain())

        async def drain(self) -> None:
            await asyncio.sleep(0)
            log.debug("drained")

    follower = Chatty()
    stream.follow(follower)
    log.info("one")
    for _ in range(20):
        await asyncio.sleep(0)
    assert follower.texts == ["one"]


async def test_sending_of_another_process_does_not_feed_the_stream_back(processes: Processes) -> None:
    first, second = await processes.start_several(2, level="trace")

    class Chatty(Recorder):
        def deliver(self, level: int, line: bytes) -> None:
            super().deliver(level, line)
            log.debug("sending a frame")

    followers = [Chatty(), Chatty()]
    first.follow(followers[0])
    second.follow(followers[1])
    log.info("one")
    for _ in range(20):
        await asyncio.sleep(0)
    assert [follower.texts for follower in followers] == [["one", "one"], ["one", "one"]]


async def test_unrecorded_ends_with_its_block(processes: Processes) -> None:
    stream, follower = await processes.start(), Recorder()
    stream.follow(follower)
    with unrecorded():
        log.info("hidden")
    log.info("shown")
    await settled()
    assert follower.texts == ["shown"]


async def test_text_that_no_message_can_carry_is_repaired(processes: Processes) -> None:
    stream, follower = await processes.start(style="pretty"), Recorder()
    stream.follow(follower)
    log.info("half a pair: \ud800")
    await settled()
    assert follower.texts == ["half a pair: ?"]


async def test_nonsense_on_the_channel_is_ignored(processes: Processes) -> None:
    stream, follower = await processes.start(), Recorder()
    program = MemoryMessenger(processes.hub)
    await program.start()
    stream.follow(follower)
    for nonsense in (b"{}", b"{", b'{"type":"other","data":{"level":60}}', b'{"type":"logs","data":{"level":"x"}}'):
        program.publish(CHANNEL, nonsense)
    program.publish(CHANNEL, b'{"type":"logs","data":{"level":60,"msg":"real"},"uid":"far"}')
    await settled()
    assert follower.texts == ["real"]


async def test_stopped_stream_takes_no_more_records(processes: Processes) -> None:
    before = list(logging.getLogger().handlers)
    stream, follower = await processes.start(), Recorder()
    stream.follow(follower)
    stream.stop()
    log.info("after")
    await settled()
    assert follower.texts == []
    assert logging.getLogger().handlers == before


def test_who_logs_does_not_suffer_from_an_event_loop_that_ended_without_a_word() -> None:
    async def run() -> LogStream:
        messenger = MemoryMessenger()
        stream = LogStream("node", "info", "pretty", messenger)
        await messenger.start()
        stream.start()
        stream.follow(Recorder())
        return stream

    stream = asyncio.run(run())
    log.info("late")
    stream.stop()


async def test_record_logged_while_another_is_being_queued_is_not_stranded(processes: Processes) -> None:
    """Freeing an object may log, and may happen at any allocation: also while the thread holds the stream's lock."""
    stream, follower = await processes.start(), Recorder()
    stream.follow(follower)

    class Waiting(list[Any]):
        def append(self, record: Any) -> None:
            super().append(record)
            if len(self) == 1:
                log.info("freed")

    stream._waiting = Waiting()
    log.info("one")
    await settled()
    assert follower.texts == ["one", "freed"]
