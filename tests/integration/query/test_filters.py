"""Filters, order and search against real engines: the same rows on each of them."""

from typing import Any

import pytest

from tests.support.schemas import ADMIN, MEMBER_RIGHTS, NO_AUTHORS_RIGHTS, SENIOR_RIGHTS, rights_with, rule, run
from tidegate.access.rights import Rights
from tidegate.database.engine import Database
from tidegate.errors import InvalidQuery, TidegateError

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRST_REF = "7f1b4e6a-6c3a-4a57-9b5e-0d9be1c6a001"

FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({"status": {"_eq": "published"}}, [1, 2, 4]),
    ({"status": {"_eq": "Published"}}, []),
    ({"status": {"_eq": "published "}}, []),
    ({"status": {"_neq": "published"}}, [3, 5]),
    ({"body": {"_neq": "Lorem ipsum"}}, [4]),
    ({"status": "draft"}, [3]),
    ({"author": {"name": "Ada"}}, [1, 2]),
    ({"author": 3}, [5]),
    ({"body": {"_eq": None}}, [2, 3, 5]),
    ({"body": {"_neq": None}}, [1, 4]),
    ({"author": {"age": {"_eq": None}}}, [4, 5]),
    ({"year(day)": {"_neq": None}}, [1, 2]),
    ({"body": {"_contains": None}}, []),
    ({"status": {"_in": ["draft", "archived"]}}, [3, 5]),
    ({"status": {"_in": "draft,archived"}}, [3, 5]),
    ({"status": {"_in": []}}, []),
    ({"status": {"_nin": []}}, [1, 2, 3, 4, 5]),
    ({"body": {"_nin": []}}, [1, 2, 3, 4, 5]),
    ({"body": {"_nin": ["Lorem ipsum"]}}, [4]),
    ({"body": {"_nin": ["Lorem ipsum", None]}}, []),
    ({"body": {"_in": ["Lorem ipsum", None]}}, [1]),
    ({"status": {"_nin": ["draft", "archived"]}}, [1, 2, 4]),
    ({"title": {"_lt": "Second wind"}}, [1, 4]),
    ({"title": {"_gt": "Z"}}, [3, 5]),
    ({"title": {"_between": ["First light", "Second wind"]}}, [1, 2, 4]),
    ({"title": {"_nbetween": ["First light", "Second wind"]}}, [3, 5]),
    ({"title": {"_contains": "d"}}, [2, 3]),
    ({"title": {"_contains": "First"}}, [1]),
    ({"title": {"_contains": "first"}}, []),
    ({"title": {"_contains": ""}}, [1, 2, 3, 4, 5]),
    ({"title": {"_ncontains": "First"}}, [2, 3, 4, 5]),
    ({"body": {"_ncontains": "Lorem"}}, [4]),
    ({"title": {"_icontains": "FIRST"}}, [1]),
    ({"title": {"_nicontains": "FIRST"}}, [2, 3, 4, 5]),
    ({"title": {"_starts_with": "F"}}, [1, 4]),
    ({"title": {"_nstarts_with": "F"}}, [2, 3, 5]),
    ({"title": {"_istarts_with": "F"}}, [1, 4, 5]),
    ({"title": {"_nistarts_with": "f"}}, [2, 3]),
    ({"title": {"_ends_with": "draft"}}, [3]),
    ({"title": {"_ends_with": "Draft"}}, []),
    ({"title": {"_nends_with": "draft"}}, [1, 2, 4, 5]),
    ({"title": {"_iends_with": "DRAFT"}}, [3]),
    ({"title": {"_niends_with": "DRAFT"}}, [1, 2, 4, 5]),
    ({"body": {"_contains": "100% _s"}}, [4]),
    ({"body": {"_contains": "1_0"}}, []),
    ({"body": {"_contains": "%"}}, [4]),
    ({"body": {"_contains": "/"}}, []),
    ({"body": {"_contains": "\\"}}, []),
    ({"body": {"_contains": "'"}}, []),
    ({"body": {"_starts_with": "_"}}, []),
    ({"body": {"_ends_with": "_"}}, [4]),
    ({"body": {"_iends_with": "E_"}}, [4]),
    ({"body": {"_empty": True}}, [2, 3, 5]),
    ({"body": {"_nempty": True}}, [1, 4]),
    ({"body": {"_empty": False}}, [1, 4]),
    ({"body": {"_null": "true"}}, [2, 3, 5]),
    ({"body": {"_null": "false"}}, [1, 4]),
    ({"body": {"_nnull": False}}, [2, 3, 5]),
    ({"views": {"_lt": 99}}, [1, 4]),
    ({"views": {"_lte": "99"}}, [1, 4, 5]),
    ({"views": {"_gt": 99, "_lt": 500}}, [2]),
    ({"views": {"_gte": 99}}, [2, 3, 5]),
    ({"views": {"_between": [10, 99]}}, [1, 5]),
    ({"views": {"_nbetween": "10,99"}}, [2, 3, 4]),
    ({"views": {"_in": "10,99"}}, [1, 5]),
    ({"views": {"_empty": True}}, []),
    ({"views": {"_lt": 9_000_000_000_000}}, [1, 2, 3, 4, 5]),
    ({"rating": {"_eq": 4.5}}, [1]),
    ({"rating": {"_lte": 3}}, [2]),
    ({"price": {"_eq": 12.5}}, [1]),
    ({"price": {"_eq": "0.1"}}, [2]),
    ({"price": {"_gt": 0.105}}, [1]),
    ({"price": {"_lt": "9"}}, [2]),
    ({"published": {"_eq": True}}, [1]),
    ({"published": {"_eq": "false"}}, [2]),
    ({"published": {"_neq": True}}, [2]),
    ({"published": {"_null": True}}, [3, 4, 5]),
    ({"published_on": {"_lt": "2021-01-01"}}, [2]),
    ({"published_on": {"_eq": "2021-02-03T04:05:06"}}, [1]),
    ({"published_on": {"_between": ["2020-12-31", "2021-12-31"]}}, [1, 2]),
    ({"published_on": {"_lt": "$NOW"}}, [1, 2]),
    ({"published_on": {"_gt": "$NOW(-10 years)"}}, [1, 2]),
    ({"published_on": {"_gt": "$NOW(-1 day)"}}, []),
    ({"day": {"_gte": "2021-02-03"}}, [1]),
    ({"day": {"_lt": "$NOW"}}, [1, 2]),
    ({"at": {"_gt": "12:00:00"}}, [2]),
    ({"big": {"_gt": "9007199254740992"}}, [1]),
    ({"big": {"_eq": 9007199254740993}}, [1]),
    ({"big": {"_lt": 10}}, [2]),
    ({"ref": {"_eq": FIRST_REF.upper()}}, [1]),
    ({"ref": {"_in": [FIRST_REF]}}, [1]),
    ({"ref": {"_null": True}}, [2, 3, 4, 5]),
    ({"tags": {"_contains": "x"}}, [1]),
    ({"tags": {"_eq": "x,y"}}, [1]),
    ({"tags": {"_empty": True}}, [2, 3, 4, 5]),
    ({"tags": {"_null": True}}, [3, 4, 5]),
    ({"meta_data": {"_nnull": True}}, [1, 2]),
    ({"year(published_on)": {"_eq": 2021}}, [1]),
    ({"month(day)": {"_in": [2, 3]}}, [1]),
    ({"weekday(day)": {"_neq": 3}}, [2]),
    ({"week(day)": {"_gt": 50}}, [2]),
    ({"hour(at)": {"_between": [4, 5]}}, [1]),
    ({"second(published_on)": {"_eq": 59}}, [2]),
    ({"year(day)": {"_null": True}}, [3, 4, 5]),
    ({"year(day)": {"_lt": 2**40}}, [1, 2]),
    ({"count(labels)": {"_between": [1, 2**62]}}, [1, 2]),
    ({"count(labels)": {"_gt": 1}}, [1]),
    ({"count(labels)": {"_eq": "0"}}, [3, 4, 5]),
    ({"count(meta_data)": {"_eq": 2}}, [2]),
    ({"_or": [{"_and": [{"status": {"_eq": "published"}}, {"views": {"_gt": 5}}]}, {"id": {"_eq": 3}}]}, [1, 2, 3]),
    ({"_and": []}, [1, 2, 3, 4, 5]),
    ({"_or": []}, []),
    ({"status": {"_or": [{"_eq": "draft"}, {"_eq": "archived"}]}}, [3, 5]),
    ({"author": {"_null": True}}, [4]),
    ({"author": {"_eq": 1}}, [1, 2]),
    ({"author": {"name": {"_eq": "Ada"}}}, [1, 2]),
    ({"author": {"name": {"_neq": "Ada"}}}, [3, 5]),
    ({"author": {"name": {"_null": True}}}, [4]),
    ({"author": {"age": {"_null": True}}}, [4, 5]),
    ({"author": {"age": {"_nnull": True}}}, [1, 2, 3]),
    ({"author": {"_and": [{"name": {"_null": True}}, {"age": {"_null": True}}]}}, [4]),
    ({"author": {"articles": {"_none": {}}, "_or": [{"_null": True}]}}, [4]),
    ({"author": {"articles": {"_or": [{"_none": {"_or": []}}, {"_some": {"id": {"_in": []}}}]}}}, [1, 2, 3, 4, 5]),
    ({"author": {"_and": [{"_or": [{"name": {"_eq": "Bo"}}, {"age": {"_empty": True}}]}]}}, [3, 4, 5]),
    ({"author": {"articles": {"_and": [{"status": {"_eq": "draft"}}, {"views": {"_gt": 1}}]}}}, [3]),
    ({"author": {"id": {"_nin": []}}}, [1, 2, 3, 4, 5]),
    ({"author": {"_or": [{"_eq": 2}, {"age": {"_lt": 40}}]}}, [1, 2, 3]),
    ({"author": {"_neq": 1, "age": {"_gt": 40}}}, [3]),
    ({"author": {"articles": {"_some": {"status": {"_eq": "archived"}}}}}, [5]),
    ({"author": {"articles": {"_none": {"status": {"_eq": "published"}}}}}, [3, 4, 5]),
    ({"author": {"count(articles)": {"_eq": 2}}}, [1, 2]),
    ({"labels": {"labels_code": {"_eq": "red"}}}, [1]),
    ({"labels": {"labels_code": {"color": {"_eq": "#00f"}}}}, [1, 2]),
    ({"labels": {"_none": {"labels_code": {"color": {"_eq": "#00f"}}}}}, [3, 4, 5]),
    ({"labels": {"_some": {"labels_code": {"_eq": "red"}}, "_none": {"labels_code": {"_eq": "green"}}}}, [1]),
    ({"labels": {"_and": [{"_some": {"id": {"_eq": 1}}}, {"_some": {"labels_code": {"_eq": "blue"}}}]}}, [1]),
    ({"labels": {"labels_code": {"_eq": "red", "color": {"_eq": "#00f"}}}}, []),
    ({"labels": {"_or": [{"labels_code": {"_eq": "red"}}, {"labels_code": {"_eq": "green"}}]}}, [1]),
    ({"labels": {"_or": [{"_none": {}}, {"_some": {"labels_code": {"_eq": "red"}}}]}}, [1, 3, 4, 5]),
    ({"labels": {"_or": [{"_and": [{"_none": {"id": {"_eq": 3}}}, {"id": {"_gt": 1}}]}, {"id": {"_eq": 3}}]}}, [1, 2]),
    ({"ref": {"_eq": "$CURRENT_USER"}}, []),
    ({"ref": {"_neq": "$CURRENT_ROLE"}}, []),
    ({"title": {"_in": ["$CURRENT_ROLES", "First light"]}}, [1]),
    ({"title": {"_nin": "$CURRENT_POLICIES"}}, [1, 2, 3, 4, 5]),
    ({"title": {"_starts_with": "$CURRENT_USER.prefix"}}, [2]),
    ({"title": {"_contains": "$CURRENT_USER.unknown"}}, []),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "ids"), FILTERS, ids=[str(condition) for condition, _ in FILTERS])
