"""What realtime reads from the database: snapshots, and answers that row images cannot give."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.sql.visitors import iterate

from tidegate.database.engine import Database
from tidegate.items.changes import Change, Image, Key
from tidegate.items.payload import mask
from tidegate.items.read import read_plan
from tidegate.query.compile import compile_condition
from tidegate.query.condition import Column, Condition
from tidegate.query.deleted import of_deleted
from tidegate.query.plan import ReadPlan, canonical_keys
from tidegate.query.selection import Selection, Value
from tidegate.realtime.group import Group, key_text
from tidegate.realtime.snapshot import State
from tidegate.realtime.subscription import Row

_KEY: Final = "\0key"
"""Under which a row carries its primary key on the way; no field has such a name."""
_keyed: WeakKeyDictionary[Selection, Selection] = WeakKeyDictionary()
"""Kept as long as the selection without, so that the statement for it is built once."""


def _with_key(plan: ReadPlan) -> ReadPlan:
    """The plan, with each row's primary key added, whether or not it was asked for and may be seen."""
    selection = plan.selection
    keyed = _keyed.get(selection)
    if keyed is None:
        outputs = (Value(_KEY, Column(selection.key)), *selection.outputs)
        keyed = _keyed[selection] = replace(selection, outputs=outputs)
    return replace(plan, selection=keyed)


class Reader:
    """Reads on behalf of groups. Raises what the database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, plan: ReadPlan) -> dict[str, Row]:
        """What a bound plan reads, by `key_text`, in its order."""
        field = plan.selection.key
        return {key_text(field, row.pop(_KEY)): row for row in await read_plan(self._database, _with_key(plan))}

    async def images(self, collection: str, keys: Sequence[Key]) -> dict[str, Image]:
        """The rows that are there, whole, by `key_text`. What cannot be a key of the collection is left out."""
        described = self._database.schema.collections[collection]
        field, table = described.key_field, self._database.tables[collection]
        statement = sa.select(table).where(table.c[field.name].in_(canonical_keys(field, keys)))
        found = await self._database.fetch(statement)
        images = [mask(described, dict(row._mapping)) for row in found]
        return {key_text(field, image[field.name]): image for image in images}

    async def answer(self, group: Group, change: Change, now: float) -> list[bytes]:
        """What to tell a group of a change: rows as they are by now; deleted ones if they were visible."""
        asked = [change.keys[number] for number in group.positions(change)]
        if change.action == "delete":
            before = [change.before[number] for number in group.positions(change)]
            visible = await self._matched(of_deleted(group.plan(now).condition), change.collection, before)
            keys = [key for number, key in enumerate(asked) if number in visible]
            return group.encode("delete", keys, ()) if keys else []
        rows = await self.rows(group.plan(now).with_keys(asked))
        keys = [key for key in asked if key_text(group.key_field, key) in rows]
        seen = [rows[key_text(group.key_field, key)] for key in keys]
        bodies = group.encode(change.action, keys, seen) if keys else []
        return bodies + await self._leaves(group, change, rows, now)

    async def _leaves(self, group: Group, change: Change, rows: Mapping[str, Row], now: float) -> list[bytes]:
        """What to tell of rows that the group saw before the change and, going by `rows`, does not see any more."""
        unseen = [at for at in group.leavable(change) if key_text(group.key_field, change.keys[at]) not in rows]
        if group.seen is not None:
            unseen = [at for at in unseen if key_text(group.key_field, change.keys[at]) in group.seen]
            group.see(rows)
        if not unseen or group.leave is None:
            return []
        before = [change.before[at] for at in unseen]
        left = await self._matched(group.plan(now).condition, change.collection, before)
        keys = [change.keys[at] for number, at in enumerate(unseen) if number in left]
        return group.leave(keys) if keys else []

    async def states(self, group: Group, changes: Sequence[Change], now: float) -> list[Mapping[str, State]]:
        """For each change, how the group sees its rows after it; where that takes the database, as they are by now."""
        events = [group.states(change, now) for change in changes]
        if None not in events:
            return [event for event in events if event is not None]
        unknown = [change for change, event in zip(changes, events, strict=True) if event is None]
        asked = [[change.keys[number] for number in group.positions(change)] for change in unknown]
        rows = await self.rows(group.plan(now).with_keys([key for keys in asked for key in keys]))
        read = ({(text := key_text(group.key_field, key)): rows.get(text) for key in keys} for keys in asked)
        return [next(read) if event is None else event for event in events]

    async def _matched(self, condition: Condition, collection: str, images: Sequence[Image]) -> set[int]:
        """Which of the rows the condition matches, going by their images and by related rows as they are by now."""
        table = self._database.tables[collection]
        row = table.alias()
        parts = iterate(self._condition(condition, row))
        asked = {part.name for part in parts if isinstance(part, sa.Column) and part.table is row}
        position = "position"
        while position in asked:
            position += "_"
        as_they_were = sa.union_all(
            *(
                sa.select(
                    sa.literal(number, sa.Integer).label(position),
                    *(sa.literal(image.get(name), table.c[name].type).label(name) for name in sorted(asked)),
                )
                for number, image in enumerate(images)
            )
        ).subquery()
        matching = self._condition(condition, as_they_were)
        found = await self._database.fetch(sa.select(as_they_were.c[position]).where(matching))
        return {row[0] for row in found}

    def _condition(self, condition: Condition, row: sa.FromClause) -> sa.ColumnElement[bool]:
        return compile_condition(condition, row, self._database.tables, self._database.capabilities)
