"""The schema snapshot of a database: its tables, refined by the `directus_*` metadata where that is present.

Columns decide which fields there are; metadata adds what columns cannot say (`special` flags, alias fields, validation,
the other side of relations). System tables take theirs from the packaged description instead, as far as their columns
exist: versions of Directus differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from tidegate.database import capabilities as known
from tidegate.database.capabilities import Capabilities
from tidegate.database.catalog import Catalog, Column, ForeignKey, read_catalog
from tidegate.database.column_types import default_value, field_type, is_default
from tidegate.database.system import LAST_TABLE, SystemField, SystemTables, missing_parts, system_tables
from tidegate.database.tables import build_tables
from tidegate.errors import TidegateError
from tidegate.schema.model import SYSTEM_PREFIX, Collection, Field, FieldType, Relation, Schema

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one look at the database found."""

    schema: Schema
    capabilities: Capabilities
    unserved: Mapping[str, str]
    """Tables that are not served, and why."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The rows of `directus_collections`, `directus_fields` and `directus_relations`; empty where there are none."""

    collections: Sequence[Row] = ()
    fields: Sequence[Row] = ()
    relations: Sequence[Row] = ()


def take_snapshot(connection: sa.Connection) -> Snapshot:
    """Look at the database. Synchronous; to be called within `Connections.read` or `write`."""
    catalog = read_catalog(connection)
    capabilities = _capabilities(connection.dialect, catalog)
    metadata = _read_metadata(connection, _system_schema(catalog), capabilities)
    schema, unserved = build_schema(catalog, metadata, system_tables())
    return Snapshot(schema, capabilities, unserved)


_EXACT_COLLATIONS = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")


def _capabilities(dialect: sa.Dialect, catalog: Catalog) -> Capabilities:
    if dialect.name != "mysql":
        return known.SQLITE if dialect.name == "sqlite" else known.POSTGRESQL
    collations = {column.collation for column in catalog.columns if column.collation and not column.checked_json}
    return replace(
        known.MYSQL,
        insert_returning=dialect.insert_returning,
        delete_returning=dialect.delete_returning,
        exact_text_comparison=collations.issubset(_EXACT_COLLATIONS),
        case_sensitive_like=all(collation.endswith("_bin") for collation in collations),
    )


def _system_schema(catalog: Catalog) -> Schema:
    """The system tables alone. Raises SERVICE_UNAVAILABLE for a project that lacks what it cannot be served without."""
    columns = [column for column in catalog.columns if column.table.startswith(SYSTEM_PREFIX)]
    schema, _ = build_schema(Catalog(columns, ()), Metadata(), system_tables())
    if any(column.table == LAST_TABLE for column in columns):
        missing = [*missing_parts({name: found.fields for name, found in schema.collections.items()})]
        if missing:
            named = ", ".join(missing[:_MISSING_NAMED]) + (", …" if len(missing) > _MISSING_NAMED else "")
            reason = f"it lacks {named}; Directus 10.10 or later has to finish its migrations first"
            raise TidegateError("SERVICE_UNAVAILABLE") from LookupError(reason)
    return schema


_MISSING_NAMED = 3
"""How many missing tables and columns an error names."""


def _read_metadata(connection: sa.Connection, schema: Schema, capabilities: Capabilities) -> Metadata:
    names = ("directus_collections", "directus_fields", "directus_relations")
    if not all(name in schema.collections for name in names):
        return Metadata()
    tables = build_tables(schema, capabilities)
    rows = []
    for name in names:
        table = tables[name]
        select = sa.select(table).order_by(table.c[schema.collections[name].primary_key])
        rows.append([row._asdict() for row in connection.execute(select)])
    return Metadata(*rows)


def build_schema(catalog: Catalog, metadata: Metadata, system: SystemTables) -> tuple[Schema, Mapping[str, str]]:
    """The snapshot, and the tables that are not served with the reason."""
    collection_rows = {row["collection"]: row for row in metadata.collections}
    field_rows: dict[str, dict[str, Row]] = {}
    for row in metadata.fields:
        field_rows.setdefault(row["collection"], {})[row["field"]] = row
    collections: dict[str, Collection] = {}
    unserved = dict(catalog.left_out)
    for name, group in groupby(catalog.columns, lambda column: column.table):
        columns = tuple(group)
        reason = _why_unserved(name, columns, system)
        if reason is not None:
            unserved[name] = reason
            continue
        collections[name] = _collection(
            name,
            columns,
            collection_rows.get(name),
            field_rows.get(name, {}),
            system.fields.get(name, {}),
            triggered=name in catalog.triggered,
        )
    return Schema(collections, tuple(_relations(catalog, metadata, system, collections))), unserved


