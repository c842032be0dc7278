"""One write as somebody, inside one transaction: rights, values, related items, and the changes that it makes.

Order of changes: the item that was asked for comes first, then the related items that the same write touched, in the
order of its fields (recorded: vector subscriptions/nested-create-emits-both).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidegate.access.passwords import PasswordHasher
from tidegate.access.rights import Action, Rights, Rule
from tidegate.database.engine import Database, Transaction
from tidegate.errors import Forbidden, InvalidPayload, TidegateError
from tidegate.items.changes import Change, Image, Key
from tidegate.items.nested import RelatedSet, check_number, related_set
from tidegate.items.payload import Payload, fill_specials, mask, permitted, validate_fields
from tidegate.items.plans import Plans
from tidegate.items.row_rights import RowRights
from tidegate.items.rows import Rows
from tidegate.schema import Collection, FieldType, Relation, RelationKind, RelationView
from tidegate.schema.values import parse

MAX_DEPTH = 10
"""How deep one write may nest related items."""


@dataclass(slots=True)
class _Parts:
    """A payload taken apart: what goes into the row's columns, and what goes into other rows before and after it."""

    columns: dict[str, Any]
    parents: list[tuple[str, RelationView, Payload]]
    """Many-to-one and many-to-any objects: they must exist before the row that points at them."""
    children: list[tuple[RelationView, RelatedSet]]
    """One-to-many sets: they point at the row."""


