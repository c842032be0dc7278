"""What of the structure may be seen and changed: by administrators alone, and of system tables only what was added."""

from tidegate.access.rights import Rights
from tidegate.database.system import system_tables
from tidegate.errors import Forbidden
from tidegate.schema import Collection, Field, Schema


def administrators_only(rights: Rights) -> None:
    """Raises Forbidden for anybody else."""
    if not rights.admin:
        raise Forbidden


def is_system(field: Field) -> bool:
    """Whether a system table came with the field."""
    return field.name in system_tables().fields.get(field.collection, ())


def known_collection(schema: Schema, name: str) -> Collection:
    """Raises Forbidden where there is none."""
    found = schema.collections.get(name)
    if found is None:
        raise Forbidden.collection(name)
    return found


def known_field(schema: Schema, collection: str, name: str) -> Field:
    """Raises Forbidden where there is none."""
    found = known_collection(schema, collection).fields.get(name)
    if found is None:
        raise Forbidden.field(name, collection)
    return found
