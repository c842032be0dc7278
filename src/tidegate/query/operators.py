"""The operators of filters: which there are for which type of field, and what they make of their values."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tidegate.access.variables import is_variable
from tidegate.errors import InvalidPayload, InvalidQuery, TidegateError
from tidegate.query.condition import NO_ROW, Comparison, Condition, Constant, Operand, Operator, Value, Variable
from tidegate.query.model import Check, Scalar
from tidegate.schema import Field, FieldType, values

_COMPARABLE = frozenset(
    {
        Operator.EQ,
        Operator.LT,
        Operator.LTE,
        Operator.GT,
        Operator.GTE,
        Operator.IN,
        Operator.BETWEEN,
        Operator.NULL,
        Operator.EMPTY,
    }
)
PATTERNS: Final = frozenset(
    {
        Operator.CONTAINS,
        Operator.ICONTAINS,
        Operator.STARTS_WITH,
        Operator.ISTARTS_WITH,
        Operator.ENDS_WITH,
        Operator.IENDS_WITH,
    }
)
_PRESENCE = frozenset({Operator.NULL, Operator.EMPTY})

_ALLOWED: Mapping[FieldType, frozenset[Operator]] = {
    **dict.fromkeys((FieldType.STRING, FieldType.TEXT, FieldType.CSV), _COMPARABLE | PATTERNS),
    FieldType.BOOLEAN: _PRESENCE | {Operator.EQ, Operator.IN},
    **dict.fromkeys((FieldType.JSON, FieldType.HASH, FieldType.BINARY, FieldType.UNKNOWN), _PRESENCE),
    FieldType.ALIAS: frozenset(),
}

_NEGATABLE = PATTERNS | {Operator.EQ, Operator.IN, Operator.BETWEEN, Operator.NULL, Operator.EMPTY}
OPERATORS: Final[Mapping[str, tuple[Operator, bool]]] = {
    **{f"_{operator.value}": (operator, False) for operator in Operator},
    **{f"_n{operator.value}": (operator, True) for operator in Operator if operator in _NEGATABLE},
    "_neq": (Operator.EQ, True),
}
"""By spelling on the wire: what it asks, and whether negated."""

MAX_PATTERN: Final = 5_000
"""Characters that a text is searched for: SQLite takes patterns of 50,000 bytes."""

_LARGEST_REAL: Final = (2 - 2**-23) * 2.0**127
"""PostgreSQL compares a `real` with values of its own 32 bits only."""

_TRUTH: Mapping[object, bool] = {
    **dict.fromkeys((True, "true", "1", "", None), True),
    **dict.fromkeys((False, "false", "0"), False),
}
"""`filter[author][_null]` in a URL has an empty value."""


def comparison(operand: Operand, field: Field | None, test: Check) -> Condition:
    """The condition that `test` puts on `operand`, which has the values of `field` (None: whole numbers).

    Raises `InvalidQuery` for an operator that the type does not have, and for a value that it cannot have.
    """
    field_type = FieldType.INTEGER if field is None else field.type
    allowed = _PRESENCE if field is not None and field.concealed else _ALLOWED.get(field_type, _COMPARABLE)
    operator, negated = OPERATORS.get(test.operator, (None, False))
    if operator not in allowed:
        raise InvalidQuery(f'"{field_type}" field type does not contain the "{test.operator}" filter operator')
    if operator in _PRESENCE:
        truth = _TRUTH.get(test.value) if not isinstance(test.value, tuple) else None
        if truth is None:
            raise InvalidQuery(f'"{test.operator}" has to be true or false')
        return Comparison(operand, operator, None, negated is truth)
    if operator is Operator.EQ and test.value is None:
        return Comparison(operand, Operator.NULL, None, negated)
    value = _value(field, operator, test)
    if value == () and operator is Operator.IN:
        return Constant(negated)
    if value is None or (operator is Operator.BETWEEN and isinstance(value, tuple) and None in value):
        return NO_ROW
    return Comparison(operand, operator, value, negated)


def canonical(field: Field | None, value: Any) -> Any:
    """The API value for comparing `field` (None: a whole number) with `value`. Raises `TidegateError`.

    A `csv` field is compared as the text that it is stored as.
    """
    if value is None:
        return None
    if field is None:
        return values.operand(_WHOLE_NUMBER, value)
    if field.type is FieldType.CSV:
        return ",".join(values.operand(field, value))
    found = values.operand(field, value)
    if field.database_type == "real" and abs(found) > _LARGEST_REAL:
        raise InvalidPayload(f'The value for field "{field.name}" is out of range')
    return found


def convert(variable: Variable, value: Any) -> Any:
    """What the variable's resolved `value` counts as: None, which matches nothing, where the field cannot have it."""
    if variable.many:
        return tuple(
            _converted(variable.field, part) for part in (value if isinstance(value, list | tuple) else [value])
        )
    return _converted(variable.field, value)


_WHOLE_NUMBER = Field(collection="", name="", type=FieldType.INTEGER)


def _converted(field: Field | None, value: Any) -> Any:
    try:
        return canonical(field, value)
    except TidegateError:
        return None


def _value(field: Field | None, operator: Operator, test: Check) -> Value:
    if operator is Operator.IN:
        return tuple(_scalar(field, part, many=True) for part in _listed(test.value))
    if operator is Operator.BETWEEN:
        bounds = tuple(_scalar(field, part) for part in _listed(test.value))
        if len(bounds) != 2:
            raise InvalidQuery(f'"{test.operator}" has to be a list of two values')
        return bounds
    if isinstance(test.value, tuple):
        raise InvalidQuery(f'"{test.operator}" has to be one value')
    value = _scalar(field, test.value)
    if operator in PATTERNS and isinstance(value, str) and len(value) > MAX_PATTERN:
        raise InvalidQuery(f'The value of "{test.operator}" is too long')
    return value


def _listed(value: Scalar | tuple[Scalar, ...]) -> Iterable[Scalar]:
    """A list, values between commas, or one value."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, str) and not is_variable(value):
        return value.split(",") if value else ()
    return (value,)


def _scalar(field: Field | None, value: Scalar, *, many: bool = False) -> Scalar | Variable:
    if is_variable(value):
        return Variable(value, field, many)
    try:
        found: Scalar = canonical(field, value)
    except TidegateError as error:
        if field is None:
            raise InvalidQuery("The result of a function is compared with whole numbers") from None
        reason = error.extensions["reason"] if isinstance(error, InvalidPayload) else error.message.removesuffix(".")
        raise InvalidQuery(reason) from None
    return found
