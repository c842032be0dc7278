"""References to fields as text (`title`, `year(published_on)`, `count(labels)`), and the operands they stand for."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, get_args

from tidegate.database.functions import DatePart
from tidegate.errors import Forbidden, InvalidQuery
from tidegate.query.condition import Count, Length, Operand, Part, Remote
from tidegate.query.sight import Path, Sight, Visibility
from tidegate.schema import Field, FieldType, RelationKind

_FUNCTION = re.compile(r"(\w+)\(([^()]*)\)")

_DAY_PARTS: Final = frozenset({"year", "month", "week", "day", "weekday"})
_CLOCK_PARTS: Final = frozenset({"hour", "minute", "second"})
_PARTS: Mapping[FieldType, frozenset[str]] = {
    FieldType.DATE: _DAY_PARTS,
    FieldType.TIME: _CLOCK_PARTS,
    FieldType.DATE_TIME: _DAY_PARTS | _CLOCK_PARTS,
    FieldType.TIMESTAMP: _DAY_PARTS | _CLOCK_PARTS,
}
_DATE_PARTS: Mapping[str, DatePart] = {part: part for part in get_args(DatePart)}
_UNSORTABLE: Final = frozenset({FieldType.JSON, FieldType.BINARY, FieldType.HASH, FieldType.UNKNOWN, FieldType.ALIAS})


class Reference(NamedTuple):
    """One step of a path, taken apart."""

    field: str
    function: str | None = None
    collection: str | None = None
    """The target that is meant, for many-to-any (`item:headings`)."""

    @property
    def output(self) -> str:
        """The name under which it is answered."""
        return self.field if self.function is None else f"{self.field}_{self.function}"


def parse_reference(text: str) -> Reference:
    """Never fails: what has no special form is the name of a field."""
    called = _FUNCTION.fullmatch(text)
    if called is not None:
        return Reference(called[2].strip(), called[1])
    field, colon, collection = text.partition(":")
    return Reference(field, None, collection if colon else None)


def split_path(text: str) -> list[str]:
    """The steps of a dotted path; a function around a whole path (`year(author.born)`) applies to its last step."""
    called = _FUNCTION.fullmatch(text)
    if called is None:
        return text.split(".")
    *steps, last = called[2].split(".")
    return [*steps, f"{called[1]}({last.strip()})"]


def operand(sight: Sight, visibility: Visibility, reference: Reference, path: Path) -> tuple[Operand, Field | None]:
    """The operand, and the field that has values like it (None: whole numbers, as functions give).

    Raises Forbidden, and `InvalidQuery` for a function that the field does not have.
    """
    field = visibility.field(reference.field, path)
    if reference.collection is not None:
        raise Forbidden.field(f"{field.name}:{reference.collection}", field.collection, ".".join(path))
    if reference.function is None:
        return visibility.column(reference.field, path), field
    if field.concealed:
        raise InvalidQuery(f'"{reference.function}" cannot be applied to field "{field.name}"')
    if reference.function == "count" and field.type is FieldType.JSON:
        return Length(visibility.column(field.name, path)), None
    view = sight.relation(field)
    if reference.function == "count" and view is not None and view.kind is RelationKind.O2M:
        target = sight.of(view.target, sight.deeper(path, field.name))
        return Count(sight.link(visibility, view, field.name, view.target), target.rows), None
    if reference.function in _PARTS.get(field.type, ()):
        return Part(_DATE_PARTS[reference.function], visibility.column(field.name, path)), None
    raise InvalidQuery(f'"{reference.function}" cannot be applied to field "{field.name}"')


def ordered_operand(sight: Sight, visibility: Visibility, steps: list[str], path: Path) -> tuple[Operand, Field | None]:
    """The operand at the end of a path along many-to-one relations, by which rows can be put in order."""
    reference = parse_reference(steps[0])
    if len(steps) == 1:
        found, field = operand(sight, visibility, reference, path)
        if field is not None and (field.type in _UNSORTABLE or field.concealed):
            raise InvalidQuery(f'Items cannot be put in order by field "{field.name}"')
        return found, field
    via = visibility.field(reference.field, path)
    view = sight.relation(via)
    if reference[1:] != (None, None) or view is None or view.kind is not RelationKind.M2O:
        raise InvalidQuery(f'Items cannot be put in order through field "{via.name}"')
    below = sight.deeper(path, via.name)
    target = sight.of(view.target, below)
    link = sight.link(visibility, view, via.name, view.target)
    found, field = ordered_operand(sight, target, steps[1:], below)
    return Remote(link, target.rows, found), field
