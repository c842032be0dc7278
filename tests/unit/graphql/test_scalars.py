"""The scalars of the API's values."""

from typing import Any

import pytest
from graphql import GraphQLError, parse_value

from tidegate.graphql.scalars import BIG_INT, JSON, STRING_OR_FLOAT


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), ("9007199254740993", "9007199254740993"), (2.0, "2"), ("-5", "-5")]
)
def test_big_int_is_text_both_ways(value: object, text: str) -> None:
    assert BIG_INT.serialize(value) == text
    assert BIG_INT.parse_value(value) == text


@pytest.mark.parametrize("value", ["x", "", "1.5", 1.5, None, True, [], "Infinity", "NaN", "1e999999999"])
def test_big_int_takes_whole_numbers_only(value: object) -> None:
    with pytest.raises(GraphQLError):
        BIG_INT.parse_value(value)


@pytest.mark.parametrize(("literal", "value"), [('"$NOW"', "$NOW"), ("1", 1), ("1.5", 1.5)])
def test_string_or_float_takes_both(literal: str, value: object) -> None:
    assert STRING_OR_FLOAT.parse_literal(parse_value(literal)) == value
    assert STRING_OR_FLOAT.parse_value(value) == value


@pytest.mark.parametrize("literal", ["true", "null", "[1]", "{a: 1}", "name"])
def test_string_or_float_takes_nothing_else(literal: str) -> None:
    with pytest.raises(GraphQLError):
        STRING_OR_FLOAT.parse_literal(parse_value(literal))


def test_json_takes_any_literal() -> None:
    value: Any = JSON.parse_literal(parse_value('{a: [1, 2.5, "x", true, null, {b: {}}]}'))
    assert value == {"a": [1, 2.5, "x", True, None, {"b": {}}]}
