"""The rows that name a collection, field or relation, and go with it or forget it."""

from tidegate.items.structure_rows import COLLECTIONS, FIELDS, RELATIONS, MetadataWriter, Row

_DEPENDENTS = ("directus_permissions", "directus_presets", "directus_shares", "directus_versions", "directus_comments")
"""Tables whose rows name a collection and go with it, as far as the database has them."""


async def forget_collection(metadata: MetadataWriter, name: str) -> None:
    for row in await metadata.find(RELATIONS, {}):
        if name in (row["many_collection"], row["one_collection"]):
            await forget_relation(metadata, row)
        elif name in (row["one_allowed_collections"] or ()):
            allowed = [other for other in row["one_allowed_collections"] if other != name]
            await metadata.update(RELATIONS, {"id": row["id"]}, {"one_allowed_collections": allowed})
    for table in (FIELDS, *_DEPENDENTS):
        if metadata.has(table):
            await metadata.delete(table, {"collection": name})
    await metadata.update(COLLECTIONS, {"group": name}, {"group": None})
    await metadata.delete(COLLECTIONS, {"collection": name})


async def forget_field(metadata: MetadataWriter, collection: str, name: str) -> None:
    await metadata.delete(FIELDS, {"collection": collection, "field": name})
    await metadata.update(FIELDS, {"collection": collection, "group": name}, {"group": None})
    for column in ("sort_field", "archive_field"):
        await metadata.update(COLLECTIONS, {"collection": collection, column: name}, {column: None})
    for row in await metadata.find(RELATIONS, {}):
        if (row["many_collection"], row["many_field"]) == (collection, name):
            await forget_relation(metadata, row)
        elif (row["one_collection"], row["one_field"]) == (collection, name):
            await metadata.update(RELATIONS, {"id": row["id"]}, {"one_field": None})
    for column in ("junction_field", "sort_field"):
        await metadata.update(RELATIONS, {"many_collection": collection, column: name}, {column: None})


async def forget_relation(metadata: MetadataWriter, row: Row) -> None:
    """Without the relation, the alias field on its other side leads nowhere."""
    ones = [row["one_collection"]] if row["one_collection"] else row["one_allowed_collections"] or []
    for one in ones if row["one_field"] else []:
        await metadata.delete(FIELDS, {"collection": one, "field": row["one_field"]})
    await metadata.delete(RELATIONS, {"id": row["id"]})
