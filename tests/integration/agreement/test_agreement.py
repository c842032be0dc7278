"""The databases agree with one another and with a naive evaluation, on random projects, permissions and questions.

The same projects come in every run; `AGREEMENT_PROJECTS=500` asks for that many new ones.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings

from tests.integration.agreement import naive
from tests.integration.agreement.worlds import (
    ADDRESS,
    LINKS,
    LONG,
    MANY,
    NOW,
    ONE,
    VARIABLES,
    WAYS,
    Permission,
    Question,
    Shape,
    World,
    worlds,
)
from tests.support import engines, schemas
from tidegate.access import policies
from tidegate.access.identity import Public, User
from tidegate.access.network import Addresses
from tidegate.access.rights import Rights
from tidegate.database.bootstrap import bootstrap
from tidegate.database.catalog import ForeignKey
from tidegate.database.ddl import create_table, quote, run
from tidegate.database.engine import Database, create_database
from tidegate.errors import Forbidden, InvalidQuery
from tidegate.items.read import read_meta, read_plan
from tidegate.query.evaluate import row_predicate
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import ReadPlan, bind, plan_read
from tidegate.schema import Field, FieldType

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN = Rights(Public(), admin=True, variables=VARIABLES)
ASKED = os.environ.get("AGREEMENT_PROJECTS")
PROJECTS = int(ASKED or 20)
"""A project takes one to two seconds on three databases, and each asks ten to sixteen questions."""
SPECIAL = {"csv": "cast-csv", "hash": "hash", "concealed": "conceal"}
Databases = Mapping[str, Database]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def databases() -> AsyncIterator[Databases]:
    """Those that are there, bootstrapped. At least two, or there is nothing to agree."""
    async with contextlib.AsyncExitStack() as stack:
        found: dict[str, Database] = {}
        for engine in engines.DATABASE_ENGINES:
            with contextlib.suppress(pytest.skip.Exception):  # the summary of the run names what is missing
                url = await stack.enter_async_context(engines.temporary_database(engine))
                found[engine] = create_database(schemas.settings_of(url))
                stack.push_async_callback(found[engine].stop)
                await found[engine].start()
                await bootstrap(found[engine], None)
        yield found


def field_of(collection: str, name: str, kind: str) -> Field:
    return Field(
        collection,
        name,
        FieldType("string" if kind == "concealed" else kind),
        special=(SPECIAL[kind],) if kind in SPECIAL else (),
        nullable=name != "id",
        primary_key=name == "id",
        numeric_precision=10 if kind == "decimal" else None,
        numeric_scale=2 if kind == "decimal" else None,
    )


def relations() -> list[dict[str, Any]]:
    """The rows of `directus_relations`."""
    rows = []
    for (collection, name), way in WAYS.items():
        if way.kind == "o2m":
            continue
        back = {field: view for (_, field), view in WAYS.items() if (*view.targets, view.far) == (collection, name)}
        rows.append(
            {
                "many_collection": collection,
                "many_field": name,
                "one_collection": way.targets[0] if way.kind == "m2o" else None,
                "one_field": next(iter(back)),
                "one_collection_field": way.named,
                "one_allowed_collections": ",".join(way.targets) if way.kind == "a2o" else None,
                "sort_field": next(iter(back.values())).sort,
            }
        )
    return rows


async def build(database: Database, world: World) -> None:
    """Make the project in the place of the one before."""
    fields = {
        name: [field_of(name, column, kind) for column, kind in shape.columns.items()]
        for name, shape in world.shapes.items()
    }
    keys: dict[str, list[ForeignKey]] = {name: [] for name in fields}
    for (collection, name), way in WAYS.items():
        if way.kind == "m2o":
            keys[collection].append(ForeignKey(collection, name, way.targets[0], "id", "no action", "no action", None))

    def make_tables(connection: sa.Connection) -> None:
        for name in (LINKS, MANY, ONE):
            run(connection, f"DROP TABLE IF EXISTS {quote(name, connection.dialect)}")
        for name in (ONE, MANY, LINKS):
            for statement in create_table(name, fields[name], keys[name], connection.dialect):
                run(connection, statement)

    lists = [Field(owner, name, FieldType.ALIAS, ("o2m",)) for (owner, name), way in WAYS.items() if way.kind == "o2m"]
    special = [
        {"collection": each.collection, "field": each.name, "special": list(each.special)}
        for each in (*(field for several in fields.values() for field in several), *lists)
        if each.special
    ]
    async with database.restructuring() as transaction:
        await transaction.run(make_tables)
        for table, rows in (("directus_fields", special), ("directus_relations", relations())):
            await transaction.execute(sa.delete(database.tables[table]))
            await transaction.execute(sa.insert(database.tables[table]).values(rows))
    await database.reload()
    async with database.transaction() as transaction:
        for name in (ONE, MANY, LINKS):
            for row in world.rows[name]:
                await transaction.execute(sa.insert(database.tables[name]).values(row))


def rights_of(question: Question) -> Rights:
    """What the policies add up to for a user at `ADDRESS`."""
    if question.permissions is None:
        return ADMIN
    bound: list[policies.Binding] = []
    several: list[policies.Policy] = []
    rules: list[policies.Permission] = []
    for number, each in enumerate(question.permissions):
        policy = f"p{number}"
        addresses = None if each.addresses is None else Addresses(each.addresses)
        several.append(policies.Policy(policy, addresses=addresses))
        role = {"role": "child", "parent role": "parent"}.get(each.bound_to)
        bound.append(policies.Binding(policy, role, "user" if each.bound_to == "user" else None))
        rule = schemas.rule(each.filter, each.fields)
        rules.append(policies.Permission(number, policy, each.collection, "read", rule))
    user = User("user", ip=ADDRESS)
    everything = policies.Policies({"child": "parent", "parent": None}, several, bound, rules)
    in_force = everything.for_user(user, "child", second_factor=False)
    return Rights(user, rules=in_force.rule_set.rules, variables=VARIABLES)


def planned(database: Database, question: Question) -> ReadPlan:
    rights, query = rights_of(question), parse_query({**question.query, "meta": "*"}, Limits())
    return bind(plan_read(query, question.collection, database.schema, rights, Limits()), rights.variables, NOW)


def edges() -> World:
    """What chance meets too seldom: where engines have limits, or names for values that are none."""
    kinds = {
        "label": "text",
        "word": "string",
        "big": "bigInteger",
        "day": "date",
        "price": "decimal",
        "share": "float",
        "tags": "csv",
        "at": "timestamp",
    }
    texts = dict.fromkeys(("item", "kind"), "string")
    shapes = {
        ONE: Shape({"id": "integer", **kinds, "boss": "integer"}),
        MANY: Shape({"id": "integer", "parent": "integer"}),
        LINKS: Shape({"id": "integer", "one": "integer", "many": "integer", **texts, "rank": "integer"}),
    }
    rows: list[tuple[Any, ...]] = [
        (LONG + "b", "É", "9223372036854775807", "9999-12-31", "0.10", 2.0**1000, ["x"], "2020-12-31T23:59:59.999Z"),
        (LONG + "a", "é", "9223372036854775807", "0001-01-01", "0.20", 2.0**1000, ["X"], None),
        (LONG, None, "9007199254740993", "2020-02-29", "0.30", 0.5, ["x", "y"], None),
    ]
    numbered = [{"id": at, **dict(zip(kinds, row, strict=True)), "boss": None} for at, row in enumerate(rows, start=1)]
    numbered[2]["boss"] = 1
    hiding = Permission(ONE, {"id": {"_gt": 1}}, ["word"], "user", None, True)
    queries: list[tuple[dict[str, Any], list[Permission] | None]] = [
        ({"fields": ["id"], "sort": ["label"]}, None),
        ({"aggregate": {"count": ["*"]}, "groupBy": ["label"], "sort": ["-label"]}, None),
        (
            {"aggregate": {name: ["big", "price", "share"] for name in ("sum", "avg", "sumDistinct", "avgDistinct")}},
            None,
        ),
        ({"fields": ["id", "year(day)", "month(day)", "day"], "filter": {"year(day)": {"_neq": 2020}}}, None),
        ({"aggregate": {"min": ["day"], "max": ["day"]}}, None),
        ({"fields": ["id", "second(at)"], "filter": {"tags": {"_neq": "x"}}}, None),
        ({"fields": ["second(at)"], "filter": {"tags": {"_in": ["x"]}}}, None),
        ({"fields": ["id"], "filter": {"word": {"_icontains": "É"}}}, None),
        ({"fields": ["id"], "search": "é"}, None),
        ({"fields": ["id"], "filter": {"word": {"_nin": "$CURRENT_POLICIES"}}}, None),
        ({"fields": ["word"], "filter": {"word": {"_nin": ["$CURRENT_POLICIES"]}}}, [replace(hiding, filter={})]),
        (
            {"fields": ["word"], "filter": {"word": {"_nin": "$CURRENT_POLICIES"}}},
            [hiding, replace(hiding, filter={}, fields=["id"])],
        ),
    ]
    queries += [
        ({"fields": ["id"], "filter": {"boss": condition}}, permissions)
        for condition in (
            {"word": {"_nin": "$CURRENT_POLICIES"}},
            {"word": {"_nin": ["É", "$CURRENT_POLICIES"]}},
            {"boss": {"label": {"_nin": ["$CURRENT_POLICIES", "$CURRENT_POLICIES"]}}},
            {"_or": [{"year(day)": {"_nin": "$CURRENT_POLICIES"}}, {"word": {"_eq": "é"}}]},
            {"_and": [{"big": {"_nin": "$CURRENT_POLICIES"}}, {"word": {"_null": True}}]},
        )
        for permissions in (None, [hiding, replace(hiding, filter={}, fields=["id", "boss", "day", "big", "label"])])
    ]
    queries += [
        ({"fields": ["id"], "filter": {name: {operator: bounds}}}, None)
        for name, bounds in (
            ("id", [None, 1]),
            ("id", [2, None]),
            ("word", ["$CURRENT_ROLE", "A"]),
            ("label", ["y", None]),
        )
        for operator in ("_between", "_nbetween")
    ]
    questions = [Question(ONE, {"fields": ["id"], **query}, permissions) for query, permissions in queries]
    return World(shapes, {ONE: numbered, MANY: [], LINKS: []}, questions)


@settings(max_examples=PROJECTS, deadline=None, derandomize=ASKED is None, suppress_health_check=list(HealthCheck))
@given(worlds())
@example(edges())
async def test_databases_answer_alike_and_as_expected(databases: Databases, world: World) -> None:
    stored: dict[str, dict[str, Any]] = {}
    for engine, database in databases.items():
        await build(database, world)
        for name, shape in world.shapes.items():
            asked = parse_query({"fields": list(shape.columns), "limit": -1}, Limits())
            rows = await read_plan(database, plan_read(asked, name, database.schema, ADMIN, Limits()))
            as_read = [
                {
                    column: naive.CONCEALED if shape.columns[column] == "concealed" and value is not None else value
                    for column, value in row.items()
                }
                for row in world.rows[name]
            ]
            stored[name] = {row["id"]: row for row in rows}
            assert stored[name] == {row["id"]: row for row in as_read}, engine
    for question in world.questions:
        for engine, database in databases.items():
            if question.forbidden:
                with pytest.raises((Forbidden, InvalidQuery)):
                    planned(database, question)
                continue
            plan = planned(database, question)
            answer = await read_plan(database, plan), await read_meta(database, plan)
            assert answer == naive.answer(world, question), (engine, question)
            decides = row_predicate(plan.condition)
            if decides is not None:
                in_memory = [
                    row["id"]
                    for row in world.rows[question.collection]
                    if decides(stored[question.collection][row["id"]])
                ]
                assert in_memory == naive.found(world, question), (engine, question, "decided in memory")
