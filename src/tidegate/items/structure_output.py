"""The shapes in which `/collections`, `/fields` and `/relations` answer, as Directus documents them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tidegate.database.catalog import Catalog, Column, ForeignKey
from tidegate.schema import Collection, Field, FieldType, Relation, Schema

Item = dict[str, Any]
Meta = Mapping[str, Any]
Place = tuple[str, str]
"""A collection, and a field in it."""


def collection_item(name: str, collection: Collection | None, meta: Meta | None) -> Item:
    """`schema` is null for a folder, which has no table."""
    schema = None if collection is None else {"name": name, "comment": None}
    if meta is None and collection is not None and collection.system:
        meta = {"collection": name, "singleton": collection.singleton, "system": True}
    return {"collection": name, "meta": None if meta is None else dict(meta), "schema": schema}


def field_item(field: Field, column: Column | None, key: ForeignKey | None, meta: Meta | None, system: bool) -> Item:
    """`schema` is null for an alias field, which has no column."""
    if meta is None and (system or field.alias):
        meta = {"collection": field.collection, "field": field.name, "special": list(field.special) or None}
        meta |= {"system": True} if system else {}
    return {
        "collection": field.collection,
        "field": field.name,
        "type": field.type.value,
        "schema": None if column is None else _field_schema(field, column, key),
        "meta": None if meta is None else dict(meta),
    }


def _field_schema(field: Field, column: Column, key: ForeignKey | None) -> Item:
    numeric = field.type is FieldType.DECIMAL
    return {
        "name": field.name,
        "table": field.collection,
        "data_type": column.type,
        "default_value": column.default if field.has_default and field.default is None else field.default,
        "generation_expression": None,
        "max_length": field.max_length,
        "numeric_precision": field.numeric_precision if numeric else None,
        "numeric_scale": field.numeric_scale if numeric else None,
        "is_generated": column.generated,
        "is_nullable": field.nullable,
        "is_unique": field.unique,
        "is_primary_key": field.primary_key,
        "has_auto_increment": field.auto_increment,
        "foreign_key_schema": None,
        "foreign_key_table": key.target if key else None,
        "foreign_key_column": key.target_column if key else None,
        "comment": None,
    }


def relation_item(relation: Relation, key: ForeignKey | None, meta: Meta | None, system: bool) -> Item:
    """`schema` is null where there is no foreign key."""
    if meta is None and system:
        meta = {
            "many_collection": relation.many_collection,
            "many_field": relation.many_field,
            "one_collection": relation.one_collection,
            "one_field": relation.one_field,
            "system": True,
        }
    return {
        "collection": relation.many_collection,
        "field": relation.many_field,
        "related_collection": relation.one_collection,
        "schema": None if key is None else _relation_schema(key),
        "meta": None if meta is None else dict(meta),
    }


def _relation_schema(key: ForeignKey) -> Item:
    return {
        "constraint_name": key.name,
        "table": key.table,
        "column": key.column,
        "foreign_key_schema": None,
        "foreign_key_table": key.target,
        "foreign_key_column": key.target_column,
        "on_update": key.on_update.upper(),
        "on_delete": key.on_delete.upper(),
    }


def by_place(rows: Sequence[Meta], collection: str, field: str) -> dict[Place, Meta]:
    """The rows by what they hold in two columns."""
    return {(row[collection], row[field]): row for row in rows}


def keys_by_place(catalog: Catalog, schema: Schema) -> dict[Place, ForeignKey]:
    """The foreign keys, each with the column that it leads to."""
    keys = {}
    for key in catalog.foreign_keys:
        target = schema.collections.get(key.target)
        column = key.target_column or (target.primary_key if target else None)
        keys[key.table, key.column] = replace(key, target_column=column)
    return keys
