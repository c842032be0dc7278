"""The SQL of plans, for each engine, without a database."""

from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.sql.compiler import SQLCompiler

from tests.support.schemas import (
    ADMIN,
    CAPABILITIES,
    MEMBER,
    MEMBER_RIGHTS,
    NOW,
    SENIOR_RIGHTS,
    Engine,
    build_schema,
)
from tidegate.access.rights import Rights
from tidegate.database.tables import build_tables
from tidegate.query.compile import Restriction, compile_count, read_statement, related_statement
from tidegate.query.condition import EVERY_ROW
from tidegate.query.expressions import Tables
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import ReadPlan, bind, plan_read
from tidegate.query.selection import Related
from tidegate.schema import Schema

DIALECTS: Mapping[Engine, sa.Dialect] = {
    "sqlite": make_url("sqlite://").get_dialect()(),
    "postgresql": make_url("postgresql+asyncpg://").get_dialect()(),
    "mariadb": make_url("mysql+asyncmy://").get_dialect()(),
}
SCHEMAS: Mapping[Engine, Schema] = {engine: build_schema(engine) for engine in CAPABILITIES}
TABLES: Mapping[Engine, Tables] = {
    engine: build_tables(SCHEMAS[engine], capabilities) for engine, capabilities in CAPABILITIES.items()
}


def planned(engine: Engine, rights: Rights, collection: str, query: object) -> ReadPlan:
    plan = plan_read(parse_query(query, Limits()), collection, SCHEMAS[engine], rights, Limits())
    return bind(plan, rights.variables, NOW)


def sql(engine: Engine, statement: sa.Select[Any]) -> tuple[str, list[Any]]:
    """The text on one line, and the bound values in the order of their places."""
    compiled = statement.compile(dialect=DIALECTS[engine])
    assert isinstance(compiled, SQLCompiler)
    expanded = compiled.construct_expanded_state()
    return " ".join(expanded.statement.split()), list(expanded.positional_parameters)


def read(engine: Engine, plan: ReadPlan) -> sa.Select[Any]:
    """What the plan reads of its own collection."""
    restriction = Restriction.NONE if plan.keys is None else Restriction.KEYS
    statement = read_statement(plan.selection, restriction, TABLES[engine], CAPABILITIES[engine])
    return statement.select.params(statement.values(plan.argument, plan.keys))


def where(engine: Engine, condition: object) -> tuple[str, list[Any]]:
    """What a filter of articles becomes."""
    plan = planned(engine, ADMIN, "articles", {"filter": condition, "fields": ["id"], "limit": -1})
    text, values = sql(engine, read(engine, plan))
    return text.split(" WHERE ", 1)[1].rsplit(" ORDER BY ", 1)[0], values


