"""What reads answer, with how many statements, on real engines."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from tests.support import engines
from tests.support.schemas import (
    ADMIN,
    MEMBER,
    MEMBER_RIGHTS,
    NO_AUTHORS_RIGHTS,
    NOW,
    OTHER,
    ROWS,
    SENIOR_RIGHTS,
    filled_database,
    rights_with,
    rule,
    run,
)
from tidegate.access.rights import Rights
from tidegate.database.capabilities import Capabilities
from tidegate.database.engine import Database
from tidegate.items import read
from tidegate.items.read import read_meta, read_plan
from tidegate.query.expressions import Tables
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import ReadPlan, bind, plan_read

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=engines.DATABASE_ENGINES)
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    async with engines.temporary_database(request.param) as url, filled_database(url) as filled:
        yield filled


class CountedSource:
    """A database that remembers how many statements it was asked to run."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements = 0

    @property
    def tables(self) -> Tables:
        return self._database.tables

    @property
    def capabilities(self) -> Capabilities:
        return self._database.capabilities

    async def fetch(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        self.statements += 1
        return await self._database.fetch(statement)


def planned(database: Database, rights: Rights, collection: str, query: object) -> ReadPlan:
    plan = plan_read(parse_query(query, Limits()), collection, database.schema, rights, Limits())
    return bind(plan, rights.variables, NOW)


FIRST = {**ROWS["articles"][0], "labels": [1, 2]}
"""What was stored, as it was."""


async def test_every_type_is_answered_as_its_api_value(database: Database) -> None:
    found = await run(database, ADMIN, "articles", {"sort": ["id"]})
    assert found[0] == FIRST
    assert found[2] == dict.fromkeys(FIRST) | {
        "id": 3,
        "title": "third draft",
        "status": "draft",
        "views": 500,
        "author": 2,
        "labels": [],
    }
    assert [type(value) for value in found[0].values()] == [type(value) for value in FIRST.values()]


CASES: list[tuple[Rights, str, dict[str, Any], list[Any]]] = [
    (ADMIN, "messages", {"fields": ["text", "id"], "limit": 1, "offset": 1}, [{"text": "world", "id": 2}]),
    (ADMIN, "messages", {"fields": ["id"], "limit": 2, "page": 2}, [{"id": 3}]),
    (ADMIN, "messages", {"fields": ["id"], "limit": 0}, []),
    (ADMIN, "messages", {"fields": ["id"], "limit": -1, "offset": 2}, [{"id": 3}]),
    (MEMBER_RIGHTS, "labels", {"fields": ["code"]}, [{"code": "blue"}, {"code": "green"}, {"code": "red"}]),
    (MEMBER_RIGHTS, "site", {}, []),
    (
        ADMIN,
        "people",
        {"fields": ["password", "token"]},
        [{"password": "**********", "token": "**********"}, {"password": None, "token": None}],
    ),
    (ADMIN, "articles", {"fields": ["divider"], "limit": 1}, [{}]),
    (
        ADMIN,
        "articles",
        {"fields": ["headline", "when", "id"], "alias": {"headline": "title", "when": "year(day)"}, "limit": 1},
        [{"headline": "First light", "when": "2021", "id": 1}],
    ),
    (
        ADMIN,
        "articles",
        {"fields": ["year(published_on)", "week(day)", "second(at)", "count(labels)", "count(meta_data)"], "limit": 3},
        [
            {
                "published_on_year": "2021",
                "day_week": "5",
                "at_second": "6",
                "labels_count": "2",
                "meta_data_count": "0",
            },
            {
                "published_on_year": "2020",
                "day_week": "53",
                "at_second": "59",
                "labels_count": "1",
                "meta_data_count": "2",
            },
            {
                "published_on_year": None,
                "day_week": None,
                "at_second": None,
                "labels_count": "0",
                "meta_data_count": None,
            },
        ],
    ),
    (
        ADMIN,
        "articles",
        {"fields": ["author.name", "author.count(articles)", "id"], "filter": {"id": {"_in": [1, 4]}}},
        [{"author": {"name": "Ada", "articles_count": "2"}, "id": 1}, {"author": None, "id": 4}],
    ),
    (
        ADMIN,
        "articles",
        {"fields": ["labels.labels_code.code"], "limit": 3},
        [
            {"labels": [{"labels_code": {"code": "red"}}, {"labels_code": {"code": "blue"}}]},
            {"labels": [{"labels_code": {"code": "blue"}}]},
            {"labels": []},
        ],
    ),
    (
        ADMIN,
        "authors",
        {"fields": ["id", "articles.id"], "deep": {"articles": {"_limit": 1, "_sort": ["-id"]}}},
        [{"id": 1, "articles": [{"id": 2}]}, {"id": 2, "articles": [{"id": 3}]}, {"id": 3, "articles": [{"id": 5}]}],
    ),
    (
        ADMIN,
        "authors",
        {"fields": ["articles"], "deep": {"articles": {"_offset": 1, "_limit": -1}}},
        [{"articles": [2]}, {"articles": []}, {"articles": []}],
    ),
    (
        ADMIN,
        "authors",
        {"fields": ["articles"], "deep": {"articles": {"_limit": 1, "_page": 2}}},
        [{"articles": [2]}, {"articles": []}, {"articles": []}],
    ),
    (
        ADMIN,
        "authors",
        {"fields": ["articles"], "deep": {"articles": {"_search": "second"}}},
        [{"articles": [2]}, {"articles": []}, {"articles": []}],
    ),
    (
        ADMIN,
        "authors",
        {
            "fields": ["drafts.id", "others.t"],
            "alias": {"drafts": "articles", "others": "articles"},
            "deep": {
                "drafts": {"_filter": {"status": {"_eq": "draft"}}},
                "others": {"_filter": {"status": {"_neq": "draft"}}, "_alias": {"t": "title"}},
            },
        },
        [
            {"drafts": [], "others": [{"t": "First light"}, {"t": "Second wind"}]},
            {"drafts": [{"id": 3}], "others": []},
            {"drafts": [], "others": [{"t": "fifth column"}]},
        ],
    ),
    (
        ADMIN,
        "authors",
        {
            "fields": ["articles.id"],
            "deep": {"articles": {"_aggregate": {"sum": "views", "count": "*"}, "_group": "status"}},
        },
        [
            {"articles": [{"status": "published", "sum": {"views": "260"}, "count": "2"}]},
            {"articles": [{"status": "draft", "sum": {"views": "500"}, "count": "1"}]},
            {"articles": [{"status": "archived", "sum": {"views": "99"}, "count": "1"}]},
        ],
    ),
    (
        ADMIN,
        "articles",
        {"fields": ["author.name"], "deep": {"author": {"_filter": {"age": {"_gt": 40}}}}, "limit": 3},
        [{"author": None}, {"author": None}, {"author": {"name": "Bo"}}],
    ),
    (
        ADMIN,
        "pages",
        {"fields": ["blocks.item:articles.title", "blocks.item:labels.*", "blocks.collection"], "limit": 2},
        [
            {
                "blocks": [
                    {"item": {"code": "red", "color": "#f00"}, "collection": "labels"},
                    {"item": {"title": "Second wind"}, "collection": "articles"},
                    {"item": None, "collection": "hidden_things"},
                ]
            },
            {
                "blocks": [
                    {"item": {"title": "Fourth estate"}, "collection": "articles"},
                    {"item": None, "collection": "articles"},
                ]
            },
        ],
    ),
    (
        ADMIN,
        "pages_blocks",
        {"fields": ["item.id"], "deep": {"item:articles": {"_filter": {"id": {"_gt": 2}}}}},
        [{"item": None}, {"item": None}, {"item": {"id": 1}}, {"item": {"id": 4}}, {"item": None}, {"item": None}],
    ),
    (ADMIN, "pages_blocks", {"fields": ["item"], "limit": 2}, [{"item": "2"}, {"item": "red"}]),
    (
        ADMIN,
        "pages",
        {"fields": ["name", "children.children.name", "parent.name"], "filter": {"id": {"_eq": 1}}},
        [{"name": "home", "children": [{"children": [{"name": "old news"}]}], "parent": None}],
    ),
    (ADMIN, "hidden_things", {"fields": ["appearances.pages_id"]}, [{"appearances": [{"pages_id": 1}]}]),
    (ADMIN, "hidden_things", {"fields": ["count(appearances)"]}, [{"appearances_count": "1"}]),
    (MEMBER_RIGHTS, "notes", {"fields": ["owner"]}, [{"owner": MEMBER}, {"owner": MEMBER}]),
    (
        MEMBER_RIGHTS,
        "authors",
        {"fields": ["*", "articles.id"]},
        [
            {"id": 1, "name": "Ada", "articles": [{"id": 1}, {"id": 2}]},
            {"id": 2, "name": "Bo", "articles": []},
            {"id": 3, "name": "Cy", "articles": []},
        ],
    ),
    (
        SENIOR_RIGHTS,
        "articles",
        {"fields": ["id", "status", "author", "labels", "labels.id"]},
        [
            {"id": 1, "status": "published", "author": 1, "labels": [{"id": 1}, {"id": 2}]},
            {"id": 2, "status": "published", "author": 1, "labels": [{"id": 3}]},
            {"id": 3, "status": None, "author": None, "labels": None},
            {"id": 4, "status": "published", "author": None, "labels": []},
        ],
    ),
    (
        SENIOR_RIGHTS,
        "articles",
        {"fields": ["author.name", "count(labels)", "year(day)"], "filter": {"id": {"_eq": 3}}},
        [{"author": None, "labels_count": None, "day_year": None}],
    ),
    (
        rights_with({"articles": [rule()], "authors": [rule({"name": {"_neq": "Ada"}})]}),
        "articles",
        {"fields": ["author.name"], "limit": 3},
        [{"author": None}, {"author": None}, {"author": {"name": "Bo"}}],
    ),
    (NO_AUTHORS_RIGHTS, "articles", {"fields": ["author", "labels"], "limit": 1}, [{"author": 1, "labels": []}]),
    (
        rights_with({"authors": [rule()], "articles": [rule(fields=["title"])]}),
        "authors",
        {"fields": ["articles"], "limit": 1},
        [{"articles": []}],
    ),
    (
        rights_with({"authors": [rule()], "articles": [rule(fields=["title"]), rule({"views": {"_gt": 50}}, ["id"])]}),
        "authors",
        {"fields": ["articles", "articles.title"], "limit": 1},
        [{"articles": [{"title": "First light"}, {"title": "Second wind"}]}],
    ),
    (
        rights_with({"authors": [rule()], "articles": [rule(fields=["title"]), rule({"views": {"_gt": 50}}, ["id"])]}),
        "authors",
        {"fields": ["articles"], "limit": 1},
        [{"articles": [2]}],
    ),
]


@pytest.mark.parametrize(("rights", "collection", "query", "items"), CASES, ids=lambda value: str(value)[:60])
async def test_read_answers(
    database: Database, rights: Rights, collection: str, query: dict[str, Any], items: list[Any]
) -> None:
    found = await run(database, rights, collection, query)
    assert found == items
    assert [list(item) for item in found] == [list(item) for item in items], "in the order of the request"


@pytest.mark.parametrize(
    ("rights", "query", "groups"),
    [
        (
            ADMIN,
            {"aggregate": {"count": ["*"], "sum": ["views"], "max": ["views"]}},
            [{"count": "5", "sum": {"views": "859"}, "max": {"views": 500}}],
        ),
        (
            ADMIN,
            {"aggregate": {"count": ["*", "id"], "countAll": "*", "countDistinct": ["author", "status"]}},
            [{"count": {"*": "5", "id": "5"}, "countAll": "5", "countDistinct": {"author": "3", "status": "3"}}],
        ),
        (
            ADMIN,
            {
                "aggregate": {
                    "sum": "price,rating,big",
                    "avg": "views,price",
                    "avgDistinct": "views",
                    "sumDistinct": "views",
                }
            },
            [
                {
                    "sum": {"price": "12.60", "rating": "7.5", "big": "9007199254740998"},
                    "avg": {"views": "171.8", "price": "6.3"},
                    "avgDistinct": {"views": "171.8"},
                    "sumDistinct": {"views": "859"},
                }
            ],
        ),
        (
            ADMIN,
            {"aggregate": {"min": "title,day,at,price,big,published_on", "max": "year(day),count(labels)"}},
            [
                {
                    "min": {
                        "title": "First light",
                        "day": "2020-12-31",
                        "at": "04:05:06",
                        "price": "0.10",
                        "big": "5",
                        "published_on": "2020-12-31T23:59:59",
                    },
                    "max": {"year(day)": "2021", "count(labels)": "2"},
                }
            ],
        ),
        (
            ADMIN,
            {"aggregate": {"avg": ["rating"], "count": ["body"]}, "filter": {"id": {"_gt": 100}}},
            [{"avg": {"rating": None}, "count": {"body": "0"}}],
        ),
        (
            ADMIN,
            {"aggregate": {"count": ["id"]}, "groupBy": ["status"], "sort": ["-count.id", "status"]},
            [
                {"status": "published", "count": {"id": "3"}},
                {"status": "archived", "count": {"id": "1"}},
                {"status": "draft", "count": {"id": "1"}},
            ],
        ),
        (
            ADMIN,
            {"aggregate": {"count": "*"}, "groupBy": ["year(day)"], "sort": ["-year(day)"], "limit": 2},
            [{"day_year": None, "count": "3"}, {"day_year": "2021", "count": "1"}],
        ),
        (
            ADMIN,
            {"groupBy": ["s", "published"], "alias": {"s": "status"}, "offset": 3},
            [{"s": "published", "published": True}, {"s": "published", "published": None}],
        ),
        (
            SENIOR_RIGHTS,
            {"aggregate": {"count": ["*", "status"], "max": ["views"]}, "groupBy": ["status"]},
            [
                {"status": "published", "count": {"*": "3", "status": "3"}, "max": {"views": 250}},
                {"status": None, "count": {"*": "1", "status": "0"}, "max": {"views": 500}},
            ],
        ),
        (MEMBER_RIGHTS, {"aggregate": {"count": "*"}}, [{"count": "3"}]),
    ],
    ids=lambda value: "" if isinstance(value, Rights) else str(value)[:60],
)
async def test_aggregation_answers(
    database: Database, rights: Rights, query: dict[str, Any], groups: list[Any]
) -> None:
    assert await run(database, rights, "articles", query) == groups


@pytest.mark.parametrize(
    ("rights", "collection", "query", "statements"),
    [
        (ADMIN, "articles", {"fields": ["id", "title", "count(labels)"]}, 1),
        (ADMIN, "articles", {"fields": ["id", "author.name"], "sort": ["author.name"]}, 2),
        (ADMIN, "articles", {"fields": ["*", "author.*", "labels.labels_code.*"]}, 5),
        (ADMIN, "authors", {"fields": ["articles.labels.labels_code.color"]}, 4),
        (ADMIN, "pages", {"fields": ["blocks.item:articles.id", "blocks.item:labels.code"]}, 4),
        (NO_AUTHORS_RIGHTS, "articles", {"fields": ["labels"]}, 1),
        (ADMIN, "articles", {"fields": ["author.name"], "filter": {"author": {"_null": True}}}, 1),
        (ADMIN, "messages", {"search": "x" * 10, "fields": ["id"], "filter": {"_or": []}}, 0),
    ],
)
async def test_statements_grow_with_relations_and_not_with_rows(
    database: Database, rights: Rights, collection: str, query: dict[str, Any], statements: int
) -> None:
    source = CountedSource(database)
    await read_plan(source, planned(database, rights, collection, query))
    assert source.statements == statements


async def test_many_rows_relations_are_read_in_portions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "KEYS_PER_STATEMENT", 2)
    source = CountedSource(database)
    found = await read_plan(source, planned(database, ADMIN, "authors", {"fields": ["articles"]}))
    assert found == [{"articles": [1, 2]}, {"articles": [3]}, {"articles": [5]}]
    assert source.statements == 1 + 2


