"""The schema snapshot: frozen, hashable by identity, replaced as a whole when the database changes.

A snapshot is built by `database.introspection` from the tables that are there and the `directus_*` metadata, and read
by everything above. Names of fields and relation attributes are those of the system tables (PROTOCOL section 6).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

SYSTEM_PREFIX = "directus_"
"""What the names of system tables begin with."""
CONCEALED = "**********"
"""What is answered in place of the value of a field that is concealed; a null stays null."""


class FieldType(StrEnum):
    """The API's field types, spelled as on the wire."""

    STRING = "string"
    TEXT = "text"
    INTEGER = "integer"
    BIG_INTEGER = "bigInteger"
    FLOAT = "float"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    DATE_TIME = "dateTime"
    TIMESTAMP = "timestamp"
    JSON = "json"
    CSV = "csv"
    UUID = "uuid"
    HASH = "hash"
    BINARY = "binary"
    ALIAS = "alias"
    UNKNOWN = "unknown"


class RelationKind(Enum):
    """How a field leads to another collection, seen from the collection that holds the field."""

    M2O = "m2o"
    O2M = "o2m"
    """Also the first half of a many-to-many: the field leads to the junction collection."""
    A2O = "a2o"
    """Many-to-any: the target collection is named by another field of the same row."""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field of a collection. `alias` fields have no column; they stand for relations or presentation."""

    collection: str
    name: str
    type: FieldType
    special: tuple[str, ...] = ()
    """Flags such as `user-created`, `date-updated`, `uuid`, `conceal`, `encrypt`, `m2o`."""
    nullable: bool = True
    primary_key: bool = False
    auto_increment: bool = False
    unique: bool = False
    max_length: int | None = None
    numeric_precision: int | None = None
    numeric_scale: int | None = None
    default: Any = None
    """The default as an API value; None also where the database computes it (see `has_default`)."""
    has_default: bool = False
    required: bool = False
    """`directus_fields.required`: create must name it, with a value that is not null."""
    validation: Mapping[str, Any] | None = None
    """A filter that values must match on write."""
    validation_message: str | None = None
    searchable: bool = True
    read_only: bool = False
    """Whether no write may name it: the database works it out, or the API cannot spell its values."""
    database_type: str = ""
    """The column's type as the database spells it, in lower case; empty for alias fields."""
    moment_separator: str = ""
    """For a date and time that is kept as text: what stands between the two, `T` or a blank."""

    @property
    def alias(self) -> bool:
        return self.type is FieldType.ALIAS

    @property
    def concealed(self) -> bool:
        """Whether reads answer `**********` in place of a value."""
        return "conceal" in self.special or self.encrypted

    @property
    def encrypted(self) -> bool:
        """Whether Directus keeps its values encrypted, in a way that is its own."""
        return "encrypt" in self.special


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """One row of `directus_relations`, or one foreign key that has no such row.

    `many_collection.many_field` holds the key of a row of `one_collection`; `one_field` is the alias field on the other
    side, where there is one. For many-to-any `one_collection` is None, `one_collection_field` names the field of
    `many_collection` that holds the target's name, and `one_allowed_collections` what it may be.
    """

    many_collection: str
    many_field: str
    one_collection: str | None
    one_field: str | None = None
    one_collection_field: str | None = None
    one_allowed_collections: tuple[str, ...] = ()
    sort_field: str | None = None
    one_deselect_action: str = "nullify"
    on_delete: str | None = None
    """The foreign key's rule in lower case (`cascade`, `set null` …); None where there is no foreign key."""


@dataclass(frozen=True, slots=True)
class RelationView:
    """A relation as seen from one of its fields: where that field leads."""

    kind: RelationKind
    relation: Relation

    @property
    def target(self) -> str:
        """The collection it leads to. For `A2O` ask `relation.one_allowed_collections` instead."""
        if self.kind is RelationKind.O2M:
            return self.relation.many_collection
        assert self.relation.one_collection is not None, "many-to-any has no single target"
        return self.relation.one_collection


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """One table that is served, with its fields by name in their stored order."""

    name: str
    primary_key: str
    fields: Mapping[str, Field]
    singleton: bool = False
    sort_field: str | None = None
    triggered: bool = False
    """Whether a trigger may change a row after the statement that wrote it has told of it."""

    @property
    def system(self) -> bool:
        return self.name.startswith(SYSTEM_PREFIX)

    @property
    def key_field(self) -> Field:
        return self.fields[self.primary_key]


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """Everything that is served. `version` grows with every change within one process; caches key on it."""

    collections: Mapping[str, Collection]
    relations: tuple[Relation, ...]
    version: int = 0
    _views: Mapping[tuple[str, str], RelationView] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        views: dict[tuple[str, str], RelationView] = {}
        for relation in self.relations:
            kind = RelationKind.M2O if relation.one_collection else RelationKind.A2O
            views[relation.many_collection, relation.many_field] = RelationView(kind, relation)
            if relation.one_field and relation.one_collection:
                views[relation.one_collection, relation.one_field] = RelationView(RelationKind.O2M, relation)
            elif relation.one_field:
                for allowed in relation.one_allowed_collections:
                    views[allowed, relation.one_field] = RelationView(RelationKind.O2M, relation)
        object.__setattr__(self, "_views", views)

    def relation(self, collection: str, field_name: str) -> RelationView | None:
        """Where the field leads, or None for a plain field."""
        return self._views.get((collection, field_name))
