"""Which operators there are for which type, and what becomes of their values."""

from typing import Any

import pytest

from tests.support.schemas import build_schema
from tidegate.errors import InvalidQuery
from tidegate.query.condition import NO_ROW, Column, Comparison, Condition, Constant, Operator, Variable
from tidegate.query.model import Check
from tidegate.query.operators import OPERATORS, comparison, convert
from tidegate.schema import Field, FieldType

FIELDS = build_schema().collections["articles"].fields
PEOPLE = build_schema().collections["people"].fields

ORDER = {"_eq", "_neq", "_lt", "_lte", "_gt", "_gte", "_in", "_nin", "_between", "_nbetween"}
PRESENCE = {"_null", "_nnull", "_empty", "_nempty"}
PATTERNS = {
    f"_{negated}{caseless}{place}"
    for negated in ("", "n")
    for caseless in ("", "i")
    for place in ("contains", "starts_with", "ends_with")
}
ALLOWED = {
    "title": ORDER | PRESENCE | PATTERNS,
    "body": ORDER | PRESENCE | PATTERNS,
    "tags": ORDER | PRESENCE | PATTERNS,
    "views": ORDER | PRESENCE,
    "big": ORDER | PRESENCE,
    "rating": ORDER | PRESENCE,
    "price": ORDER | PRESENCE,
    "published_on": ORDER | PRESENCE,
    "day": ORDER | PRESENCE,
    "at": ORDER | PRESENCE,
    "ref": ORDER | PRESENCE,
    "published": {"_eq", "_neq", "_in", "_nin"} | PRESENCE,
    "meta_data": PRESENCE,
    "labels": set(),
}
VALUES: dict[FieldType, Any] = {
    FieldType.DATE_TIME: "2024-01-01T00:00:00",
    FieldType.DATE: "2024-01-01",
    FieldType.TIME: "00:00:00",
    FieldType.UUID: "0a0a0a0a-0000-4000-8000-000000000001",
    FieldType.BOOLEAN: True,
}


def test_operators_are_those_of_the_protocol() -> None:
    assert set(OPERATORS) == ORDER | PRESENCE | PATTERNS


@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize("operator", [*OPERATORS, "_regex", "_bogus"])
def test_type_has_the_operators_that_make_sense(name: str, operator: str) -> None:
    field = FIELDS[name]
    value = VALUES.get(field.type, "1")
    given: Any = True if operator in PRESENCE else (value, value) if operator in ("_between", "_nbetween") else value
    if operator in ALLOWED[name]:
        asked, negated = OPERATORS[operator]
        found = comparison(Column(field), field, Check(operator, given))
        assert isinstance(found, Comparison)
        assert (found.operator, found.negated) == (asked, negated)
        return
    with pytest.raises(InvalidQuery) as refused:
        comparison(Column(field), field, Check(operator, given))
    assert (
        refused.value.extensions["reason"]
        == f'"{field.type}" field type does not contain the "{operator}" filter operator'
    )


def test_concealed_field_has_presence_only() -> None:
    token = PEOPLE["token"]
    assert comparison(Column(token), token, Check("_null", True))
    with pytest.raises(InvalidQuery):
        comparison(Column(token), token, Check("_eq", "x"))


def compared(name: str, operator: Operator, value: Any, negated: bool = False) -> Comparison:
    return Comparison(Column(FIELDS[name]), operator, value, negated)


@pytest.mark.parametrize(
    ("name", "check", "condition"),
    [
        ("views", Check("_eq", "5"), compared("views", Operator.EQ, 5)),
        ("views", Check("_eq", None), compared("views", Operator.NULL, None)),
        ("views", Check("_neq", None), compared("views", Operator.NULL, None, True)),
        ("views", Check("_lt", None), NO_ROW),
        ("views", Check("_in", ()), Constant(False)),
        ("views", Check("_nin", ()), Constant(True)),
        ("views", Check("_nin", ""), Constant(True)),
        ("views", Check("_in", "1, 2"), InvalidQuery),
        ("views", Check("_in", "1,2"), compared("views", Operator.IN, (1, 2))),
        ("views", Check("_in", 1), compared("views", Operator.IN, (1,))),
        ("title", Check("_eq", 5), compared("title", Operator.EQ, "5")),
        ("tags", Check("_eq", "a,b"), compared("tags", Operator.EQ, "a,b")),
        ("price", Check("_eq", 1), compared("price", Operator.EQ, "1.00")),
        ("published", Check("_eq", "true"), compared("published", Operator.EQ, True)),
        ("views", Check("_null", False), compared("views", Operator.NULL, None, True)),
        ("views", Check("_nnull", "false"), compared("views", Operator.NULL, None, False)),
        ("views", Check("_nnull", 1), compared("views", Operator.NULL, None, True)),
        ("views", Check("_null", ""), compared("views", Operator.NULL, None)),
        ("views", Check("_nempty", None), compared("views", Operator.EMPTY, None, True)),
        ("views", Check("_null", "maybe"), InvalidQuery),
        ("views", Check("_null", ("true",)), InvalidQuery),
        ("views", Check("_between", "1,5"), compared("views", Operator.BETWEEN, (1, 5))),
        ("views", Check("_between", (1, 2, 3)), InvalidQuery),
        ("ref", Check("_eq", "$NOW"), compared("ref", Operator.EQ, Variable("$NOW", FIELDS["ref"]))),
        (
            "views",
            Check("_nin", "$CURRENT_ROLES"),
            compared("views", Operator.IN, (Variable("$CURRENT_ROLES", FIELDS["views"], many=True),), True),
        ),
        ("title", Check("_eq", "$OTHER"), compared("title", Operator.EQ, "$OTHER")),
    ],
    ids=str,
)
def test_value_becomes_canonical(name: str, check: Check, condition: Condition | type[InvalidQuery]) -> None:
    if isinstance(condition, type):
        with pytest.raises(condition):
            comparison(Column(FIELDS[name]), FIELDS[name], check)
    else:
        assert comparison(Column(FIELDS[name]), FIELDS[name], check) == condition


@pytest.mark.parametrize("value", [3.5e38, -1e300, "1e39"])
def test_value_beyond_32_bits_is_refused_for_a_real(value: Any) -> None:
    field = Field("t", "f", FieldType.FLOAT, database_type="real")
    with pytest.raises(InvalidQuery, match='The value for field "f" is out of range'):
        comparison(Column(field), field, Check("_lt", value))
    assert comparison(Column(field), field, Check("_lt", 3.4e38)) == Comparison(Column(field), Operator.LT, 3.4e38)


@pytest.mark.parametrize(
    ("name", "many", "resolved", "value"),
    [
        ("views", False, "5", 5),
        ("views", False, "x", None),
        ("views", False, None, None),
        ("views", False, [1], None),
        ("views", True, [1, "2", "x"], (1, 2, None)),
        ("views", True, 3, (3,)),
        ("views", True, None, (None,)),
        ("published_on", False, "2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00"),
        ("day", False, "2024-01-01T23:00:00.000Z", "2024-01-01"),
        ("at", False, "2024-01-01T23:00:00.000Z", "23:00:00"),
        ("tags", False, ["a", "b"], "a,b"),
    ],
)
def test_variable_counts_as_what_the_field_can_hold(name: str, many: bool, resolved: Any, value: Any) -> None:
    assert convert(Variable("$X", FIELDS[name], many), resolved) == value
