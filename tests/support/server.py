"""`tidegate start` as a real process on a free port of 127.0.0.1, as an operator would run it.

Sources: PROTOCOL section 2 (variables), the fixture of the conformance vectors (what `seed` sends).
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.conformance.conformance import ADMIN_TOKEN, BASE_ENV, dig, fill
from tests.support.private_servers import free_port

TIDEGATE = str(Path(sys.executable).with_name("tidegate"))
"""The console script of the environment that the tests run in."""
FIXTURE: dict[str, Any] = json.loads((Path(__file__).parents[1] / "conformance" / "fixture.json").read_text())
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
START_SECONDS = 60.0


def server_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """`variables` over the vectors' own settings, and nothing of the caller's shell but what a process needs."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**inherited, "PYTHONUNBUFFERED": "1", **BASE_ENV, **variables}


class ServerProcess:
    """A started server; `folder` is its working directory and holds its log."""

    def __init__(self, variables: Mapping[str, str], folder: Path, port: int, arguments: Sequence[str] = ()) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.websocket_url = f"ws://127.0.0.1:{port}/websocket"
        self.log_path = folder / f"server-{port}.log"
        environment = server_environment({"PORT": str(port), "PUBLIC_URL": self.url, **variables})
        self.seconds_to_answer = float("nan")
        """From the start of the process to its first `pong`."""
        self._started_at = time.monotonic()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [TIDEGATE, "start", *arguments],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    async def answering(self) -> None:
        """Wait for `GET /server/ping` to say `pong`."""
        async with httpx.AsyncClient(base_url=self.url, timeout=START_SECONDS) as client:
            while self.process.poll() is None and time.monotonic() - self._started_at < START_SECONDS:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/server/ping")).text == "pong":
                        self.seconds_to_answer = time.monotonic() - self._started_at
                        return
                await asyncio.sleep(0.01)
        raise AssertionError(f"the server does not answer (exit code {self.process.poll()}):\n{self.log[-4000:]}")

    async def ended(self, seconds: float) -> int:
        """Wait for the process to end by itself; its exit code. Raises `subprocess.TimeoutExpired`."""
        return await asyncio.to_thread(self.process.wait, seconds)

    async def stop(self, seconds: float = 5.0) -> int:
        """Ask it to end (SIGTERM), then insist; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return await self.ended(seconds)
        except subprocess.TimeoutExpired:
            return await self.kill()

    async def kill(self) -> int:
        """SIGKILL to the whole process group: what a crash of the machine's scheduler would do to it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return await self.ended(5)


@contextlib.asynccontextmanager
async def running_server(
    variables: Mapping[str, str],
    *,
    folder: Path | None = None,
    port: int | None = None,
    arguments: Sequence[str] = (),
) -> AsyncIterator[ServerProcess]:
    """A server that answers; `arguments` are those of `tidegate start`.

    Without `DB_*` in `variables` it has an SQLite file in `folder` (by default a new one).
    """
    with contextlib.ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-server-")))
        database = {"DB_CLIENT": "sqlite3", "DB_FILENAME": str(place / "data.db")}
        server = ServerProcess({**database, **variables}, place, port or free_port(), arguments)
        try:
            await server.answering()
            yield server
        finally:
            await server.stop()


async def seed(server: ServerProcess) -> dict[str, Any]:
    """Send the fixture: collections, roles, policies, users and items. Returns the ids that it names."""
    saved: dict[str, Any] = {}
    async with httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=60) as client:
        for request in (*FIXTURE["requests"], *FIXTURE["items"]):
            filled = fill(request, saved)
            answer = await client.request(filled.get("method", "POST"), filled["path"], json=filled.get("json"))
            assert answer.is_success, f"{filled['path']}: {answer.status_code} {answer.text[:400]}"
            for name, path in request.get("save", {}).items():
                saved[name] = dig(answer.json(), path)
    return saved