class Writer:
    """Writes within `transaction` with `rights`. Every method returns the changes it made, its own item's first."""

    def __init__(
        self,
        database: Database,
        transaction: Transaction,
        rights: Rights,
        plans: Plans,
        hasher: PasswordHasher,
        now: float,
    ) -> None:
        self._schema = database.schema
        self._tables = database.tables
        self._capabilities = database.capabilities
        self._transaction = transaction
        self._rows = Rows(database, transaction)
        self._rights = rights
        self._row_rights = RowRights(database.schema, transaction, rights, plans, now)
        self._hasher = hasher
        self._now = now

    async def create(self, name: str, payload: Payload, depth: int = 0) -> tuple[Key, list[Change]]:
        """Insert one item and the related items inside it. Returns its key."""
        collection = self._collection(name, depth)
        filled, _ = permitted(collection, self._rights, "create", payload, self._now)
        parts, nested = await self._prepare(collection, "create", filled, depth)
        if parts.columns.get(collection.primary_key) is None:
            parts.columns.pop(collection.primary_key, None)  # PostgreSQL takes a null for a key that is named
        await self._row_rights.check_pointers(collection, payload, parts.columns, before={})
        image = await self._rows.insert(collection, parts.columns)
        key: Key = image[collection.primary_key]
        self._row_rights.written(collection, [key])
        for view, related in parts.children:
            nested += await self._relate(collection, view, image, related, depth)
        own = Change(name, "create", (key,), after=(image,), payload=mask(collection, parts.columns))
        return key, [own, *nested]

    async def update(self, name: str, keys: Sequence[Key], payload: Payload, depth: int = 0) -> list[Change]:
        """Change the same fields of all items. Raises Forbidden unless every one is there and may be changed."""
        collection = self._collection(name, depth)
        filled, rules = permitted(collection, self._rights, "update", payload, self._now)
        keys = _each_once(collection, keys)
        before = await self._lock(collection, "update", keys, tuple(payload), rules)
        key_name = collection.primary_key
        named_key = parse(collection.key_field, filled.pop(key_name, None))
        if named_key is not None and any(row[key_name] != named_key for row in before):
            raise InvalidPayload(f'The primary key "{key_name}" cannot be changed')
        if not filled:
            return []
        own_keys = [row[key_name] for row in before]
        self._row_rights.written(collection, own_keys)
        parts, nested = await self._prepare(collection, "update", filled, depth)
        as_they_are = dict(zip(own_keys, before, strict=True))
        await self._row_rights.check_pointers(collection, payload, parts.columns, as_they_are)
        # What the rows point at may lead back to them. That was written first, so its image is the older one.
        early = [change for change in nested if change.collection == name and _touches(change, key_name, own_keys)]
        nested = [change for change in nested if change not in early]
        after = await self._rows.update(collection, own_keys, parts.columns)
        for view, related in parts.children:
            for image in after:
                nested += await self._relate(collection, view, image, related, depth)
        shown = mask(collection, parts.columns)
        own = Change(name, "update", tuple(keys), self._shown(collection, before), tuple(after), shown)
        return [*early, own, *nested]

    async def delete(self, name: str, keys: Sequence[Key], depth: int = 0) -> list[Change]:
        """Delete the items. Raises Forbidden unless every one of them is there and may be deleted.

        To an administrator, what is not there is deleted already.
        """
        collection = self._collection(name, depth)
        if not self._rights.may(name, "delete"):
            raise _not_deletable(name)
        keys = _each_once(collection, keys)
        before = await self._lock(collection, "delete", keys, ())
        if not before:
            return []
        own_keys = [row[collection.primary_key] for row in before]
        await self._rows.delete(collection, own_keys)
        self._row_rights.deleted(collection, own_keys)
        deleted = tuple(key for key in keys if _parse_key(collection, key) in own_keys)
        return [Change(name, "delete", deleted, before=self._shown(collection, before))]

    async def lock(self, name: str, keys: Sequence[Key]) -> None:
        """Lock the rows that are there, in the order of their keys, so that two batches do not wait for each other."""
        if self._capabilities.for_update:
            collection = self._collection(name, depth=0)
            key_column = self._tables[name].c[collection.primary_key]
            wanted = [_parse_key(collection, key) for key in keys]
            statement = sa.select(key_column).where(key_column.in_(wanted)).order_by(key_column).with_for_update()
            await self._transaction.fetch(statement)

    async def look_up(self, name: str, rows: Sequence[Payload]) -> None:
        """Have at hand what writing these rows will ask for."""
        await self._row_rights.look_up(self._collection(name, depth=0), rows)

    async def first_key(self, name: str) -> Key | None:
        """The key of the first row, whoever may see it: where a singleton is."""
        key_column = self._tables[name].c[self._schema.collections[name].primary_key]
        found = await self._transaction.fetch(sa.select(key_column).order_by(key_column).limit(1))
        return found[0][0] if found else None

    def _collection(self, name: str, depth: int) -> Collection:
        if depth > MAX_DEPTH:
            raise InvalidPayload(f"Related items may be nested {MAX_DEPTH} levels deep at most")
        collection = self._schema.collections.get(name)
        if collection is None:
            raise Forbidden.collection(name)
        return collection

    async def _prepare(
        self, collection: Collection, action: Action, filled: dict[str, Any], depth: int
    ) -> tuple[_Parts, list[Change]]:
        """Check and complete the payload; write the items that the row will point at."""
        validate_fields(collection, action, filled, self._rights, self._now)
        fill_specials(collection, action, filled, self._rights, self._now)
        parts = self._take_apart(collection, filled)
        for name, value in parts.columns.items():
            if value is not None and collection.fields[name].type is FieldType.HASH:
                parts.columns[name] = await self._hasher.hash(value)
        nested: list[Change] = []
        for name, view, item in parts.parents:
            target = self._target(view, filled)
            key, changes = await self._put(target, item, {}, depth + 1)
            parts.columns[name] = str(key) if view.kind is RelationKind.A2O else key
            nested += changes
        return parts, nested

    def _take_apart(self, collection: Collection, filled: Payload) -> _Parts:
        parts = _Parts({}, [], [])
        for name, value in filled.items():
            field = collection.fields[name]
            view = self._schema.relation(collection.name, name)
            if view is not None and view.kind is RelationKind.O2M:
                parts.children.append((view, related_set(name, value)))
            elif view is not None and isinstance(value, Mapping) and field.type is not FieldType.JSON:
                parts.parents.append((name, view, value))
            elif field.read_only:
                if value is not None:
                    raise InvalidPayload(f'Field "{name}" cannot be written')
            elif field.encrypted and value is not None:
                raise InvalidPayload(f'Field "{name}" is kept encrypted by Directus, and can only be set to null here')
            elif not field.alias:
                parts.columns[name] = parse(field, value)
        return parts

    def _target(self, view: RelationView, filled: Payload) -> str:
        """The collection that a many-to-one or many-to-any object belongs to."""
        relation = view.relation
        if view.kind is RelationKind.M2O:
            return view.target
        chosen = filled.get(relation.one_collection_field or "")
        if chosen not in relation.one_allowed_collections:
            raise InvalidPayload(
                f'Field "{relation.one_collection_field}" has to name the collection of "{relation.many_field}"'
            )
        return str(chosen)

    async def _put(self, name: str, item: Payload, extra: Payload, depth: int) -> tuple[Key, list[Change]]:
        """Create the related item, or update it where its key is given and there. `extra` is set in either case.

        A key alone is a pointer, as if it stood without the object.
        """
        collection = self._collection(name, depth)
        key = item.get(collection.primary_key)
        rest = {field: value for field, value in item.items() if field != collection.primary_key} | dict(extra)
        if key is not None and await self._row_rights.known(collection, [key]):
            return key, await self.update(name, [key], rest, depth) if rest else []
        return await self.create(name, {**item, **extra}, depth)

    async def _relate(
        self, collection: Collection, view: RelationView, owner: Image, related: RelatedSet, depth: int
    ) -> list[Change]:
        """Bring a one-to-many set to what the write says. The items point at `owner`."""
        relation = view.relation
        key = owner[collection.primary_key]
        pointer: dict[str, Any] = {relation.many_field: key}
        if relation.one_collection_field:
            pointer = {relation.many_field: str(key), relation.one_collection_field: collection.name}
        changes: list[Change] = []
        kept: list[Key] = []
        await self.look_up(view.target, [item for item in related.items if isinstance(item, Mapping)])
        for position, item in enumerate(related.items, start=1):
            extra = dict(pointer)
            if (
                related.whole
                and relation.sort_field
                and not (isinstance(item, Mapping) and relation.sort_field in item)
            ):
                extra[relation.sort_field] = position
            if isinstance(item, Mapping):
                child, made = await self._put(view.target, item, extra, depth + 1)
            else:
                child, made = item, await self._take_over(view.target, item, extra, depth + 1)
            kept.append(child)
            changes += made
        removed: Sequence[Key] = ()
        if related.whole:
            removed = await self._related_keys(view, pointer, kept)
        elif related.removed:
            target, own = self._schema.collections[view.target], await self._related_keys(view, pointer, [])
            removed = [child for child in related.removed if _parse_key(target, child) in own]
        return changes + (await self._let_go(relation, removed, depth + 1) if removed else [])

    async def _take_over(self, name: str, key: Key, extra: Payload, depth: int) -> list[Change]:
        """Point an existing item at its new owner; nothing is written where it already does."""
        collection = self._collection(name, depth)
        table = self._tables[name]
        unchanged = [table.c[collection.primary_key] == parse(collection.key_field, key)]
        unchanged += [table.c[field] == parse(collection.fields[field], value) for field, value in extra.items()]
        there = await self._transaction.fetch(sa.select(table.c[collection.primary_key]).where(*unchanged))
        if there and await self._row_rights.known(collection, [key]):
            return []
        return await self.update(name, [key], extra, depth)

    async def _related_keys(self, view: RelationView, pointer: Payload, kept: Sequence[Key]) -> list[Key]:
        """Keys of the items that point at the owner and are not among `kept`, as far as this user knows of them."""
        collection = self._schema.collections[view.target]
        table = self._tables[view.target]
        key_column = table.c[collection.primary_key]
        where = [table.c[field] == parse(collection.fields[field], value) for field, value in pointer.items()]
        staying = {parse(collection.key_field, key) for key in kept}
        found = await self._transaction.fetch(sa.select(key_column).where(*where).order_by(key_column))
        leaving = [row[0] for row in found if row[0] not in staying]
        known = await self._row_rights.known(collection, leaving)
        return [key for key in leaving if key in known]

    async def _let_go(self, relation: Relation, keys: Sequence[Key], depth: int) -> list[Change]:
        if relation.one_deselect_action == "delete":
            return await self.delete(relation.many_collection, keys, depth)
        return await self.update(relation.many_collection, keys, {relation.many_field: None}, depth)

    async def _lock(
        self,
        collection: Collection,
        action: Action,
        keys: Sequence[Key],
        fields: tuple[str, ...],
        rules: tuple[Rule, ...] | None = None,
    ) -> list[dict[str, Any]]:
        """The rows of `keys`, in that order, locked, after making sure that `action` is allowed on each of them.

        All of them, but for an administrator's `delete`.
        """
        table = self._tables[collection.name]
        wanted = [_parse_key(collection, key) for key in keys]
        statement = sa.select(table).where(table.c[collection.primary_key].in_(wanted))
        if self._capabilities.for_update:
            statement = statement.with_for_update()
        rows = {
            row[collection.primary_key]: row
            for row in (dict(found._mapping) for found in await self._transaction.fetch(statement))
        }
        # A collation may have found more than was asked for.
        there = [rows[key] for key in wanted if key in rows]
        missing = len(there) < len(wanted) and not (action == "delete" and self._rights.admin)
        if missing or not await self._row_rights.allowed(collection, action, fields, rows, rules):
            raise _not_deletable(collection.name) if action == "delete" else _not_updatable(collection.name, fields)
        return there

    def _shown(self, collection: Collection, rows: Sequence[Image]) -> tuple[Image, ...]:
        return tuple(mask(collection, row) for row in rows)


def _touches(change: Change, key_name: str, keys: Sequence[Key]) -> bool:
    return any(image[key_name] in keys for image in (*change.before, *change.after))


def _parse_key(collection: Collection, key: object) -> Any:
    try:
        return parse(collection.key_field, key)
    except TidegateError:
        raise Forbidden from None


def _each_once(collection: Collection, keys: Sequence[Key]) -> list[Key]:
    """The keys as they are first spelled, without those that name an item again."""
    check_number(keys)
    named: dict[Any, Key] = {}
    for key in keys:
        named.setdefault(_parse_key(collection, key), key)
    return list(named.values())


def _not_updatable(collection: str, fields: tuple[str, ...]) -> Forbidden:
    named = ", ".join(f'"{field}"' for field in fields)
    return Forbidden(
        f'You don\'t have permissions to perform "update" for the field(s) {named} in collection "{collection}" '
        "or it does not exist."
    )


def _not_deletable(collection: str) -> Forbidden:
    return Forbidden(
        f'You don\'t have permission to perform "delete" for collection "{collection}" or it does not exist.'
    )
