"""A schema that changed in one process is looked at anew in all.

The message says only that it changed: what it is now, each process reads from the database itself. Programs that send
no such message are known by their changes of the collections that describe the schema, or by what a statement misses.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from tidegate.database.engine import Database
from tidegate.errors import TidegateError
from tidegate.items.changes import Change
from tidegate.messenger.backoff import backoff
from tidegate.messenger.base import Messenger
from tidegate.schema import Schema

CHANNEL = "schema"
_DESCRIBING = frozenset({"directus_collections", "directus_fields", "directus_relations"})

logger = logging.getLogger(__name__)


class SchemaRelay:
    """Make it before the messenger starts. `on_outdated` is called when the schema is known to be out of date."""

    def __init__(self, messenger: Messenger, database: Database, on_outdated: Callable[[], None]) -> None:
        self._messenger = messenger
        self._database = database
        self._on_outdated = on_outdated
        self._wanted = 0
        """The version of the schema that is new enough."""
        self._task: asyncio.Task[None] | None = None
        database.on_schema(self._publish)
        database.on_outdated(self._look)
        messenger.subscribe(CHANNEL, lambda _: self._look())
        messenger.on_gap(self._look)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def changed(self, changes: Sequence[Change]) -> None:
        """Hear what was committed, here or elsewhere."""
        if any(change.collection in _DESCRIBING for change in changes):
            self._look()

    def _publish(self, _: Schema) -> None:
        """Unless it was a change elsewhere that made this process look."""
        if asyncio.current_task() is not self._task and not self._messenger.alone:
            self._messenger.publish(CHANNEL, b"{}")

    def _look(self) -> None:
        self._wanted = self._database.next_version
        self._on_outdated()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._reload())

    async def _reload(self) -> None:
        """Until the schema is new enough, whoever has it read, and however long the database is away."""
        pauses = backoff()
        while self._database.schema.version < self._wanted:
            try:
                await self._database.reload(self._wanted)
                if self._database.schema.version < self._wanted:  # again, meanwhile
                    self._on_outdated()
            except TidegateError as error:
                logger.warning("the schema changed elsewhere and could not be read: %s", error.code)
                await asyncio.sleep(next(pauses))
