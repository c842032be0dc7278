"""Which conditions a row's image decides, and which look at rows that may have changed since."""

from typing import Any

import pytest

from tests.support.schemas import build_schema, rights_with, rule
from tidegate.query.deleted import looks_at_related
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import plan_read

PUBLISHED = {"status": {"_eq": "published"}}
BY_ADA = {"author": {"name": {"_eq": "Ada"}}}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, False),
        (PUBLISHED, False),
        ({"_and": [PUBLISHED, {"year(published_on)": {"_eq": 2021}}]}, False),
        (BY_ADA, True),
        ({"_or": [PUBLISHED, {"_and": [PUBLISHED, BY_ADA]}]}, True),
        ({"author": {"name": {"_null": True}}}, True),
        ({"labels": {"_none": {"labels_code": {"_eq": "red"}}}}, True),
        ({"count(labels)": {"_eq": 0}}, True),
    ],
    ids=str,
)
def test_condition_looks_at_related_rows(filters: dict[str, Any], expected: bool) -> None:
    rights = rights_with({"articles": [rule(filters)]})
    plan = plan_read(parse_query({}, Limits()), "articles", build_schema(), rights, Limits())
    assert looks_at_related(plan.visible) is expected


def test_field_that_related_rows_hide_looks_at_them() -> None:
    rights = rights_with({"articles": [rule(BY_ADA, ["title"]), rule(fields=["id", "status"])]})
    query = parse_query({"filter": {"title": {"_null": True}}}, Limits())
    plan = plan_read(query, "articles", build_schema(), rights, Limits())
    assert looks_at_related(plan.selection.condition)
    assert not looks_at_related(plan.visible)
