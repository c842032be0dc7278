"""What is decided in memory, and what is left to the database."""

from typing import Any

import pytest

from tests.support.schemas import (
    ADMIN,
    MEMBER,
    MEMBER_RIGHTS,
    NOW,
    OTHER,
    ROWS,
    SENIOR_RIGHTS,
    build_schema,
    rights_with,
    rule,
)
from tidegate.access.rights import Rights
from tidegate.query.evaluate import projector, row_predicate
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import ReadPlan, bind, plan_read

SCHEMA = build_schema()
IMAGE: dict[str, Any] = {
    **ROWS["articles"][0],
    "meta_data": {"a": 1},
    "ref": MEMBER,
    "body": None,
    "author": None,
}


def planned(rights: Rights, collection: str, query: object) -> ReadPlan:
    plan = plan_read(parse_query(query, Limits()), collection, SCHEMA, rights, Limits())
    return bind(plan, rights.variables, NOW)


@pytest.mark.parametrize(
    ("condition", "matching"),
    [
        ({"title": {"_eq": "First light"}}, True),
        ({"title": {"_lt": "a"}}, True),
        ({"title": {"_contains": "light"}}, True),
        ({"title": {"_ncontains": "Light"}}, True),
        ({"title": {"_starts_with": "light"}}, False),
        ({"title": {"_ends_with": "light"}}, True),
        ({"title": {"_between": ["A", "Z"]}}, True),
        ({"title": {"_empty": True}}, False),
        ({"body": {"_empty": True}}, True),
        ({"body": {"_null": True}}, True),
        ({"body": {"_nnull": True}}, False),
        ({"body": {"_neq": "x"}}, False),
        ({"body": {"_nin": ["x"]}}, False),
        ({"body": {"_ncontains": "x"}}, False),
        ({"body": {"_nbetween": ["a", "b"]}}, False),
        ({"views": {"_in": [1, 10]}}, True),
        ({"views": {"_nin": [1, 10]}}, False),
        ({"views": {"_nin": [1, None]}}, False),
        ({"views": {"_gte": 10.0}}, True),
        ({"price": {"_eq": "12.5"}}, True),
        ({"price": {"_lt": 13}}, True),
        ({"big": {"_gt": 9007199254740992}}, True),
        ({"published": {"_eq": True}}, True),
        ({"ref": {"_eq": "$CURRENT_USER"}}, True),
        ({"ref": {"_eq": "$CURRENT_ROLE"}}, False),
        ({"ref": {"_neq": "$CURRENT_ROLE"}}, False),
        ({"title": {"_in": "$CURRENT_ROLES"}}, False),
        ({"title": {"_nin": "$CURRENT_POLICIES"}}, True),
        ({"views": {"_nbetween": ["$CURRENT_ROLE", 5]}}, False),
        ({"views": {"_between": ["$CURRENT_ROLE", 50]}}, False),
        ({"tags": {"_null": True}}, False),
        ({"day": {"_nnull": True}}, True),
        ({"published_on": {"_null": True}}, False),
        ({"_or": [{"views": {"_eq": 1}}, {"title": {"_nempty": True}}]}, True),
        ({"_and": [{"views": {"_eq": 10}}, {"body": {"_nnull": True}}]}, False),
        ({"_or": []}, False),
        ({}, True),
    ],
    ids=str,
)
def test_condition_is_decided_in_memory(condition: dict[str, Any], matching: bool) -> None:
    predicate = row_predicate(planned(ADMIN, "articles", {"filter": condition}).condition)
    assert predicate is not None
    assert predicate(IMAGE) is matching


