"""From conditions and operands to SQLAlchemy expressions with the same meaning on every engine.

Texts are compared and put in order code point by code point, whatever a column's collation; "without regard to case"
is what the engine's `lower` makes of it. Names come from the tables, never from a request; values are always bound.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import operators

from tidegate.database.capabilities import Capabilities
from tidegate.database.functions import by_code_point, date_part, json_length
from tidegate.database.types import EngineType
from tidegate.errors import InvalidQuery
from tidegate.query.condition import (
    And,
    Column,
    Comparison,
    Condition,
    Constant,
    Count,
    Length,
    Link,
    Operand,
    Operator,
    Or,
    Part,
    Relational,
    Remote,
    Value,
    Variable,
    put_in,
)
from tidegate.query.operators import MAX_PATTERN, PATTERNS
from tidegate.schema import Field, FieldType, RelationKind

Tables = Mapping[str, sa.Table]
Expression = sa.ColumnElement[Any]
Convert = Callable[[Any], Any]

_ESCAPE = "/"
_LONGEST_CHAIN = 8
_SPARE_BINDS = 11_000
"""Bound values that a statement keeps for the keys it is run with, and for what is not counted."""
_FUNCTION_BINDS = 4
"""Values that a function of a date brings along on SQLite."""
_TEXTS = frozenset({FieldType.STRING, FieldType.TEXT, FieldType.CSV, FieldType.HASH})
_PATTERN_FORMS: Mapping[Operator, str] = {
    Operator.CONTAINS: "%{}%",
    Operator.ICONTAINS: "%{}%",
    Operator.STARTS_WITH: "{}%",
    Operator.ISTARTS_WITH: "{}%",
    Operator.ENDS_WITH: "%{}",
    Operator.IENDS_WITH: "%{}",
}
_CASELESS = frozenset({Operator.ICONTAINS, Operator.ISTARTS_WITH, Operator.IENDS_WITH})


@dataclass(frozen=True, slots=True)
class Parameter:
    """A bound value that is known only when the statement is run."""

    name: str
    value: Value
    convert: Convert | None = None

    def argument(self, arguments: Callable[[Variable], Any]) -> Any:
        """What it is bound to, given the value of each variable."""
        value = put_in(self.value, arguments)
        return value if self.convert is None else self.convert(value)


class Expressions:
    """Builds the expressions of one statement; `parameters` are what it needs when it is run.

    Raises `InvalidQuery` when there are more values than the engine takes.
    """

    def __init__(self, tables: Tables, capabilities: Capabilities) -> None:
        self._tables = tables
        self._capabilities = capabilities
        self._binds_left = capabilities.max_binds - _SPARE_BINDS
        self.parameters: list[Parameter] = []

    def condition(self, condition: Condition, row: sa.FromClause) -> sa.ColumnElement[bool]:
        """Whether the condition matches `row`."""
        match condition:
            case Constant(value):
                return sa.true() if value else sa.false()
            case And(parts):
                return _chain(sa.and_, [self.condition(part, row) for part in parts])
            case Or(parts):
                return _chain(sa.or_, [self.condition(part, row) for part in parts])
            case Comparison():
                return self._comparison(condition, row)
            case Relational(link=link, quantifier=quantifier, condition=inner):
                target = self._tables[link.target].alias()
                found = self._related(link, inner, row, target).with_only_columns(sa.literal_column("1")).exists()
                return found if quantifier == "some" else sa.not_(found)

    def operand(self, operand: Operand, row: sa.FromClause) -> Expression:
        """The operand's value on `row`, NULL where its guard hides it."""
        match operand:
            case Column(field=field, guard=guard):
                return self._guarded(row.c[field.name], guard, row)
            case Part(part=part, column=Column(field=field, guard=guard)):
                self._count_binds(_FUNCTION_BINDS)
                return self._guarded(date_part(part, row.c[field.name], self._capabilities), guard, row)
            case Length(column=Column(field=field, guard=guard)):
                return self._guarded(json_length(row.c[field.name], self._capabilities), guard, row)
            case Count(link=link, condition=condition):
                target = self._tables[link.target].alias()
                rows = self._related(replace(link, near=Column(link.near.field)), condition, row, target)
                number = rows.with_only_columns(sa.func.count()).scalar_subquery()
                return self._guarded(number, link.near.guard, row)
            case Remote(link=link, condition=condition, operand=inner):
                target = self._tables[link.target].alias()
                rows = self._related(link, condition, row, target)
                return rows.with_only_columns(self.operand(inner, target)).scalar_subquery()

    def sortable(self, operand: Operand, field: Field | None, row: sa.FromClause) -> Expression:
        """As `operand`, to be put in order or grouped; it has values like `field` (None: whole numbers)."""
        value = _comparable(self.operand(operand, row), field)
        return by_code_point(value, self._capabilities) if _is_text(field) else value

    def link(self, link: Link, near: sa.FromClause, far: sa.FromClause) -> sa.ColumnElement[bool]:
        """Whether the link leads from a row of `near` to one of `far`, guards aside."""
        near_column, far_column = near.c[link.near.field.name], far.c[link.far.name]
        if link.discriminator is None:
            return far_column == near_column
        if link.kind is RelationKind.A2O:
            named = near.c[link.discriminator.name] == link.target
            return sa.and_(named, self._key_text(far_column) == near_column)
        named = far.c[link.discriminator.name] == link.near.field.collection
        return sa.and_(named, far_column == self._key_text(near_column))

    def _key_text(self, key: Expression) -> Expression:
        """A key as many-to-any relations hold it; where texts have collations, it must not clash with theirs."""
        return by_code_point(sa.cast(key, sa.Text), self._capabilities)

    def _related(self, link: Link, condition: Condition, row: sa.FromClause, target: sa.FromClause) -> sa.Select[Any]:
        linked = [self.link(link, row, target), self.condition(condition, target)]
        if link.near.guard is not None:
            linked.append(self.condition(link.near.guard, row))
        return sa.select(target).where(*linked).correlate(row)

    def _guarded(self, value: Expression, guard: Condition | None, row: sa.FromClause) -> Expression:
        return value if guard is None else sa.case((self.condition(guard, row), value))

    def _comparison(self, comparison: Comparison, row: sa.FromClause) -> sa.ColumnElement[bool]:
        """The guard of a column stands beside the test, so that an index on the column is of use.

        Not where the test may match null.
        """
        operand = comparison.operand
        if isinstance(operand, Column) and operand.guard is not None and not comparison.may_match_null:
            seen = self.condition(operand.guard, row)
            return sa.and_(seen, self._test(comparison, Column(operand.field), row))
        return self._test(comparison, operand, row)

    def _test(self, comparison: Comparison, operand: Operand, row: sa.FromClause) -> sa.ColumnElement[bool]:
        field, value = _field_of(operand), self.operand(operand, row)
        if comparison.operator in (Operator.NULL, Operator.EMPTY):
            return self._presence(comparison, value, field)
        if comparison.operator in PATTERNS:
            return self._pattern(comparison, _comparable(value, field))
        comparable = _comparable(value, field)
        return self._compare(comparison, comparable, field, cast=comparable is not value)

    def _presence(self, comparison: Comparison, value: Expression, field: Field | None) -> sa.ColumnElement[bool]:
        missing, empty = value.is_(None), sa.literal("", sa.Text)
        if comparison.operator is Operator.NULL or not _is_text(field):
            return value.is_not(None) if comparison.negated else missing
        exact = by_code_point(_comparable(value, field), self._capabilities)
        return exact != empty if comparison.negated else sa.or_(missing, exact == empty)

    def _compare(
        self, comparison: Comparison, value: Expression, field: Field | None, *, cast: bool
    ) -> sa.ColumnElement[bool]:
        """Where `=` on texts is not exact, it stands beside the exact test, as it can use an index.

        That of a text that was `cast` is the connection's, whatever the column's.
        """
        operator, negated = comparison.operator, comparison.negated
        inexact = _is_text(field) and (cast or not self._capabilities.exact_text_comparison)
        exact = value
        type_ = sa.BigInteger() if field is None else value.type
        if inexact or (_is_text(field) and operator in _ORDERING):
            exact = by_code_point(value, self._capabilities)
        if operator is Operator.BETWEEN:
            assert isinstance(comparison.value, tuple), "it has two bounds"
            low, high = bounds = [self._bind(bound, type_) for bound in comparison.value]
            if not negated:
                return sa.and_(exact >= low, exact <= high)
            # A bound that turns out to be null must not leave the other one to decide.
            pairs = zip(bounds, comparison.value, strict=True)
            known = [bound.is_not(None) for bound, part in pairs if part is None or isinstance(part, Variable)]
            return sa.and_(sa.or_(exact < low, exact > high), *known)
        test = _TESTS[operator]
        operand = self._bind(comparison.value, type_, expanding=operator is Operator.IN)
        found = test(exact, operand)
        if negated:
            return sa.not_(found)
        return sa.and_(test(value, operand), found) if inexact and not cast and operator not in _ORDERING else found

    def _pattern(self, comparison: Comparison, value: Expression) -> sa.ColumnElement[bool]:
        form = _PATTERN_FORMS[comparison.operator]
        pattern: Expression = self._bind(comparison.value, sa.Text(), lambda text: _like(form, text))
        if comparison.operator in _CASELESS:
            value, pattern = sa.func.lower(value, type_=sa.Text), sa.func.lower(pattern, type_=sa.Text)
        if not self._capabilities.case_sensitive_like:
            value = by_code_point(value, self._capabilities)
            pattern = by_code_point(pattern, self._capabilities)
        found = value.like(pattern, escape=_ESCAPE)
        return sa.not_(found) if comparison.negated else found

    def _count_binds(self, number: int) -> None:
        self._binds_left -= number
        if self._binds_left < 0:
            raise InvalidQuery("The query compares too many values")

    def _bind(
        self,
        value: Value,
        type_: sa.types.TypeEngine[Any],
        convert: Convert | None = None,
        *,
        expanding: bool = False,
    ) -> sa.BindParameter[Any]:
        parts = value if isinstance(value, tuple) else (value,)
        self._count_binds(len(parts))
        if any(isinstance(part, Variable) for part in parts):
            parameter = Parameter(f"variable_{len(self.parameters)}", value, convert)
            self.parameters.append(parameter)
            return sa.bindparam(parameter.name, type_=type_, expanding=expanding)
        literal = value if convert is None else convert(value)
        return sa.bindparam(None, literal, type_=type_, unique=True, expanding=expanding)


