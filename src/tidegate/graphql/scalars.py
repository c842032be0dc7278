"""The scalars of the API's field types. Values inside are API values already; these spell them as GraphQL does."""

import re
from typing import Any, Final

from graphql import (
    FloatValueNode,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLScalarType,
    GraphQLString,
    IntValueNode,
    StringValueNode,
    ValueNode,
    value_from_ast_untyped,
)

from tidegate.schema import FieldType

_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,40}", re.ASCII)


def _same(value: Any) -> Any:
    return value


def _text_or_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise GraphQLError("A text or a number is expected")
    return value


def _text_or_number_literal(node: ValueNode, _variables: Any = None) -> Any:
    match node:
        case StringValueNode(value=text):
            return text
        case IntValueNode(value=text):
            return int(text)
        case FloatValueNode(value=text):
            return float(text)
    raise GraphQLError("A text or a number is expected", node)


def _whole_number_text(value: Any) -> str:
    # Never by way of `Decimal`: to write out `1e999999999` takes all the time and memory there is.
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if isinstance(value, bool) or _WHOLE_NUMBER.fullmatch(text) is None:
        raise GraphQLError("A whole number is expected")
    return text


def _whole_number_literal(node: ValueNode, _variables: Any = None) -> str:
    return _whole_number_text(_text_or_number_literal(node))


def _any_literal(node: ValueNode, variables: Any = None) -> Any:
    return value_from_ast_untyped(node, variables)


BIG_INT: Final = GraphQLScalarType(
    "GraphQLBigInt",
    description="A whole number of any size, as a string.",
    serialize=_whole_number_text,
    parse_value=_whole_number_text,
    parse_literal=_whole_number_literal,
)
STRING_OR_FLOAT: Final = GraphQLScalarType(
    "GraphQLStringOrFloat",
    description="A text or a number, for values that depend on who asks or on the time, such as `$NOW`.",
    serialize=_same,
    parse_value=_text_or_number,
    parse_literal=_text_or_number_literal,
)
DATE: Final = GraphQLScalarType(
    "Date",
    description="A date, a time of day or a moment, as ISO 8601 spells it.",
    serialize=_same,
    parse_value=_text_or_number,
    parse_literal=_text_or_number_literal,
)
HASH: Final = GraphQLScalarType("Hash", description="A hashed text; it is answered masked.", serialize=_same)
JSON: Final = GraphQLScalarType(
    "JSON",
    description="Any JSON value.",
    serialize=_same,
    parse_value=_same,
    parse_literal=_any_literal,
)
EVENT: Final = GraphQLEnumType("EventEnum", {name: name for name in ("create", "update", "delete")})

OUTPUT: Final = {
    FieldType.INTEGER: GraphQLInt,
    FieldType.BIG_INTEGER: BIG_INT,
    FieldType.FLOAT: GraphQLFloat,
    FieldType.DECIMAL: GraphQLFloat,
    FieldType.BOOLEAN: GraphQLBoolean,
    FieldType.DATE: DATE,
    FieldType.TIME: GraphQLString,
    FieldType.DATE_TIME: DATE,
    FieldType.TIMESTAMP: DATE,
    FieldType.UUID: GraphQLID,
    FieldType.JSON: JSON,
    FieldType.HASH: HASH,
}
"""By field type; what is not named is a `String`, and `csv` a list of it."""
