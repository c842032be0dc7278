"""Whether a transaction is there whose COMMIT was sent and never answered, told by the rows that it wrote.

First the server is made to end its session, so that nothing of it comes later. Then a row that the transaction created,
deleted or changed tells; one that is neither what was there before nor what was written does not: somebody else has
changed it meanwhile, or has created it, since a server that crashed may give the same key again. The rows are locked to
look at them, so that others who are about to change them are waited for.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa

from tidegate.database.engine import Database, Transaction
from tidegate.errors import CommitUnansweredError, TidegateError
from tidegate.items.changes import Change, Image, Key
from tidegate.schema import CONCEALED
from tidegate.schema.values import parse

PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each attempt to ask: a server that restarts takes a while."""
LIMIT = 10.0
"""Seconds after which nobody asks any more: what was committed later on has to wait to be told."""
KEYS_PER_STATEMENT = 5_000
"""Well below what any engine takes as bound values."""

_Images = tuple[Image | None, Image | None]
"""A row as it was and as it is; None where there was or is none."""

log = logging.getLogger(__name__)


async def found_out(database: Database, session: int | None, changes: Sequence[Change]) -> bool:
    """Whether the transaction of `session` that made `changes` is committed.

    Raises `CommitUnansweredError` where nobody can tell.
    """
    verdict = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LIMIT):
            verdict = await _asked(database, session, changes)
    if verdict is None:
        log.error("The answer to a COMMIT was lost, and whether it is there is not known: its events are not sent")
        raise CommitUnansweredError
    log.warning("The answer to a COMMIT was lost; it is %s", "there" if verdict else "not there")
    return verdict


async def _asked(database: Database, session: int | None, changes: Sequence[Change]) -> bool | None:
    for pause in PAUSES:
        await asyncio.sleep(pause)
        with contextlib.suppress(TidegateError):
            async with database.transaction() as transaction:
                ended = await transaction.end_session(session)
                if ended or session is None:
                    verdict = await _look(transaction, database, changes)
                    # What is not there may yet come from a session of which nobody knows whether it has ended.
                    return verdict if ended or verdict else None
    return None


async def _look(transaction: Transaction, database: Database, changes: Sequence[Change]) -> bool | None:
    """None where no row tells. A transaction that changed no row may as well be there."""
    undecided = any(CONCEALED in change.payload.values() for change in changes)
    for collection, images in _net(database, changes).items():
        rows = await _rows(transaction, database, collection, list(images))
        for key, (before, after) in images.items():
            verdict = _tells(before, after, rows.get(key))
            if verdict is not None:
                return verdict
            undecided = undecided or before != after
    return None if undecided else True


def _net(database: Database, changes: Sequence[Change]) -> Mapping[str, Mapping[Key, _Images]]:
    """What became of each row, by collection and key, from the first to the last change of it."""
    net: dict[str, dict[Key, _Images]] = {}
    for change in changes:
        for before, after in zip_longest(change.before, change.after):
            rows = net.setdefault(change.collection, {})
            key = _key(database, change.collection, before or after)
            first = rows[key][0] if key in rows else before
            rows[key] = (first, after)
    return net


async def _rows(
    transaction: Transaction, database: Database, collection: str, keys: Sequence[Key]
) -> Mapping[Key, Image]:
    table = database.tables[collection]
    key_column = table.c[database.schema.collections[collection].primary_key]
    found: dict[Key, Image] = {}
    for start in range(0, len(keys), KEYS_PER_STATEMENT):
        select = sa.select(table).where(key_column.in_(keys[start : start + KEYS_PER_STATEMENT]))
        if database.capabilities.for_update:
            select = select.with_for_update()
        found.update((row._mapping[key_column.name], row._asdict()) for row in await transaction.fetch(select))
    return found


def _key(database: Database, collection: str, image: Image) -> Any:
    field = database.schema.collections[collection].key_field
    return parse(field, image[field.name])


def _tells(before: Image | None, after: Image | None, row: Image | None) -> bool | None:
    """Whether the row, as it is now, shows that the change was made; None where it does not tell."""
    if before is None and after is None:
        return None
    if after is None:
        return row is None
    if before is None:
        if row is None:
            return False
        return True if all(value in (CONCEALED, row[name]) for name, value in after.items()) else None
    changed = [name for name, value in after.items() if value != CONCEALED and before.get(name) != value]
    if row is None or not changed:
        return None
    if all(row[name] == after[name] for name in changed):
        return True
    return False if all(row[name] == before[name] for name in changed) else None
