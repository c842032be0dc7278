"""Checking values that are to be written against a filter: `validation` of permissions and of fields.

Nothing here asks a database. Fields that the values leave out are not checked, nor is what related items hold; an
unknown operator fails. Unlike in a query, a null breaks no negated operator: nothing is not `x`.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tidegate.access.variables import substitute
from tidegate.query.operators import OPERATORS

Failure = tuple[str, str]
"""A field, and the operator that its value does not pass, without the underscore."""


def matches(
    rule: Mapping[str, Any], payload: Mapping[str, Any], variables: Mapping[str, Any], now: float
) -> list[Failure]:
    """What `payload` fails of the rule (a filter in its JSON form, variables in place); empty where it passes.

    `variables` are those of `Rights`, `now` is in seconds since the epoch.
    """
    return _failures(substitute(rule, variables, now), payload)


def _failures(rule: Mapping[str, Any], payload: Mapping[str, Any]) -> list[Failure]:
    found: list[Failure] = []
    for key, part in rule.items():
        if key in ("_and", "_or"):
            found += _combined(key, [_failures(each, payload) for each in part])
        elif key in payload and isinstance(part, Mapping):
            found += _field_failures(key, part, payload[key])
    return found


def _field_failures(field: str, rule: Mapping[str, Any], value: Any) -> list[Failure]:
    found: list[Failure] = []
    for key, part in rule.items():
        if key in ("_and", "_or"):
            found += _combined(key, [_field_failures(field, each, value) for each in part])
        elif key in _RELATIONAL:
            continue
        elif key.startswith("_"):
            if not _passes(key, value, part):
                found.append((field, key.removeprefix("_")))
        elif isinstance(value, Mapping):
            found += _failures({key: part}, value)
    return found


def _combined(key: str, alternatives: list[list[Failure]]) -> list[Failure]:
    if key == "_or" and any(not each for each in alternatives):
        return []
    return [failure for each in alternatives for failure in each]


_RELATIONAL: Final = frozenset({"_some", "_none"})


def _passes(operator: str, value: Any, expected: Any) -> bool:
    if operator == "_regex":
        return isinstance(value, str) and isinstance(expected, str) and _found(expected, value)
    known = OPERATORS.get(operator)
    if known is None:
        return False
    asked, negated = known
    if asked.value in ("null", "empty"):
        missing = value is None or (asked.value == "empty" and value in ("", [], {}))
        return (missing is not negated) is (str(expected).lower() in ("true", "1"))
    if value is None:
        return negated
    return _TESTS[asked.value](value, expected) is not negated


def _found(pattern: str, value: str) -> bool:
    """Whether the regular expression, also as `/…/`, is found in the value; one without sense is found nowhere."""
    if len(pattern) > 1 and pattern[0] == pattern[-1] == "/":
        pattern = pattern[1:-1]
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return False


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _equal(value: Any, expected: Any) -> bool:
    """A number equals its text, so that `12.5` is the decimal `"12.50"`."""
    if isinstance(value, str) and isinstance(expected, str):
        return value == expected
    number, other = _number(value), _number(expected)
    if number is not None and other is not None:
        return number == other
    return type(value) is type(expected) and bool(value == expected)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, expected: Any) -> bool:
        number, other = _number(value), _number(expected)
        if number is not None and other is not None:
            return compare(number, other)
        return isinstance(value, str) and isinstance(expected, str) and compare(value, expected)

    return test


def _text(compare: Callable[[str, str], bool], fold: Callable[[str], str] = str) -> Callable[[Any, Any], bool]:
    return lambda value, expected: isinstance(value, str) and compare(fold(value), fold(str(expected)))


def _contains(value: Any, expected: Any) -> bool:
    if isinstance(value, list):
        return any(_equal(part, expected) for part in value)
    return isinstance(value, str) and str(expected) in value


def _listed(expected: Any) -> list[Any]:
    if isinstance(expected, list | tuple):
        return list(expected)
    return expected.split(",") if isinstance(expected, str) else [expected]


def _between(value: Any, expected: Any) -> bool:
    bounds = _listed(expected)
    return len(bounds) == 2 and _TESTS["gte"](value, bounds[0]) and _TESTS["lte"](value, bounds[1])


_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": _equal,
    "lt": _ordered(lambda value, expected: value < expected),
    "lte": _ordered(lambda value, expected: value <= expected),
    "gt": _ordered(lambda value, expected: value > expected),
    "gte": _ordered(lambda value, expected: value >= expected),
    "in": lambda value, expected: any(_equal(value, part) for part in _listed(expected)),
    "between": _between,
    "contains": _contains,
    "icontains": _text(lambda value, expected: expected in value, str.casefold),
    "starts_with": _text(str.startswith),
    "istarts_with": _text(str.startswith, str.casefold),
    "ends_with": _text(str.endswith),
    "iends_with": _text(str.endswith, str.casefold),
}
