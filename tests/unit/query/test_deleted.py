"""What of a condition a row's image tells where related rows may have changed."""

from typing import Any

import pytest

from tests.support.schemas import build_schema, rights_with, rule
from tidegate.query.condition import NO_ROW, Condition
from tidegate.query.deleted import by_row_alone
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import plan_read

SCHEMA = build_schema()
PUBLISHED = {"status": {"_eq": "published"}}
BY_ADA = {"author": {"name": {"_eq": "Ada"}}}
OF_2021 = {"year(published_on)": {"_eq": 2021}}
TITLES_BY_ADA = rights_with({"articles": [rule(BY_ADA, ["title"]), rule(fields=["id", "status"])]})


def shown_by(filters: dict[str, Any]) -> Condition:
    rights = rights_with({"articles": [rule(filters)]})
    return plan_read(parse_query({}, Limits()), "articles", SCHEMA, rights, Limits()).visible


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({}, {}),
        (PUBLISHED, PUBLISHED),
        (OF_2021, OF_2021),
        ({"_or": [PUBLISHED, BY_ADA, OF_2021]}, {"_or": [PUBLISHED, OF_2021]}),
        ({"_and": [{"_or": [PUBLISHED, BY_ADA]}, OF_2021]}, {"_and": [PUBLISHED, OF_2021]}),
    ],
    ids=str,
)
def test_what_a_row_says_of_itself_is_kept(filters: dict[str, Any], told: dict[str, Any]) -> None:
    assert by_row_alone(shown_by(filters)) == shown_by(told)


@pytest.mark.parametrize(
    "filters",
    [
        BY_ADA,
        {"_and": [PUBLISHED, BY_ADA]},
        {"author": {"name": {"_null": True}}},
        {"labels": {"_none": {"labels_code": {"_eq": "red"}}}},
        {"count(labels)": {"_eq": 0}},
    ],
    ids=str,
)
def test_what_related_rows_decide_counts_as_not_met(filters: dict[str, Any]) -> None:
    assert by_row_alone(shown_by(filters)) == NO_ROW


def test_field_that_related_rows_hide_tells_nothing() -> None:
    query = parse_query({"filter": {"title": {"_null": True}}}, Limits())
    plan = plan_read(query, "articles", SCHEMA, TITLES_BY_ADA, Limits())
    assert by_row_alone(plan.selection.condition) == NO_ROW
