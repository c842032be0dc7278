"""What a query reads for somebody: made once for all who have the same rules, then bound to whoever asks, and when.

A plan is checked against schema and rights; what it reads may be shown. It depends on `rights.admin` and `rights.rules`
alone. It is hashable by value: plans that are equal give the same answers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.access.rights import Action, Rights
from tidegate.access.variables import resolve
from tidegate.errors import TidegateError
from tidegate.query.condition import Column, Condition, Variable, all_of, bound_condition, variables_of
from tidegate.query.model import Limits, Query
from tidegate.query.operators import canonical, convert
from tidegate.query.rules import sight_of
from tidegate.query.selecting import Selector
from tidegate.query.selection import Order, Selection, Value
from tidegate.schema import Field, Schema


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A selection, with the values of its variables once it is bound."""

    selection: Selection
    visible: Condition
    """The rows that could be read without the query's filter: what `total_count` counts."""
    meta: tuple[str, ...] = ()
    arguments: tuple[Any, ...] | None = None
    """The values of `variables`; None until bound."""
    keys: tuple[int | str, ...] | None = None
    """The primary keys that it is restricted to."""
    variables: tuple[Variable, ...] = field(default=(), compare=False)
    """What it needs to know of whoever asks, and of the time (a name that begins with `$NOW`)."""

    @property
    def collection(self) -> str:
        return self.selection.collection

    @property
    def condition(self) -> Condition:
        """Which rows it reads, `keys` aside; of a bound plan, with the values in place of the variables."""
        return self.bound(self.selection.condition) if self.arguments else self.selection.condition

    def bound(self, condition: Condition) -> Condition:
        """A condition of this plan with the values in place of the variables. Only for a bound plan."""
        return bound_condition(condition, self.argument)

    @property
    def argument(self) -> Callable[[Variable], Any]:
        """The value of each variable. Only for a bound plan."""
        assert self.arguments is not None, "the plan has to be bound"
        return dict(zip(self.variables, self.arguments, strict=True)).__getitem__

    def with_keys(self, keys: Sequence[int | str]) -> "ReadPlan":
        """The plan for those of its rows that have one of the primary keys, all of them.

        What cannot be a key of the collection is left out.
        """
        known = canonical_keys(self.selection.key, keys)
        return ReadPlan(self.selection, self.visible, self.meta, self.arguments, known, self.variables)


def canonical_keys(field: Field, keys: Sequence[int | str]) -> tuple[int | str, ...]:
    """Primary keys as API values of their field. What cannot be one is left out."""
    known: list[int | str] = []
    for key in keys:
        try:
            known.append(canonical(field, key))
        except TidegateError:
            continue
    return tuple(known)


def plan_read(query: Query, collection: str, schema: Schema, rights: Rights, limits: Limits) -> ReadPlan:
    """What `query` reads of `collection`.

    Raises Forbidden for a collection or field that cannot be seen or does not exist, wherever in the query it is used,
    and `InvalidQuery`.
    """
    sight = sight_of(schema, rights, limits)
    visibility = sight.of(collection, ())
    return _unbound(Selector(sight, limits).root(visibility, query), visibility.rows, query.meta)


def plan_rows(
    collection: str, action: Action, fields: Sequence[str], schema: Schema, rights: Rights, limits: Limits
) -> ReadPlan:
    """The keys of all rows on which `action` may touch every one of `fields`.

    Raises Forbidden where it may touch no row at all, or the field of none.
    """
    visibility = sight_of(schema, rights, limits, action).of(collection, ())
    columns = [visibility.column(name, ()) for name in fields]
    condition = all_of([visibility.rows, *(column.guard for column in columns if column.guard is not None)])
    key = visibility.collection.key_field
    output, order = Value(key.name, Column(key)), Order(Column(key), key)
    return _unbound(Selection(key, (output,), condition, (order,), limit=None, offset=0), condition)


def bind(plan: ReadPlan, variables: Mapping[str, Any], now: float) -> ReadPlan:
    """The plan for the variables of `Rights` at a moment (seconds since the epoch); the same plan where it has none."""
    if not plan.variables:
        return plan
    arguments = tuple(convert(variable, resolve(variable.name, variables, now)) for variable in plan.variables)
    return replace(plan, arguments=arguments)


def _unbound(selection: Selection, visible: Condition, meta: tuple[str, ...] = ()) -> ReadPlan:
    variables = tuple(dict.fromkeys((*selection.variables, *variables_of(visible))))
    return ReadPlan(selection, visible, meta, None if variables else (), None, variables)