async def test_keys_restrict_a_plan_without_limit_and_offset(database: Database) -> None:
    plan = planned(
        database, MEMBER_RIGHTS, "notes", {"fields": ["id", "title"], "limit": 1, "offset": 1, "sort": "-id"}
    )
    assert await read_plan(database, plan.with_keys([1])) == [{"id": 1, "title": "mine"}]
    assert await read_plan(database, plan.with_keys(["1", 2, 3, "x"])) == [
        {"id": 2, "title": "also mine"},
        {"id": 1, "title": "mine"},
    ]
    assert await read_plan(database, plan.with_keys([3])) == []
    assert await read_plan(database, plan.with_keys(["x"])) == []


async def test_rule_with_a_list_is_read_by_key(database: Database) -> None:
    rights = rights_with({"messages": [rule({"text": {"_in": ["hello", "$CURRENT_USER"]}})]})
    plan = planned(database, rights, "messages", {"fields": ["id"]})
    assert await read_plan(database, plan.with_keys([1])) == [{"id": 1}]
    assert await read_plan(database, plan.with_keys([2])) == []


async def test_one_shape_serves_everybody_with_the_same_rules(database: Database) -> None:
    shape = plan_read(parse_query({"fields": ["id"]}, Limits()), "notes", database.schema, MEMBER_RIGHTS, Limits())
    for user, ids in ((MEMBER, [1, 2]), (OTHER, [3]), (None, []), ("nobody", [])):
        bound = bind(shape, {"$CURRENT_USER": user}, NOW)
        assert [row["id"] for row in await read_plan(database, bound)] == ids
        assert [row["id"] for row in await read_plan(database, bound.with_keys([3]))] == [
            id_ for id_ in ids if id_ == 3
        ]


