"""Relations, as administrators see and change them: a foreign key, and its row of `directus_relations`."""

from functools import partial

from tidegate.access.rights import Rights
from tidegate.database import alter
from tidegate.database.catalog import ForeignKey
from tidegate.database.engine import Database
from tidegate.database.system import system_tables
from tidegate.errors import Forbidden, InvalidPayload
from tidegate.items import structure_input as given
from tidegate.items.structure_access import administrators_only, is_system, known_collection, known_field
from tidegate.items.structure_input import Object
from tidegate.items.structure_output import Item, by_place, keys_by_place, relation_item
from tidegate.items.structure_rows import RELATIONS, MetadataRows, MetadataWriter
from tidegate.items.structure_write import StructureWriter
from tidegate.schema import Field, Relation


class Relations:
    """`{collection, field, related_collection, schema, meta}`, where `collection` and `field` hold the key.

    There is no foreign key where `related_collection` or `schema` is null.
    """

    def __init__(self, database: Database, writer: StructureWriter) -> None:
        self._database = database
        self._writer = writer
        self._metadata = MetadataRows(database)

    async def read(self, rights: Rights, collection: str | None = None) -> list[Item]:
        """Those whose field is in one collection, or all."""
        administrators_only(rights)
        schema = self._database.schema
        if collection is not None:
            known_collection(schema, collection)
        keys = keys_by_place(await self._database.catalog(), schema)
        rows = by_place(await self._metadata.all(RELATIONS), "many_collection", "many_field")
        system = {(row.many_collection, row.many_field) for row in system_tables().relations}
        items = {}
        for relation in schema.relations:
            place = (relation.many_collection, relation.many_field)
            if collection in (None, relation.many_collection):
                items[place] = relation_item(relation, keys.get(place), rows.get(place), place in system)
        return list(items.values())

    async def read_one(self, rights: Rights, collection: str, name: str) -> Item:
        found = [item for item in await self.read(rights, collection) if item["field"] == name]
        if not found:
            raise Forbidden.field(name, collection)
        return found[0]

    async def create_one(self, rights: Rights, data: Object) -> Item:
        administrators_only(rights)
        field = self._unrelated_field(given.text(data, "collection"), given.text(data, "field"))
        meta = given.member(data, "meta")
        row = {
            "many_collection": field.collection,
            "many_field": field.name,
            "one_collection": data.get("related_collection"),
            **self._metadata.from_input(meta or {}, RELATIONS),
        }
        key = self._new_key(field, data)

        async def record(metadata: MetadataWriter) -> None:
            if "meta" not in data or meta is not None:
                await metadata.insert(RELATIONS, row)

        await self._writer.write(record, None if key is None else partial(alter.add_foreign_key, key=key))
        return await self.read_one(rights, field.collection, field.name)

    async def update_one(self, rights: Rights, collection: str, name: str, data: Object) -> Item:
        """Change `meta`, and `on_delete` of the foreign key."""
        relation = await self._changeable(rights, collection, name)
        schema, meta = given.member(data, "schema"), given.member(data, "meta")
        rule = given.on_delete(schema) if schema and "on_delete" in schema else relation.on_delete
        row = None if meta is None else self._metadata.from_input(meta, RELATIONS)

        async def record(metadata: MetadataWriter) -> None:
            if row is not None:
                place = {"many_collection": collection, "many_field": name}
                await metadata.put(RELATIONS, place, {"one_collection": relation.one_collection, **row})

        change = None
        if relation.on_delete is not None and rule is not None and rule != relation.on_delete:
            change = partial(alter.change_rule, table=collection, name=name, on_delete=rule)
        await self._writer.write(record, change)
        return await self.read_one(rights, collection, name)

    async def delete_one(self, rights: Rights, collection: str, name: str) -> None:
        """Drop the foreign key and the metadata; the field stays."""
        await self._changeable(rights, collection, name)
        place = {"many_collection": collection, "many_field": name}
        drop = partial(alter.drop_foreign_keys, table=collection, name=name)
        await self._writer.write(lambda metadata: metadata.delete(RELATIONS, place), drop)

    async def _changeable(self, rights: Rights, collection: str, name: str) -> Relation:
        await self.read_one(rights, collection, name)
        if is_system(known_field(self._database.schema, collection, name)):
            raise Forbidden
        view = self._database.schema.relation(collection, name)
        assert view is not None, "it has just been read"
        return view.relation

    def _unrelated_field(self, collection: str, name: str) -> Field:
        """The field that is to hold the key of another item."""
        found = self._database.schema.collections.get(collection)
        if found is None:
            raise InvalidPayload(f'Collection "{collection}" does not exist')
        field = found.fields.get(name)
        if field is None or field.alias:
            raise InvalidPayload(f'Field "{name}" does not exist in collection "{collection}"')
        if any((row.many_collection, row.many_field) == (collection, name) for row in self._database.schema.relations):
            raise InvalidPayload(f'Field "{name}" in collection "{collection}" already has a relation')
        return field

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
