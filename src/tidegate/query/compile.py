"""From selections to SQL statements, which are built once for each selection and then run with other values."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from tidegate.database.capabilities import Capabilities
from tidegate.database.functions import as_double, average, exact_sum
from tidegate.database.types import LONG_DECIMAL
from tidegate.errors import TidegateError
from tidegate.query.condition import Column, Condition, Link, Variable
from tidegate.query.expressions import Expression, Expressions, Parameter, Tables
from tidegate.query.selection import Aggregation, Measure, Order, Output, Related, RelatedAny, Selection, Value
from tidegate.schema import CONCEALED, Field, FieldType, RelationKind, values

KEYS: Final = "keys"
"""The parameter that takes the keys of the rows to read, or of the rows that they are related to."""


class Restriction(Enum):
    """Which of its rows a selection is read for."""

    NONE = "all of them, within limit and offset"
    KEY = "the one with the primary key in `keys`"
    KEYS = "all whose primary key is among `keys`"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Statement:
    """A SELECT without its values. A row has a value for each output, at its places."""

    select: sa.Select[Any]
    parameters: tuple[Parameter, ...]
    places: tuple[tuple[int, ...], ...]
    """For each output (of an aggregation: each group, then each measure), where its values stand in a row."""

    def values(self, argument: Callable[[Variable], Any], keys: Any = None) -> dict[str, Any]:
        """What its parameters are to be set to."""
        found = {parameter.name: parameter.argument(argument) for parameter in self.parameters}
        if keys is not None:
            found[KEYS] = keys
        return found


def compile_count(condition: Condition, table: sa.Table, tables: Tables, capabilities: Capabilities) -> sa.Select[Any]:
    """How many rows match a bound condition."""
    matching = compile_condition(condition, table, tables, capabilities)
    return sa.select(sa.func.count()).select_from(table).where(matching)


def compile_condition(
    condition: Condition, row: sa.FromClause, tables: Tables, capabilities: Capabilities
) -> sa.ColumnElement[bool]:
    """A bound condition on `row`."""
    return Expressions(tables, capabilities).condition(condition, row)


def read_statement(
    selection: Selection, restriction: Restriction, tables: Tables, capabilities: Capabilities
) -> Statement:
    """The rows of a selection."""
    return _kept(selection, restriction, tables, lambda: _Builder(tables, capabilities).read(selection, restriction))


def related_statement(related: Related, tables: Tables, capabilities: Capabilities) -> Statement:
    """The rows that are related to those with the values `keys` in `link.near`, each with that value at its end."""
    selection, link = related.selection, related.link
    return _kept(selection, link, tables, lambda: _Builder(tables, capabilities).related(selection, link))


_statements: WeakKeyDictionary[Selection, dict[Restriction | Link, tuple[Tables, Statement]]] = WeakKeyDictionary()
"""Kept as long as the selection, and until the tables are replaced."""


def _kept(selection: Selection, kind: Restriction | Link, tables: Tables, build: Callable[[], Statement]) -> Statement:
    kinds = _statements.setdefault(selection, {})
    known = kinds.get(kind)
    if known is not None and known[0] is tables:
        return known[1]
    statement = build()
    kinds[kind] = (tables, statement)
    return statement


class _Parts(NamedTuple):
    """A statement that has yet to be put in order and cut to length."""

    select: sa.Select[Any]
    places: tuple[tuple[int, ...], ...]
    order: list[Expression]
    near: Expression | None = None
    """The column at the end: the value of the row that each row is related to."""


class _Builder:
    """Builds one statement."""

    def __init__(self, tables: Tables, capabilities: Capabilities) -> None:
        self._tables = tables
        self._capabilities = capabilities
        self._expressions = Expressions(tables, capabilities)

    def read(self, selection: Selection, restriction: Restriction) -> Statement:
        key = self._tables[selection.collection].c[selection.key.name]
        if restriction is Restriction.NONE:
            parts = self._select(selection)
            select = parts.select.order_by(*parts.order).limit(selection.limit).offset(selection.offset or None)
        elif restriction is Restriction.KEYS:
            parts = self._select(selection, _among_keys(key))
            select = parts.select.order_by(*parts.order)
        else:
            parts = self._select(selection, key == sa.bindparam(KEYS, type_=key.type))
            select = parts.select
        return Statement(select, tuple(self._expressions.parameters), parts.places)

    def related(self, selection: Selection, link: Link) -> Statement:
        table = self._tables[selection.collection]
        far = table.c[link.far.name]
        restrictions = [_among_keys(far)]
        if link.discriminator is not None and link.kind is RelationKind.O2M:
            restrictions.append(table.c[link.discriminator.name] == link.near.field.collection)
        parts = self._select(selection, *restrictions, near=far)
        select = parts.select.order_by(*parts.order)
        if selection.limit is not None or selection.offset:
            position = sa.func.row_number().over(partition_by=parts.near, order_by=parts.order).label("position")
            *columns, at = parts.select.add_columns(position).subquery().c
            select = sa.select(*columns).where(at > selection.offset).order_by(at)
            if selection.limit is not None:
                select = select.where(at <= selection.offset + selection.limit)
        return Statement(select, tuple(self._expressions.parameters), parts.places)

    def _select(
        self, selection: Selection, *restrictions: sa.ColumnElement[bool], near: Expression | None = None
    ) -> _Parts:
        table = self._tables[selection.collection]
        where = [self._expressions.condition(selection.condition, table), *restrictions]
        if selection.aggregation is not None:
            return self._aggregate(selection.aggregation, table, where, near)
        columns = _Columns()
        places = tuple(self._places(columns, output, table) for output in selection.outputs)
        labelled = columns.labelled()
        if near is not None:
            labelled.append(near.label("near"))
        select = _select_from(table, labelled).where(*where)
        return _Parts(select, places, [part for order in selection.order for part in self._ordered(order, table)], near)

    def _places(self, columns: "_Columns", output: Output, table: sa.Table) -> tuple[int, ...]:
        match output:
            case Value():
                return (columns.place(output, lambda: self._value(output, table)),)
            case Related(link=link):
                return (self._column(columns, link.near, table),)
            case RelatedAny(near=near, discriminator=discriminator):
                named = Column(discriminator, near.guard)
                return self._column(columns, near, table), self._column(columns, named, table)

    def _column(self, columns: "_Columns", column: Column, table: sa.Table) -> int:
        return columns.place(Value("", column), lambda: self._expressions.operand(column, table))

    def _value(self, output: Value, table: sa.Table) -> Expression:
        value = self._expressions.operand(output.operand, table)
        if output.concealed:
            return sa.case((value.is_not(None), sa.literal(CONCEALED, sa.Text)))
        return sa.type_coerce(value, NumberText()) if output.as_text else value

    def _ordered(self, order: Order, table: sa.Table) -> list[Expression]:
        value = self._expressions.sortable(order.operand, order.field, table)
        column = order.operand
        nullable = not isinstance(column, Column) or column.guard is not None or column.field.nullable
        return _in_order(value, order.descending, nullable, self._capabilities)

    def _aggregate(
        self,
        aggregation: Aggregation,
        table: sa.Table,
        where: list[sa.ColumnElement[bool]],
        near: Expression | None,
    ) -> _Parts:
        """Operands are worked out in an inner statement, so that the outer one groups by plain columns everywhere."""
        inner = self._operands(aggregation, table, near).where(*where).subquery()
        groups: list[Expression] = [inner.c[f"g{at}"] for at in range(len(aggregation.groups))]
        measures = [
            self._measure(measure, None if measure.operand is None else inner.c[f"m{at}"])
            for at, measure in enumerate(aggregation.measures)
        ]
        columns = [
            sa.type_coerce(column, NumberText()) if group.as_text else column
            for group, column in zip(aggregation.groups, groups, strict=True)
        ]
        sortable = [*groups, *measures]
        order = [
            part
            for at, descending in aggregation.order
            for part in _in_order(sortable[at], descending, True, self._capabilities)
        ]
        places = tuple((at,) for at in range(len(sortable)))
        inner_near = [] if near is None else [inner.c["near"]]
        select = sa.select(*columns, *measures, *inner_near).select_from(inner).group_by(*groups, *inner_near)
        return _Parts(select, places, order, *inner_near)

    def _operands(self, aggregation: Aggregation, table: sa.Table, near: Expression | None) -> sa.Select[Any]:
        """Of each row what it is grouped by (`g0` …), what is measured of it (`m0` …), and `near`."""
        columns = [self._group(group, table).label(f"g{at}") for at, group in enumerate(aggregation.groups)]
        columns += [
            self._expressions.sortable(measure.operand, measure.field, table).label(f"m{at}")
            for at, measure in enumerate(aggregation.measures)
            if measure.operand is not None
        ]
        if near is not None:
            columns.append(near.label("near"))
        return _select_from(table, columns)

    def _group(self, group: Value, table: sa.Table) -> Expression:
        field = group.operand.field if isinstance(group.operand, Column) else None
        return self._expressions.sortable(group.operand, field, table)

    def _measure(self, measure: Measure, value: Expression | None) -> Expression:
        """Numbers as texts; the least and the greatest value as what they are."""
        if value is None:
            return sa.type_coerce(sa.func.count(), NumberText())
        field, name = measure.field, measure.function.removesuffix("Distinct")
        distinct = name != measure.function
        match name:
            case "min" | "max":
                found: Expression = (sa.func.min if name == "min" else sa.func.max)(value)
                return sa.type_coerce(found, NumberText() if field is None else value.type)
            case "avg":
                return sa.type_coerce(self._average(value, field, distinct=distinct), NumberText())
            case "sum":
                return sa.type_coerce(self._sum(value, field, distinct=distinct), NumberText(_sum_scale(field)))
            case _:
                return sa.type_coerce(sa.func.count(_each(value, distinct=distinct)), NumberText())

    def _average(self, value: Expression, field: Field | None, *, distinct: bool) -> Expression:
        if field is None or field.type not in (FieldType.BIG_INTEGER, FieldType.DECIMAL):
            return average(_each(as_double(value, self._capabilities), distinct=distinct))
        # Their exact values, as floats would add up to something else on each engine.
        each = _each(value, distinct=distinct)
        total = as_double(exact_sum(each, self._capabilities), self._capabilities)
        return total / sa.func.count(each)

    def _sum(self, value: Expression, field: Field | None, *, distinct: bool) -> Expression:
        each = _each(value, distinct=distinct)
        if field is not None and (field.type is FieldType.BIG_INTEGER or field.database_type == LONG_DECIMAL):
            return exact_sum(each, self._capabilities)  # neither 64 bits nor a float hold it
        total: Expression = sa.func.sum(each)
        if field is not None and field.type is FieldType.FLOAT:
            return as_double(total, self._capabilities)  # where MariaDB notices that there is no such number
        return total


class _Columns:
    """The columns of a statement, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], int] = {}
        self._expressions: list[Expression] = []

    def place(self, output: Value, build: Callable[[], Expression]) -> int:
        """Where in a row the value stands, whatever its name in the answer."""
        known = (output.operand, output.as_text, output.concealed)
        if known not in self._known:
            self._known[known] = len(self._expressions)
            self._expressions.append(build())
        return self._known[known]

    def labelled(self) -> list[sa.Label[Any]]:
        return [expression.label(f"c{place}") for place, expression in enumerate(self._expressions)]


