"""Conditions as values: put together, compared, bound."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.support.schemas import build_schema
from tidegate.query.condition import (
    EVERY_ROW,
    NO_ROW,
    And,
    Column,
    Comparison,
    Condition,
    Count,
    Length,
    Link,
    Operator,
    Or,
    Part,
    Remote,
    Variable,
    all_of,
    any_of,
    bound_condition,
    put_in,
    variables_of,
)
from tidegate.schema import RelationKind

SCHEMA = build_schema()
VIEWS = SCHEMA.collections["articles"].fields["views"]
ONE, TWO, THREE = (Comparison(Column(VIEWS), Operator.EQ, number) for number in (1, 2, 3))
USER, ROLES = Variable("$CURRENT_USER", VIEWS), Variable("$CURRENT_ROLES", VIEWS, many=True)


@pytest.mark.parametrize(
    ("parts", "together"),
    [
        ([], EVERY_ROW),
        ([ONE], ONE),
        ([ONE, EVERY_ROW], ONE),
        ([ONE, NO_ROW], NO_ROW),
        ([ONE, ONE], ONE),
        ([ONE, And((TWO, THREE))], And((ONE, TWO, THREE))),
        ([ONE, Or((TWO, THREE))], And((ONE, Or((TWO, THREE))))),
    ],
)
def test_all_of_is_flat(parts: list[Condition], together: Condition) -> None:
    assert all_of(parts) == together


@pytest.mark.parametrize(
    ("parts", "either"),
    [
        ([], NO_ROW),
        ([ONE, NO_ROW], ONE),
        ([ONE, EVERY_ROW], EVERY_ROW),
        ([ONE, Or((TWO, ONE))], Or((ONE, TWO))),
    ],
)
def test_any_of_is_flat(parts: list[Condition], either: Condition) -> None:
    assert any_of(parts) == either


@pytest.mark.parametrize(
    ("value", "put"),
    [
        (5, 5),
        (USER, "u"),
        ((1, USER), (1, "u")),
        ((1, ROLES, USER), (1, "r", "s", "u")),
    ],
)
def test_lists_of_variables_are_spread_out(value: Any, put: Any) -> None:
    arguments: dict[Variable, Any] = {USER: "u", ROLES: ("r", "s")}
    assert put_in(value, arguments.__getitem__) == put


def test_binding_reaches_guards() -> None:
    guard = Comparison(Column(VIEWS), Operator.GT, USER)
    condition = Or((Comparison(Column(VIEWS, guard), Operator.IN, (1, ROLES)), ONE))
    assert list(variables_of(condition)) == [USER, ROLES]
    arguments: dict[Variable, Any] = {USER: 7, ROLES: (2,)}
    bound = bound_condition(condition, arguments.__getitem__)
    seen = Comparison(Column(VIEWS), Operator.GT, 7)
    assert bound == Or((Comparison(Column(VIEWS, seen), Operator.IN, (1, 2)), ONE))


def test_binding_reaches_what_is_remote() -> None:
    author, key = SCHEMA.collections["articles"].fields["author"], SCHEMA.collections["authors"].fields["id"]

    def sorted_by(value: Any) -> Remote:
        seen = Comparison(Column(VIEWS), Operator.GT, value)
        link = Link(RelationKind.M2O, Column(author, seen), key)
        return Remote(link, seen, Count(link, seen))

    condition = Comparison(sorted_by(USER), Operator.EQ, 1)
    assert set(variables_of(condition)) == {USER}
    assert bound_condition(condition, lambda _: 7) == Comparison(sorted_by(7), Operator.EQ, 1)


@pytest.mark.parametrize("operand", [partial(Part, "year"), Length])
def test_binding_reaches_the_columns_of_functions(operand: Callable[[Column], Part | Length]) -> None:
    def checked(value: Any) -> Comparison:
        guard = Comparison(Column(VIEWS), Operator.GT, value)
        return Comparison(operand(Column(SCHEMA.collections["articles"].fields["day"], guard)), Operator.EQ, 1)

    assert list(variables_of(checked(USER))) == [USER]
    assert bound_condition(checked(USER), lambda _: 7) == checked(7)