@pytest.mark.parametrize(
    ("condition", "sqlite_sql", "postgresql_sql", "mariadb_sql", "values"),
    [
        (
            {"views": {"_eq": 5}},
            '"articles"."views" = ?',
            '"articles"."views" = $1::BIGINT',
            "`articles`.`views` = %s",
            [5],
        ),
        (
            {"title": {"_eq": "x"}},
            '"articles"."title" = ?',
            '"articles"."title" = $1::VARCHAR',
            "`articles`.`title` = %s AND CAST(CAST(`articles`.`title` AS CHAR) AS BINARY) = %s",
            ["x"],
        ),
        (
            {"title": {"_neq": "x"}},
            '"articles"."title" != ?',
            '"articles"."title" != $1::VARCHAR',
            "CAST(CAST(`articles`.`title` AS CHAR) AS BINARY) != %s",
            ["x"],
        ),
        (
            {"title": {"_lt": "x"}},
            '"articles"."title" < ?',
            '("articles"."title" COLLATE "C") < $1::VARCHAR',
            "CAST(CAST(`articles`.`title` AS CHAR) AS BINARY) < %s",
            ["x"],
        ),
        (
            {"title": {"_starts_with": "50%_/"}},
            '"articles"."title" LIKE ? ESCAPE \'/\'',
            '"articles"."title" LIKE $1::VARCHAR ESCAPE \'/\'',
            "CAST(CAST(`articles`.`title` AS CHAR) AS BINARY) LIKE CAST(CAST(%s AS CHAR) AS BINARY) ESCAPE '/'",
            ["50/%/_//%"],
        ),
        (
            {"title": {"_nicontains": "X"}},
            'lower("articles"."title") NOT LIKE lower(?) ESCAPE \'/\'',
            'lower("articles"."title") NOT LIKE lower($1::VARCHAR) ESCAPE \'/\'',
            "CAST(CAST(lower(`articles`.`title`) AS CHAR) AS BINARY) "
            "NOT LIKE CAST(CAST(lower(%s) AS CHAR) AS BINARY) ESCAPE '/'",
            ["%X%"],
        ),
        (
            {"views": {"_nin": [1, 2]}},
            '("articles"."views" NOT IN (?, ?))',
            '("articles"."views" NOT IN ($1::BIGINT, $2::BIGINT))',
            "(`articles`.`views` NOT IN (%s, %s))",
            [1, 2],
        ),
        (
            {"body": {"_empty": True}},
            '"articles"."body" IS NULL OR "articles"."body" = ?',
            '"articles"."body" IS NULL OR ("articles"."body" COLLATE "C") = $1::VARCHAR',
            "`articles`.`body` IS NULL OR CAST(CAST(`articles`.`body` AS CHAR) AS BINARY) = %s",
            [""],
        ),
        (
            {"views": {"_between": [1, 5]}},
            '"articles"."views" >= ? AND "articles"."views" <= ?',
            '"articles"."views" >= $1::BIGINT AND "articles"."views" <= $2::BIGINT',
            "`articles`.`views` >= %s AND `articles`.`views` <= %s",
            [1, 5],
        ),
        (
            {"tags": {"_contains": "x"}},
            'CAST("articles"."tags" AS TEXT) LIKE ? ESCAPE \'/\'',
            'CAST("articles"."tags" AS TEXT) LIKE $1::VARCHAR ESCAPE \'/\'',
            "CAST(CAST(CAST(`articles`.`tags` AS CHAR) AS CHAR) AS BINARY) "
            "LIKE CAST(CAST(%s AS CHAR) AS BINARY) ESCAPE '/'",
            ["%x%"],
        ),
        (
            {"author": {"age": {"_gt": 1}}},
            'EXISTS (SELECT 1 FROM "authors" AS authors_1 WHERE authors_1."id" = "articles"."author" '
            'AND authors_1."age" > ?)',
            'EXISTS (SELECT 1 FROM "authors" AS authors_1 WHERE authors_1."id" = "articles"."author" '
            'AND authors_1."age" > $1::BIGINT)',
            "EXISTS (SELECT 1 FROM `authors` AS authors_1 WHERE authors_1.`id` = `articles`.`author` "
            "AND authors_1.`age` > %s)",
            [1],
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_filter_becomes_sql(
    condition: object, sqlite_sql: str, postgresql_sql: str, mariadb_sql: str, values: list[Any]
) -> None:
    expected: dict[Engine, str] = {"sqlite": sqlite_sql, "postgresql": postgresql_sql, "mariadb": mariadb_sql}
    assert {engine: where(engine, condition)[0] for engine in DIALECTS} == expected
    assert where("sqlite", condition)[1] == values


@pytest.mark.parametrize(
    ("engine", "order"),
    [
        ("sqlite", '"articles"."title" DESC NULLS FIRST, "articles"."views" ASC NULLS LAST, "articles"."id" ASC'),
        ("postgresql", '"articles"."title" COLLATE "C" DESC, "articles"."views" ASC, "articles"."id" ASC'),
        (
            "mariadb",
            "CAST(CAST(`articles`.`title` AS CHAR) AS BINARY) IS NULL DESC, "
            "CAST(CAST(`articles`.`title` AS CHAR) AS BINARY) DESC, "
            "`articles`.`views` IS NULL ASC, `articles`.`views` ASC, `articles`.`id` ASC",
        ),
    ],
)
def test_nulls_come_last_in_ascending_order(engine: Engine, order: str) -> None:
    plan = planned(engine, ADMIN, "articles", {"sort": ["-title", "views"], "fields": ["id"], "limit": -1})
    text, _ = sql(engine, read(engine, plan))
    assert text.split(" ORDER BY ", 1)[1].removesuffix(" LIMIT ? OFFSET ?") == order


def test_guard_stands_beside_the_test_and_around_the_value() -> None:
    plan = planned("sqlite", SENIOR_RIGHTS, "articles", {"fields": ["status"], "filter": {"status": {"_eq": "x"}}})
    text, values = sql("sqlite", read("sqlite", plan.with_keys([1])))
    assert text == (
        'SELECT CASE WHEN ("articles"."status" = ?) THEN "articles"."status" END AS c0 FROM "articles" '
        'WHERE ("articles"."status" = ? OR "articles"."views" >= ?) AND "articles"."status" = ? '
        'AND "articles"."status" = ? AND "articles"."id" IN (?) ORDER BY "articles"."id" ASC'
    )
    assert values == ["published", "published", 100, "published", "x", 1]


def test_secret_never_leaves_the_database() -> None:
    plan = planned("sqlite", ADMIN, "people", {"fields": ["token"], "limit": -1})
    text, values = sql("sqlite", read("sqlite", plan))
    assert text.startswith('SELECT CASE WHEN ("people"."token" IS NOT NULL) THEN ? END AS c0 FROM "people"')
    assert "**********" in values


def test_count_needs_no_columns() -> None:
    table = TABLES["sqlite"]["notes"]
    assert sql("sqlite", compile_count(EVERY_ROW, table, TABLES["sqlite"], CAPABILITIES["sqlite"])) == (
        'SELECT count(*) AS count_1 FROM "notes" WHERE 1 = 1',
        [],
    )


def test_groups_are_made_of_plain_columns() -> None:
    query = {"aggregate": {"sum": ["views"]}, "groupBy": ["status"], "limit": -1}
    plan = planned("postgresql", SENIOR_RIGHTS, "articles", query)
    text, _ = sql("postgresql", read("postgresql", plan))
    assert text == (
        "SELECT anon_1.g0, sum(anon_1.m0) AS sum_1 FROM (SELECT CASE WHEN "
        '("articles"."status" = $1::VARCHAR) THEN "articles"."status" END COLLATE "C" AS g0, "articles"."views" AS m0 '
        'FROM "articles" WHERE "articles"."status" = $2::VARCHAR OR "articles"."views" >= $3::BIGINT) AS anon_1 '
        "GROUP BY anon_1.g0 ORDER BY anon_1.g0 ASC"
    )


def test_limit_of_related_rows_holds_for_each_parent() -> None:
    query = {"fields": ["articles"], "deep": {"articles": {"_limit": 2, "_offset": 1}}}
    [related] = planned("sqlite", ADMIN, "authors", query).selection.outputs
    assert isinstance(related, Related)
    statement = related_statement(related, TABLES["sqlite"], CAPABILITIES["sqlite"])
    assert sql("sqlite", statement.select.params(keys=[1])) == (
        'SELECT anon_1.c0, anon_1.near FROM (SELECT "articles"."id" AS c0, "articles"."author" AS near, row_number() '
        'OVER (PARTITION BY "articles"."author" ORDER BY "articles"."id" ASC) AS position FROM "articles" '
        'WHERE "articles"."author" IN (?)) AS anon_1 WHERE anon_1.position > ? AND anon_1.position <= ? '
        "ORDER BY anon_1.position",
        [1, 1, 3],
    )


def test_statement_is_built_once_and_takes_the_values_of_whoever_asks() -> None:
    shape = plan_read(parse_query({}, Limits()), "notes", SCHEMAS["sqlite"], MEMBER_RIGHTS, Limits())
    statement = read_statement(shape.selection, Restriction.KEY, TABLES["sqlite"], CAPABILITIES["sqlite"])
    again = read_statement(shape.selection, Restriction.KEY, TABLES["sqlite"], CAPABILITIES["sqlite"])
    assert statement is again
    bound = bind(shape, {"$CURRENT_USER": MEMBER}, NOW)
    assert statement.values(bound.argument, 7) == {"variable_0": MEMBER, "keys": 7}


def test_statement_is_built_again_for_other_tables() -> None:
    shape = plan_read(parse_query({}, Limits()), "notes", SCHEMAS["sqlite"], ADMIN, Limits())
    fresh = build_tables(SCHEMAS["sqlite"], CAPABILITIES["sqlite"])
    statement = read_statement(shape.selection, Restriction.NONE, TABLES["sqlite"], CAPABILITIES["sqlite"])
    assert read_statement(shape.selection, Restriction.NONE, fresh, CAPABILITIES["sqlite"]) is not statement


def test_pattern_with_a_variable_is_made_when_the_statement_is_run() -> None:
    query = {"filter": {"title": {"_starts_with": "$CURRENT_USER.prefix"}}, "fields": ["id"]}
    plan = planned("sqlite", ADMIN, "articles", query)
    statement = read_statement(plan.selection, Restriction.NONE, TABLES["sqlite"], CAPABILITIES["sqlite"])
    assert statement.values(plan.argument) == {"variable_0": "Sec%"}
    unknown = bind(plan, {"$CURRENT_USER.prefix": None}, NOW)
    assert statement.values(unknown.argument) == {"variable_0": None}
