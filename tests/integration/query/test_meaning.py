"""Deciding in memory gives what the database gives: on random rows, rules and filters, on every engine."""

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.schemas import ADMIN, MEMBER, NOW, OTHER, rights_with, rule, run
from tidegate.access.rights import Rights
from tidegate.database.engine import Database
from tidegate.items.read import read_plan
from tidegate.query.compile import compile_condition
from tidegate.query.evaluate import projector, row_predicate
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import bind, plan_read

pytestmark = pytest.mark.asyncio(loop_scope="module")

POOLS: dict[str, list[Any]] = {
    "title": [
        "",
        " ",
        "a",
        "A",
        "b",
        "a ",
        "aB",
        "é",
        "É",
        "ß",
        "%",
        "_",
        "a_b",
        "/",
        "\\",
        "'",
        "\U0001f600",
        "\uffee",
    ],
    "views": [-3, 0, 1, 2, 10],
    "big": ["-9223372036854775808", "-1", "0", "9", "10", "9007199254740992", "9007199254740993"],
    "price": ["-1.00", "0.00", "0.10", "0.20", "0.30", "9.00", "10.00"],
    "published": [True, False],
    "ref": [MEMBER, OTHER],
}
"""Values that are next to one another in some order, or alike in some collation."""
TEXTS = st.text("aAbBéÉeß%_/\\'\" \U0001f600\uffee", max_size=3)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "title": TEXTS | st.sampled_from(POOLS["title"]),
    "body": TEXTS,
    **{name: st.sampled_from(POOLS[name]) for name in ("views", "big", "price", "published", "ref")},
}
VARIABLES = st.sampled_from(["$CURRENT_USER", "$CURRENT_ROLE"])
_SIGNS = ["_eq", "_neq"]
_ORDER = ["_lt", "_lte", "_gt", "_gte"]
_BETWEEN = ["_between", "_nbetween"]
_PATTERNS = ["_contains", "_ncontains", "_starts_with", "_nstarts_with", "_ends_with", "_nends_with"]
OPERATORS = {
    "title": _SIGNS + _ORDER + _PATTERNS,
    "body": _SIGNS + _ORDER + _PATTERNS,
    "views": _SIGNS + _ORDER,
    "big": _SIGNS + _ORDER,
    "price": _SIGNS + _ORDER,
    "published": _SIGNS,
    "ref": _SIGNS + _ORDER,
}

ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), min_size=1, max_size=8
)


def checks(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Filters on one field: one operator with its value."""
    value = st.none() | VALUES[name] | (VARIABLES if name in ("title", "ref") else st.nothing())
    one = st.tuples(st.sampled_from(OPERATORS[name]), value)
    several = st.tuples(st.sampled_from(["_in", "_nin"]), st.lists(value, max_size=3))
    presence = st.tuples(st.sampled_from(["_null", "_nnull", "_empty", "_nempty"]), st.booleans())
    kinds = [one, several, presence]
    if name != "published":
        kinds.append(st.tuples(st.sampled_from(_BETWEEN), st.lists(VALUES[name], min_size=2, max_size=2)))
    return st.one_of(kinds).map(lambda check: {name: {check[0]: check[1]}})


LEAVES = st.sampled_from(list(VALUES)).flatmap(checks)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.tuples(st.sampled_from(["_and", "_or"]), st.lists(inner, max_size=3)).map(
        lambda combined: {combined[0]: combined[1]}
    ),
    max_leaves=5,
)
RULES = st.lists(
    st.builds(rule, FILTERS, st.lists(st.sampled_from([*VALUES, "id"]), min_size=1, max_size=8)), min_size=1, max_size=3
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Rights, dict[str, Any]]:
    """Rights, and a query that they allow."""
    rules = draw(RULES)
    rights = rights_with({"articles": rules})
    names = [name for name in VALUES if any(each.names(name) for each in rules)]
    query: dict[str, Any] = {"fields": draw(st.lists(st.sampled_from(names), unique=True)) if names else []}
    if names:
        query["filter"] = draw(st.sampled_from(names).flatmap(checks))
    return rights, query


async def refill(database: Database, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Replace all articles. Returns their images."""
    table = database.tables["articles"]
    async with database.transaction() as transaction:
        await transaction.execute(sa.delete(table))
        await transaction.execute(sa.insert(table).values([{"id": key, **row} for key, row in enumerate(rows, 1)]))
    return await run(database, ADMIN, "articles", {"fields": ["*"], "sort": ["id"], "limit": -1})


async def compare(database: Database, images: list[dict[str, Any]], filters: list[dict[str, Any]]) -> None:
    """Ask the database and the images which rows match each of the filters."""
    table = database.tables["articles"]
    for start in range(0, len(filters), 100):
        part = filters[start : start + 100]
        plans = [
            plan_read(parse_query({"filter": each}, Limits()), "articles", database.schema, ADMIN, Limits())
            for each in part
        ]
        conditions = [bind(plan, ADMIN.variables, NOW).condition for plan in plans]
        columns = [
            sa.case((compile_condition(each, table, database.tables, database.capabilities), 1), else_=0)
            for each in conditions
        ]
        rows = await database.fetch(sa.select(*columns).select_from(table).order_by(table.c.id))
        for number, condition in enumerate(conditions):
            predicate = row_predicate(condition)
            assert predicate is not None, "there is nothing in these filters that a row's image does not tell"
            found = [bool(row[number]) for row in rows]
            assert found == [predicate(image) for image in images], part[number]


@pytest.mark.parametrize("name", POOLS)
async def test_every_operator_decides_on_every_value_as_the_database(database: Database, name: str) -> None:
    pool = [*POOLS[name], None]
    images = await refill(database, [dict.fromkeys(VALUES) | {name: value} for value in pool])
    filters = [{name: {operator: value}} for operator in OPERATORS[name] for value in pool]
    filters += [{name: {operator: [one, other]}} for operator in ("_in", "_nin") for one in pool for other in pool[-2:]]
    filters += [{name: {operator: flag}} for operator in ("_null", "_nnull", "_empty") for flag in (True, False)]
    if name != "published":
        filters += [{name: {operator: [one, other]}} for operator in _BETWEEN for one in pool for other in pool]
    await compare(database, images, filters)


EXAMPLES = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


@EXAMPLES
@given(ROWS, st.lists(FILTERS, min_size=1, max_size=15))
async def test_predicate_matches_what_the_database_finds(
    database: Database, rows: list[dict[str, Any]], filters: list[dict[str, Any]]
) -> None:
    await compare(database, await refill(database, rows), filters)


@EXAMPLES
@given(ROWS, st.lists(questions(), min_size=1, max_size=5))
async def test_rules_show_in_memory_what_they_show_in_the_database(
    database: Database, rows: list[dict[str, Any]], asked: list[tuple[Rights, dict[str, Any]]]
) -> None:
    images = await refill(database, rows)
    for rights, query in asked:
        shape = plan_read(parse_query({**query, "sort": []}, Limits()), "articles", database.schema, rights, Limits())
        plan = bind(shape, rights.variables, NOW)
        predicate, project = row_predicate(plan.condition), projector(plan)
        assert predicate is not None
        assert project is not None
        expected = [project(image) for image in images if predicate(image)]
        assert await read_plan(database, plan) == expected, query