async def test_filter_finds_articles(database: Database, condition: dict[str, Any], ids: list[int]) -> None:
    found = await run(database, ADMIN, "articles", {"filter": condition, "fields": ["id"], "sort": ["id"]})
    assert [row["id"] for row in found] == ids


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ({"blocks": {"item:articles": {"title": {"_eq": "Second wind"}}}}, [1]),
        ({"blocks": {"item:labels": {"color": {"_eq": "#f00"}}}}, [1]),
        ({"blocks": {"item:labels": {"color": {"_null": True}}}}, [1, 2, 3]),
        ({"blocks": {"_none": {"item:articles": {"id": {"_nnull": True}}}}}, [3]),
        ({"blocks": {"item": {"_eq": "404"}}}, [2]),
        ({"blocks": {"item:articles": {"_eq": "4"}}}, [2]),
        ({"blocks": {"item:articles": {"_eq": "1"}}}, []),
        ({"parent": {"parent": {"name": {"_eq": "home"}}}}, [3]),
        ({"children": {"children": {"id": {"_eq": 3}}}}, [1]),
        ({"count(children)": {"_eq": 0}}, [3]),
        ({"blocks": {"item:hidden_things": {"appearances": {"pages_id": {"name": {"_eq": "home"}}}}}}, [1]),
    ],
    ids=str,
)
async def test_filter_follows_relations_to_anything_and_to_itself(
    database: Database, condition: dict[str, Any], ids: list[int]
) -> None:
    found = await run(database, ADMIN, "pages", {"filter": condition, "fields": ["id"]})
    assert [row["id"] for row in found] == ids


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        (["title"], [1, 4, 2, 5, 3]),
        (["-title"], [3, 5, 2, 4, 1]),
        (["rating"], [2, 1, 3, 4, 5]),
        (["-rating"], [3, 4, 5, 1, 2]),
        (["body", "-id"], [4, 1, 5, 3, 2]),
        (["author.name", "-views"], [2, 1, 3, 5, 4]),
        (["-author.age"], [4, 5, 3, 1, 2]),
        (["year(day)"], [2, 1, 3, 4, 5]),
        (["-count(labels)"], [1, 2, 3, 4, 5]),
        (["day_name"], [2, 1, 3, 4, 5]),
        (["published"], [2, 1, 3, 4, 5]),
        (["tags"], [2, 1, 3, 4, 5]),
        ([], [1, 2, 3, 4, 5]),
    ],
    ids=str,
)
async def test_items_come_in_the_same_order_everywhere(database: Database, sort: list[str], ids: list[int]) -> None:
    found = await run(database, ADMIN, "articles", {"sort": sort, "fields": ["id"], "alias": {"day_name": "day"}})
    assert [row["id"] for row in found] == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("estate", [4]),
        ("FIRST", [1]),
        ("100%", [4]),
        ("250", [2]),
        ("12.50", [1]),
        ("9007199254740993", [1]),
        (FIRST_REF.upper(), [1]),
        ("pub", [1, 2, 4]),
        ("nowhere", []),
        ("_", [4]),
    ],
)
async def test_search_looks_into_texts_and_at_whole_numbers(database: Database, text: str, ids: list[int]) -> None:
    found = await run(database, ADMIN, "articles", {"search": text, "fields": ["id"], "sort": ["id"]})
    assert [row["id"] for row in found] == ids


