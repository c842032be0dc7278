"""Conditions on rows: a filter after it was checked against schema and rights. Frozen and hashable by value.

Meaning: a condition matches a row or does not. An operand without a value (NULL) matches no comparison, not even a
negated one; only `NULL` and `EMPTY` match it. As there is no negation but inside a comparison and in the quantifier
`none`, "unknown" never needs telling apart from "does not match", and evaluating in memory and in SQL agree.

A `guard` says for which rows a value may be seen: elsewhere the operand counts as NULL. Values that depend on who asks
or on the time stay `Variable`s until `bind`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal

from tidegate.database.functions import DatePart
from tidegate.query.model import Scalar
from tidegate.schema import Field, RelationKind


class Operator(Enum):
    """What a comparison asks. Wire operators such as `_neq` are these, negated."""

    EQ = "eq"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    IN = "in"
    BETWEEN = "between"
    NULL = "null"
    EMPTY = "empty"
    CONTAINS = "contains"
    ICONTAINS = "icontains"
    STARTS_WITH = "starts_with"
    ISTARTS_WITH = "istarts_with"
    ENDS_WITH = "ends_with"
    IENDS_WITH = "iends_with"


@dataclass(frozen=True, slots=True)
class Variable:
    """A value to be put in by `bind`, converted for comparing it with `field` (with a whole number where None)."""

    name: str
    field: Field | None
    many: bool = False
    """Whether it gives any number of values, as `$CURRENT_ROLES` does for `_in`."""


Value = Scalar | Variable | tuple[Scalar | Variable, ...]
"""A tuple for `IN` and `BETWEEN`."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field with a column of its own."""

    field: Field
    guard: "Condition | None" = None


@dataclass(frozen=True, slots=True)
class Link:
    """How rows of one collection lead to rows of another: where `far` equals `near`."""

    kind: RelationKind
    near: Column
    """On the side where one stands; for `O2M` the primary key, guarded like the alias field."""
    far: Field
    """On the side where one gets to."""
    discriminator: Field | None = None
    """Many-to-any: the field, on the side that holds the key, which must name the other side's collection."""

    @property
    def target(self) -> str:
        return self.far.collection


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a date or time, as a whole number."""

    part: DatePart
    column: Column


@dataclass(frozen=True, slots=True)
class Length:
    """How many elements the array in a `json` field has."""

    column: Column


@dataclass(frozen=True, slots=True)
class Count:
    """How many of the related rows there are that match `condition`."""

    link: Link
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Remote:
    """An operand of the one related row, NULL where there is none that matches `condition`."""

    link: Link
    condition: "Condition"
    operand: "Operand"


Operand = Column | Part | Length | Count | Remote


@dataclass(frozen=True, slots=True)
class Constant:
    """Matches every row, or none."""

    value: bool


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether the operand compares so with the value, or, where `negated`, has a value and does not."""

    operand: Operand
    operator: Operator
    value: Value = None
    """Canonical for the operand; None for `NULL` and `EMPTY`."""
    negated: bool = False

    @property
    def null_matches(self) -> bool:
        """Whether it matches an operand without a value. Variables that give no value at all are none of a list."""
        if self.operator is Operator.IN:
            return self.negated and self.value == ()
        return self.operator in (Operator.NULL, Operator.EMPTY) and not self.negated

    @property
    def may_match_null(self) -> bool:
        """Whether it does so with some values of its variables: all of those in a list may turn out to be none."""
        if self.operator is not Operator.IN or not isinstance(self.value, tuple):
            return self.null_matches
        return self.negated and all(isinstance(part, Variable) and part.many for part in self.value)


@dataclass(frozen=True, slots=True)
class Relational:
    """Whether some, or none, of the related rows match."""

    link: Link
    quantifier: Literal["some", "none"]
    condition: "Condition"


Condition = Constant | And | Or | Comparison | Relational

EVERY_ROW = Constant(True)
NO_ROW = Constant(False)


