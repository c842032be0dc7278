"""The project of the conformance vectors as a `Schema` built by hand, its tables on a real database, and rights.

Beside its collections there are `pages` with many-to-any `blocks`, and `people` with concealed fields.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import sqlalchemy as sa

from tests.support import engines
from tidegate.access.identity import Public
from tidegate.access.rights import Action, Rights, Rule, Rules
from tidegate.database import capabilities
from tidegate.database.capabilities import Capabilities
from tidegate.database.connect import DatabaseSettings
from tidegate.database.engine import Database, create_database
from tidegate.database.tables import build_tables
from tidegate.items.read import read_plan
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import bind, plan_read
from tidegate.schema import Collection, Field, FieldType, Relation, Schema

Engine = Literal["sqlite", "postgresql", "mariadb"]

CAPABILITIES: Mapping[Engine, Capabilities] = {
    "sqlite": capabilities.SQLITE,
    "postgresql": capabilities.POSTGRESQL,
    "mariadb": capabilities.MYSQL,
}

_TYPES: Mapping[Engine, Mapping[FieldType, str]] = {
    "sqlite": {
        FieldType.STRING: "varchar",
        FieldType.TEXT: "text",
        FieldType.INTEGER: "integer",
        FieldType.BIG_INTEGER: "bigint",
        FieldType.FLOAT: "float",
        FieldType.DECIMAL: "decimal",
        FieldType.BOOLEAN: "boolean",
        FieldType.DATE: "date",
        FieldType.TIME: "time",
        FieldType.DATE_TIME: "datetime",
        FieldType.TIMESTAMP: "timestamp",
        FieldType.JSON: "json",
        FieldType.CSV: "text",
        FieldType.UUID: "char",
        FieldType.HASH: "varchar",
    },
    "postgresql": {
        FieldType.STRING: "character varying",
        FieldType.TEXT: "text",
        FieldType.INTEGER: "integer",
        FieldType.BIG_INTEGER: "bigint",
        FieldType.FLOAT: "double precision",
        FieldType.DECIMAL: "numeric",
        FieldType.BOOLEAN: "boolean",
        FieldType.DATE: "date",
        FieldType.TIME: "time without time zone",
        FieldType.DATE_TIME: "timestamp without time zone",
        FieldType.TIMESTAMP: "timestamp with time zone",
        FieldType.JSON: "json",
        FieldType.CSV: "text",
        FieldType.UUID: "uuid",
        FieldType.HASH: "character varying",
    },
    "mariadb": {
        FieldType.STRING: "varchar",
        FieldType.TEXT: "text",
        FieldType.INTEGER: "int",
        FieldType.BIG_INTEGER: "bigint",
        FieldType.FLOAT: "double",
        FieldType.DECIMAL: "decimal",
        FieldType.BOOLEAN: "tinyint",
        FieldType.DATE: "date",
        FieldType.TIME: "time",
        FieldType.DATE_TIME: "datetime",
        FieldType.TIMESTAMP: "timestamp",
        FieldType.JSON: "json",
        FieldType.CSV: "text",
        FieldType.UUID: "char",
        FieldType.HASH: "varchar",
    },
}
_LENGTHS: Mapping[str, str] = {
    "varchar": "(255)",
    "character varying": "(255)",
    "char": "(36)",
    "decimal": "(10,2)",
    "numeric": "(10,2)",
}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "messages": {
        "id": "integer key",
        "text": "string",
        "room": "integer",
        "user_created": "uuid",
        "date_created": "timestamp",
        "user_updated": "uuid",
        "date_updated": "timestamp",
    },
    "notes": {"id": "integer key", "title": "string", "secret": "string", "owner": "uuid", "status": "string"},
    "authors": {"id": "integer key", "name": "string", "age": "integer", "articles": "alias"},
    "articles": {
        "id": "integer key",
        "title": "string",
        "status": "string",
        "views": "integer",
        "rating": "float",
        "price": "decimal",
        "published": "boolean",
        "published_on": "dateTime",
        "day": "date",
        "at": "time",
        "meta_data": "json",
        "tags": "csv",
        "big": "bigInteger",
        "ref": "uuid",
        "body": "text",
        "author": "integer",
        "labels": "alias",
        "divider": "alias",
    },
    "labels": {"code": "string key", "color": "string"},
    "articles_labels": {"id": "integer key", "articles_id": "integer", "labels_code": "string"},
    "tokens": {"id": "uuid key", "name": "string"},
    "site": {"id": "integer key", "name": "string", "footer": "text"},
    "hidden_things": {"id": "integer key", "name": "string", "appearances": "alias"},
    "pages": {"id": "integer key", "name": "string", "parent": "integer", "blocks": "alias", "children": "alias"},
    "pages_blocks": {
        "id": "integer key",
        "pages_id": "integer",
        "item": "string",
        "collection": "string",
        "sort": "integer",
    },
    "people": {
        "id": "integer key",
        "name": "string",
        "password": "hash conceal",
        "token": "string conceal",
        "joined": "timestamp",
    },
}
RELATIONS = (
    Relation("articles", "author", "authors", one_field="articles"),
    Relation("articles_labels", "articles_id", "articles", one_field="labels"),
    Relation("articles_labels", "labels_code", "labels"),
    Relation("pages", "parent", "pages", one_field="children"),
    Relation("pages_blocks", "pages_id", "pages", one_field="blocks", sort_field="sort"),
    Relation(
        "pages_blocks",
        "item",
        None,
        one_field="appearances",
        one_collection_field="collection",
        one_allowed_collections=("articles", "labels", "hidden_things"),
    ),
)

MEMBER = "0a0a0a0a-0000-4000-8000-000000000001"
OTHER = "0a0a0a0a-0000-4000-8000-000000000002"

ROWS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "messages": [
        {"id": 1, "text": "hello", "room": 1, "date_created": "2024-01-01T00:00:00.000Z"},
        {"id": 2, "text": "world", "room": 1, "date_created": "2024-01-02T00:00:00.000Z"},
        {"id": 3, "text": "other room", "room": 2, "date_created": None},
    ],
    "notes": [
        {"id": 1, "title": "mine", "secret": "s1", "owner": MEMBER, "status": "fresh"},
        {"id": 2, "title": "also mine", "secret": "s2", "owner": MEMBER, "status": "done"},
        {"id": 3, "title": "theirs", "secret": "s3", "owner": OTHER, "status": "fresh"},
    ],
    "authors": [
        {"id": 1, "name": "Ada", "age": 36},
        {"id": 2, "name": "Bo", "age": 52},
        {"id": 3, "name": "Cy", "age": None},
    ],
    "labels": [
        {"code": "red", "color": "#f00"},
        {"code": "blue", "color": "#00f"},
        {"code": "green", "color": "#0f0"},
    ],
    "articles": [
        {
            "id": 1,
            "title": "First light",
            "status": "published",
            "views": 10,
            "rating": 4.5,
            "price": "12.50",
            "published": True,
            "published_on": "2021-02-03T04:05:06",
            "day": "2021-02-03",
            "at": "04:05:06",
            "meta_data": {"a": [1, 2, {"b": None}]},
            "tags": ["x", "y"],
            "big": "9007199254740993",
            "ref": "7f1b4e6a-6c3a-4a57-9b5e-0d9be1c6a001",
            "body": "Lorem ipsum",
            "author": 1,
        },
        {
            "id": 2,
            "title": "Second wind",
            "status": "published",
            "views": 250,
            "rating": 3,
            "price": "0.10",
            "published": False,
            "published_on": "2020-12-31T23:59:59",
            "day": "2020-12-31",
            "at": "23:59:59",
            "meta_data": [1, 2],
            "tags": [],
            "big": "5",
            "author": 1,
        },
        {"id": 3, "title": "third draft", "status": "draft", "views": 500, "author": 2},
        {"id": 4, "title": "Fourth estate", "status": "published", "views": 0, "body": "100% _sure_"},
        {"id": 5, "title": "fifth column", "status": "archived", "views": 99, "author": 3},
    ],
    "articles_labels": [
        {"id": 1, "articles_id": 1, "labels_code": "red"},
        {"id": 2, "articles_id": 1, "labels_code": "blue"},
        {"id": 3, "articles_id": 2, "labels_code": "blue"},
    ],
    "tokens": [
        {"id": "11111111-1111-4111-8111-111111111111", "name": "one"},
        {"id": "22222222-2222-4222-8222-222222222222", "name": "two"},
    ],
    "site": [],
    "hidden_things": [{"id": 1, "name": "h1"}],
    "pages": [
        {"id": 1, "name": "home", "parent": None},
        {"id": 2, "name": "news", "parent": 1},
        {"id": 3, "name": "old news", "parent": 2},
    ],
    "pages_blocks": [
        {"id": 1, "pages_id": 1, "item": "2", "collection": "articles", "sort": 2},
        {"id": 2, "pages_id": 1, "item": "red", "collection": "labels", "sort": 1},
        {"id": 3, "pages_id": 1, "item": "1", "collection": "hidden_things", "sort": 3},
        {"id": 4, "pages_id": 2, "item": "4", "collection": "articles", "sort": 1},
        {"id": 5, "pages_id": 2, "item": "404", "collection": "articles", "sort": 2},
        {"id": 6, "pages_id": 3, "item": "no number", "collection": "articles", "sort": 1},
    ],
    "people": [
        {"id": 1, "name": "Ann", "password": "$argon2id$x", "token": "t0ken", "joined": "2024-02-29T12:00:00.000Z"},
        {"id": 2, "name": "Ben", "password": None, "token": None, "joined": None},
    ],
}


def build_schema(engine: Engine = "sqlite") -> Schema:
    """The project as introspection would find it on this engine."""
    collections = {name: _collection(name, fields, _TYPES[engine]) for name, fields in COLUMNS.items()}
    return Schema(collections, RELATIONS)


def _collection(name: str, described: Mapping[str, str], types: Mapping[FieldType, str]) -> Collection:
    fields = {field: _field(name, field, kind.split(), types) for field, kind in described.items()}
    key = next(field.name for field in fields.values() if field.primary_key)
    return Collection(name, key, fields, singleton=name == "site")


def _field(collection: str, name: str, kind: Sequence[str], types: Mapping[FieldType, str]) -> Field:
    field_type = FieldType(kind[0])
    decimal = field_type is FieldType.DECIMAL
    return Field(
        collection,
        name,
        field_type,
        special=("conceal",) if "conceal" in kind else (),
        nullable="key" not in kind,
        primary_key="key" in kind,
        numeric_precision=10 if decimal else None,
        numeric_scale=2 if decimal else None,
        database_type=types.get(field_type, ""),
    )


def engine_of(url: str) -> Engine:
    """The engine behind a URL of `engines.temporary_database`."""
    engines_by_scheme: Mapping[str, Engine] = {"sqlite": "sqlite", "postgresql": "postgresql", "mysql": "mariadb"}
    return engines_by_scheme[urlsplit(url).scheme]


@contextlib.asynccontextmanager
async def started_database(url: str) -> AsyncIterator[Database]:
    """The database behind a URL of `engines.temporary_database`, connected until the end."""
    database = create_database(settings_of(url))
    try:
        await database.start()
        yield database
    finally:
        await database.stop()


@contextlib.asynccontextmanager
async def filled_database(url: str) -> AsyncIterator[Database]:
    """A started `Database` that serves the project, with its rows."""
    schema = build_schema(engine_of(url))
    async with started_database(url) as database:
        async with database.transaction() as transaction:
            for statement in create_tables(schema, engine_of(url)):
                await transaction.execute(sa.text(statement))
        await database.reload()  # what MariaDB can do depends on the collations of the tables
        database.schema = schema
        database.tables = build_tables(schema, database.capabilities)
        async with database.transaction() as transaction:
            for name, rows in ROWS.items():
                for row in rows:
                    await transaction.execute(sa.insert(database.tables[name]).values(dict(row)))
        yield database


def settings_of(url: str) -> DatabaseSettings:
    variables = engines.environment(url)
    if engine_of(url) == "sqlite":
        return DatabaseSettings(client="sqlite3", filename=variables["DB_FILENAME"])
    return DatabaseSettings(
        client="pg" if engine_of(url) == "postgresql" else "mysql",
        host=variables["DB_HOST"],
        port=int(variables["DB_PORT"]),
        database=variables["DB_DATABASE"],
        user=variables["DB_USER"],
        password=variables["DB_PASSWORD"],
    )


def create_tables(schema: Schema, engine: Engine) -> list[str]:
    """CREATE TABLE for every collection; on MariaDB the texts of one are of another character set."""
    quote = "`" if engine == "mariadb" else '"'
    statements = []
    for collection in schema.collections.values():
        columns = ", ".join(
            f"{quote}{field.name}{quote} {field.database_type}{_LENGTHS.get(field.database_type, '')}"
            + (" PRIMARY KEY" if field.primary_key else " NULL")
            for field in collection.fields.values()
            if not field.alias
        )
        other = " CHARACTER SET latin1" if engine == "mariadb" and collection.name == "pages_blocks" else ""
        statements.append(f"CREATE TABLE {quote}{collection.name}{quote} ({columns}){other}")
    return statements


NOW = 1_700_000_000.0
"""2023-11-14T22:13:20Z."""
VARIABLES: Mapping[str, Any] = {
    "$CURRENT_USER": MEMBER,
    "$CURRENT_ROLE": None,
    "$CURRENT_ROLES": ["r1", "r2"],
    "$CURRENT_POLICIES": [],
    "$CURRENT_USER.prefix": "Sec",
}
ADMIN = Rights(Public(), admin=True, variables=VARIABLES)


def rule(rows: Mapping[str, Any] | None = None, fields: Sequence[str] = ("*",)) -> Rule:
    """A permission for the rows that match a filter."""
    return Rule(rows or {}, frozenset(fields), validation={}, presets={})


def rights_with(rules: Mapping[str, Sequence[Rule]], action: Action = "read") -> Rights:
    """Rights by collection for one action, as the user `MEMBER`."""
    by_action: Rules = {(collection, action): tuple(given) for collection, given in rules.items()}
    return Rights(Public(), rules=by_action, variables=VARIABLES)


MEMBER_RIGHTS = rights_with(
    {
        "messages": [rule()],
        "notes": [rule({"owner": {"_eq": "$CURRENT_USER"}}, ["id", "title", "owner", "status"])],
        "articles": [rule({"status": {"_eq": "published"}})],
        "authors": [rule(fields=["id", "name", "articles"])],
        "labels": [rule()],
        "articles_labels": [rule()],
        "tokens": [rule()],
        "site": [rule()],
    }
)
"""What the role Member of the vectors may read."""
SENIOR_RIGHTS = rights_with(
    {
        "articles": [rule({"status": {"_eq": "published"}}), rule({"views": {"_gte": 100}}, ["id", "title", "views"])],
        "authors": [rule()],
        "articles_labels": [rule()],
    }
)
"""Two rules for articles: drafts with many views can be seen, but little of them."""
NO_AUTHORS_RIGHTS = rights_with({"articles": [rule()]})
"""Articles only, with nothing of what they are related to."""


async def run(database: Database, rights: Rights, collection: str, query: object, now: float = NOW) -> list[Any]:
    """The items that the query, in its JSON form, reads."""
    plan = plan_read(parse_query(query, Limits()), collection, database.schema, rights, Limits())
    return await read_plan(database, bind(plan, rights.variables, now))