@pytest.mark.parametrize(
    ("rights", "collection", "query", "ids"),
    [
        (MEMBER_RIGHTS, "notes", {}, [1, 2]),
        (MEMBER_RIGHTS, "notes", {"filter": {"id": {"_eq": 3}}}, []),
        (MEMBER_RIGHTS, "notes", {"search": "theirs"}, []),
        (MEMBER_RIGHTS, "articles", {"filter": {"author": {"articles": {"views": {"_gt": 250}}}}}, []),
        (MEMBER_RIGHTS, "authors", {"filter": {"articles": {"_some": {"title": {"_eq": "third draft"}}}}}, []),
        (MEMBER_RIGHTS, "authors", {"filter": {"articles": {"_none": {"id": {"_nnull": True}}}}}, [2, 3]),
        (MEMBER_RIGHTS, "authors", {"filter": {"count(articles)": {"_eq": 0}}}, [2, 3]),
        (MEMBER_RIGHTS, "authors", {"sort": ["-count(articles)", "-id"]}, [1, 3, 2]),
        (SENIOR_RIGHTS, "articles", {}, [1, 2, 3, 4]),
        (SENIOR_RIGHTS, "articles", {"filter": {"status": {"_eq": "draft"}}}, []),
        (SENIOR_RIGHTS, "articles", {"filter": {"status": {"_neq": "published"}}}, []),
        (SENIOR_RIGHTS, "articles", {"filter": {"status": {"_null": True}}}, [3]),
        (SENIOR_RIGHTS, "articles", {"filter": {"status": {"_nnull": True}}}, [1, 2, 4]),
        (SENIOR_RIGHTS, "articles", {"filter": {"status": {"_empty": True}}}, [3]),
        (SENIOR_RIGHTS, "articles", {"search": "draft"}, [3]),
        (SENIOR_RIGHTS, "articles", {"search": "draf", "filter": {"title": {"_ncontains": "draft"}}}, []),
        (SENIOR_RIGHTS, "articles", {"sort": ["status", "-id"]}, [4, 2, 1, 3]),
        (SENIOR_RIGHTS, "articles", {"filter": {"author": {"name": {"_eq": "Bo"}}}}, []),
        (SENIOR_RIGHTS, "articles", {"filter": {"author": {"name": {"_null": True}}}}, [3, 4]),
        (SENIOR_RIGHTS, "articles", {"filter": {"count(labels)": {"_null": True}}}, [3]),
        (SENIOR_RIGHTS, "articles", {"filter": {"labels": {"_none": {}}}}, [3, 4]),
        (SENIOR_RIGHTS, "articles", {"sort": ["-author.name", "id"]}, [3, 4, 1, 2]),
        (SENIOR_RIGHTS, "authors", {"filter": {"articles": {"status": {"_eq": "draft"}}}}, []),
        (SENIOR_RIGHTS, "authors", {"filter": {"articles": {"title": {"_eq": "third draft"}}}}, [2]),
        (NO_AUTHORS_RIGHTS, "articles", {"filter": {"author": {"_eq": 1}}}, [1, 2]),
    ],
    ids=lambda value: "" if isinstance(value, Rights) else str(value)[:60],
)
async def test_what_cannot_be_seen_decides_nothing(
    database: Database, rights: Rights, collection: str, query: dict[str, Any], ids: list[int]
) -> None:
    found = await run(database, rights, collection, {"fields": ["id"], **query})
    assert [row["id"] for row in found] == ids


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"filter": {"_or": [{"id": {"_eq": number}} for number in range(3_000)]}}, [1, 2, 3, 4, 5]),
        ({"filter": {"_and": [{"id": {"_neq": number}} for number in range(3, 3_000)]}}, [1, 2]),
        ({"filter": {"id": {"_in": list(range(2, 9_000))}}}, [2, 3, 4, 5]),
        ({"filter": {"title": {"_nin": [str(number) for number in range(9_000)]}}}, [1, 2, 3, 4, 5]),
        ({"filter": {"price": {"_lt": "9" * 900}}}, [1, 2]),
        ({"filter": {"price": {"_gt": "0." + "0" * 900 + "1"}}}, [1, 2]),
        ({"filter": {"rating": {"_lt": 1e300}}}, [1, 2]),
        ({"filter": {"body": {"_contains": "\U0001f600" * 5_000}}}, []),
        ({"sort": ["title", "-title"] * 2_000, "filter": {"id": {"_lt": 3}}}, [1, 2]),
        ({"offset": 10**15 - 1}, []),
        ({"limit": 10**14, "page": 10**14}, []),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
