"""What to read: a query on one collection after checking, with what it reads of related ones. Hashable by value."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

from tidegate.query.condition import Column, Condition, Link, Operand, Variable, variables_of, variables_of_operand
from tidegate.query.model import Function
from tidegate.schema import Field


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the row itself."""

    key: str
    """The name in the answer."""
    operand: Operand
    as_text: bool = False
    """Numbers that functions give are answered as texts."""
    concealed: bool = False


@dataclass(frozen=True, slots=True)
class Related:
    """The related rows: a list for one-to-many, an object or null for many-to-one."""

    key: str
    link: Link
    selection: "Selection"
    keys_only: bool = False
    """A list of primary keys in place of objects."""


@dataclass(frozen=True, slots=True)
class RelatedAny:
    """The one related row of a many-to-any relation: of whichever collection it is, if that was asked for."""

    key: str
    near: Column
    discriminator: Field
    branches: tuple[Related, ...]


Output = Value | Related | RelatedAny


@dataclass(frozen=True, slots=True)
class Order:
    operand: Operand
    field: Field | None
    """What has values like the operand; None for whole numbers."""
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """One number (or least or greatest value) of a group of rows."""

    path: tuple[str, ...]
    """Where it stands in the answer: `("count",)`, `("sum", "views")`."""
    function: Function
    operand: Operand | None
    """None counts rows."""
    field: Field | None


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Rows in groups, or all in one where there are no `groups`."""

    groups: tuple[Value, ...]
    measures: tuple[Measure, ...]
    order: tuple[tuple[int, bool], ...]
    """Positions among groups and measures, and whether descending."""


@dataclass(frozen=True)
class Selection:
    """Rows of one collection."""

    key: Field
    """The primary key."""
    outputs: tuple[Output, ...]
    condition: Condition
    order: tuple[Order, ...]
    limit: int | None
    """None for all. Of a selection that is `Related`, for each row that it is related to."""
    offset: int
    aggregation: Aggregation | None = None
    """Where given, there are no outputs and no order."""

    @property
    def collection(self) -> str:
        return self.key.collection

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """Every variable in it and below it, once."""
        return tuple(dict.fromkeys(_variables(self)))

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, part.name) for part in fields(self)))

    def __hash__(self) -> int:
        return self._hash


def _variables(selection: Selection) -> Iterator[Variable]:
    yield from variables_of(selection.condition)
    for order in selection.order:
        yield from variables_of_operand(order.operand)
    for output in selection.outputs:
        yield from _output_variables(output)
    if selection.aggregation is not None:
        for group in selection.aggregation.groups:
            yield from variables_of_operand(group.operand)
        for measure in selection.aggregation.measures:
            if measure.operand is not None:
                yield from variables_of_operand(measure.operand)


def _output_variables(output: Output) -> Iterator[Variable]:
    match output:
        case Value(operand=operand):
            yield from variables_of_operand(operand)
        case Related(link=link, selection=selection):
            yield from variables_of_operand(link.near)
            yield from selection.variables
        case RelatedAny(near=near, branches=branches):
            yield from variables_of_operand(near)
            for branch in branches:
                yield from branch.selection.variables