async def test_read_inside_a_transaction_sees_its_writes(database: Database) -> None:
    table = database.tables["tokens"]
    plan = planned(database, ADMIN, "tokens", {"fields": ["name"]})
    async with database.transaction() as transaction:
        await transaction.execute(sa.insert(table).values(id=MEMBER, name="three"))
        assert {"name": "three"} in await read_plan(transaction, plan)
        assert await read_plan(transaction, plan.with_keys([MEMBER])) == [{"name": "three"}]
        await transaction.execute(sa.delete(table).where(table.c.id == MEMBER))
    assert {"name": "three"} not in await read_plan(database, plan)


@pytest.mark.parametrize(
    ("rights", "query", "counts"),
    [
        (
            ADMIN,
            {"meta": "*", "filter": {"status": {"_eq": "draft"}}, "limit": 1},
            {"total_count": 5, "filter_count": 1},
        ),
        (ADMIN, {"meta": "filter_count", "search": "i"}, {"filter_count": 5}),
        (MEMBER_RIGHTS, {"meta": "*", "filter": {"views": {"_gt": 1}}}, {"total_count": 3, "filter_count": 2}),
        (ADMIN, {}, {}),
    ],
)
async def test_meta_counts_visible_and_found_items(
    database: Database, rights: Rights, query: dict[str, Any], counts: dict[str, int]
) -> None:
    assert await read_meta(database, planned(database, rights, "articles", query)) == counts


