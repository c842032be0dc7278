"""What a request to change the structure asks for, checked. Pure.

Names become identifiers of the database, so only letters, digits and `_` are taken; the prefix `directus_` belongs to
the system tables, `sqlite_` to SQLite.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidegate.database.ddl import (
    CREATABLE,
    CURRENT_TIMESTAMP,
    DEFAULT_LENGTH,
    DEFAULT_PRECISION,
    DEFAULT_SCALE,
    MAX_NAME,
)
from tidegate.errors import InvalidPayload
from tidegate.schema import SYSTEM_PREFIX, Collection, Field, FieldType
from tidegate.schema.values import parse

Object = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_RESERVED = (SYSTEM_PREFIX, "sqlite_")
_KEY_TYPES = (FieldType.INTEGER, FieldType.BIG_INTEGER, FieldType.STRING, FieldType.UUID)
_COUNTED_TYPES = (FieldType.INTEGER, FieldType.BIG_INTEGER)
_MOMENT_TYPES = (FieldType.DATE_TIME, FieldType.TIMESTAMP)
_NOW = ("CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP()", "NOW()")
_NEEDED_SPECIAL = {FieldType.CSV: "cast-csv", FieldType.HASH: "hash"}
"""Field types that no column type stands for."""
_IDENTITY = ("id", "collection", "field", "many_collection", "many_field", "one_collection", "system")
"""What a `meta` object that was read carries besides its properties; it is not taken from there."""
ON_DELETE = ("no action", "cascade", "set null", "set default", "restrict")


@dataclass(frozen=True, slots=True)
class NewField:
    """A field to be made: its column unless it is an alias, and its row of `directus_fields` unless `meta` is None."""

    field: Field
    meta: Mapping[str, Any] | None


def member(data: Object, name: str) -> Object | None:
    """The object under `name`; None where it is null or missing."""
    value = data.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise InvalidPayload(f'"{name}" has to be an object')
    return value


def text(data: Object, name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidPayload(f'"{name}" is required')
    return value


def new_name(data: Object, name: str) -> str:
    """The name of something to be made."""
    value = text(data, name)
    if not _NAME.fullmatch(value) or len(value) > MAX_NAME:
        raise InvalidPayload(f'"{name}" has to be a name of letters, digits and "_"')
    return value


def new_collection_name(data: Object, taken: Sequence[str]) -> str:
    name = new_name(data, "collection")
    if name.lower().startswith(_RESERVED):
        raise InvalidPayload(f'Collections cannot start with "{name[: name.index("_") + 1]}"')
    _untaken(name, taken, f'Collection "{name}" already exists')
    return name


def _untaken(name: str, taken: Sequence[str], reason: str) -> None:
    """Names that differ only in case are one name to some engines."""
    if name.lower() in (other.lower() for other in taken):
        raise InvalidPayload(reason)


def new_fields(collection: str, data: Object) -> list[NewField]:
    """The fields of a collection to be made; an `id` that counts by itself where none is named as primary key."""
    rows = [] if data.get("fields") is None else data["fields"]
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise InvalidPayload('"fields" has to be an array of objects')
    fields: list[NewField] = []
    for row in rows:
        fields.append(new_field(collection, row, [made.field.name for made in fields]))
    keys = sum(made.field.primary_key for made in fields)
    if keys > 1:
        raise InvalidPayload("A collection has one primary key")
    if keys == 0:
        _untaken("id", [made.field.name for made in fields], 'The field "id" has to be the primary key')
        key = Field(collection, "id", FieldType.INTEGER, nullable=False, primary_key=True, auto_increment=True)
        fields.insert(0, NewField(key, {"hidden": True, "readonly": True}))
    return fields


def new_field(collection: str, row: Object, taken: Sequence[str]) -> NewField:
    name = new_name(row, "field")
    _untaken(name, taken, f'Field "{name}" already exists in collection "{collection}"')
    schema, meta = member(row, "schema"), member(row, "meta")
    field_type = _field_type(row, FieldType.ALIAS if schema is None else None)
    if field_type is FieldType.ALIAS:
        if schema is not None:
            raise InvalidPayload(f'"schema" of the alias field "{name}" has to be null')
        meta = meta or {}
        return NewField(Field(collection, name, field_type), {**meta, "special": meta.get("special") or ["no-data"]})
    field = _with_schema(Field(collection, name, field_type), schema or {})
    special = _NEEDED_SPECIAL.get(field_type)
    if special is not None and special not in ((meta or {}).get("special") or ()):
        meta = {**(meta or {}), "special": [*((meta or {}).get("special") or ()), special]}
    return NewField(field, meta)


def changed_field(field: Field, row: Object) -> Field:
    """The field as a request to update it wants it."""
    field_type = _field_type(row, field.type)
    schema = member(row, "schema") or {}
    if field.alias or field_type is FieldType.ALIAS:
        if field_type is not field.type or schema:
            raise InvalidPayload(f'Field "{field.name}" cannot change between alias and column')
        return field
    after = field if field_type is field.type else replace(field, type=field_type, database_type="", default=None)
    after = _with_schema(after, {name: value for name, value in schema.items() if name in _SCHEMA})
    identity = (after.type, after.primary_key, after.auto_increment)
    if (field.primary_key or after.primary_key) and identity != (field.type, field.primary_key, field.auto_increment):
        raise InvalidPayload("A primary key cannot be changed")
    return after


def _field_type(row: Object, default: FieldType | None) -> FieldType:
    name = row.get("type")
    if name is None and default is not None:
        return default
    field_type = next((known for known in FieldType if known == name), FieldType.UNKNOWN)
    if field_type not in CREATABLE and field_type not in (FieldType.ALIAS, default):
        raise InvalidPayload(f'"type" of field "{row.get("field")}" has to be a field type')
    return field_type


_SCHEMA = (
    "default_value",
    "max_length",
    "length",
    "numeric_precision",
    "numeric_scale",
    "is_nullable",
    "is_unique",
    "is_primary_key",
    "has_auto_increment",
)


def _with_schema(field: Field, schema: Object) -> Field:
    """The field with the properties of a `schema` object; those that it does not name stay."""
    primary_key, auto_increment = _key(field, schema)
    precision, scale = _digits(field, schema)
    after = replace(
        field,
        primary_key=primary_key,
        auto_increment=auto_increment,
        nullable=_flag(schema, "is_nullable", field.nullable) and not primary_key,
        unique=_flag(schema, "is_unique", field.unique) or primary_key,
        max_length=_length(field, schema),
        numeric_precision=precision,
        numeric_scale=scale,
    )
    if auto_increment or "default_value" not in schema:
        return after
    default = _default(after, schema["default_value"])
    return replace(after, default=default, has_default=default is not None)


def _key(field: Field, schema: Object) -> tuple[bool, bool]:
    """Whether it is the primary key, and whether that counts by itself."""
    primary_key = _flag(schema, "is_primary_key", field.primary_key)
    auto_increment = _flag(schema, "has_auto_increment", field.auto_increment)
    if primary_key and field.type not in _KEY_TYPES:
        raise InvalidPayload(f'A field of type "{field.type}" cannot be a primary key')
    if auto_increment and (not primary_key or field.type not in _COUNTED_TYPES):
        raise InvalidPayload("Only a primary key that is an integer can count by itself")
    return primary_key, auto_increment


def _length(field: Field, schema: Object) -> int | None:
    length = _number(schema, "max_length", _number(schema, "length", field.max_length, 1, 16_383), 1, 16_383)
    return length or DEFAULT_LENGTH if field.type in (FieldType.STRING, FieldType.HASH) else field.max_length


def _digits(field: Field, schema: Object) -> tuple[int | None, int | None]:
    """Precision and scale of a decimal; None for other types."""
    precision = _number(schema, "numeric_precision", field.numeric_precision, 1, 65)
    scale = _number(schema, "numeric_scale", field.numeric_scale, 0, 30)
    if field.type is not FieldType.DECIMAL:
        return None, None
    precision = DEFAULT_PRECISION if precision is None else precision
    scale = min(DEFAULT_SCALE, precision) if scale is None else scale
    if scale > precision:
        raise InvalidPayload('"numeric_scale" cannot be more than "numeric_precision"')
    return precision, scale


def _default(field: Field, value: object) -> Any:
    if field.type in _MOMENT_TYPES and isinstance(value, str) and value.upper() in _NOW:
        return CURRENT_TIMESTAMP
    return parse(field, value)


def _flag(schema: Object, name: str, default: bool) -> bool:
    value = schema.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidPayload(f'"{name}" has to be true or false')
    return value


def _number(schema: Object, name: str, default: int | None, least: int, most: int) -> int | None:
    value = schema.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidPayload(f'"{name}" has to be a whole number from {least} to {most}')
    return value


def meta_row(meta: Object, table: Collection) -> dict[str, Any]:
    """The columns of a metadata table that a `meta` object sets. Columns that this database lacks are left out."""
    row = {}
    for name, value in meta.items():
        if name in _IDENTITY:
            continue
        column = table.fields.get(name)
        if column is None:
            raise InvalidPayload(f'"{name}" is no property of "meta"')
        if not column.alias:
            row[name] = parse(column, value)
    return row


def on_delete(schema: Object | None) -> str:
    """The rule of a foreign key, in lower case."""
    rule = (schema or {}).get("on_delete") or "no action"
    if not isinstance(rule, str) or rule.lower() not in ON_DELETE:
        raise InvalidPayload(f'"on_delete" has to be one of {", ".join(ON_DELETE).upper()}')
    return rule.lower()


def fits_key(field: Field, key: Field) -> bool:
    """Whether the field can hold keys of the other collection."""
    kinds = {
        FieldType.BIG_INTEGER: FieldType.INTEGER,
        FieldType.TEXT: FieldType.STRING,
        FieldType.HASH: FieldType.STRING,
    }
    return kinds.get(field.type, field.type) is kinds.get(key.type, key.type)
