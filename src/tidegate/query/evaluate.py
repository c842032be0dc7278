"""Deciding and projecting in memory, from a row's image, with exactly the meaning that the database gives.

Where that cannot be promised, the answer is None and the database has to be asked. Images hold API values, which tell
less than columns do: a `dateTime` has no fractions of a second, a `csv` not its exact text, a PostgreSQL `real` not all
of its bits. Letters without regard to case are the engine's affair. What related rows say is not in an image at all.
A boolean is taken to be stored as 0 or 1 and a UUID in lower case, as everything is that was written through the API.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from tidegate.query.condition import And, Column, Comparison, Condition, Constant, Operator, Or, Relational, Variable
from tidegate.query.operators import PATTERNS
from tidegate.query.plan import ReadPlan
from tidegate.query.selection import Value
from tidegate.schema import Field, FieldType

Image = Mapping[str, Any]
"""A row as API values, with every column of its collection."""
Predicate = Callable[[Image], bool]
Projector = Callable[[Image], dict[str, Any]]
Test = Callable[[Any], bool]
"""Of a value that is not null."""

_PLAIN_TEXTS: Final = frozenset(
    {"varchar", "character varying", "nvarchar", "text", "tinytext", "mediumtext", "longtext", "clob"}
)
"""Column types that hold a text as it is: `character(n)` pads it, others compare in their own way."""
_EXACT_FLOATS: Final = frozenset({"double precision", "double"})
_EXACT_DIGITS: Final = 15
"""Digits of a decimal that SQLite, which keeps it as a `double`, compares exactly."""


def row_predicate(condition: Condition) -> Predicate | None:
    """Whether a row matches a bound condition, from an image with all of its columns; None where only SQL can tell."""
    match condition:
        case Constant(value):
            return lambda _: value
        case And(parts):
            return _joined(all, parts)
        case Or(parts):
            return _joined(any, parts)
        case Comparison(operand=Column(field=field, guard=guard)):
            return _on_column(condition, field, guard)
        case Comparison() | Relational():
            return None


def projector(plan: ReadPlan) -> Projector | None:
    """What a bound plan reads of a row, from an image of a row that it reads; None where only SQL can tell."""
    if plan.selection.aggregation is not None:
        return None
    names: list[tuple[str, str]] = []
    guards: list[tuple[str, Predicate]] = []
    for output in plan.selection.outputs:
        if not isinstance(output, Value) or not isinstance(output.operand, Column):
            return None
        names.append((output.key, output.operand.field.name))
        if output.operand.guard is not None:
            guard = row_predicate(plan.bound(output.operand.guard))
            if guard is None:
                return None
            guards.append((output.key, guard))

    def project(image: Image) -> dict[str, Any]:
        item = {key: image[name] for key, name in names}
        for key, guard in guards:
            if not guard(image):
                item[key] = None
        return item

    return project


def _joined(join: Callable[[Iterable[bool]], bool], parts: tuple[Condition, ...]) -> Predicate | None:
    predicates = [predicate for part in parts if (predicate := row_predicate(part)) is not None]
    if len(predicates) < len(parts):
        return None
    return lambda image: join(predicate(image) for predicate in predicates)


def _on_column(comparison: Comparison, field: Field, guard: Condition | None) -> Predicate | None:
    """Where the guard does not match, the value counts as null."""
    test = _test(comparison, field)
    seen = None if guard is None else row_predicate(guard)
    if test is None or (guard is not None and seen is None):
        return None
    name, null_matches = field.name, comparison.null_matches

    def plain(image: Image) -> bool:
        value = image[name]
        return null_matches if value is None else test(value)

    def guarded(image: Image) -> bool:
        return plain(image) if seen is None or seen(image) else null_matches

    return plain if seen is None else guarded


def _test(comparison: Comparison, field: Field) -> Test | None:
    """What the comparison asks of a value that is there; None where its image does not tell."""
    asked, negated = comparison.operator, comparison.negated
    if asked in _PRESENCE:
        return _presence(asked, negated, field)
    if not _decidable(asked, field):
        return None
    values = comparison.value if isinstance(comparison.value, tuple) else (comparison.value,)
    if any(isinstance(value, Variable) for value in values):
        return None
    if field.type is FieldType.DECIMAL and any(
        value is not None and _digits(value) > _EXACT_DIGITS for value in values
    ):
        return None
    read = _READ.get(field.type)
    operands = values if read is None else tuple(None if value is None else read(value) for value in values)
    test = _on_operands(asked, negated, operands)
    return test if read is None else lambda value: test(read(value))


def _presence(asked: Operator, negated: bool, field: Field) -> Test | None:
    if field.type is FieldType.JSON:
        return None  # a JSON null is a value to the database
    if asked is Operator.NULL or field.type not in _TEXTS:
        return lambda _: negated
    if field.type is FieldType.CSV or field.concealed:
        return None
    return lambda value: (value != "") is negated


def _decidable(asked: Operator, field: Field) -> bool:
    match field.type:
        case FieldType.STRING | FieldType.TEXT:
            return asked not in _CASELESS and field.database_type in _PLAIN_TEXTS
        case FieldType.FLOAT:
            return field.database_type in _EXACT_FLOATS
        case FieldType.INTEGER | FieldType.BIG_INTEGER | FieldType.DECIMAL | FieldType.BOOLEAN | FieldType.UUID:
            return True
        case _:
            return False


def _digits(value: object) -> int:
    return len(Decimal(str(value)).as_tuple().digits)


def _on_operands(asked: Operator, negated: bool, operands: tuple[Any, ...]) -> Test:
    """A null operand matches nothing."""
    if asked is Operator.IN:
        among, unknown = frozenset(operands) - {None}, None in operands
        if negated:
            return lambda value: not unknown and value not in among
        return lambda value: value in among
    if asked is Operator.BETWEEN:
        low, high = operands
        if low is None or high is None:
            return _never
        if negated:
            return lambda value: value < low or value > high
        return lambda value: low <= value <= high
    operand = operands[0]
    if operand is None:
        return _never
    compare = _COMPARE[asked]
    if negated:
        return lambda value: not compare(value, operand)
    return lambda value: compare(value, operand)


def _never(_: Any) -> bool:
    return False


_PRESENCE: Final = frozenset({Operator.NULL, Operator.EMPTY})
_CASELESS: Final = PATTERNS - {Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH}
_TEXTS: Final = frozenset({FieldType.STRING, FieldType.TEXT, FieldType.CSV, FieldType.HASH})
_READ: Mapping[FieldType, Callable[[Any], Any]] = {FieldType.BIG_INTEGER: int, FieldType.DECIMAL: Decimal}
"""Numbers that API values spell as texts."""
_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.LT: operator.lt,
    Operator.LTE: operator.le,
    Operator.GT: operator.gt,
    Operator.GTE: operator.ge,
    Operator.CONTAINS: operator.contains,
    Operator.STARTS_WITH: str.startswith,
    Operator.ENDS_WITH: str.endswith,
}
