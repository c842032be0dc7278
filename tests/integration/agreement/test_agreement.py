"""The databases agree with one another and with a naive evaluation, on random projects, rules and questions."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from tests.integration.agreement import naive
from tests.integration.agreement.worlds import CHILDREN, MANY, ONE, PARENT, Question, Rule, Shape, World, worlds
from tests.support import engines, schemas
from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.database.bootstrap import bootstrap
from tidegate.database.catalog import ForeignKey
from tidegate.database.ddl import create_table, quote, run
from tidegate.database.engine import Database, create_database
from tidegate.errors import Forbidden
from tidegate.items.read import read_meta, read_plan
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import bind, plan_read
from tidegate.schema import Field, FieldType

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN = Rights(Public(), admin=True)
PROJECTS = 25
"""A project takes one to two seconds on three databases, and each asks six to twelve questions."""
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


def fields_of(name: str, shape: Shape, parent: str | None) -> list[Field]:
    columns = {**shape.columns, **({} if parent is None else {PARENT: parent})}
    return [
        Field(
            name,
            column,
            FieldType(kind),
            special=("cast-csv",) if kind == "csv" else (),
            nullable=column != "id",
            primary_key=column == "id",
            numeric_precision=10 if kind == "decimal" else None,
            numeric_scale=2 if kind == "decimal" else None,
        )
        for column, kind in columns.items()
    ]


async def build(database: Database, world: World) -> None:
    """Make the project in the place of the one before."""
    parent = world.shapes[ONE].key_type
    fields = {ONE: fields_of(ONE, world.shapes[ONE], None), MANY: fields_of(MANY, world.shapes[MANY], parent)}
    keys = {ONE: [], MANY: [ForeignKey(MANY, PARENT, ONE, "id", "set null", "no action", None)]}

    def make_tables(connection: sa.Connection) -> None:
        for name in (MANY, ONE):
            run(connection, f"DROP TABLE IF EXISTS {quote(name, connection.dialect)}")
        for name in (ONE, MANY):
            for statement in create_table(name, fields[name], keys[name], connection.dialect):
                run(connection, statement)

    metadata = database.tables["directus_fields"]
    special = [
        {"collection": each.collection, "field": each.name, "special": list(each.special)}
        for each in (*fields[ONE], *fields[MANY], Field(ONE, CHILDREN, FieldType.ALIAS, ("o2m",)))
        if each.special
    ]
    relation = {"many_collection": MANY, "many_field": PARENT, "one_collection": ONE, "one_field": CHILDREN}
    async with database.restructuring() as transaction:
        await transaction.run(make_tables)
        await transaction.execute(sa.delete(metadata))
        await transaction.execute(sa.insert(metadata).values(special))
        await transaction.execute(sa.delete(database.tables["directus_relations"]))
        await transaction.execute(sa.insert(database.tables["directus_relations"]).values(relation))
    await database.reload()
    async with database.transaction() as transaction:
        for name in (ONE, MANY):
            for row in world.rows[name]:
                await transaction.execute(sa.insert(database.tables[name]).values(row))


def rights_of(question: Question) -> Rights:
    if question.rules is None:
        return ADMIN

    def allowed(rule: Rule) -> Any:
        return schemas.rule(rule.filter, rule.fields)

    return schemas.rights_with({name: [allowed(rule) for rule in rules] for name, rules in question.rules.items()})


async def ask(database: Database, question: Question) -> tuple[list[Any], dict[str, int]]:
    rights = rights_of(question)
    query = parse_query({**question.query, "meta": "*"}, Limits())
    plan = bind(plan_read(query, question.collection, database.schema, rights, Limits()), rights.variables, schemas.NOW)
    return await read_plan(database, plan), await read_meta(database, plan)


@settings(max_examples=PROJECTS, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(worlds())
async def test_databases_answer_alike_and_as_expected(databases: Databases, world: World) -> None:
    for engine, database in databases.items():
        await build(database, world)
        for name in (ONE, MANY):
            stored = await schemas.run(database, ADMIN, name, {"fields": "*", "limit": -1, "sort": "id"})
            columns = [*world.shapes[name].columns, *([PARENT] if name == MANY else [])]
            by_key = {row["id"]: {column: row[column] for column in columns} for row in stored}
            assert by_key == {row["id"]: row for row in world.rows[name]}, engine
    for question in world.questions:
        for engine, database in databases.items():
            if question.forbidden:
                with pytest.raises(Forbidden):
                    await ask(database, question)
            else:
                assert await ask(database, question) == naive.answer(world, question), (engine, question)
