"""Variables with a path, as `$CURRENT_USER.department.name`: which a rule uses, and the joins that read them. Pure.

A path leads from a user or a role along many-to-one relations to a column. One that leads elsewhere, or to a value that
reads conceal, is null.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidegate.access.rights import Rule
from tidegate.schema.model import RelationKind, Schema

USER_PATH = "$CURRENT_USER."
ROLE_PATH = "$CURRENT_ROLE."


def used_paths(rule: Rule) -> frozenset[str]:
    """The variables with a path in any part of the rule."""
    texts = _texts([rule.filter, rule.validation, rule.presets])
    return frozenset(text for text in texts if text.startswith((USER_PATH, ROLE_PATH)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(value.values())
    elif isinstance(value, Iterable):
        for member in value:
            yield from _texts(member)


@dataclass(frozen=True, slots=True, eq=False)
class PathReader:
    """Reads the ends of paths together with the row they start from."""

    variables: tuple[str, ...]
    columns: tuple[sa.ColumnElement[Any], ...]
    """One for each variable."""
    source: sa.FromClause
    """The starting table with what the paths lead through."""
    collections: frozenset[str]
    """The collections that the paths lead through, without the one they start from."""

    def values(self, columns: Sequence[Any]) -> Mapping[str, Any]:
        """The variables, from what the columns held."""
        return dict(zip(self.variables, columns, strict=True))


def path_reader(
    prefix: str, start: str, variables: Iterable[str], schema: Schema, tables: Mapping[str, sa.Table]
) -> PathReader:
    """For the variables that begin with `prefix`, from the collection `start`."""
    used = tuple(sorted(variable for variable in variables if variable.startswith(prefix)))
    joins = _Joins(start, schema, tables)
    columns = tuple(joins.column(tuple(variable.removeprefix(prefix).split("."))) for variable in used)
    return PathReader(used, columns, joins.source, frozenset(joins.collections))


class _Joins:
    """One join for each step that any path takes."""

    def __init__(self, start: str, schema: Schema, tables: Mapping[str, sa.Table]) -> None:
        self._schema = schema
        self._tables = tables
        self._places: dict[tuple[str, ...], tuple[str, sa.FromClause]] = {(): (start, tables[start])}
        self.source: sa.FromClause = tables[start]
        self.collections: set[str] = set()

    def column(self, path: tuple[str, ...]) -> sa.ColumnElement[Any]:
        place = self._place(path[:-1])
        if place is None:
            return sa.null()
        collection, table = place
        field = self._schema.collections[collection].fields.get(path[-1])
        return sa.null() if field is None or field.alias or field.concealed else table.c[field.name]

    def _place(self, steps: tuple[str, ...]) -> tuple[str, sa.FromClause] | None:
        """The collection and table that the steps lead to; None where they lead nowhere."""
        if steps in self._places:
            return self._places[steps]
        before = self._place(steps[:-1])
        if before is None:
            return None
        collection, table = before
        view = self._schema.relation(collection, steps[-1])
        if view is None or view.kind is not RelationKind.M2O or steps[-1] not in table.c:
            return None
        target = view.target
        joined = self._tables[target].alias()
        key = self._schema.collections[target].primary_key
        self.source = self.source.outerjoin(joined, table.c[steps[-1]] == joined.c[key])
        self.collections.add(target)
        self._places[steps] = target, joined
        return target, joined
