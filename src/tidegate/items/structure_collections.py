"""Collections, as administrators see and change them: a table, and its row of `directus_collections`."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from tidegate.access.rights import Rights
from tidegate.database import alter
from tidegate.database.engine import Database
from tidegate.database.system import system_tables
from tidegate.errors import Forbidden
from tidegate.items import structure_input as given
from tidegate.items.structure_access import administrators_only
from tidegate.items.structure_input import Object
from tidegate.items.structure_output import Item, collection_item
from tidegate.items.structure_removal import forget_collection
from tidegate.items.structure_rows import COLLECTIONS, FIELDS, MetadataRows, MetadataWriter, Row
from tidegate.items.structure_write import StructureWriter
from tidegate.schema import Field


class NewCollection(NamedTuple):
    """A collection to be made; a folder has no fields."""

    name: str
    fields: Sequence[Field]
    row: Row | None
    """Of `directus_collections`; None where it is to have no metadata."""
    field_rows: Sequence[Row]


class Collections:
    """`{collection, meta, schema}`; without `schema` a folder, which is metadata alone."""

    def __init__(self, database: Database, writer: StructureWriter) -> None:
        self._database = database
        self._writer = writer
        self._metadata = MetadataRows(database)

    async def read(self, rights: Rights) -> list[Item]:
        """All, folders included."""
        administrators_only(rights)
        rows = {row["collection"]: row for row in await self._metadata.all(COLLECTIONS)}
        collections = self._database.schema.collections
        return [collection_item(name, collections.get(name), rows.get(name)) for name in {**collections, **rows}]

    async def read_one(self, rights: Rights, name: str) -> Item:
        return (await self._named(rights, [name]))[0]

    async def create(self, rights: Rights, several: Sequence[Object]) -> list[Item]:
        """Make all or none, from `{collection, meta, schema, fields}`."""
        administrators_only(rights)
        rows = await self._metadata.all(COLLECTIONS)
        wanted = self._new_collections(several, [row["collection"] for row in rows])
        tables = {new.name: new.fields for new in wanted if new.fields}

        async def record(metadata: MetadataWriter) -> None:
            for new in wanted:
                if new.row is not None:
                    await metadata.insert(COLLECTIONS, new.row)
                for row in new.field_rows:
                    await metadata.insert(FIELDS, row)

        await self._writer.write(record, partial(alter.create_tables, tables=tables) if tables else None)
        return await self._named(rights, [new.name for new in wanted])

    async def create_one(self, rights: Rights, data: Object) -> Item:
        return (await self.create(rights, [data]))[0]

    async def update(self, rights: Rights, several: Sequence[Object]) -> list[Item]:
        """Change `meta` of all, each named by its `collection`, or of none."""
        names = [given.text(data, "collection") for data in several]
        await self._named(rights, names)
        rows = [self._metadata.from_input(given.member(data, "meta") or {}, COLLECTIONS) for data in several]

        async def record(metadata: MetadataWriter) -> None:
            for name, row in zip(names, rows, strict=True):
                await metadata.put(COLLECTIONS, {"collection": name}, row)

        await self._writer.write(record)
        return await self._named(rights, names)

    async def update_one(self, rights: Rights, name: str, data: Object) -> Item:
        return (await self.update(rights, [{**data, "collection": name}]))[0]

    async def delete_one(self, rights: Rights, name: str) -> None:
        """Drop the table and what names it: metadata, permissions, relations, alias fields that led to it."""
        await self.read_one(rights, name)
        if name in system_tables().fields:
            raise Forbidden.collection(name)

        has_table = name in self._database.schema.collections
        drop = partial(alter.drop_table, name=name) if has_table else None
        await self._writer.write(partial(forget_collection, name=name), drop)

    async def _named(self, rights: Rights, names: Sequence[str]) -> list[Item]:
        found = {item["collection"]: item for item in await self.read(rights)}
        for name in names:
            if name not in found:
                raise Forbidden.collection(name)
        return [found[name] for name in names]

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
