"""Fields, as administrators see and change them: a column unless it is an alias, and its row of `directus_fields`."""

from collections.abc import Sequence
from functools import partial

from tidegate.access.rights import Rights
from tidegate.database import alter
from tidegate.database.engine import Database
from tidegate.errors import Forbidden, InvalidPayload
from tidegate.items import structure_input as given
from tidegate.items.structure_access import administrators_only, is_system, known_collection, known_field
from tidegate.items.structure_input import Object
from tidegate.items.structure_output import Item, by_place, field_item, keys_by_place
from tidegate.items.structure_removal import forget_field
from tidegate.items.structure_rows import FIELDS, MetadataRows, MetadataWriter, Row
from tidegate.items.structure_write import StructureWriter
from tidegate.schema import Field


class Fields:
    """`{collection, field, type, schema, meta}`; without `schema` an alias field, which is metadata alone."""

    def __init__(self, database: Database, writer: StructureWriter) -> None:
        self._database = database
        self._writer = writer
        self._metadata = MetadataRows(database)

    async def read(self, rights: Rights, collection: str | None = None) -> list[Item]:
        """Those of one collection, or all."""
        administrators_only(rights)
        schema = self._database.schema
        if collection is not None:
            known_collection(schema, collection)
        catalog = await self._database.catalog()
        columns = {(column.table, column.name): column for column in catalog.columns}
        keys = keys_by_place(catalog, schema)
        rows = by_place(await self._metadata.all(FIELDS), "collection", "field")
        return [
            field_item(field, columns.get(place), keys.get(place), rows.get(place), is_system(field))
            for found in schema.collections.values()
            if collection in (None, found.name)
            for field in found.fields.values()
            for place in [(field.collection, field.name)]
        ]

    async def read_one(self, rights: Rights, collection: str, name: str) -> Item:
        found = [item for item in await self.read(rights, collection) if item["field"] == name]
        if not found:
            raise Forbidden.field(name, collection)
        return found[0]

    async def create_one(self, rights: Rights, collection: str, data: Object) -> Item:
        administrators_only(rights)
        made = given.new_field(collection, data, [*known_collection(self._database.schema, collection).fields])
        if made.field.primary_key:
            raise InvalidPayload("A collection has one primary key")
        row = None if made.meta is None else self._metadata.of_field(made)

        async def record(metadata: MetadataWriter) -> None:
            if row is not None:
                await metadata.insert(FIELDS, row)

        await self._writer.write(record, None if made.field.alias else partial(alter.add_column, field=made.field))
        return await self.read_one(rights, collection, made.field.name)

    async def update(self, rights: Rights, collection: str, several: Sequence[Object]) -> list[Item]:
        """Change `meta`, and of a column its type, length, default, nullability or uniqueness.

        Of all, each named by its `field`, or of none.
        """
        administrators_only(rights)
        names = [given.text(data, "field") for data in several]
        before = {name: known_field(self._database.schema, collection, name) for name in names}
        after = dict(before)
        rows: list[tuple[str, Row]] = []
        for name, data in zip(names, several, strict=True):
            after[name] = given.changed_field(after[name], data)
            meta = given.member(data, "meta")
            if meta is not None:
                rows.append((name, self._metadata.from_input(meta, FIELDS)))
        changed = [after[name] for name in before if _differs(before[name], after[name])]
        if any(is_system(field) for field in changed):
            raise Forbidden

        async def record(metadata: MetadataWriter) -> None:
            for name, row in rows:
                await metadata.put(FIELDS, {"collection": collection, "field": name}, row)

        change = partial(alter.alter_columns, table=collection, fields=changed) if changed else None
        await self._writer.write(record, change)
        found = {item["field"]: item for item in await self.read(rights, collection)}
        return [found[name] for name in names]

    async def update_one(self, rights: Rights, collection: str, name: str, data: Object) -> Item:
        return (await self.update(rights, collection, [{**data, "field": name}]))[0]

    async def delete_one(self, rights: Rights, collection: str, name: str) -> None:
        """Drop the column, and the relation and metadata that name it."""
        administrators_only(rights)
        field = known_field(self._database.schema, collection, name)
        if is_system(field):
            raise Forbidden
        if field.primary_key:
            raise InvalidPayload("A primary key cannot be deleted")
        drop = None if field.alias else partial(alter.drop_column, table=collection, name=name)
        await self._writer.write(partial(forget_field, collection=collection, name=name), drop)


def _differs(before: Field, after: Field) -> bool:
    names = ("type", "nullable", "unique", "max_length", "numeric_precision", "numeric_scale", "default", "has_default")
    return any(getattr(before, name) != getattr(after, name) for name in names)
