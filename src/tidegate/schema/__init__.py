"""What the database holds, as frozen values: collections, fields, relations. No I/O."""

from tidegate.schema.model import (
    CONCEALED,
    SYSTEM_PREFIX,
    Collection,
    Field,
    FieldType,
    Relation,
    RelationKind,
    RelationView,
    Schema,
)

__all__ = [
    "CONCEALED",
    "SYSTEM_PREFIX",
    "Collection",
    "Field",
    "FieldType",
    "Relation",
    "RelationKind",
    "RelationView",
    "Schema",
]
