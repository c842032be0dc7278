"""Real databases and Redis for tests: what listens on the standard port, else a private server started from binaries.

`async with temporary_database("postgresql") as url` gives the URL of an empty database with a unique name, dropped at
the end; `environment(url)` gives the variables that point Tidegate at it; `await redis_url()` gives a Redis. An engine
that can neither be reached nor started skips the test with the reason, and the summary of the run names it.
"""

import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator
from typing import get_args
from urllib.parse import urlsplit

import pytest

from tests.support.private_servers import Server, start
from tests.support.probes import DatabaseEngine, ServerEngine, UnreachableError, execute, version

DATABASE_ENGINES: tuple[DatabaseEngine, ...] = get_args(DatabaseEngine)

STANDARD_URLS: dict[ServerEngine, str] = {
    "postgresql": "postgresql://postgres@127.0.0.1:5432",
    "mariadb": "mysql://root@127.0.0.1:3306",
    "redis": "redis://127.0.0.1:6379",
}

covered: dict[str, str] = {}
"""Every engine that a test of this process used, and its version."""
missing: dict[str, str] = {}
"""Every engine that a test of this process asked for in vain, and why."""

_servers: dict[ServerEngine, Server] = {}
_started = contextlib.ExitStack()


def environment(url: str) -> dict[str, str]:
    """The `DB_*` variables (PROTOCOL section 2) for a URL of `temporary_database`."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"DB_CLIENT": "sqlite3", "DB_FILENAME": parts.path}
    return {
        "DB_CLIENT": "mysql" if parts.scheme == "mysql" else "pg",
        "DB_HOST": parts.hostname or "",
        "DB_PORT": str(parts.port),
        "DB_DATABASE": parts.path.removeprefix("/"),
        "DB_USER": parts.username or "",
        "DB_PASSWORD": parts.password or "",
    }


@contextlib.asynccontextmanager
async def temporary_database(engine: DatabaseEngine) -> AsyncIterator[str]:
    """The URL of a new empty database: `sqlite:///…/data.db` (no file yet), `postgresql://…` or `mysql://…`.

    Skips the test when the engine is missing.
    """
    if engine == "sqlite":
        covered["sqlite"] = ""
        with tempfile.TemporaryDirectory(prefix="tidegate-test-") as folder:
            yield f"sqlite://{folder}/data.db"
        return
    server = await require(engine)
    name = f"tidegate_test_{secrets.token_hex(6)}"
    postgresql = engine == "postgresql"
    await execute(engine, server.url, f"CREATE DATABASE {name}{'' if postgresql else ' CHARACTER SET utf8mb4'}")
    try:
        yield f"{server.url}/{name}"
    finally:
        await execute(engine, server.url, f"DROP DATABASE {name}{' WITH (FORCE)' if postgresql else ''}")


async def redis_url() -> str:
    """The URL of a Redis that other tests use too: take a unique prefix. Skips the test when there is none."""
    return (await require("redis")).url


async def require(engine: ServerEngine) -> Server:
    """The server of this engine that all tests of the process share; skips the test when it is missing."""
    if engine in missing:
        pytest.skip(missing[engine])
    if engine not in _servers:
        try:
            _servers[engine] = await _find(engine)
        except UnreachableError as reason:
            missing[engine] = str(reason)
            pytest.skip(missing[engine])
        covered[engine] = _servers[engine].version
    return _servers[engine]


@contextlib.asynccontextmanager
async def private_server(engine: ServerEngine) -> AsyncIterator[Server]:
    """A server of one's own, to be paused, killed or filled. Skips the test when it cannot be started."""
    with contextlib.ExitStack() as stack:
        try:
            server = await start(engine, stack)
        except UnreachableError as reason:
            pytest.skip(str(reason))
        yield server


def stop_started() -> None:
    """Stop the servers that `require` started, at the end of the run."""
    _started.close()


async def _find(engine: ServerEngine) -> Server:
    url = STANDARD_URLS[engine]
    try:
        return Server(url, await version(engine, url))
    except UnreachableError as refused:
        try:
            return await start(engine, _started)
        except UnreachableError as reason:
            raise UnreachableError(f"{refused}; {reason}") from None
