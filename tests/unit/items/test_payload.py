"""What permissions make of what is to be written: rules add up, and each is held to its own validation."""

from typing import Any

import pytest

from tests.support.schemas import MEMBER, NOW, VARIABLES, build_schema
from tidegate.access.identity import Public
from tidegate.access.rights import Rights, Rule
from tidegate.errors import TidegateError
from tidegate.items.payload import permitted

NOTES = build_schema().collections["notes"]
PLAIN = Rule({}, frozenset(["title"]), {}, {"owner": "$CURRENT_USER", "status": "plain"})
CHECKED = Rule({}, frozenset("*"), {"title": {"_neq": "bad"}}, {"status": "checked", "dropped": 1})


def rights(*rules: Rule) -> Rights:
    return Rights(Public(), rules={("notes", "update"): rules}, variables=VARIABLES)


def accepted(payload: dict[str, Any], *rules: Rule) -> tuple[dict[str, Any], tuple[Rule, ...]]:
    return permitted(NOTES, rights(*rules), "update", payload, NOW)


def test_presets_fill_what_is_left_out_and_the_later_rules_win() -> None:
    filled, _ = accepted({"title": "t"}, PLAIN, CHECKED)
    assert filled == {"title": "t", "owner": MEMBER, "status": "checked"}
    filled, _ = accepted({"title": "t", "status": "mine"}, PLAIN, CHECKED)
    assert filled == {"title": "t", "owner": MEMBER, "status": "mine"}


def test_only_rules_whose_validation_is_passed_accept() -> None:
    assert accepted({"title": "good"}, PLAIN, CHECKED)[1] == (PLAIN, CHECKED)
    assert accepted({"title": "bad"}, PLAIN, CHECKED)[1] == (PLAIN,)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"title": "bad", "secret": "s"}, "FAILED_VALIDATION"),
        ({"title": "t", "dropped": 1}, "FORBIDDEN"),
        ({"title": "t", "gone": 1}, "FORBIDDEN"),
    ],
    ids=["field of a rule that does not accept", "field of a preset only", "no field"],
)
def test_each_field_has_to_be_named_by_a_rule_that_accepts(payload: dict[str, Any], code: str) -> None:
    with pytest.raises(TidegateError) as refused:
        accepted(payload, PLAIN, CHECKED)
    assert refused.value.code == code


def test_administrators_need_no_rule() -> None:
    admin = Rights(Public(), admin=True)
    assert permitted(NOTES, admin, "update", {"title": "t", "gone": 1}, NOW) == ({"title": "t"}, ())
