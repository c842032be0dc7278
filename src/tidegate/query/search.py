"""What `search` looks through."""

from typing import Final

from tidegate.errors import InvalidQuery, TidegateError
from tidegate.query.condition import Comparison, Condition, Operator, any_of
from tidegate.query.operators import MAX_PATTERN, canonical
from tidegate.query.sight import Visibility
from tidegate.schema import Field, FieldType

_TEXTS: Final = frozenset({FieldType.STRING, FieldType.TEXT})
_EXACT: Final = frozenset(
    {FieldType.INTEGER, FieldType.BIG_INTEGER, FieldType.FLOAT, FieldType.DECIMAL, FieldType.UUID}
)


def search_condition(visibility: Visibility, text: str) -> Condition:
    """Rows of which some visible field has `text` in it: inside a text, or as the whole of a number or UUID."""
    if len(text) > MAX_PATTERN:
        raise InvalidQuery('"search" is too long')
    searched = [field for field in visibility.fields() if field.searchable and not field.concealed]
    return any_of([_test(visibility, field, value) for field in searched if (value := _value(field, text)) is not None])


def _test(visibility: Visibility, field: Field, value: str | float) -> Comparison:
    operator = Operator.ICONTAINS if field.type in _TEXTS else Operator.EQ
    return Comparison(visibility.column(field.name, ()), operator, value)


def _value(field: Field, text: str) -> str | int | float | None:
    """What the field is compared with, or None where it cannot hold the text."""
    if field.type not in _TEXTS | _EXACT:
        return None
    try:
        found: str | int | float = canonical(field, text)
    except TidegateError:
        return None
    return found