@pytest.mark.parametrize(
    "condition",
    [
        {"title": {"_icontains": "x"}},
        {"title": {"_nistarts_with": "x"}},
        {"rating": {"_eq": 4.5}},
        {"price": {"_gt": "0.1000000000000001"}},
        {"day": {"_eq": "2021-02-03"}},
        {"published_on": {"_lt": "$NOW"}},
        {"at": {"_gt": "12:00:00"}},
        {"tags": {"_contains": "x"}},
        {"tags": {"_empty": True}},
        {"meta_data": {"_null": True}},
        {"year(day)": {"_eq": 2021}},
        {"count(labels)": {"_eq": 0}},
        {"count(meta_data)": {"_eq": 0}},
        {"author": {"name": {"_eq": "Ada"}}},
        {"labels": {"_none": {}}},
        {"_and": [{"views": {"_eq": 1}}, {"title": {"_icontains": "x"}}]},
        {"_or": [{"views": {"_eq": 1}}, {"title": {"_icontains": "x"}}]},
    ],
    ids=str,
)
def test_condition_is_left_to_the_database(condition: dict[str, Any]) -> None:
    assert row_predicate(planned(ADMIN, "articles", {"filter": condition}).condition) is None


def test_condition_with_variables_in_place_is_not_decided() -> None:
    plan = plan_read(parse_query({}, Limits()), "notes", SCHEMA, MEMBER_RIGHTS, Limits())
    assert row_predicate(plan.condition) is None


@pytest.mark.parametrize(("owner", "matching"), [(MEMBER, True), (OTHER, False), (None, False)])
def test_rule_is_decided_for_its_user(owner: str | None, matching: bool) -> None:
    predicate = row_predicate(planned(MEMBER_RIGHTS, "notes", {}).condition)
    assert predicate is not None
    assert predicate({"id": 1, "title": "t", "secret": "s", "owner": owner, "status": "x"}) is matching


@pytest.mark.parametrize(
    ("condition", "seen", "hidden"),
    [
        ({"status": {"_eq": "published"}}, True, False),
        ({"status": {"_neq": "x"}}, True, False),
        ({"status": {"_null": True}}, False, True),
        ({"status": {"_nnull": True}}, True, False),
        ({"status": {"_empty": True}}, False, True),
    ],
)
def test_guarded_value_counts_as_null(condition: dict[str, Any], seen: bool, hidden: bool) -> None:
    predicate = row_predicate(planned(SENIOR_RIGHTS, "articles", {"filter": condition}).condition)
    assert predicate is not None
    assert predicate(IMAGE | {"views": 100}) is seen
    assert predicate(IMAGE | {"views": 100, "status": "draft"}) is hidden


def test_projection_takes_what_was_asked_in_its_order() -> None:
    project = projector(planned(ADMIN, "articles", {"fields": ["t", "id"], "alias": {"t": "title"}}))
    assert project is not None
    assert list(project(IMAGE).items()) == [("t", "First light"), ("id", 1)]


def test_projection_hides_guarded_values() -> None:
    project = projector(planned(SENIOR_RIGHTS, "articles", {"fields": ["id", "status", "views"]}))
    assert project is not None
    assert project(IMAGE) == {"id": 1, "status": "published", "views": 10}
    assert project(IMAGE | {"status": "draft"}) == {"id": 1, "status": None, "views": 10}


def test_projection_knows_the_user() -> None:
    rights = rights_with({"notes": [rule(fields=["id"]), rule({"owner": {"_eq": "$CURRENT_USER"}}, ["secret"])]})
    project = projector(planned(rights, "notes", {}))
    assert project is not None
    assert project({"id": 1, "secret": "s", "owner": MEMBER}) == {"id": 1, "secret": "s"}
    assert project({"id": 1, "secret": "s", "owner": OTHER}) == {"id": 1, "secret": None}


@pytest.mark.parametrize(
    ("rights", "query"),
    [
        (ADMIN, {}),
        (ADMIN, {"fields": ["author.name"]}),
        (ADMIN, {"fields": ["year(day)"]}),
        (ADMIN, {"fields": ["count(labels)"]}),
        (ADMIN, {"aggregate": {"count": "*"}}),
        (
            rights_with({"articles": [rule(fields=["id"]), rule({"day": {"_lt": "$NOW"}}, ["title"])]}),
            {"fields": ["title"]},
        ),
    ],
    ids=str,
)
def test_projection_is_left_to_the_database(rights: Rights, query: dict[str, Any]) -> None:
    assert projector(planned(rights, "articles", query)) is None
