"""Directus's own tables as the packaged `system-tables.json` describes them (PROTOCOL section 6)."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from tidegate.schema.model import FieldType

PUBLIC_POLICY_NAME = "$t:public_label"
"""The policy that everybody has; bound by the access row with neither role nor user."""
LAST_TABLE = "directus_settings"
"""The one that an empty database is given last: without it, there is no project."""

_SECRET = frozenset(
    {("directus_sessions", "token"), ("directus_sessions", "next_token"), ("directus_users", "auth_data")}
)
"""Fields that give access to somebody's account and have no `conceal` in the description: concealed nevertheless."""

_OWNED = frozenset({("directus_access", "user"), ("directus_access", "role"), ("directus_permissions", "policy")})
"""Whose rows are deleted when their owner lets go of them: an access row of neither user nor role is everybody's."""

_NEEDED: Mapping[str, str] = {
    "directus_collections": "collection singleton sort_field",
    "directus_fields": "id collection field special",
    "directus_permissions": "id collection action permissions validation presets fields",
    "directus_relations": "id many_collection many_field one_collection one_field one_collection_field"
    " one_allowed_collections sort_field one_deselect_action",
    "directus_roles": "id",
    "directus_sessions": "token user expires ip user_agent origin",
    "directus_settings": "auth_login_attempts",
    "directus_users": "id email password tfa_secret status role token provider last_access",
}
_FLAGS = "admin_access app_access enforce_tfa ip_access"
_NEEDED_SINCE_11: Mapping[str, str] = {
    "directus_access": "role user policy",
    "directus_permissions": "policy",
    "directus_policies": f"id {_FLAGS}",
}
_NEEDED_BEFORE_11: Mapping[str, str] = {"directus_permissions": "role", "directus_roles": _FLAGS}


@dataclass(frozen=True, slots=True)
class SystemField:
    """One field of a system table, as it is made in an empty database."""

    name: str
    type: FieldType
    special: tuple[str, ...]
    length: int | None
    default: Any
    """An API value, or `CURRENT_TIMESTAMP`; None for none."""
    required: bool
    """NOT NULL in the database."""
    primary_key: bool
    auto_increment: bool
    unique: bool
    references: tuple[str, str] | None
    """The table and column of its foreign key."""
    on_delete: str

    @property
    def alias(self) -> bool:
        return self.type is FieldType.ALIAS


@dataclass(frozen=True, slots=True)
class SystemRelation:
    """One relation between system tables."""

    many_collection: str
    many_field: str
    one_collection: str
    one_field: str | None
    one_deselect_action: str


@dataclass(frozen=True, slots=True)
class SystemTables:
    """All of it."""

    fields: Mapping[str, Mapping[str, SystemField]]
    """By table, by name."""
    relations: tuple[SystemRelation, ...]
    first_rows: Mapping[str, list[dict[str, Any]]]


def missing_parts(present: Mapping[str, Container[str]]) -> Iterator[str]:
    """What no project can be served without and the database does not have; `present` are its columns by table.

    All else may be missing: versions of Directus differ.
    """
    by_version = _NEEDED_SINCE_11 if "directus_policies" in present else _NEEDED_BEFORE_11
    for needed in (_NEEDED, by_version):
        for table, names in needed.items():
            if table not in present:
                yield table
            else:
                yield from (f"{table}.{name}" for name in names.split() if name not in present[table])


@cache
def system_tables() -> SystemTables:
    """The packaged description, read once."""
    document = orjson.loads(files("tidegate.database").joinpath("system-tables.json").read_bytes())
    return SystemTables(
        {
            table: {name: _field(table, name, row) for name, row in fields.items()}
            for table, fields in document["tables"].items()
        },
        tuple(_relation(row) for row in document["relations"]),
        {name: rows for name, rows in document["first_rows"].items() if isinstance(rows, list)},
    )


def _field(table: str, name: str, row: Mapping[str, Any]) -> SystemField:
    special = tuple(row.get("special", ()))
    if (table, name) in _SECRET:
        special += ("conceal",)
    auto_increment = row.get("auto_increment", False)
    references = row.get("references")
    return SystemField(
        name,
        FieldType(row["type"]),
        special,
        row.get("length"),
        None if auto_increment else row.get("default"),
        row.get("required", False),
        row.get("primary_key", False),
        auto_increment,
        row.get("unique", False),
        tuple(references.split(".")) if references else None,
        row.get("on_delete", "no action"),
    )


def _relation(row: Mapping[str, Any]) -> SystemRelation:
    many_collection, many_field = row["many"].split(".")
    deselect = "delete" if (many_collection, many_field) in _OWNED else "nullify"
    return SystemRelation(many_collection, many_field, row["one"], row["one_field"], deselect)