def _why_unserved(name: str, columns: Sequence[Column], system: SystemTables) -> str | None:
    keys = [column for column in columns if column.primary_key]
    if len(keys) != 1:
        return "its primary key has more than one column" if keys else "it has no primary key"
    if keys[0].type in _INEXACT_KEYS or field_type(keys[0], ()) in _INEXACT_KEY_TYPES:
        return f"its primary key is of type {keys[0].spelling or 'none'}, whose values do not name one row exactly"
    if name.startswith(SYSTEM_PREFIX) and name not in system.fields:
        return "it is a table of Directus that has no part here"
    return None


_INEXACT_KEY_TYPES = frozenset(
    {FieldType.FLOAT, FieldType.TIME, FieldType.DATE_TIME, FieldType.TIMESTAMP, FieldType.JSON}
)
"""The API tells fewer digits of a fraction than a column may hold."""
_INEXACT_KEYS = frozenset({"", "any"})
"""On SQLite, columns that tell a number from the text that spells it."""


def _collection(
    name: str,
    columns: Sequence[Column],
    row: Row | None,
    field_rows: Mapping[str, Row],
    system_fields: Mapping[str, SystemField],
    *,
    triggered: bool,
) -> Collection:
    fields = [
        _column_field(column, field_rows.get(column.name, {}), system_fields.get(column.name)) for column in columns
    ]
    present = {field.name for field in fields}
    fields += [
        Field(name, field.name, FieldType.ALIAS, field.special) for field in system_fields.values() if field.alias
    ]
    fields += [
        _alias_field(name, field_row)
        for field_row in field_rows.values()
        if field_row["field"] not in present and field_row["field"] not in system_fields
    ]
    return Collection(
        name,
        next(column.name for column in columns if column.primary_key),
        {field.name: field for field in fields},
        singleton=name == "directus_settings" or bool(row and row["singleton"]),
        sort_field=row["sort_field"] if row else None,
        triggered=triggered,
    )


def _column_field(column: Column, row: Row, system: SystemField | None) -> Field:
    special = system.special if system else tuple(row.get("special") or ())
    field = Field(
        column.table,
        column.name,
        system.type if system else field_type(column, special),
        special,
        nullable=column.nullable,
        primary_key=column.primary_key,
        auto_increment=column.auto_increment,
        unique=column.unique or column.primary_key,
        max_length=column.length,
        numeric_precision=column.precision,
        numeric_scale=column.scale,
        has_default=column.auto_increment or is_default(column.default),
        required=bool(row.get("required")),
        validation=row.get("validation") or None,
        validation_message=row.get("validation_message"),
        searchable=row.get("searchable", True) is not False,
        database_type=column.type,
        read_only=column.read_only,
        moment_separator=column.moment_separator,
    )
    return replace(field, default=default_value(field, column.default))


def _alias_field(collection: str, row: Row) -> Field:
    return Field(
        collection,
        row["field"],
        FieldType.ALIAS,
        tuple(row["special"] or ()),
        required=bool(row.get("required")),
        validation=row.get("validation") or None,
        validation_message=row.get("validation_message"),
    )


def _relations(
    catalog: Catalog, metadata: Metadata, system: SystemTables, collections: Mapping[str, Collection]
) -> Iterable[Relation]:
    foreign_keys = {(key.table, key.column): key for key in catalog.foreign_keys if _leads_to_key(key, collections)}
    told = [
        Relation(
            row.many_collection,
            row.many_field,
            row.one_collection,
            row.one_field,
            one_deselect_action=row.one_deselect_action,
        )
        for row in system.relations
    ] + [_told_relation(row) for row in metadata.relations]
    named = set()
    for relation in told:
        if not _exists(relation, collections):
            continue
        named.add((relation.many_collection, relation.many_field))
        key = foreign_keys.get((relation.many_collection, relation.many_field))
        one = collections.get(relation.one_collection or "")
        yield replace(
            relation,
            one_field=relation.one_field if one is None or relation.one_field in one.fields else None,
            on_delete=key.on_delete if key else None,
        )
    for place, key in foreign_keys.items():
        if place not in named:
            yield Relation(key.table, key.column, key.target, on_delete=key.on_delete)


def _leads_to_key(key: ForeignKey, collections: Mapping[str, Collection]) -> bool:
    target = collections.get(key.target)
    return key.table in collections and target is not None and key.target_column in (None, target.primary_key)


def _told_relation(row: Row) -> Relation:
    return Relation(
        row["many_collection"],
        row["many_field"],
        row["one_collection"],
        row["one_field"],
        row["one_collection_field"],
        tuple(row["one_allowed_collections"] or ()),
        row["sort_field"],
        row["one_deselect_action"] or "nullify",
    )


def _exists(relation: Relation, collections: Mapping[str, Collection]) -> bool:
    many = collections.get(relation.many_collection)
    if many is None or relation.many_field not in many.fields:
        return False
    return relation.one_collection in collections if relation.one_collection else bool(relation.one_allowed_collections)