async def test_large_query_is_answered(database: Database, query: dict[str, Any], ids: list[int]) -> None:
    found = await run(database, ADMIN, "articles", {"fields": ["id"], **query})
    assert [row["id"] for row in found] == ids


def nested(depth: int) -> dict[str, Any]:
    condition: dict[str, Any] = {"views": {"_gte": 0}}
    for level in range(depth):
        condition = {"_or" if level % 2 else "_and": [{"id": {"_lt": 100}}, condition]}
    return condition


def related(depth: int) -> dict[str, Any]:
    condition: dict[str, Any] = {"id": {"_nnull": True}}
    for level in range(depth):
        condition = {"author" if (depth - level) % 2 else "articles": condition}
    return condition


@pytest.mark.parametrize("condition", [nested(46), related(10)], ids=["nested", "related"])
async def test_filter_that_is_too_deep_for_the_engine_is_an_invalid_query(
    database: Database, condition: dict[str, Any]
) -> None:
    query = {"fields": ["id"], "filter": condition}
    if database.capabilities.dialect == "sqlite":
        with pytest.raises(TidegateError) as refused:
            await run(database, ADMIN, "articles", query)
        assert refused.value.code == "INVALID_QUERY"
    else:
        assert len(await run(database, ADMIN, "articles", query)) >= 4


async def test_values_that_guards_multiply_are_counted(database: Database) -> None:
    rules = [rule({"title": {"_in": [str(number) for number in range(50)]}}), rule(fields=["id"])]
    condition = {"_or": [{"status": {"_eq": str(number)}} for number in range(1_500)]}
    with pytest.raises(InvalidQuery, match="compares too many values"):
        await run(database, rights_with({"articles": rules}), "articles", {"filter": condition, "fields": ["id"]})


async def test_aggregates_beyond_what_any_engine_takes_are_refused(database: Database) -> None:
    alias = {f"a{number}": "title" for number in range(600)}
    with pytest.raises(InvalidQuery, match="aggregates too much"):
        await run(database, ADMIN, "articles", {"alias": alias, "groupBy": list(alias)})
    with pytest.raises(InvalidQuery, match="too many fields"):
        await run(
            database, ADMIN, "articles", {"alias": dict.fromkeys(alias, "author"), "fields": [f"{a}.id" for a in alias]}
        )
