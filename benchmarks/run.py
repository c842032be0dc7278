"""`make bench`: the yardstick's scenarios against one server process on PostgreSQL, and the bare ceiling beside them.

The server has one core and the load another. Figures of one run compare with each other and those of two machines do
not, which is why ratios are printed. A run counts only when nothing was lost, doubled, disordered or leaked; the exit
code says so. That a bar is missed is printed and no fault of the run.
"""

import asyncio
import contextlib
import os
import resource
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from tests.support.engines import environment, temporary_database
from tests.support.private_servers import free_port
from tests.support.server import ServerProcess, running_server

from benchmarks.scenarios import FAULTS, SCENARIOS, Figure, Scenario

HERE = Path(__file__).parent
USERS = 1000
SCENARIO_SECONDS = 180
FIRST_CORE, *OTHER_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES, LOAD_CORES = [FIRST_CORE], OTHER_CORES or [FIRST_CORE]
VARIABLES = {"LOG_LEVEL": "warn", "WEBSOCKETS_HEARTBEAT_ENABLED": "true"}


class Results:
    """The answer of every scenario that was run."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}

    def faulty(self, scenario: Scenario) -> bool:
        """Whether it failed, or delivered anything wrong."""
        answer = self.answers[scenario.name]
        unread = any(figure.read(answer) is None for figure in scenario.figures)
        return unread or any(int(number) for faults in FAULTS.findall(answer) for number in faults)

    def held_against_bar(self, figure: Figure, value: float) -> float:
        """The figure, or its ratio to the scenario that it is compared with (not a number where that one failed)."""
        if figure.compared_with is None:
            return value
        (other,) = (scenario for scenario in SCENARIOS if scenario.name == figure.compared_with)
        return value / (other.figures[0].read(self.answers[other.name]) or float("nan"))

    def table(self) -> Table:
        table = Table("scenario", "figure", "value", "ratio", "bar", "reached", title="one process on one core")
        for scenario in SCENARIOS:
            for figure in scenario.figures:
                value = figure.read(self.answers[scenario.name])
                if value is None:
                    table.add_row(scenario.name, figure.name, "failed")
                    continue
                held = self.held_against_bar(figure, value)
                ratio = f"{held:.2f}" if figure.compared_with else ""
                bar = "" if figure.bar is None else f"{'≥' if figure.floor else '≤'} {figure.bar:g}"
                reached = "" if figure.bar is None else ("yes" if figure.reached(held) else "no")
                table.add_row(scenario.name, figure.name, f"{value:g} {figure.unit}", ratio, bar, reached)
        return table


@contextlib.contextmanager
def pinned(cores: Iterable[int]) -> Iterator[None]:
    """Processes started inside run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def yardstick(what: str, url: str, *arguments: str) -> str:
    """What the yardstick printed; cut off after `SCENARIO_SECONDS`."""
    command = [sys.executable, str(HERE / "yardstick.py"), what, url, *arguments]
    with pinned(LOAD_CORES):
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SCENARIO_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"not done within {SCENARIO_SECONDS} s"
    return output.decode()


@contextlib.asynccontextmanager
async def bare_server() -> AsyncIterator[str]:
    """The broadcaster that does nothing else, on the server's core."""
    port = free_port()
    served = ["--app-dir", str(HERE), "bare_asgi:app", "--port", str(port), "--log-level", "warning"]
    options = ["--loop", "uvloop", "--ws", "websockets-sansio", "--ws-per-message-deflate", "false"]
    with pinned(SERVER_CORES):
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "uvicorn", *served, *options)
    try:
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    break
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def perform(scenario: Scenario, server: ServerProcess) -> str:
    if scenario.what == "bare":
        async with bare_server() as url:
            return await yardstick(scenario.what, url, *scenario.arguments)
    watched = ["--pid", str(server.process.pid), "--users", str(USERS)]
    return await yardstick(scenario.what, server.url, *scenario.arguments, *watched)


async def run(console: Console) -> bool:
    """Run every scenario and print the table; whether everything was delivered as it must be."""
    results = Results()
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(temporary_database("postgresql"))
        with pinned(SERVER_CORES):
            server = await stack.enter_async_context(running_server({**environment(database), **VARIABLES}))
        console.print(
            (await yardstick("seed", server.url, "--users", str(USERS))).strip(), highlight=False, soft_wrap=True
        )
        for scenario in SCENARIOS:
            results.answers[scenario.name] = await perform(scenario, server)
            console.print(results.answers[scenario.name].strip(), highlight=False, soft_wrap=True)
    console.print(results.table())
    faulty = [scenario.name for scenario in SCENARIOS if results.faulty(scenario)]
    console.print(
        f"[red]wrong or failed: {', '.join(faulty)}" if faulty else "0 lost, 0 doubled, 0 disordered, 0 leaked"
    )
    return not faulty


def unlimited_files() -> None:
    """As many open sockets as the system lets this process and those that it starts have."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> int:
    unlimited_files()
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        return 0 if asyncio.run(run(console)) else 1
    except pytest.skip.Exception as missing:
        console.print(f"nothing to measure on: {missing}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
