"""From `aggregate` and `groupBy` to an `Aggregation`."""

from collections.abc import Iterator, Mapping
from typing import Final

from tidegate.errors import InvalidQuery
from tidegate.query.model import Function, Query
from tidegate.query.operands import operand, parse_reference
from tidegate.query.selection import Aggregation, Measure, Value
from tidegate.query.sight import Path, Sight, Visibility
from tidegate.schema import FieldType

_NUMBERS: Final = frozenset({FieldType.INTEGER, FieldType.BIG_INTEGER, FieldType.FLOAT, FieldType.DECIMAL})
_TEXTS: Final = frozenset({FieldType.STRING, FieldType.TEXT})
_TIMES: Final = frozenset({FieldType.DATE, FieldType.TIME, FieldType.DATE_TIME, FieldType.TIMESTAMP})
_DISTINCT: Final = _NUMBERS | _TEXTS | _TIMES | {FieldType.BOOLEAN, FieldType.UUID}
_COUNTABLE: Final = frozenset(FieldType) - {FieldType.ALIAS}

_MAX_COLUMNS: Final = 500
"""Well below what any engine takes in one statement."""
_APPLIES: Mapping[Function, frozenset[FieldType]] = {
    "count": _COUNTABLE,
    "countDistinct": _DISTINCT,
    "sum": _NUMBERS,
    "sumDistinct": _NUMBERS,
    "avg": _NUMBERS,
    "avgDistinct": _NUMBERS,
    "min": _NUMBERS | _TEXTS | _TIMES,
    "max": _NUMBERS | _TEXTS | _TIMES,
}
"""`countAll` counts rows and applies to no field."""


def aggregation(sight: Sight, visibility: Visibility, query: Query, path: Path) -> Aggregation | None:
    """What the query aggregates, or None where it reads items. Raises Forbidden, `InvalidQuery`."""
    if not (query.aggregate or query.group):
        return None
    groups = {name: _group(sight, visibility, query, name, path) for name in query.group}
    measures = tuple(dict.fromkeys(_measures(sight, visibility, query, path)))
    if len(groups) + len(measures) > _MAX_COLUMNS:
        raise InvalidQuery("The query aggregates too much")
    positions: dict[str, int] = {}
    for position, (name, group) in enumerate(groups.items()):
        positions[name] = positions[group.key] = position
    for position, measure in enumerate(measures, start=len(groups)):
        positions[".".join(measure.path)] = position
    return Aggregation(tuple(groups.values()), measures, _order(visibility, query, positions, len(groups), path))


def _group(sight: Sight, visibility: Visibility, query: Query, name: str, path: Path) -> Value:
    alias = query.alias_by_name
    reference = parse_reference(alias.get(name, name))
    found, field = operand(sight, visibility, reference, path)
    if field is not None and (field.type not in _DISTINCT or field.concealed):
        raise InvalidQuery(f'Items cannot be grouped by field "{field.name}"')
    return Value(name if name in alias else reference.output, found, as_text=field is None)


def _measures(sight: Sight, visibility: Visibility, query: Query, path: Path) -> Iterator[Measure]:
    for function, names in query.aggregate:
        if function == "countAll" or names == ("*",):
            yield _count_of_rows(function, (function,))
            continue
        for name in names:
            if name == "*":
                yield _count_of_rows(function, (function, name))
                continue
            reference = parse_reference(query.alias_by_name.get(name, name))
            found, field = operand(sight, visibility, reference, path)
            if field is not None and (
                field.type not in _APPLIES[function] or (field.concealed and function != "count")
            ):
                raise InvalidQuery(f'"{function}" cannot be applied to field "{field.name}"')
            yield Measure((function, name), function, found, field)


def _count_of_rows(function: Function, path: tuple[str, ...]) -> Measure:
    if function not in ("count", "countAll"):
        raise InvalidQuery(f'"{function}" cannot be applied to "*"')
    return Measure(path, "countAll", None, None)


def _order(
    visibility: Visibility, query: Query, positions: Mapping[str, int], groups: int, path: Path
) -> tuple[tuple[int, bool], ...]:
    """By what the query says, then by the groups."""
    order: dict[int, bool] = {}
    for text in query.sort if groups else ():
        name = text.removeprefix("-")
        if name not in positions:
            visibility.field(parse_reference(name).field, path)
            raise InvalidQuery(f'"{name}" is neither grouped by nor aggregated')
        order.setdefault(positions[name], text.startswith("-"))
    for position in range(groups):
        order.setdefault(position, False)
    return tuple(order.items())