class NumberText(sa.types.TypeDecorator[str]):
    """A number that is answered as a text: without a fraction that says nothing, or rounded to `scale` digits."""

    impl = sa.String
    cache_ok = True

    def __init__(self, scale: int | None = None) -> None:
        super().__init__()
        self.scale = scale

    def process_result_value(self, value: Any, _: sa.Dialect) -> str | None:
        if value is None:
            return None
        if self.scale is not None:
            exact = Decimal(repr(value) if isinstance(value, float) else value)
            return values.decimal_text(values.rounded(exact, self.scale), self.scale)
        if isinstance(value, float) and not math.isfinite(value):
            raise TidegateError("VALUE_OUT_OF_RANGE")  # SQLite says it in this way
        return str(values.float_number(value) if isinstance(value, float) else value)


def _select_from(table: sa.Table, columns: Sequence[sa.ColumnElement[Any]]) -> sa.Select[Any]:
    """Of each row these columns; where there are none, something of each row nevertheless."""
    return sa.select(*(columns or [sa.literal_column("1").label("one")])).select_from(table)


def _among_keys(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return column.in_(sa.bindparam(KEYS, type_=column.type, expanding=True))


def _in_order(value: Expression, descending: bool, nullable: bool, capabilities: Capabilities) -> list[Expression]:
    """Nulls come last in ascending order and first in descending order."""
    directed = value.desc() if descending else value.asc()
    if not nullable or capabilities.nulls_sort_high:
        return [directed]
    if capabilities.nulls_ordering:
        return [directed.nulls_first() if descending else directed.nulls_last()]
    missing = value.is_(None)
    return [missing.desc() if descending else missing.asc(), directed]


def _each(value: Expression, *, distinct: bool) -> Expression:
    return value.distinct() if distinct else value


def _sum_scale(field: Field | None) -> int | None:
    return field.numeric_scale if field is not None and field.type is FieldType.DECIMAL else None
