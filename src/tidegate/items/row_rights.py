"""Which rows whoever writes may touch, and which they know of, within one transaction.

A row is known to who may read or update it, has written it, or is it. To anybody else it is as one that is not there.
"""

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.access.rights import Action, Rights, Rule
from tidegate.database.engine import Transaction
from tidegate.errors import Forbidden, TidegateError
from tidegate.items.changes import Image, Key
from tidegate.items.payload import Payload
from tidegate.items.plans import Plans
from tidegate.items.read import read_plan
from tidegate.query.condition import EVERY_ROW
from tidegate.query.evaluate import row_predicate
from tidegate.query.plan import canonical_keys
from tidegate.schema import Collection, RelationKind, Schema


class RowRights:
    """What `rights` mean for single rows, as `transaction` sees them."""

    def __init__(self, schema: Schema, transaction: Transaction, rights: Rights, plans: Plans, now: float) -> None:
        self._schema = schema
        self._transaction = transaction
        self._rights = rights
        self._plans = plans
        self._now = now
        self._known: defaultdict[str, set[Key]] = defaultdict(set)
        if rights.user is not None:
            self._known["directus_users"].add(rights.user)

    async def allowed(
        self,
        collection: Collection,
        action: Action,
        fields: tuple[str, ...],
        rows: Mapping[Key, Image],
        rules: tuple[Rule, ...] | None = None,
    ) -> bool:
        """Whether `action` may touch all the fields on each of the rows, which are given as they are.

        `rules`: those that accept what is written; None for all.
        """
        if self._rights.admin:
            return True
        plan = self._plans.rows(self._rights, collection.name, action, fields, self._now, rules)
        predicate = row_predicate(plan.condition)
        if predicate is not None:
            return all(predicate(row) for row in rows.values())
        return len(await read_plan(self._transaction, plan.with_keys(tuple(rows)))) == len(rows)

    def written(self, collection: Collection, keys: Sequence[Key]) -> None:
        self._known[collection.name].update(keys)

    def deleted(self, collection: Collection, keys: Sequence[Key]) -> None:
        self._known[collection.name].difference_update(keys)

    async def known(self, collection: Collection, keys: Sequence[Key]) -> set[Key]:
        """Those of the keys whose rows are there and known."""
        wanted = canonical_keys(collection.key_field, keys)
        actions: tuple[Action, ...] = ("read",) if self._rights.admin else ("read", "update")
        found = self._known[collection.name].intersection(wanted)
        for action in actions:
            unknown = [key for key in wanted if key not in found]
            with contextlib.suppress(Forbidden):
                plan = self._plans.rows(self._rights, collection.name, action, (), self._now)
                rows = await read_plan(self._transaction, plan.with_keys(unknown))
                found.update(row[collection.primary_key] for row in rows)
        self._known[collection.name] |= found
        return found

    async def look_up(self, collection: Collection, rows: Sequence[Payload]) -> None:
        """Find out at once which of the rows that many rows are to point at are known, before `check_pointers` asks."""
        if len(rows) > 1:
            for name in collection.fields:
                target = self._guarded_target(collection, name)
                if target is not None:
                    await self.known(target, [row[name] for row in rows if isinstance(row.get(name), int | str)])

    async def check_pointers(
        self, collection: Collection, written: Payload, columns: Mapping[str, Any], before: Mapping[Key, Image]
    ) -> None:
        """Refuse a foreign key to a row that is not known in the way of one to a row that is not there.

        What presets put into `columns` may lead anywhere, and what the rows of `before` are seen to hold may stay.
        """
        for name, value in columns.items():
            target = self._guarded_target(collection, name) if name in written and value is not None else None
            if target is None or await self.known(target, [value]):
                continue
            unchanged = bool(before) and all(row[name] == value for row in before.values())
            if not unchanged or not await self._read(collection, name, before):
                raise TidegateError("INVALID_FOREIGN_KEY", collection=collection.name, field=name, value=value)

    def _guarded_target(self, collection: Collection, name: str) -> Collection | None:
        """Where the field leads, if it is a foreign key and some of the rows there may be hidden."""
        view = None if self._rights.admin else self._schema.relation(collection.name, name)
        if view is None or view.kind is not RelationKind.M2O or view.relation.on_delete is None:
            return None
        with contextlib.suppress(Forbidden):
            if self._plans.rows(self._rights, view.target, "read", (), self._now).condition == EVERY_ROW:
                return None
        return self._schema.collections[view.target]

    async def _read(self, collection: Collection, name: str, rows: Mapping[Key, Image]) -> bool:
        with contextlib.suppress(Forbidden):
            return await self.allowed(collection, "read", (name,), rows)
        return False