async def test_meta_counts_with_variables(database: Database) -> None:
    plan = planned(database, MEMBER_RIGHTS, "notes", {"meta": "*", "filter": {"status": {"_eq": "done"}}})
    assert await read_meta(database, plan) == {"total_count": 2, "filter_count": 1}


async def test_meta_binds_variables_everywhere(database: Database) -> None:
    guarded = [rule(fields=["id"]), rule({"title": {"_neq": "$CURRENT_USER.prefix"}}, ["author", "labels", "day"])]
    author = {"articles": {"title": {"_starts_with": "$CURRENT_USER.prefix"}}}
    rights = rights_with(
        {
            "articles": [*guarded, rule({"author": author})],
            "authors": [rule({"name": {"_nin": ["$CURRENT_ROLES", "$CURRENT_USER"]}})],
            "articles_labels": [rule({"labels_code": {"_neq": "$CURRENT_USER.prefix"}})],
        }
    )
    wanted = {
        "_and": [{"count(labels)": {"_gte": 1}}, {"year(day)": {"_lte": 2021}}, {"author": {"name": {"_eq": "Ada"}}}]
    }
    plan = planned(database, rights, "articles", {"meta": "*", "filter": wanted, "sort": ["author.name"]})
    assert await read_meta(database, plan) == {"total_count": 5, "filter_count": 2}
    assert len(await read_plan(database, plan)) == 2
