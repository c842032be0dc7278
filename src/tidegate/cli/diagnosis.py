"""What in a database is not served as its owner may expect, as sentences. Pure.

A problem makes answers differ from what the project says; a note is only worth knowing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tidegate.access.policies import rule_of
from tidegate.access.rights import Rule
from tidegate.cli.output import counted
from tidegate.database.catalog import Catalog
from tidegate.errors import TidegateError
from tidegate.query.filters import resolve_filter
from tidegate.query.model import Limits
from tidegate.query.parse import parse_filter
from tidegate.query.sight import Sight, Visibility
from tidegate.schema import Collection, FieldType, Schema

Row = Mapping[str, Any]

_UNSPEAKABLE = re.compile(r"[.,:*()]|^[_\s-]|\s$")
"""What stands in a name for something else somewhere in the query language."""
UNUSED_TABLES: Mapping[str, str] = {
    "directus_flows": "flows do not run",
    "directus_operations": "operations of flows do not run",
    "directus_webhooks": "webhooks are not called",
    "directus_extensions": "extensions do not run",
    "directus_dashboards": "dashboards are not shown",
    "directus_panels": "panels of dashboards are not shown",
    "directus_shares": "shared links are not opened, and their tokens are refused",
}
"""Tables of Directus without a part here, and what that means where they have rows."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing."""

    level: Literal["problem", "note"]
    about: str
    sentence: str


def kind_of(catalog: Catalog) -> str:
    """What made the database, as far as its tables tell."""
    tables = {column.table for column in catalog.columns}
    if not tables:
        return "empty"
    if "directus_settings" not in tables:
        return "tables without a project"
    if "directus_policies" in tables:
        return "a project of Directus 11 or later, or of Tidegate"
    return "a project of Directus 10"


def odd_fields(collections: Iterable[Collection]) -> Iterator[Finding]:
    """Columns whose type has no counterpart in the API, and names that a query cannot spell."""
    for collection in collections:
        if "/" in collection.name:
            sentence = f"Collection {collection.name} cannot be named in a path of HTTP: ask for it over a socket."
            yield Finding("note", collection.name, sentence)
        for field in collection.fields.values():
            place = f"{collection.name}.{field.name}"
            if field.type is FieldType.UNKNOWN:
                how = "read as text and not written" if field.read_only else "read and written as text"
                sentence = f"Field {place} is of type {field.database_type or 'none'}: it is {how}."
                yield Finding("note", place, sentence)
            if _UNSPEAKABLE.search(field.name):
                yield Finding("note", place, f"Field {place} cannot be named in a query; `*` shows it.")


def lost_relations(catalog: Catalog, rows: Sequence[Row], schema: Schema) -> Iterator[Finding]:
    """Relations of the metadata, and foreign keys, that lead nowhere."""
    known = {(relation.many_collection, relation.many_field) for relation in schema.relations}
    told = set()
    for row in rows:
        place = (row["many_collection"], row["many_field"])
        told.add(place)
        if place not in known:
            target = row["one_collection"] or "any of its collections"
            sentence = f"Relation {'.'.join(place)} to {target} cannot be followed: one of its sides is not served."
            yield Finding("problem", ".".join(place), sentence)
    for key in catalog.foreign_keys:
        place = (key.table, key.column)
        if place not in known and place not in told and key.table in schema.collections:
            reason = "is not served" if key.target not in schema.collections else "is not met by its primary key"
            sentence = f"Foreign key {'.'.join(place)} cannot be followed: {key.target} {reason}."
            yield Finding("note", ".".join(place), sentence)


def odd_permissions(rows: Sequence[Row], schema: Schema, unserved: Mapping[str, str]) -> Iterator[Finding]:
    """Permissions that allow less than they say, since a part of them cannot be understood."""
    for row in rows:
        about = f"directus_permissions {row['id']}"
        name = f'Permission {row["id"]} ("{row["action"]}" of {row["collection"]})'
        rule = rule_of(row["fields"], row["permissions"], row["validation"], row["presets"])
        collection = schema.collections.get(row["collection"])
        if rule is None:
            yield Finding("problem", about, f"{name} allows nothing: its rules are no JSON objects.")
        elif collection is None:
            reason = "is not served" if row["collection"] in unserved else "does not exist"
            yield Finding("note", about, f"{name} has no effect: the collection {reason}.")
        else:
            yield from _odd_rule(rule, collection, schema, about, name)


def _odd_rule(rule: Rule, collection: Collection, schema: Schema, about: str, name: str) -> Iterator[Finding]:
    limits = Limits()
    try:
        parsed = parse_filter(rule.filter, limits)
        if parsed is not None:
            resolve_filter(Sight(schema, limits), parsed, Visibility(collection))
    except TidegateError as error:
        yield Finding("problem", about, f"{name} shows nothing: its filter cannot be understood: {error.message}")
    missing = sorted(field for field in rule.fields if field != "*" and field not in collection.fields)
    if missing:
        yield Finding("note", about, f"{name} names fields that do not exist: {', '.join(missing)}.")


def other_providers(users_of: Mapping[str, int]) -> Iterator[Finding]:
    """How many users sign in with each provider."""
    for provider, users in users_of.items():
        if provider != "default":
            sentence = f"{counted(users, 'user')} of the provider {provider} can use tokens here, but not log in."
            yield Finding("note", "directus_users", sentence)


def unused_rows(counts: Mapping[str, int]) -> Iterator[Finding]:
    """How many rows each of `UNUSED_TABLES` has."""
    for table, number in counts.items():
        if number:
            yield Finding("note", table, f"{table} has {counted(number, 'row')}: {UNUSED_TABLES[table]}.")


def versioned(rows: Iterable[Row]) -> Iterator[Finding]:
    """Of `directus_collections`."""
    for row in rows:
        if row.get("versioning"):
            sentence = f"Collection {row['collection']} keeps versions: only the main one is served."
            yield Finding("note", row["collection"], sentence)
