"""`tidegate start --workers`: processes on one address that are replaced when they die, and one by one on SIGHUP."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from tests.support import engines
from tests.support.server import ADMIN, TIDEGATE, ServerProcess, running_server, seed, server_environment
from tests.support.waiting import until

WORKERS = ("--workers", "2")
TOKEN = "?access_token=member-static-token"


@asynccontextmanager
async def workers(redis_url: str, **variables: str) -> AsyncIterator[ServerProcess]:
    """A seeded server of two workers."""
    bus = {"REDIS": redis_url, "REDIS_BUS_NAMESPACE": f"tidegate-test-{secrets.token_hex(6)}"}
    async with (
        engines.temporary_database("postgresql") as url,
        running_server({**engines.environment(url), **bus, **variables}, arguments=WORKERS) as server,
    ):
        await until(lambda: "with 2 workers" in server.log)
        await seed(server)
        yield server


def children(pid: int) -> set[int]:
    """The worker processes of a supervisor."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("this system does not tell the children of a process (/proc)")
    return {int(child) for child in listed.read_text().split()}


async def two_children(server: ServerProcess, without: set[int]) -> set[int]:
    """The workers, once there are two and none of them is one of these."""
    await until(lambda: len(children(server.process.pid) - without) == 2)
    return children(server.process.pid)


async def subscribed(server: ServerProcess, stack: AsyncExitStack, number: int) -> list[ClientConnection]:
    sockets = [
        await stack.enter_async_context(connect(server.websocket_url + TOKEN, proxy=None)) for _ in range(number)
    ]
    for socket in sockets:
        await socket.send(json.dumps({"type": "subscribe", "collection": "messages", "event": "create"}))
        assert json.loads(await socket.recv())["event"] == "init"
    return sockets


async def close_codes(sockets: Sequence[ClientConnection], seconds: float) -> list[int | None]:
    async with asyncio.timeout(seconds):
        await asyncio.gather(*(socket.wait_closed() for socket in sockets))
    return [socket.close_code for socket in sockets]


@pytest.mark.parametrize(
    "variables",
    [{}, {"REDIS": "redis://127.0.0.1:6379", "REDIS_ENABLED": "false"}],
    ids=["without an address", "switched off"],
)
def test_workers_without_redis_are_refused_in_one_sentence(tmp_path: Path, variables: dict[str, str]) -> None:
    ended = subprocess.run(
        [TIDEGATE, "start", *WORKERS],
        env=server_environment({"DB_CLIENT": "sqlite3", "DB_FILENAME": "data.db", **variables}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "tidegate: Several workers need Redis, to tell one another what was written: set REDIS or REDIS_HOST.\n"
    )


def test_workers_whose_redis_does_not_answer_end_with_one_sentence(tmp_path: Path) -> None:
    variables = {"DB_CLIENT": "sqlite3", "DB_FILENAME": "data.db", "REDIS": "redis://127.0.0.1:1", "PORT": "0"}
    ended = subprocess.run(
        [TIDEGATE, "start", *WORKERS],
        env=server_environment(variables),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "tidegate: Redis at 127.0.0.1:1 cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_workers_share_the_address_and_what_they_write(redis_url: str) -> None:
    async with workers(redis_url) as server, AsyncExitStack() as stack:
        sockets = await subscribed(server, stack, 12)
        async with httpx.AsyncClient(base_url=server.url, headers=ADMIN) as client:
            (await client.post("/items/messages", json={"text": "to all"})).raise_for_status()
        async with asyncio.timeout(10):
            heard = [json.loads(await socket.recv())["data"][0]["text"] for socket in sockets]
        assert heard == ["to all"] * 12


async def test_worker_that_is_killed_is_replaced_and_the_others_serve_on(redis_url: str) -> None:
    async with workers(redis_url) as server, AsyncExitStack() as stack:
        first, second = sorted(children(server.process.pid))
        sockets = await subscribed(server, stack, 16)
        os.kill(first, signal.SIGKILL)
        await two_children(server, {first})
        assert second in children(server.process.pid)
        async with httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=30) as client:
            (await client.post("/items/messages", json={"text": "after"})).raise_for_status()
        async with asyncio.timeout(20):
            left = [socket for socket in sockets if await lives(socket)]
            again = await subscribed(server, stack, 4)
        assert 0 < len(left) < 16, "both workers had connections"
        assert len(again) == 4
        assert "Traceback" not in server.log


async def lives(socket: ClientConnection) -> bool:
    """Whether it hears of the write, rather than that its server is gone."""
    try:
        text = await socket.recv()
    except ConnectionClosedError:
        assert socket.close_code == 1006
        return False
    return bool(json.loads(text)["data"][0]["text"] == "after")


async def test_restart_replaces_every_worker_and_closes_sockets_a_few_at_a_time(redis_url: str) -> None:
    async with workers(redis_url, WEBSOCKETS_DRAIN_TIME="1") as server, AsyncExitStack() as stack:
        before = children(server.process.pid)
        sockets = await subscribed(server, stack, 40)
        closed_at: list[float] = []

        async def watch(socket: ClientConnection) -> None:
            await socket.wait_closed()
            closed_at.append(time.monotonic())

        watching = [asyncio.create_task(watch(socket)) for socket in sockets]
        server.process.send_signal(signal.SIGHUP)
        async with httpx.AsyncClient(base_url=server.url) as client, asyncio.timeout(40):
            while "Restarted" not in server.log:
                assert (await client.get("/server/ping", headers={"Connection": "close"})).text == "pong"
        assert await close_codes(sockets, 10) == [1012] * 40
        await asyncio.gather(*watching)
        await two_children(server, before)
        at_once = max(sum(1 for other in closed_at if at <= other < at + 0.05) for at in closed_at)
        assert at_once <= 10, "so many clients would come back at the same moment"
        assert "Traceback" not in server.log


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
async def test_stopped_supervisor_stops_every_worker_in_time(redis_url: str, how: signal.Signals) -> None:
    async with workers(redis_url) as server, AsyncExitStack() as stack:
        sockets = await subscribed(server, stack, 8)
        asked_at = time.monotonic()
        server.process.send_signal(how)
        assert await server.ended(10) == 0
        assert time.monotonic() - asked_at < 4
        assert await close_codes(sockets, 5) == [1001] * 8
        assert "Traceback" not in server.log


async def test_workers_do_not_outlive_a_supervisor_that_is_killed(redis_url: str) -> None:
    async with workers(redis_url) as server, AsyncExitStack() as stack:
        there = children(server.process.pid)
        sockets = await subscribed(server, stack, 4)
        await server.kill()
        assert await close_codes(sockets, 10) == [1001] * 4
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in there))


async def test_single_process_drains_on_sighup_and_ends() -> None:
    async with running_server({"WEBSOCKETS_DRAIN_TIME": "0.5"}) as server, AsyncExitStack() as stack:
        await seed(server)
        sockets = await subscribed(server, stack, 4)
        server.process.send_signal(signal.SIGHUP)
        assert await close_codes(sockets, 5) == [1012] * 4
        assert await server.ended(5) == 0
