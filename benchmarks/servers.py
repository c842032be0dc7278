"""What is measured: servers as processes of their own, started anew for each measurement, and what loads them."""

import asyncio
import contextlib
import secrets
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, NamedTuple

from tests.support import engines
from tests.support.engines import environment
from tests.support.private_servers import free_port
from tests.support.server import running_server

from benchmarks.machine import LOAD_CORES, SERVER_CORES, pinned

HERE = Path(__file__).parent
LOAD_SECONDS = 180
START_SECONDS = 20
VARIABLES = {"LOG_LEVEL": "warn", "WEBSOCKETS_HEARTBEAT_ENABLED": "true"}

Server = Literal["tidegate", "one worker", "two workers", "bare sockets", "bare http", "database"]
"""`tidegate`: one process on one core. The workers speak over Redis, on any core. The bare ones are `bare_*.py`.
`database`: nothing is started, and the program that loads is given the URL of the database."""


class Target(NamedTuple):
    """A server that answers; the process is 0 where nothing has to know it."""

    url: str
    pid: int = 0


@contextlib.asynccontextmanager
async def started(server: Server, database: str) -> AsyncIterator[Target]:
    """A server of this kind until the end."""
    async with contextlib.AsyncExitStack() as stack:
        match server:
            case "database":
                yield Target(database)
            case "bare sockets":
                yield Target(await stack.enter_async_context(_uvicorn("bare_asgi:app")))
            case "bare http":
                yield Target(await stack.enter_async_context(_uvicorn("bare_http:app")))
            case "tidegate":
                with pinned(SERVER_CORES):
                    process = await stack.enter_async_context(running_server({**environment(database), **VARIABLES}))
                yield Target(process.url, process.process.pid)
            case "one worker" | "two workers":
                arguments = () if server == "one worker" else ("--workers", "2")
                variables = {**environment(database), **VARIABLES, **await bus()}
                process = await stack.enter_async_context(running_server(variables, arguments=arguments))
                yield Target(process.url, process.process.pid)


async def bus() -> dict[str, str]:
    """The variables of a bus of one's own."""
    return {"REDIS": await engines.redis_url(), "REDIS_BUS_NAMESPACE": f"tidegate-bench-{secrets.token_hex(6)}"}


@contextlib.asynccontextmanager
async def _uvicorn(app: str) -> AsyncIterator[str]:
    port = free_port()
    served = ["--app-dir", str(HERE), app, "--port", str(port), "--log-level", "warning", "--no-access-log"]
    options = ["--loop", "uvloop", "--ws", "websockets-sansio", "--ws-per-message-deflate", "false"]
    with pinned(SERVER_CORES):
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "uvicorn", *served, *options)
    try:
        async with asyncio.timeout(START_SECONDS):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    break
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def load(program: str, *arguments: str) -> str:
    """What a program of this folder printed, run on the cores for load; ended after `LOAD_SECONDS`."""
    command = [sys.executable, "-m", f"{__package__}.{program}", *arguments]
    with pinned(LOAD_CORES):
        process = await asyncio.create_subprocess_exec(*command, cwd=HERE.parent, stdout=PIPE, stderr=STDOUT)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LOAD_SECONDS)
    except TimeoutError:
        return f"{program} was not done within {LOAD_SECONDS} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output.decode().strip()


async def seed(database: str, users: int) -> str:
    """What the yardstick said of filling the database."""
    async with started("tidegate", database) as target:
        return await load("yardstick", "seed", target.url, "--users", str(users))
