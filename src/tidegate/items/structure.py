"""Collections, fields and relations: real tables, columns and foreign keys, and the metadata rows beside them.

Administrators only. A change, also of several collections or fields at once, is one transaction. Where the database
commits each DDL statement by itself (`Capabilities.transactional_ddl`), the metadata rows are written and taken back
before the first of them, so that only DDL itself can fail then: new tables are dropped again, and columns of one table
change in one statement. What becomes of metadata rows is told as that of any item, if and only if it is committed.
After every change the database is looked at anew. System tables keep their fields.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import sqlalchemy as sa

from tidegate.access.rights import Rights
from tidegate.database.alter import alterations
from tidegate.database.catalog import Catalog, ForeignKey, read_catalog
from tidegate.database.ddl import create_table, run
from tidegate.database.engine import Database
from tidegate.database.system import system_tables
from tidegate.errors import Forbidden, InvalidPayload, TidegateError
from tidegate.items import structure_input as given
from tidegate.items import structure_output as shape
from tidegate.items.feed import Feed, recorded
from tidegate.items.structure_input import Object
from tidegate.items.structure_output import Item
from tidegate.items.structure_rows import COLLECTIONS, FIELDS, RELATIONS, MetadataRows, MetadataWriter, Row
from tidegate.schema import Collection, Field, Relation

_DEPENDENTS = ("directus_permissions", "directus_presets", "directus_shares", "directus_versions", "directus_comments")
"""Tables whose rows name a collection and go with it."""


Alter = Callable[[sa.Connection], None]


class NewCollection(NamedTuple):
    """A collection to be made; a folder has no fields."""

    name: str
    fields: Sequence[Field]
    row: Row | None
    """Of `directus_collections`; None where it is to have no metadata."""
    field_rows: Sequence[Row]


class Structure:
    """The structure of the database, as seen and changed with given rights.

    Every method raises `Forbidden` for who is not an administrator and for what does not exist, and `InvalidPayload`
    for what cannot be made.
    """

    def __init__(self, database: Database, feed: Feed) -> None:
        self._database = database
        self._feed = feed
        self._metadata = MetadataRows(database)

    # Collections.

    async def read_collections(self, rights: Rights) -> list[Item]:
        """All collections, folders included, as `{collection, meta, schema}`."""
        _administrators_only(rights)
        rows = {row["collection"]: row for row in await self._metadata.all(COLLECTIONS)}
        collections = self._database.schema.collections
        return [shape.collection_item(name, collections.get(name), rows.get(name)) for name in {**collections, **rows}]

    async def read_collection(self, rights: Rights, name: str) -> Item:
        return (await self._some_collections(rights, [name]))[0]

    async def create_collection(self, rights: Rights, data: Object) -> Item:
        """`{collection, schema, meta, fields}`; without `schema` a folder, which is metadata alone."""
        return (await self.create_collections(rights, [data]))[0]

    async def create_collections(self, rights: Rights, several: Sequence[Object]) -> list[Item]:
        """All or none."""
        _administrators_only(rights)
        rows = await self._metadata.all(COLLECTIONS)
        wanted = self._new_collections(several, [row["collection"] for row in rows])
        created: list[str] = []

        def create(connection: sa.Connection) -> None:
            for new in wanted:
                if new.fields:
                    _create_table(connection, new, created)

        async def record(metadata: MetadataWriter) -> None:
            for new in wanted:
                if new.row is not None:
                    await metadata.insert(COLLECTIONS, new.row)
                for row in new.field_rows:
                    await metadata.insert(FIELDS, row)

        def undo(connection: sa.Connection) -> None:
            for name in created:
                alterations(connection).drop_table(connection, name)

        await self._change(record, create, undo)
        return await self._some_collections(rights, [new.name for new in wanted])

    def _new_collections(self, several: Sequence[Object], folders: Sequence[str]) -> list[NewCollection]:
        taken = [*self._database.schema.collections, *self._database.unserved, *folders]
        wanted: list[NewCollection] = []
        for data in several:
            wanted.append(self._new_collection(data, taken))
            taken.append(wanted[-1].name)
        return wanted

    def _new_collection(self, data: Object, taken: Sequence[str]) -> NewCollection:
        name = given.new_collection_name(data, taken)
        schema, meta = given.member(data, "schema"), given.member(data, "meta")
        row = None
        if "meta" not in data or meta is not None:
            row = {"collection": name, **self._metadata.from_input(meta or {}, COLLECTIONS)}
        fields = given.new_fields(name, data) if schema is not None else []
        field_rows = [self._metadata.of_field(made) for made in fields if made.meta is not None]
        return NewCollection(name, [made.field for made in fields], row, field_rows)

    async def update_collection(self, rights: Rights, name: str, data: Object) -> Item:
        """Change `meta`."""
        return (await self.update_collections(rights, [{**data, "collection": name}]))[0]

    async def update_collections(self, rights: Rights, several: Sequence[Object]) -> list[Item]:
        """Change `meta` of all, each named by its `collection`, or of none."""
        names = [given.text(data, "collection") for data in several]
        await self._some_collections(rights, names)
        rows = [self._metadata.from_input(given.member(data, "meta") or {}, COLLECTIONS) for data in several]

        async def record(metadata: MetadataWriter) -> None:
            for name, row in zip(names, rows, strict=True):
                await metadata.put(COLLECTIONS, {"collection": name}, row)

        await self._change(record)
        return await self._some_collections(rights, names)

    async def _some_collections(self, rights: Rights, names: Sequence[str]) -> list[Item]:
        found = {item["collection"]: item for item in await self.read_collections(rights)}
        for name in names:
            if name not in found:
                raise Forbidden.collection(name)
        return [found[name] for name in names]

    async def delete_collection(self, rights: Rights, name: str) -> None:
        """Drop the table and what names it: metadata, permissions, relations, alias fields that led to it."""
        await self.read_collection(rights, name)
        self._not_system(name)

        def drop(connection: sa.Connection) -> None:
            if name in self._database.schema.collections:
                _drop_table(connection, name)

        await self._change(lambda metadata: self._forget_collection(metadata, name), drop)

    async def _forget_collection(self, metadata: MetadataWriter, name: str) -> None:
        for row in await metadata.find(RELATIONS, {}):
            if name in (row["many_collection"], row["one_collection"]):
                await self._forget_relation(metadata, row)
            elif name in (row["one_allowed_collections"] or ()):
                allowed = [other for other in row["one_allowed_collections"] if other != name]
                await metadata.update(RELATIONS, {"id": row["id"]}, {"one_allowed_collections": allowed})
        for table in (FIELDS, *_DEPENDENTS):
            if table in self._database.tables:
                await metadata.delete(table, {"collection": name})
        await metadata.update(COLLECTIONS, {"group": name}, {"group": None})
        await metadata.delete(COLLECTIONS, {"collection": name})

    async def _forget_relation(self, metadata: MetadataWriter, row: Row) -> None:
        """Without the relation, the alias field on its other side leads nowhere."""
        ones = [row["one_collection"]] if row["one_collection"] else row["one_allowed_collections"] or []
        for one in ones if row["one_field"] else []:
            await metadata.delete(FIELDS, {"collection": one, "field": row["one_field"]})
        await metadata.delete(RELATIONS, {"id": row["id"]})

    # Fields.

    async def read_fields(self, rights: Rights, collection: str | None = None) -> list[Item]:
        """The fields of one collection or of all, as `{collection, field, type, schema, meta}`."""
        _administrators_only(rights)
        if collection is not None:
            self._collection(collection)
        catalog = await self._database.catalog()
        columns = {(column.table, column.name): column for column in catalog.columns}
        keys = _foreign_keys(catalog, self._database.schema.collections)
        rows = shape.by_place(await self._metadata.all(FIELDS), "collection", "field")
        return [
            shape.field_item(field, columns.get(place), keys.get(place), rows.get(place), _is_system(field))
            for found in self._database.schema.collections.values()
            if collection in (None, found.name)
            for field in found.fields.values()
            for place in [(field.collection, field.name)]
        ]

    async def read_field(self, rights: Rights, collection: str, name: str) -> Item:
        found = [item for item in await self.read_fields(rights, collection) if item["field"] == name]
        if not found:
            raise Forbidden.field(name, collection)
        return found[0]

    async def create_field(self, rights: Rights, collection: str, data: Object) -> Item:
        """`{field, type, schema, meta}`; an alias field is metadata alone."""
        _administrators_only(rights)
        made = given.new_field(collection, data, [*self._collection(collection).fields])
        if made.field.primary_key:
            raise InvalidPayload("A collection has one primary key")
        row = None if made.meta is None else self._metadata.of_field(made)

        def alter(connection: sa.Connection) -> None:
            if not made.field.alias:
                alterations(connection).add_column(connection, made.field)

        async def record(metadata: MetadataWriter) -> None:
            if row is not None:
                await metadata.insert(FIELDS, row)

        await self._change(record, alter)
        return await self.read_field(rights, collection, made.field.name)

    async def update_field(self, rights: Rights, collection: str, name: str, data: Object) -> Item:
        """Change `meta`, and of a column its type, length, default, nullability or uniqueness."""
        return (await self.update_fields(rights, collection, [{**data, "field": name}]))[0]

    async def update_fields(self, rights: Rights, collection: str, several: Sequence[Object]) -> list[Item]:
        """As `update_field` for all, each named by its `field`, or for none."""
        _administrators_only(rights)
        before = {name: self._field(collection, name) for name in [given.text(data, "field") for data in several]}
        after = dict(before)
        rows: list[tuple[str, Row]] = []
        for data in several:
            name = given.text(data, "field")
            after[name] = given.changed_field(after[name], data)
            meta = given.member(data, "meta")
            if meta is not None:
                rows.append((name, self._metadata.from_input(meta, FIELDS)))
        changed = [name for name in before if _differs(before[name], after[name])]
        if any(_is_system(before[name]) for name in changed):
            raise Forbidden

        def alter(connection: sa.Connection) -> None:
            for name in changed:
                if before[name].nullable and not after[name].nullable:
                    self._refuse_nulls(connection, collection, name)
            _alter_columns(connection, collection, [after[name] for name in changed])

        async def record(metadata: MetadataWriter) -> None:
            for name, row in rows:
                await metadata.put(FIELDS, {"collection": collection, "field": name}, row)

        await self._change(record, alter if changed else None)
        found = {item["field"]: item for item in await self.read_fields(rights, collection)}
        return [found[given.text(data, "field")] for data in several]

    async def delete_field(self, rights: Rights, collection: str, name: str) -> None:
        """Drop the column, and the relation and metadata that name it."""
        _administrators_only(rights)
        field = self._field(collection, name)
        if _is_system(field):
            raise Forbidden
        if field.primary_key:
            raise InvalidPayload("A primary key cannot be deleted")

        def alter(connection: sa.Connection) -> None:
            if not field.alias:
                _drop_column(connection, collection, name)

        await self._change(lambda metadata: self._forget_field(metadata, collection, name), alter)

    async def _forget_field(self, metadata: MetadataWriter, collection: str, name: str) -> None:
        await metadata.delete(FIELDS, {"collection": collection, "field": name})
        await metadata.update(FIELDS, {"collection": collection, "group": name}, {"group": None})
        for column in ("sort_field", "archive_field"):
            await metadata.update(COLLECTIONS, {"collection": collection, column: name}, {column: None})
        for row in await metadata.find(RELATIONS, {}):
            if (row["many_collection"], row["many_field"]) == (collection, name):
                await self._forget_relation(metadata, row)
            elif (row["one_collection"], row["one_field"]) == (collection, name):
                await metadata.update(RELATIONS, {"id": row["id"]}, {"one_field": None})
        for column in ("junction_field", "sort_field"):
            await metadata.update(RELATIONS, {"many_collection": collection, column: name}, {column: None})

    def _refuse_nulls(self, connection: sa.Connection, collection: str, name: str) -> None:
        column = self._database.tables[collection].c[name]
        if connection.execute(sa.select(sa.literal(1)).where(column.is_(None)).limit(1)).first():
            raise TidegateError("CONTAINS_NULL_VALUES", collection=collection, field=name)

    # Relations.

    async def read_relations(self, rights: Rights, collection: str | None = None) -> list[Item]:
        """The relations whose field is in one collection, or all, as `{collection, field, related_collection, …}`."""
        _administrators_only(rights)
        if collection is not None:
            self._collection(collection)
        keys = _foreign_keys(await self._database.catalog(), self._database.schema.collections)
        rows = shape.by_place(await self._metadata.all(RELATIONS), "many_collection", "many_field")
        system = {(row.many_collection, row.many_field) for row in system_tables().relations}
        items = {}
        for relation in self._database.schema.relations:
            place = (relation.many_collection, relation.many_field)
            if collection in (None, relation.many_collection):
                items[place] = shape.relation_item(relation, keys.get(place), rows.get(place), place in system)
        return list(items.values())

    async def read_relation(self, rights: Rights, collection: str, name: str) -> Item:
        found = [item for item in await self.read_relations(rights, collection) if item["field"] == name]
        if not found:
            raise Forbidden.field(name, collection)
        return found[0]

    async def create_relation(self, rights: Rights, data: Object) -> Item:
        """`{collection, field, related_collection, meta, schema}`; no foreign key where one of the last is null."""
        _administrators_only(rights)
        collection, name = given.text(data, "collection"), given.text(data, "field")
        field = self._existing_field(collection, name)
        if any((row.many_collection, row.many_field) == (collection, name) for row in self._database.schema.relations):
            raise InvalidPayload(f'Field "{name}" in collection "{collection}" already has a relation')
        meta = given.member(data, "meta")
        row = {
            "many_collection": collection,
            "many_field": name,
            "one_collection": data.get("related_collection"),
            **self._metadata.from_input(meta or {}, RELATIONS),
        }
        key = self._new_key(field, data)

        def alter(connection: sa.Connection) -> None:
            if key is not None:
                alterations(connection).add_foreign_key(connection, key)

        async def record(metadata: MetadataWriter) -> None:
            if "meta" not in data or meta is not None:
                await metadata.insert(RELATIONS, row)

        await self._change(record, alter)
        return await self.read_relation(rights, collection, name)

    def _new_key(self, field: Field, data: Object) -> ForeignKey | None:
        if data.get("related_collection") is None:
            meta = given.member(data, "meta") or {}
            if not meta.get("one_collection_field") or not meta.get("one_allowed_collections"):
                raise InvalidPayload('"related_collection" is required')
            return None
        related = self._database.schema.collections.get(given.text(data, "related_collection"))
        if related is None:
            raise InvalidPayload(f'Collection "{data["related_collection"]}" does not exist')
        schema = given.member(data, "schema")
        if "schema" in data and schema is None:
            return None
        if not given.fits_key(field, related.key_field):
            raise InvalidPayload(f'Field "{field.name}" has to be of the type of the primary key of "{related.name}"')
        rule = given.on_delete(schema)
        return ForeignKey(field.collection, field.name, related.name, related.primary_key, rule, "no action", None)

    async def update_relation(self, rights: Rights, collection: str, name: str, data: Object) -> Item:
        """Change `meta`, and `on_delete` of the foreign key."""
        relation = await self._known_relation(rights, collection, name)
        schema, meta = given.member(data, "schema"), given.member(data, "meta")
        rule = given.on_delete(schema) if schema and "on_delete" in schema else relation.on_delete
        row = None if meta is None else self._metadata.from_input(meta, RELATIONS)

        def alter(connection: sa.Connection) -> None:
            if relation.on_delete is not None and rule is not None and rule != relation.on_delete:
                _change_rule(connection, collection, name, rule)

        async def record(metadata: MetadataWriter) -> None:
            if row is not None:
                place = {"many_collection": collection, "many_field": name}
                await metadata.put(RELATIONS, place, {"one_collection": relation.one_collection, **row})

        await self._change(record, alter)
        return await self.read_relation(rights, collection, name)

    async def delete_relation(self, rights: Rights, collection: str, name: str) -> None:
        """Drop the foreign key and the metadata; the field stays."""
        await self._known_relation(rights, collection, name)
        place = {"many_collection": collection, "many_field": name}
        await self._change(
            lambda metadata: metadata.delete(RELATIONS, place),
            lambda connection: _drop_foreign_keys(connection, collection, name),
        )

    async def _known_relation(self, rights: Rights, collection: str, name: str) -> Relation:
        await self.read_relation(rights, collection, name)
        if _is_system(self._field(collection, name)):
            raise Forbidden
        view = self._database.schema.relation(collection, name)
        assert view is not None, "it has just been read"
        return view.relation

    async def _change(
        self,
        record: Callable[[MetadataWriter], Awaitable[None]],
        alter: Alter | None = None,
        undo: Alter | None = None,
    ) -> None:
        """Change tables and the metadata rows beside them, both or neither.

        `undo` takes back what `alter` has done before it failed, where a rollback does not.
        """
        async with recorded(self._database, self._feed, restructuring=True) as (transaction, changes):
            metadata = MetadataWriter(self._database, transaction, changes)
            if alter is not None and self._database.capabilities.transactional_ddl:
                await transaction.run(alter)
            elif alter is not None:
                await record(metadata)
                await transaction.run(lambda connection: run(connection, "ROLLBACK"))
                changes.clear()
                try:
                    await transaction.run(alter)
                except BaseException:
                    if undo is not None:
                        with contextlib.suppress(TidegateError):  # the first error is the one to tell
                            await transaction.run(undo)
                    raise
            await record(metadata)
        await self._database.reload()

    # What the snapshot holds.

    def _collection(self, name: str) -> Collection:
        found = self._database.schema.collections.get(name)
        if found is None:
            raise Forbidden.collection(name)
        return found

    def _field(self, collection: str, name: str) -> Field:
        found = self._collection(collection).fields.get(name)
        if found is None:
            raise Forbidden.field(name, collection)
        return found

    def _existing_field(self, collection: str, name: str) -> Field:
        found = self._database.schema.collections.get(collection)
        if found is None:
            raise InvalidPayload(f'Collection "{collection}" does not exist')
        field = found.fields.get(name)
        if field is None or field.alias:
            raise InvalidPayload(f'Field "{name}" does not exist in collection "{collection}"')
        return field

    def _not_system(self, name: str) -> None:
        if name in system_tables().fields:
            raise Forbidden.collection(name)


def _administrators_only(rights: Rights) -> None:
    if not rights.admin:
        raise Forbidden


def _is_system(field: Field) -> bool:
    return field.name in system_tables().fields.get(field.collection, ())


def _differs(before: Field, after: Field) -> bool:
    names = ("type", "nullable", "unique", "max_length", "numeric_precision", "numeric_scale", "default", "has_default")
    return any(getattr(before, name) != getattr(after, name) for name in names)


def _foreign_keys(catalog: Catalog, collections: Mapping[str, Collection]) -> dict[tuple[str, str], ForeignKey]:
    keys = {}
    for key in catalog.foreign_keys:
        target = collections.get(key.target)
        column = key.target_column or (target.primary_key if target else None)
        keys[key.table, key.column] = replace(key, target_column=column)
    return keys


def _create_table(connection: sa.Connection, new: NewCollection, created: list[str]) -> None:
    """`created` learns of it as soon as it is there."""
    table, *indexes = create_table(new.name, new.fields, [], connection.dialect)
    run(connection, table)
    created.append(new.name)
    for index in indexes:
        run(connection, index)


def _drop_table(connection: sa.Connection, name: str) -> None:
    for key in read_catalog(connection).foreign_keys:
        if key.target == name and key.table != name:
            alterations(connection).drop_foreign_key(connection, key)
    alterations(connection).drop_table(connection, name)


def _alter_columns(connection: sa.Connection, collection: str, fields: Sequence[Field]) -> None:
    columns = {column.name: column for column in read_catalog(connection).columns if column.table == collection}
    alterations(connection).alter_columns(connection, [(columns[field.name], field) for field in fields])


def _drop_column(connection: sa.Connection, table: str, name: str) -> None:
    _drop_foreign_keys(connection, table, name)
    alterations(connection).drop_column(connection, table, name)


def _drop_foreign_keys(connection: sa.Connection, table: str, name: str) -> None:
    for key in read_catalog(connection).foreign_keys:
        if (key.table, key.column) == (table, name):
            alterations(connection).drop_foreign_key(connection, key)


def _change_rule(connection: sa.Connection, table: str, name: str, rule: str) -> None:
    for key in read_catalog(connection).foreign_keys:
        if (key.table, key.column) == (table, name):
            alterations(connection).drop_foreign_key(connection, key)
            alterations(connection).add_foreign_key(connection, replace(key, on_delete=rule, name=None))
