"""Running read plans: one statement for the rows, then one for each relation on each level below, never one per row."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

import sqlalchemy as sa

from tidegate.database.capabilities import Capabilities
from tidegate.database.engine import Database
from tidegate.database.prepared import PreparedRead
from tidegate.errors import TidegateError
from tidegate.query.compile import Restriction, Statement, compile_count, read_statement, related_statement
from tidegate.query.condition import NO_ROW, Variable
from tidegate.query.operators import canonical
from tidegate.query.plan import ReadPlan
from tidegate.query.selection import Aggregation, Related, RelatedAny, Selection
from tidegate.schema import Field, RelationKind

Item = dict[str, Any]
Rows = Sequence[Sequence[Any]]

KEYS_PER_STATEMENT = 5_000
"""How many rows' relations are read at once: well below what any engine takes as bound values."""


_ran: WeakSet[Statement] = WeakSet()
"""Statements that have been run once."""
_prepared: WeakKeyDictionary[Statement, PreparedRead | None] = WeakKeyDictionary()
"""Those that have been run again; None for one that cannot be prepared."""


class Source(Protocol):
    """What statements are run on: a `Database` or a `Transaction`."""

    @property
    def tables(self) -> Mapping[str, sa.Table]: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def fetch(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]: ...


async def read_plan(source: Source, plan: ReadPlan) -> list[Item]:
    """The items that a bound plan reads, each with its fields in the order in which they were asked for."""
    if plan.selection.condition == NO_ROW and plan.selection.aggregation is None:
        return []
    if plan.keys is None:
        return await _Reader(source, plan.argument).read(plan.selection, Restriction.NONE, None)
    if len(plan.keys) == 1:
        return await _Reader(source, plan.argument).read(plan.selection, Restriction.KEY, plan.keys[0])
    return await _Reader(source, plan.argument).read(plan.selection, Restriction.KEYS, plan.keys) if plan.keys else []


async def read_meta(source: Source, plan: ReadPlan) -> dict[str, int]:
    """The counts that a bound plan's query asks for: `total_count` of visible items, `filter_count` of those found."""
    conditions = {"total_count": plan.visible, "filter_count": plan.selection.condition}
    table = source.tables[plan.collection]
    counts: dict[str, int] = {}
    for name in plan.meta:
        statement = compile_count(plan.bound(conditions[name]), table, source.tables, source.capabilities)
        counts[name] = (await source.fetch(statement))[0][0]
    return counts


class _Reader:
    """Reads one plan from one source."""

    def __init__(self, source: Source, argument: Callable[[Variable], Any]) -> None:
        self._source = source
        self._argument = argument

    async def read(self, selection: Selection, restriction: Restriction, keys: Any) -> list[Item]:
        statement = read_statement(selection, restriction, self._source.tables, self._source.capabilities)
        if restriction is not Restriction.KEYS and isinstance(self._source, Database) and statement in _ran:
            rows = await self._fetch_prepared(self._source, statement, keys)
        else:
            rows = await self._fetch(statement, keys)
            _ran.add(statement)
        return await self._items(selection, statement, rows)

    async def _fetch(self, statement: Statement, keys: Any) -> Rows:
        return await self._source.fetch(statement.select.params(statement.values(self._argument, keys)))

    async def _fetch_prepared(self, database: Database, statement: Statement, keys: Any) -> Rows:
        """What is read again takes the short way, unless it has lists of variable length."""
        if statement not in _prepared:
            try:
                _prepared[statement] = database.prepare(statement.select)
            except ValueError:
                _prepared[statement] = None
        prepared = _prepared[statement]
        if prepared is None:
            return await self._fetch(statement, keys)
        return await database.fetch_prepared(prepared, statement.values(self._argument, keys))

    async def _items(self, selection: Selection, statement: Statement, rows: Rows) -> list[Item]:
        if selection.aggregation is not None:
            return _groups(selection.aggregation, rows)
        outputs = list(zip(selection.outputs, statement.places, strict=True))
        names = [(output.key, place[0]) for output, place in outputs]
        items: list[Item] = [{name: row[place] for name, place in names} for row in rows]
        for output, place in outputs:
            if isinstance(output, Related):
                await self._put_related(items, output, [row[place[0]] for row in rows])
            elif isinstance(output, RelatedAny):
                await self._put_any(items, output, [(row[place[0]], row[place[1]]) for row in rows])
        return items

    async def _put_related(self, items: list[Item], output: Related, near: Sequence[Any]) -> None:
        """Put the related rows in place of the values that lead to them; null where the value is null."""
        many = output.link.kind is RelationKind.O2M
        found = await self._related(output, [value for value in near if value is not None])
        for item, value in zip(items, near, strict=True):
            rows = found.get(str(value), [])
            item[output.key] = None if value is None else rows if many else next(iter(rows), None)

    async def _put_any(self, items: list[Item], output: RelatedAny, near: Sequence[tuple[Any, Any]]) -> None:
        """As `_put_related`, where each row says for itself which collection it leads to."""
        for item in items:
            item[output.key] = None
        for branch in output.branches:
            target = branch.selection.collection
            found = await self._related(branch, [value for value, collection in near if collection == target])
            for item, (value, collection) in zip(items, near, strict=True):
                if collection == target:
                    item[output.key] = next(iter(found.get(str(value), [])), None)

    async def _related(self, related: Related, near: Sequence[Any]) -> Mapping[str, list[Any]]:
        """The related rows by the text of the value that leads to them."""
        selection = related.selection
        wanted = _keys(related.link.far, near)
        if not wanted or selection.condition == NO_ROW:
            return {}
        statement = related_statement(related, self._source.tables, self._source.capabilities)
        rows: list[Sequence[Any]] = []
        for start in range(0, len(wanted), KEYS_PER_STATEMENT):
            rows += await self._fetch(statement, wanted[start : start + KEYS_PER_STATEMENT])
        items = await self._items(selection, statement, rows)
        keys_only = related.keys_only and selection.aggregation is None
        found: dict[str, list[Any]] = {}
        for row, item in zip(rows, items, strict=True):
            if not keys_only:
                found.setdefault(str(row[-1]), []).append(item)
            elif row[0] is not None:
                found.setdefault(str(row[-1]), []).append(row[0])
        return found


def _keys(far: Field, near: Sequence[Any]) -> list[Any]:
    """The values as those of the field that they are looked for in, each once; without those that it cannot hold."""
    keys: dict[Any, None] = {}
    for value in near:
        with contextlib.suppress(TidegateError):
            keys[canonical(far, value)] = None
    keys.pop(None, None)
    return list(keys)


def _groups(aggregation: Aggregation, rows: Rows) -> list[Item]:
    """An item for each group: its values, and below each function the fields that it was applied to."""
    items: list[Item] = []
    for row in rows:
        item: Item = {group.key: value for group, value in zip(aggregation.groups, row, strict=False)}
        for measure, value in zip(aggregation.measures, row[len(aggregation.groups) :], strict=False):
            place = item
            for step in measure.path[:-1]:
                place = place.setdefault(step, {})
            place[measure.path[-1]] = value
        items.append(item)
    return items
