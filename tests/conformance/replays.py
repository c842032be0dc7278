"""Replay of the recorded vectors against real servers: one server for each group of vectors with the same settings.

Most of a replay is waiting for the wire to fall quiet, so a few lanes work at the same time, each in a thread of its
own with one server and one database after another. The comparing is done by `conformance.py`, kept as it was given.
"""

import asyncio
import contextlib
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.conformance.conformance import Server, by_env, load, perform
from tests.support.engines import temporary_database
from tests.support.probes import DatabaseEngine
from tests.support.server import FIXTURE, TIDEGATE

HERE = Path(__file__).parent
VECTORS: Mapping[str, Any] = {vector["name"]: vector for vector in load(sorted((HERE / "vectors").glob("*.json")))}
KNOWN_FAILURES: Sequence[dict[str, Any]] = tomllib.loads((HERE / "known_failures.toml").read_text()).get("failure", [])
"""Rows with `vector`, `reason` and, where it fails on some engines only, `engines`."""

LANES = 4
VECTORS_PER_SERVER = 60
START_COST = 8
"""What the start and seeding of a server costs, in vectors."""
VECTOR_SECONDS = 90.0


class Outcome(NamedTuple):
    """How the answers to a vector differ from the recorded ones, nothing when all is well, and the server's log."""

    problems: Sequence[str]
    log: str


class Lane:
    """One thread that replays groups of vectors one after the other, each on a server of its own."""

    def __init__(self, engine: DatabaseEngine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=folder.name)
        self._runner = asyncio.Runner()
        self._running = contextlib.AsyncExitStack()
        self.load = 0

    def submit(self, env: Mapping[str, str], vectors: Sequence[Any]) -> dict[str, Future[Outcome]]:
        log = self._folder / f"{self.load}.log"
        self.load += START_COST + len(vectors)
        started = self._thread.submit(lambda: self._runner.run(self._start(env, log)))
        outcomes = {vector["name"]: self._thread.submit(self._replay, started, vector, log) for vector in vectors}
        self._thread.submit(self._stop)
        return outcomes

    def close(self) -> None:
        self._thread.submit(self._stop)
        self._thread.submit(self._runner.close)
        self._thread.shutdown()

    async def _start(self, env: Mapping[str, str], log_path: Path) -> Server:
        url = await self._running.enter_async_context(temporary_database(self._engine))
        log = self._running.enter_context(log_path.open("ab"))
        server = Server(shlex.join([TIDEGATE, "start"]), env, None if self._engine == "sqlite" else url, FIXTURE, log)
        return await self._running.enter_async_context(server)

    def _replay(self, started: "Future[Server]", vector: Any, log: Path) -> Outcome:
        begin = log.stat().st_size if log.exists() else 0
        try:
            server = started.result()
            problems = self._runner.run(asyncio.wait_for(perform(server, vector, record=False), VECTOR_SECONDS))
        except (Exception, SystemExit) as fault:
            if not hasattr(fault, "__notes__"):
                fault.add_note(f"server log:\n{_tail(log)}")
            raise
        return Outcome(problems, log.read_bytes()[begin:].decode(errors="replace"))

    def _stop(self) -> None:
        self._runner.run(self._running.aclose())


class Replays:
    """The outcomes of vectors on one engine, worked out in the background."""

    def __init__(self, engine: DatabaseEngine, names: Sequence[str], folder: Path) -> None:
        self._folder = folder
        self._outcomes: dict[str, Future[Outcome]] = {}
        self._lanes = []
        for number in range(LANES):
            (folder / f"{engine}-{number}").mkdir()
            self._lanes.append(Lane(engine, folder / f"{engine}-{number}"))
        for env, vectors in sorted(_groups(names), key=lambda group: -len(group[1])):
            lane = min(self._lanes, key=lambda lane: lane.load)
            self._outcomes |= lane.submit(env, vectors)

    def outcome(self, name: str) -> Outcome:
        """Wait for the outcome of a vector. Raises what kept its server from starting or the replay from ending."""
        try:
            return self._outcomes[name].result()
        except SystemExit as stop:  # how conformance.py says that a server does not start or cannot be seeded
            raise AssertionError("\n".join([str(stop), *getattr(stop, "__notes__", ())])) from None

    def close(self) -> None:
        for outcome in self._outcomes.values():
            outcome.cancel()
        for lane in self._lanes:
            lane.close()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:] if log.exists() else ""


def _groups(names: Sequence[str]) -> Iterator[tuple[dict[str, str], Sequence[Any]]]:
    """Vectors with the same settings together, in parts small enough to share the work evenly."""
    for env, group in by_env([VECTORS[name] for name in names]):
        for first in range(0, len(group), VECTORS_PER_SERVER):
            yield env, group[first : first + VECTORS_PER_SERVER]
