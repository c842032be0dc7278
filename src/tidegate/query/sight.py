"""What whoever asks can see: of each collection which rows, and of each row which fields.

`Sight` sees everything; `rules.RuledSight` sees what permissions show. All other modules of planning ask a sight, so
that nothing can be used in a query, in whatever place, that could not be read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidegate.errors import Forbidden, InvalidQuery
from tidegate.query.condition import EVERY_ROW, NO_ROW, Column, Condition, Link
from tidegate.query.model import Limits
from tidegate.schema import Collection, Field, RelationKind, RelationView, Schema

Path = tuple[str, ...]
"""Where in the query something is asked for: the relations followed from the root."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """What can be seen of one collection."""

    collection: Collection
    rows: Condition = EVERY_ROW
    guards: Mapping[str, Condition | None] | None = None
    """The fields that can be seen, each with the rows on which (None: all visible rows); None for every field."""

    def sees(self, name: str) -> bool:
        return name in (self.collection.fields if self.guards is None else self.guards)

    def field(self, name: str, path: Path) -> Field:
        """Raises Forbidden for a field that cannot be seen or does not exist."""
        if not self.sees(name):
            raise Forbidden.field(name, self.collection.name, ".".join(path))
        return self.collection.fields[name]

    def guard(self, name: str) -> Condition | None:
        """On which of the visible rows a field can be seen that can be seen at all; None for all of them."""
        return None if self.guards is None else self.guards[name]

    def column(self, name: str, path: Path) -> Column:
        """Raises Forbidden as `field` does."""
        return Column(self.field(name, path), self.guard(name))

    def fields(self) -> Iterator[Field]:
        """Those that can be seen, in their stored order."""
        return (field for name, field in self.collection.fields.items() if self.sees(name))


class Sight:
    """Sees every row and field of every collection."""

    def __init__(self, schema: Schema, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits

    def of(self, collection: str, path: Path) -> Visibility:
        """Raises Forbidden where nothing can be seen of the collection, or it does not exist."""
        found = self._schema.collections.get(collection)
        if found is None:
            raise Forbidden.collection(collection, ".".join(path))
        return Visibility(found)

    def nothing_of(self, collection: str) -> Visibility:
        """A collection that exists, to somebody who sees none of it."""
        return Visibility(self._schema.collections[collection], NO_ROW, {})

    def deeper(self, path: Path, step: str) -> Path:
        """The path of what is reached by following one more relation."""
        if len(path) >= self._limits.max_relational_depth:
            raise InvalidQuery("Max relational depth exceeded")
        return (*path, step)

    def relation(self, field: Field) -> RelationView | None:
        """Where the field leads, or None where it leads to nothing that exists."""
        view = self._schema.relation(field.collection, field.name)
        if view is None or view.kind is RelationKind.A2O:
            return view
        return view if view.target in self._schema.collections else None

    def link(self, visibility: Visibility, view: RelationView, name: str, target: str) -> Link:
        """The way along the relation of field `name`, which can be seen, to `target`."""
        relation, own = view.relation, visibility.collection
        if view.kind is RelationKind.O2M:
            many = self._schema.collections[relation.many_collection]
            key = Column(own.key_field, visibility.guard(name))
            return Link(view.kind, key, many.fields[relation.many_field], _named(many, relation.one_collection_field))
        far = self._schema.collections[target].key_field
        return Link(view.kind, visibility.column(name, ()), far, _named(own, relation.one_collection_field))

    def targets(self, view: RelationView) -> tuple[str, ...]:
        """The collections that a relation leads to; several for many-to-any."""
        if view.kind is not RelationKind.A2O:
            return (view.target,)
        return tuple(name for name in view.relation.one_allowed_collections if name in self._schema.collections)


def _named(collection: Collection, name: str | None) -> Field | None:
    return None if name is None else collection.fields[name]
