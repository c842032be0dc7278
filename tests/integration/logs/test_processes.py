"""The log of another process, over a real Redis."""

import asyncio
import json
import logging
import secrets
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.engines import redis_url
from tests.support.messenger_suite import soon
from tidegate.logs.stream import LogStream
from tidegate.messenger.redis import RedisMessenger

PROGRAM = """
import asyncio, logging, sys
from tidegate.logs.stream import LogStream
from tidegate.messenger.redis import RedisMessenger

async def main(url, namespace, node):
    messenger = RedisMessenger(url, namespace, node)
    stream = LogStream(node, "trace", "raw", messenger)
    await messenger.start()
    stream.start()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        logging.getLogger("tidegate.other").log(5 if line.startswith("fine") else 30, line.strip())
    stream.stop()
    await messenger.stop()

asyncio.run(main(*sys.argv[1:]))
"""


class Recorder:
    def __init__(self) -> None:
        self.lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def deliver(self, level: int, line: bytes) -> None:
        self.lines.put_nowait({**json.loads(line), "delivered_at": level})

    async def next_of(self, node: str) -> dict[str, Any]:
        while True:
            line = await soon(self.lines.get())
            if line["uid"] == node:
                return line


@asynccontextmanager
async def other_process(url: str, namespace: str, node: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, url, namespace, node, stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await soon(process.stdout.readline()) == b"ready\n"
        yield process
    finally:
        process.stdin.close()
        assert await soon(process.wait()) == 0


@asynccontextmanager
async def following(url: str, namespace: str, node: str) -> AsyncIterator[Recorder]:
    """This process, with somebody who follows every record."""
    messenger, recorder = RedisMessenger(url, namespace, node), Recorder()
    stream = LogStream(node, "trace", "raw", messenger)
    await messenger.start()
    stream.start()
    stream.follow(recorder)
    try:
        yield recorder
    finally:
        stream.stop()
        await messenger.stop()


def say(process: Process, text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text.encode() + b"\n")


async def test_records_of_another_process_arrive_with_its_node_and_without_secrets() -> None:
    url, namespace = await redis_url(), f"tidegate-test-{secrets.token_hex(6)}"
    here, there = str(uuid.uuid4()), str(uuid.uuid4())
    async with following(url, namespace, here) as recorder, other_process(url, namespace, there) as process:
        say(process, "watch out, password=canary")
        line = await recorder.next_of(there)
        assert line["data"]["msg"] == "watch out, password=***"
        assert line["data"]["level"] == line["delivered_at"] == 40
        assert line["data"]["pid"] == process.pid
        say(process, "fine detail")
        assert (await recorder.next_of(there))["data"]["level"] == 10


async def test_two_processes_that_log_everything_do_not_log_one_another_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At level trace whatever publishing and hearing logs would come back as records without end."""
    caplog.set_level(1)
    url, namespace = await redis_url(), f"tidegate-test-{secrets.token_hex(6)}"
    here, there = str(uuid.uuid4()), str(uuid.uuid4())
    async with following(url, namespace, here) as recorder, other_process(url, namespace, there) as process:
        for number in range(10):
            logging.getLogger("tidegate.here").warning("%d", number)
            say(process, str(number))
        say(process, "last")
        texts: list[str] = []
        while not texts or texts[-1] != "last":
            texts.append((await recorder.next_of(there))["data"]["msg"])
    assert texts == [*map(str, range(10)), "last"]
