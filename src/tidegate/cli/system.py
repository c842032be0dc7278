"""Work in the database of the settings as the server itself, without serving."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tidegate.access.identity import System
from tidegate.access.rights import Rights
from tidegate.app.server import Running, running
from tidegate.cli.failures import why_not_started
from tidegate.cli.output import CommandError
from tidegate.clock import SystemClock
from tidegate.errors import TidegateError
from tidegate.settings import Settings

T = TypeVar("T")


def perform(settings: Settings, work: Callable[[Running, Rights], Awaitable[T]]) -> T:
    """What `work` returns, given everything that a server has and the rights to do anything with it.

    An empty database is bootstrapped first. Raises `CommandError`.
    """

    async def run() -> T:
        async with running(settings, SystemClock()) as server:
            return await work(server, await server.directory.rights(System()))

    prepare_folder(settings)
    try:
        return asyncio.run(run())
    except TidegateError as error:
        if error.code == "SERVICE_UNAVAILABLE":
            raise CommandError(why_not_started(error, settings)) from None
        raise CommandError(error.message) from None


def prepare_folder(settings: Settings) -> None:
    """Make folder and file of an embedded database, for their owner only. Raises `CommandError` where it cannot."""
    if settings.db_client != "sqlite3":
        return
    file = Path(settings.db_filename)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        with file.open("ab"):
            pass
    except OSError as error:
        raise CommandError(f"The database {file} cannot be written: {error.strerror}.") from None