def all_of(parts: Iterable[Condition]) -> Condition:
    """The conjunction, flat and without what says nothing."""
    return _joined(And, EVERY_ROW, NO_ROW, parts)


def any_of(parts: Iterable[Condition]) -> Condition:
    """The disjunction, flat and without what says nothing."""
    return _joined(Or, NO_ROW, EVERY_ROW, parts)


def _joined(
    kind: type[And] | type[Or], neutral: Constant, absorbing: Constant, parts: Iterable[Condition]
) -> Condition:
    kept: dict[Condition, None] = {}
    for part in parts:
        kept.update(dict.fromkeys(part.parts if isinstance(part, kind) else (part,)))
    kept.pop(neutral, None)
    if absorbing in kept:
        return absorbing
    return next(iter(kept), neutral) if len(kept) <= 1 else kind(tuple(kept))


def variables_of(condition: Condition) -> Iterator[Variable]:
    """Every variable in the condition, in a fixed order; one that is used twice comes twice."""
    match condition:
        case And(parts) | Or(parts):
            for part in parts:
                yield from variables_of(part)
        case Comparison(operand=operand, value=value):
            yield from variables_of_operand(operand)
            yield from (
                part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, Variable)
            )
        case Relational(link=link, condition=inner):
            yield from variables_of_operand(link.near)
            yield from variables_of(inner)
        case Constant():
            pass


def variables_of_operand(operand: Operand) -> Iterator[Variable]:
    match operand:
        case Column(guard=guard):
            if guard is not None:
                yield from variables_of(guard)
        case Part(column=column) | Length(column=column):
            yield from variables_of_operand(column)
        case Count(link=link, condition=condition):
            yield from variables_of_operand(link.near)
            yield from variables_of(condition)
        case Remote(link=link, condition=condition, operand=inner):
            yield from variables_of_operand(link.near)
            yield from variables_of(condition)
            yield from variables_of_operand(inner)


def put_in(value: Value, arguments: Callable[[Variable], Any]) -> Any:
    """The value with its variables replaced; those that give many values are spread out in the tuple."""
    if isinstance(value, Variable):
        return arguments(value)
    if not isinstance(value, tuple):
        return value
    values: list[Any] = []
    for part in value:
        if not isinstance(part, Variable):
            values.append(part)
        elif part.many:
            values.extend(arguments(part))
        else:
            values.append(arguments(part))
    return tuple(values)


def bound_condition(condition: Condition, arguments: Callable[[Variable], Any]) -> Condition:
    """The condition with every variable replaced by its value."""
    match condition:
        case And(parts):
            return And(tuple(bound_condition(part, arguments) for part in parts))
        case Or(parts):
            return Or(tuple(bound_condition(part, arguments) for part in parts))
        case Comparison():
            operand = _bound_operand(condition.operand, arguments)
            return replace(condition, operand=operand, value=put_in(condition.value, arguments))
        case Relational():
            inner = bound_condition(condition.condition, arguments)
            return replace(condition, link=_bound_link(condition.link, arguments), condition=inner)
        case Constant():
            return condition


def bound_column(column: Column, arguments: Callable[[Variable], Any]) -> Column:
    return column if column.guard is None else Column(column.field, bound_condition(column.guard, arguments))


def _bound_link(link: Link, arguments: Callable[[Variable], Any]) -> Link:
    return replace(link, near=bound_column(link.near, arguments))


def _bound_operand(operand: Operand, arguments: Callable[[Variable], Any]) -> Operand:
    match operand:
        case Column():
            return bound_column(operand, arguments)
        case Part() | Length():
            return replace(operand, column=bound_column(operand.column, arguments))
        case Count():
            return Count(_bound_link(operand.link, arguments), bound_condition(operand.condition, arguments))
        case Remote():
            return Remote(
                _bound_link(operand.link, arguments),
                bound_condition(operand.condition, arguments),
                _bound_operand(operand.operand, arguments),
            )
