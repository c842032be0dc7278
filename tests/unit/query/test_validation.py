"""Validation rules against values that are to be written."""

from typing import Any

import pytest

from tidegate.query.validation import matches

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("operator", "expected", "passing", "failing"),
    [
        ("_eq", "x", ["x"], ["y", "X", None, ["x"]]),
        ("_eq", 12.5, [12.5, "12.50"], [12, "x", True]),
        ("_eq", True, [True], [False, 1, "true"]),
        ("_neq", "x", ["y", None], ["x"]),
        ("_lt", 5, [4, "4.9"], [5, None, "x"]),
        ("_lte", "5", [5, "5.0"], [6]),
        ("_gt", "2024-01-01", ["2024-06-01T00:00:00"], ["2023-12-31", 5, None]),
        ("_gte", 5, [5, 6], [4, True]),
        ("_in", ["a", 1], ["a", 1, "1"], ["b", 2, None]),
        ("_in", "a,b", ["a", "b"], ["a,b"]),
        ("_nin", ["a"], ["b", None], ["a"]),
        ("_between", [1, 5], [1, 3, 5], [0, 6, None]),
        ("_between", "1,5", [3], [6]),
        ("_between", [1], [], [1]),
        ("_nbetween", [1, 5], [0, None], [3]),
        ("_null", True, [None], ["x", 0, ""]),
        ("_null", False, ["x"], [None]),
        ("_nnull", True, ["x", 0], [None]),
        ("_nnull", "false", [None], ["x"]),
        ("_empty", True, [None, "", [], {}], ["x", 0, [1]]),
        ("_nempty", True, ["x", 0], [None, "", []]),
        ("_contains", "b", ["abc", ["b"]], ["ABC", None, ["bb"], 5]),
        ("_ncontains", "b", ["xyz", None], ["abc"]),
        ("_icontains", "B", ["abc"], ["xyz"]),
        ("_starts_with", "a", ["abc"], ["bc", None]),
        ("_nstarts_with", "a", ["bc"], ["abc"]),
        ("_istarts_with", "A", ["abc"], ["bc"]),
        ("_ends_with", "c", ["abc"], ["ab"]),
        ("_iends_with", "C", ["abc"], ["ab"]),
        ("_regex", "^a+$", ["aaa"], ["aab", None, 5]),
        ("_regex", "/^a+$/", ["aaa"], ["b"]),
        ("_regex", "(", [], ["(", ""]),
        ("_bogus", 1, [], [1, None]),
    ],
)
def test_operator_decides(operator: str, expected: object, passing: list[Any], failing: list[Any]) -> None:
    rule = {"field": {operator: expected}}
    assert [value for value in passing if matches(rule, {"field": value}, {}, NOW)] == []
    assert [value for value in failing if not matches(rule, {"field": value}, {}, NOW)] == []


@pytest.mark.parametrize(
    ("rule", "payload", "failures"),
    [
        ({}, {"a": 1}, []),
        ({"a": {"_eq": 1}}, {}, []),
        ({"a": {"_nnull": True}}, {"a": None}, [("a", "nnull")]),
        ({"a": {"_gt": 1, "_lt": 5}}, {"a": 9}, [("a", "lt")]),
        ({"a": {"_eq": 1}, "b": {"_eq": 1}}, {"a": 2, "b": 2}, [("a", "eq"), ("b", "eq")]),
        ({"_and": [{"a": {"_eq": 1}}, {"b": {"_eq": 1}}]}, {"a": 1, "b": 2}, [("b", "eq")]),
        ({"_or": [{"a": {"_eq": 1}}, {"b": {"_eq": 1}}]}, {"a": 2, "b": 1}, []),
        ({"_or": [{"a": {"_eq": 1}}, {"b": {"_lt": 1}}]}, {"a": 2, "b": 2}, [("a", "eq"), ("b", "lt")]),
        ({"a": {"_or": [{"_eq": 1}, {"_null": True}]}}, {"a": None}, []),
        ({"a": {"_and": [{"_gt": 1}, {"_lt": 5}]}}, {"a": 7}, [("a", "lt")]),
        ({"author": {"name": {"_eq": "x"}}}, {"author": {"name": "y"}}, [("name", "eq")]),
        ({"author": {"name": {"_eq": "x"}}}, {"author": 1}, []),
        ({"labels": {"_some": {"code": {"_eq": "x"}}}}, {"labels": []}, []),
        ({"owner": {"_eq": "$CURRENT_USER"}}, {"owner": "u"}, []),
        ({"owner": {"_eq": "$CURRENT_USER"}}, {"owner": "v"}, [("owner", "eq")]),
        ({"on": {"_lte": "$NOW"}}, {"on": "2023-11-14T22:13:20"}, []),
        ({"on": {"_lte": "$NOW"}}, {"on": "2023-11-15"}, [("on", "lte")]),
    ],
)
def test_rule_names_what_fails(rule: dict[str, Any], payload: dict[str, Any], failures: list[tuple[str, str]]) -> None:
    assert matches(rule, payload, {"$CURRENT_USER": "u"}, NOW) == failures
