"""What the database holds, as frozen values: collections, fields, relations. No I/O."""

from tidegate.schema.model import CONCEALED, Collection, Field, FieldType, Relation, RelationKind, RelationView, Schema

__all__ = ["CONCEALED", "Collection", "Field", "FieldType", "Relation", "RelationKind", "RelationView", "Schema"]