def _chain(
    join: Callable[..., sa.ColumnElement[bool]], parts: Sequence[sa.ColumnElement[bool]]
) -> sa.ColumnElement[bool]:
    """`a AND b AND …`, in halves where it is long: SQLite takes expressions no more than 1,000 levels deep."""
    if len(parts) <= _LONGEST_CHAIN:
        return join(*parts)
    middle = len(parts) // 2
    halves = (_chain(join, parts[:middle]), _chain(join, parts[middle:]))
    # Parentheses alone SQLAlchemy would take away again.
    return join(*(sa.type_coerce(half.self_group(against=operators.eq), sa.Boolean) for half in halves))


def _field_of(operand: Operand) -> Field | None:
    """The field that has values like the operand; None for whole numbers."""
    match operand:
        case Column(field=field):
            return field
        case Remote(operand=inner):
            return _field_of(inner)
        case _:
            return None


def _is_text(field: Field | None) -> bool:
    return field is not None and field.type in _TEXTS


def _comparable(value: Expression, field: Field | None) -> Expression:
    """Types that only one engine has, and lists kept as texts, are compared as texts."""
    if isinstance(value.type, EngineType) or (field is not None and field.type is FieldType.CSV):
        return sa.cast(value, sa.Text)
    return value


_ORDERING = frozenset({Operator.LT, Operator.LTE, Operator.GT, Operator.GTE, Operator.BETWEEN})
_TESTS: Mapping[Operator, Callable[[Expression, sa.BindParameter[Any]], sa.ColumnElement[bool]]] = {
    Operator.EQ: lambda value, operand: value == operand,
    Operator.IN: lambda value, operand: value.in_(operand),
    Operator.LT: lambda value, operand: value < operand,
    Operator.LTE: lambda value, operand: value <= operand,
    Operator.GT: lambda value, operand: value > operand,
    Operator.GTE: lambda value, operand: value >= operand,
}


def _like(form: str, text: str | None) -> str | None:
    """The pattern of LIKE for a text that is meant as it stands; None, which matches nothing, where it is too long."""
    if text is None or len(text) > MAX_PATTERN:
        return None
    for sign in (_ESCAPE, "%", "_"):
        text = text.replace(sign, _ESCAPE + sign)
    return form.format(text)
