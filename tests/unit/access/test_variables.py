"""Variables of filters and presets: which there are, and what they stand for."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.access.variables import is_time, is_variable, resolve, substitute

NOW = datetime(2024, 3, 31, 12, 30, 15, 250_000, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "$CURRENT_USER",
        "$CURRENT_ROLE",
        "$CURRENT_ROLES",
        "$CURRENT_POLICIES",
        "$CURRENT_USER.department",
        "$CURRENT_USER.department.name",
        "$NOW",
        "$NOW(-1 day)",
        "$NOW(+2 hours)",
        "$NOW( - 3   Weeks )",
    ],
)
def test_variable_is_recognised(text: str) -> None:
    assert is_variable(text)


@pytest.mark.parametrize(
    "value",
    [
        "$CURRENT_USERS",
        "$CURRENT_USER.",
        "$NOWHERE",
        "$NOW(1)",
        "$NOW(1 fortnight)",
        "NOW",
        "a $NOW",
        "$FOO",
        "",
        5,
        None,
    ],
)
def test_anything_else_is_an_ordinary_value(value: object) -> None:
    assert not is_variable(value)


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("$NOW", "2024-03-31T12:30:15.250Z"),
        ("$NOW(-1 day)", "2024-03-30T12:30:15.250Z"),
        ("$NOW(1 week)", "2024-04-07T12:30:15.250Z"),
        ("$NOW(+2 hours)", "2024-03-31T14:30:15.250Z"),
        ("$NOW(-30 minutes)", "2024-03-31T12:00:15.250Z"),
        ("$NOW(-15 seconds)", "2024-03-31T12:30:00.250Z"),
        ("$NOW(-1 month)", "2024-02-29T12:30:15.250Z"),
        ("$NOW(11 months)", "2025-02-28T12:30:15.250Z"),
        ("$NOW(-1 year)", "2023-03-31T12:30:15.250Z"),
        ("$NOW(-1 years)", "2023-03-31T12:30:15.250Z"),
        ("$NOW(999999999 years)", None),
        ("$NOW(-999999999 days)", None),
    ],
)
def test_time_is_told_with_its_adjustment(name: str, moment: str | None) -> None:
    assert is_time(name)
    assert resolve(name, {}, NOW) == moment


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("$CURRENT_USER", "u"),
        ("$CURRENT_ROLES", ["r"]),
        ("$CURRENT_USER.department", 7),
        ("$CURRENT_USER.unknown", None),
        ("$CURRENT_ROLE", None),
    ],
)
def test_unknown_facts_about_a_user_are_null(name: str, value: Any) -> None:
    variables = {"$CURRENT_USER": "u", "$CURRENT_ROLES": ["r"], "$CURRENT_USER.department": 7}
    assert not is_time(name)
    assert resolve(name, variables, NOW) == value


def test_substitute_replaces_variables_anywhere_in_a_copy() -> None:
    rule = {"_and": [{"owner": {"_eq": "$CURRENT_USER"}}, {"on": {"_lt": "$NOW(-1 day)"}}], "text": "$CURRENT_USER!"}
    before = repr(rule)
    assert substitute(rule, {"$CURRENT_USER": "u"}, NOW) == {
        "_and": [{"owner": {"_eq": "u"}}, {"on": {"_lt": "2024-03-30T12:30:15.250Z"}}],
        "text": "$CURRENT_USER!",
    }
    assert repr(rule) == before
