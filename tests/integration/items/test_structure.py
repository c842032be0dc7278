"""Collections, fields and relations made, changed and dropped on every engine, by administrators alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from tests import conformance
from tests.support import engines
from tests.support.ddl import run_ddl
from tests.support.schemas import settings_of
from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.database.bootstrap import bootstrap
from tidegate.database.catalog import read_catalog
from tidegate.database.ddl import quote, run
from tidegate.database.engine import Database, create_database
from tidegate.errors import Forbidden, InvalidPayload, TidegateError
from tidegate.items.changes import Change
from tidegate.items.feed import Feed
from tidegate.items.structure import Structure
from tidegate.schema import FieldType, RelationKind

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN, NOBODY = Rights(Public(), admin=True), Rights(Public())
FIXTURE = json.loads((Path(conformance.__file__).parent / "fixture.json").read_text())
KEY = {"field": "id", "type": "integer", "schema": {"is_primary_key": True, "has_auto_increment": True}, "meta": {}}


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=engines.DATABASE_ENGINES)
async def bootstrapped(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """One for all tests of an engine, since making the system tables takes longest."""
    async with engines.temporary_database(request.param) as url:
        database = create_database(settings_of(url))
        try:
            await database.start()
            await bootstrap(database, None)
            yield database
        finally:
            await database.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def database(bootstrapped: Database) -> AsyncIterator[Database]:
    yield bootstrapped
    async with bootstrapped.restructuring() as transaction:
        await transaction.run(clear)
    await bootstrapped.reload()


def clear(connection: sa.Connection) -> None:
    """Drop everything but the system tables, by other means than those under test."""
    if connection.dialect.name == "mysql":
        run(connection, "SET FOREIGN_KEY_CHECKS = 0")
    for kind, name in [
        ("VIEW", "titles"),
        *(("TABLE", table) for table in {c.table for c in read_catalog(connection).columns}),
    ]:
        if not name.startswith("directus_"):
            cascade = " CASCADE" if connection.dialect.name == "postgresql" else ""
            run(connection, f"DROP {kind} IF EXISTS {quote(name, connection.dialect)}{cascade}")
    for table in ("directus_relations", "directus_fields", "directus_collections"):
        run(connection, f"DELETE FROM {table}")


@pytest.fixture
def told() -> list[Change]:
    return []


@pytest.fixture
def structure(database: Database, told: list[Change]) -> Structure:
    feed = Feed()
    feed.subscribe(told.extend)
    return Structure(database, feed)


async def make(structure: Structure, name: str, *fields: dict[str, Any]) -> None:
    await structure.collections.create_one(
        ADMIN, {"collection": name, "schema": {}, "meta": {}, "fields": [KEY, *fields] if fields else []}
    )


async def relate(structure: Structure, many: str, field: str, one: str, **options: Any) -> dict[str, Any]:
    data = {"collection": many, "field": field, "related_collection": one, "meta": {}, "schema": {}, **options}
    return await structure.relations.create_one(ADMIN, data)


async def insert(database: Database, table: str, **row: Any) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(sa.insert(database.tables[table]).values(**row))


async def rows(database: Database, table: str) -> list[dict[str, Any]]:
    found = database.tables[table]
    key = next(iter(found.primary_key))
    return [row._asdict() for row in await database.fetch(sa.select(found).order_by(key))]


def column(name: str, type_: str = "string", **schema: Any) -> dict[str, Any]:
    return {"field": name, "type": type_, "schema": schema, "meta": {}}


# The project of the vectors.


async def test_project_of_the_vectors_is_made(structure: Structure, database: Database) -> None:
    for request in FIXTURE["requests"]:
        match request["path"].split("/")[1:]:
            case ["collections"]:
                await structure.collections.create_one(ADMIN, request["json"])
            case ["relations"]:
                await structure.relations.create_one(ADMIN, request["json"])
            case ["fields", collection]:
                await structure.fields.create_one(ADMIN, collection, request["json"])
    types = {name: field.type.value for name, field in database.schema.collections["articles"].fields.items()}
    assert types == {
        "id": "integer", "title": "string", "status": "string", "views": "integer", "rating": "float",
        "price": "decimal", "published": "boolean", "published_on": "dateTime", "day": "date", "at": "time",
        "meta_data": "json", "tags": "csv", "big": "bigInteger", "ref": "uuid", "body": "text", "author": "integer",
        "labels": "alias",
    }  # fmt: skip
    assert database.schema.collections["site"].singleton
    assert database.schema.collections["notes"].fields["status"].default == "draft"
    kinds = {
        place: (view.kind, view.target, view.relation.on_delete)
        for place in [
            ("articles", "author"),
            ("authors", "articles"),
            ("articles", "labels"),
            ("articles_labels", "labels_code"),
        ]
        if (view := database.schema.relation(*place))
    }
    assert kinds == {
        ("articles", "author"): (RelationKind.M2O, "authors", "set null"),
        ("authors", "articles"): (RelationKind.O2M, "articles", "set null"),
        ("articles", "labels"): (RelationKind.O2M, "articles_labels", "cascade"),
        ("articles_labels", "labels_code"): (RelationKind.M2O, "labels", "cascade"),
    }
    written = {
        name: value for name, value in FIXTURE["items"][4]["json"][0].items() if name not in ("labels", "author")
    }
    await insert(database, "articles", **written)
    (read,) = await rows(database, "articles")
    assert read == {"id": 1, "author": None, **written}


# Shapes.


async def test_collection_is_answered_with_meta_and_schema(structure: Structure) -> None:
    item = await structure.collections.create_one(
        ADMIN, {"collection": "things", "schema": {}, "meta": {"note": "hi", "hidden": True}, "fields": [KEY]}
    )
    assert (item["collection"], item["schema"]) == ("things", {"name": "things", "comment": None})
    assert (item["meta"]["note"], item["meta"]["hidden"], item["meta"]["singleton"]) == ("hi", True, False)
    assert item == await structure.collections.read_one(ADMIN, "things")
    system = await structure.collections.read_one(ADMIN, "directus_users")
    assert system["meta"]["system"]


async def test_field_is_answered_with_its_column(structure: Structure) -> None:
    await make(structure, "things", column("name", max_length=40, default_value="x", is_nullable=False, is_unique=True))
    item = await structure.fields.read_one(ADMIN, "things", "name")
    assert (item["collection"], item["field"], item["type"]) == ("things", "name", "string")
    wanted = {"name": "name", "table": "things", "max_length": 40, "default_value": "x", "is_nullable": False}
    wanted |= {"is_unique": True, "is_primary_key": False, "has_auto_increment": False, "foreign_key_table": None}
    assert {name: item["schema"][name] for name in wanted} == wanted
    assert item["meta"]["field"] == "name"
    key = await structure.fields.read_one(ADMIN, "things", "id")
    assert key["schema"]["is_primary_key"]
    assert key["schema"]["has_auto_increment"]


async def test_relation_is_answered_with_its_foreign_key(structure: Structure) -> None:
    await make(structure, "authors")
    await make(structure, "articles", column("author", "integer"))
    item = await relate(
        structure, "articles", "author", "authors", schema={"on_delete": "CASCADE"}, meta={"one_field": "all"}
    )
    assert (item["collection"], item["field"], item["related_collection"]) == ("articles", "author", "authors")
    assert item["schema"]["on_delete"] == "CASCADE"
    assert item["schema"]["foreign_key_table"] == "authors"
    assert item["meta"]["one_field"] == "all"
    field = await structure.fields.read_one(ADMIN, "articles", "author")
    assert (field["schema"]["foreign_key_table"], field["schema"]["foreign_key_column"]) == ("authors", "id")
    assert [one["field"] for one in await structure.relations.read(ADMIN, "articles")] == ["author"]


# Collections.


async def test_collection_without_primary_key_counts_by_itself_and_never_reuses_a_key(
    structure: Structure, database: Database
) -> None:
    await structure.collections.create_one(ADMIN, {"collection": "things", "schema": {}})
    table = database.tables["things"]
    for expected in (1, 2):
        async with database.transaction() as transaction:
            result = await transaction.execute(sa.insert(table).values())
            assert result.inserted_primary_key == (expected,)
    async with database.transaction() as transaction:
        await transaction.execute(sa.delete(table))
        result = await transaction.execute(sa.insert(table).values())
        assert result.inserted_primary_key == (3,)


async def test_folder_is_metadata_alone(structure: Structure, database: Database) -> None:
    item = await structure.collections.create_one(
        ADMIN, {"collection": "folder", "schema": None, "meta": {"icon": "x"}}
    )
    assert item["schema"] is None
    assert "folder" not in database.schema.collections
    await structure.collections.create_one(ADMIN, {"collection": "inside", "schema": {}, "meta": {"group": "folder"}})
    await structure.collections.delete_one(ADMIN, "folder")
    assert (await structure.collections.read_one(ADMIN, "inside"))["meta"]["group"] is None
    with pytest.raises(Forbidden):
        await structure.collections.read_one(ADMIN, "folder")


async def test_collection_keeps_its_settings(structure: Structure, database: Database) -> None:
    await make(structure, "things")
    item = await structure.collections.update_one(ADMIN, "things", {"meta": {"singleton": True, "note": None}})
    assert item["meta"]["singleton"]
    assert database.schema.collections["things"].singleton
    with pytest.raises(InvalidPayload):
        await structure.collections.update_one(ADMIN, "things", {"meta": {"singleton": "maybe"}})


async def test_deleted_collection_leaves_nothing_that_names_it(structure: Structure, database: Database) -> None:
    await make(structure, "authors", {"field": "articles", "type": "alias", "meta": {"special": ["o2m"]}})
    await make(structure, "articles", column("title"), column("author", "integer"), column("next", "integer"))
    await make(structure, "notes", column("article", "integer"))
    await relate(structure, "articles", "author", "authors", meta={"one_field": "articles"})
    await relate(structure, "articles", "next", "articles")
    await relate(structure, "notes", "article", "articles")
    await insert(database, "articles", title="x")
    await insert(database, "notes", article=1)
    await structure.collections.delete_one(ADMIN, "articles")
    assert "articles" not in database.schema.collections
    assert await rows(database, "notes") == [{"id": 1, "article": 1}]
    assert "articles" not in database.schema.collections["authors"].fields
    for table, names in (
        ("directus_fields", ("collection",)),
        ("directus_relations", ("many_collection", "one_collection")),
        ("directus_collections", ("collection",)),
    ):
        assert not [row for row in await rows(database, table) if "articles" in [row[name] for name in names]]
    await make(structure, "articles")
    assert await rows(database, "articles") == []


# Fields.


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"default_value": "draft"}, "draft"),
        ({"default_value": "draft", "is_nullable": False}, "draft"),
        ({"is_unique": True}, None),
        ({}, None),
    ],
)
async def test_new_field_fills_the_rows_that_are_there(
    structure: Structure, database: Database, schema: dict[str, Any], value: object
) -> None:
    await make(structure, "things", column("name"))
    await insert(database, "things", name="a")
    item = await structure.fields.create_one(ADMIN, "things", column("status", **schema))
    assert item["schema"]["is_nullable"] is schema.get("is_nullable", True)
    assert item["schema"]["is_unique"] is schema.get("is_unique", False)
    assert await rows(database, "things") == [{"id": 1, "name": "a", "status": value}]


async def test_new_field_with_the_moment_as_default(structure: Structure, database: Database) -> None:
    await make(structure, "things", column("name"))
    await structure.fields.create_one(ADMIN, "things", column("made", "timestamp", default_value="CURRENT_TIMESTAMP"))
    await insert(database, "things", name="a")
    (row,) = await rows(database, "things")
    assert row["made"].startswith("20")


@pytest.mark.parametrize("type_", ["csv", "hash"])
async def test_types_that_no_column_stands_for_are_flagged(
    structure: Structure, database: Database, type_: str
) -> None:
    await make(structure, "things", column("it", type_))
    assert database.schema.collections["things"].fields["it"].type.value == type_


async def test_alias_field_has_no_column(structure: Structure, database: Database) -> None:
    await make(structure, "things", column("name"))
    item = await structure.fields.create_one(
        ADMIN, "things", {"field": "line", "type": "alias", "schema": None, "meta": {}}
    )
    assert (item["schema"], item["meta"]["special"]) == (None, ["no-data"])
    assert database.schema.collections["things"].fields["line"].alias
    await structure.fields.delete_one(ADMIN, "things", "line")
    assert "line" not in database.schema.collections["things"].fields


async def test_column_changes_keep_the_rows(structure: Structure, database: Database) -> None:
    await make(structure, "things", column("name", max_length=5, is_unique=True), column("price", "decimal"))
    await insert(database, "things", name="12", price="1.50000")
    await structure.fields.update_one(ADMIN, "things", "name", {"schema": {"max_length": 50, "is_unique": False}})
    await structure.fields.update_one(
        ADMIN, "things", "name", {"schema": {"is_nullable": False, "default_value": "it's"}}
    )
    await structure.fields.update_one(
        ADMIN, "things", "price", {"schema": {"numeric_precision": 8, "numeric_scale": 2}}
    )
    name = database.schema.collections["things"].fields["name"]
    assert (name.max_length, name.unique, name.nullable, name.default) == (50, False, False, "it's")
    await insert(database, "things", price="2.5")
    await insert(database, "things", name="12", price="3")
    assert [(row["name"], row["price"]) for row in await rows(database, "things")] == [
        ("12", "1.50"), ("it's", "2.50"), ("12", "3.00"),
    ]  # fmt: skip
    await structure.fields.update_one(ADMIN, "things", "name", {"schema": {"is_nullable": True, "default_value": None}})
    assert not database.schema.collections["things"].fields["name"].has_default


async def test_column_changes_its_type(structure: Structure, database: Database) -> None:
    await make(structure, "things", column("it", default_value="7"))
    await insert(database, "things", it="12")
    item = await structure.fields.update_one(ADMIN, "things", "it", {"type": "integer"})
    assert item["type"] == "integer"
    assert await rows(database, "things") == [{"id": 1, "it": 12}]
    assert database.schema.collections["things"].fields["it"].type is FieldType.INTEGER


async def test_meta_changes_without_the_column(structure: Structure, database: Database) -> None:
    await run_ddl(database, "CREATE TABLE plain (id integer NOT NULL PRIMARY KEY, name varchar(20))")
    item = await structure.fields.update_one(
        ADMIN, "plain", "name", {"meta": {"required": True, "special": ["conceal"]}}
    )
    assert item["meta"]["required"]
    assert database.schema.collections["plain"].fields["name"].concealed
    again = await structure.fields.update_one(ADMIN, "plain", "name", {"meta": {"required": False}})
    assert (again["meta"]["required"], again["meta"]["special"]) == (False, ["conceal"])


async def test_object_that_was_read_can_be_sent_back(structure: Structure) -> None:
    await make(structure, "things", column("name", is_unique=True, default_value="x"), column("price", "decimal"))
    for name in ("id", "name", "price"):
        item = await structure.fields.read_one(ADMIN, "things", name)
        assert await structure.fields.update_one(ADMIN, "things", name, item) == item
    collection = await structure.collections.read_one(ADMIN, "things")
    assert await structure.collections.update_one(ADMIN, "things", collection) == collection


async def test_column_with_nulls_cannot_be_required(structure: Structure, database: Database) -> None:
    await make(structure, "things", column("name"))
    await insert(database, "things", name=None)
    with pytest.raises(TidegateError) as refused:
        await structure.fields.update_one(ADMIN, "things", "name", {"schema": {"is_nullable": False}})
    assert refused.value.code == "CONTAINS_NULL_VALUES"
    assert database.schema.collections["things"].fields["name"].nullable


async def test_column_with_duplicates_cannot_be_unique(structure: Structure, database: Database) -> None:
    await make(structure, "things", column("name"))
    await insert(database, "things", name="a")
    await insert(database, "things", name="a")
    with pytest.raises(TidegateError) as refused:
        await structure.fields.update_one(ADMIN, "things", "name", {"schema": {"is_unique": True}})
    assert refused.value.code == "RECORD_NOT_UNIQUE"
    assert len(await rows(database, "things")) == 2


async def test_deleted_field_takes_its_relation_and_metadata_with_it(structure: Structure, database: Database) -> None:
    await make(structure, "authors", {"field": "articles", "type": "alias", "meta": {"special": ["o2m"]}})
    await make(structure, "articles", column("title", is_unique=True), column("author", "integer"))
    await relate(structure, "articles", "author", "authors", meta={"one_field": "articles"})
    await structure.collections.update_one(ADMIN, "articles", {"meta": {"sort_field": "title"}})
    await insert(database, "authors")
    await insert(database, "articles", title="x", author=1)
    await structure.fields.delete_one(ADMIN, "articles", "author")
    await structure.fields.delete_one(ADMIN, "articles", "title")
    assert await rows(database, "articles") == [{"id": 1}]
    assert list(database.schema.collections["authors"].fields) == ["id"]
    assert database.schema.collections["articles"].sort_field is None
    assert await structure.relations.read(ADMIN, "articles") == []


async def test_metadata_is_told_with_the_rows_as_they_were_and_are(
    structure: Structure, database: Database, told: list[Change]
) -> None:
    await make(structure, "things", column("title"))
    await structure.collections.update_one(ADMIN, "things", {"meta": {"sort_field": "title"}})
    ((collection,), described) = [await rows(database, table) for table in ("directus_collections", "directus_fields")]
    key, title = described
    made = [(change.collection, change.action, change.keys, change.after) for change in told[:3]]
    assert made == [
        ("directus_collections", "create", ("things",), ({**collection, "sort_field": None},)),
        ("directus_fields", "create", (key["id"],), (key,)),
        ("directus_fields", "create", (title["id"],), (title,)),
    ]
    told.clear()
    await structure.fields.delete_one(ADMIN, "things", "title")
    gone, changed = told
    assert (gone.collection, gone.action, gone.keys) == ("directus_fields", "delete", (title["id"],))
    assert (gone.before, gone.after) == ((title,), ())
    assert (changed.collection, changed.action, changed.keys) == ("directus_collections", "update", ("things",))
    assert (changed.before, changed.after) == ((collection,), ({**collection, "sort_field": None},))
    assert changed.payload == {"sort_field": None}


async def test_deleted_alias_leaves_the_relation(structure: Structure, database: Database) -> None:
    await make(structure, "authors", {"field": "articles", "type": "alias", "meta": {"special": ["o2m"]}})
    await make(structure, "articles", column("author", "integer"))
    await relate(structure, "articles", "author", "authors", meta={"one_field": "articles"})
    await structure.fields.delete_one(ADMIN, "authors", "articles")
    view = database.schema.relation("articles", "author")
    assert view is not None
    assert view.relation.one_field is None


async def test_system_tables_take_fields_but_keep_their_own(structure: Structure, database: Database) -> None:
    await structure.fields.create_one(ADMIN, "directus_users", column("nickname"))
    assert database.schema.collections["directus_users"].fields["nickname"].type is FieldType.STRING
    await structure.fields.delete_one(ADMIN, "directus_users", "nickname")
    for refused in (
        structure.fields.delete_one(ADMIN, "directus_users", "email"),
        structure.fields.update_one(ADMIN, "directus_users", "email", {"schema": {"is_unique": False}}),
        structure.collections.delete_one(ADMIN, "directus_users"),
        structure.relations.delete_one(ADMIN, "directus_users", "role"),
    ):
        with pytest.raises(Forbidden):
            await refused
    assert database.schema.collections["directus_users"].fields["email"].unique


# Relations.


async def test_foreign_key_is_enforced_and_its_rule_followed(structure: Structure, database: Database) -> None:
    await make(structure, "authors")
    await make(structure, "articles", column("author", "integer"))
    await insert(database, "authors")
    await insert(database, "articles", author=1)
    await relate(structure, "articles", "author", "authors", schema={"on_delete": "SET NULL"})
    with pytest.raises(TidegateError) as refused:
        await insert(database, "articles", author=9)
    assert refused.value.code == "INVALID_FOREIGN_KEY"
    async with database.transaction() as transaction:
        await transaction.execute(sa.delete(database.tables["authors"]))
    assert await rows(database, "articles") == [{"id": 1, "author": None}]


async def test_rule_of_a_foreign_key_changes(structure: Structure, database: Database) -> None:
    await make(structure, "authors")
    await make(structure, "articles", column("author", "integer"))
    await relate(structure, "articles", "author", "authors", schema={"on_delete": "SET NULL"})
    item = await structure.relations.update_one(
        ADMIN, "articles", "author", {"schema": {"on_delete": "CASCADE"}, "meta": {"one_deselect_action": "delete"}}
    )
    assert (item["schema"]["on_delete"], item["meta"]["one_deselect_action"]) == ("CASCADE", "delete")
    await insert(database, "authors")
    await insert(database, "articles", author=1)
    async with database.transaction() as transaction:
        await transaction.execute(sa.delete(database.tables["authors"]))
    assert await rows(database, "articles") == []


async def test_deleted_relation_leaves_the_field(structure: Structure, database: Database) -> None:
    await make(structure, "authors")
    await make(structure, "articles", column("author", "integer"))
    await relate(structure, "articles", "author", "authors")
    await structure.relations.delete_one(ADMIN, "articles", "author")
    await insert(database, "articles", author=9)
    assert database.schema.relation("articles", "author") is None
    await relate(structure, "articles", "author", "authors", schema=None)
    assert (await structure.relations.read_one(ADMIN, "articles", "author"))["schema"] is None


async def test_relation_that_rows_break_is_refused_and_nothing_changes(
    structure: Structure, database: Database
) -> None:
    await make(structure, "authors")
    await make(structure, "articles", column("author", "integer"))
    await insert(database, "articles", author=9)
    with pytest.raises(TidegateError) as refused:
        await relate(structure, "articles", "author", "authors")
    assert refused.value.code == "INVALID_FOREIGN_KEY"
    assert database.schema.relation("articles", "author") is None
    assert await rows(database, "articles") == [{"id": 1, "author": 9}]


async def test_relation_to_a_uuid_of_a_system_table(structure: Structure, database: Database) -> None:
    await make(structure, "notes", column("owner", "uuid"))
    await relate(structure, "notes", "owner", "directus_users", schema={"on_delete": "SET NULL"})
    view = database.schema.relation("notes", "owner")
    assert view is not None
    assert (view.target, view.relation.on_delete) == ("directus_users", "set null")


async def test_relation_to_any_collection_has_no_foreign_key(structure: Structure, database: Database) -> None:
    await make(structure, "texts")
    await make(structure, "blocks", column("item"), column("kind"))
    meta = {"one_collection_field": "kind", "one_allowed_collections": ["texts"]}
    item = await relate(structure, "blocks", "item", None, meta=meta)  # type: ignore[arg-type]  # null on the wire
    assert (item["related_collection"], item["schema"]) == (None, None)
    view = database.schema.relation("blocks", "item")
    assert view is not None
    assert view.kind is RelationKind.A2O


@pytest.mark.parametrize("bootstrapped", ["mariadb"], indirect=True)
async def test_mysql_columns_take_the_sign_and_collation_of_the_key_they_point_at(
    structure: Structure, database: Database
) -> None:
    await run_ddl(
        database,
        "CREATE TABLE old (id int unsigned AUTO_INCREMENT PRIMARY KEY)",
        "CREATE TABLE named (code varchar(40) PRIMARY KEY) COLLATE utf8mb4_general_ci",
    )
    await make(structure, "articles", column("old", "integer"), column("named"))
    await relate(structure, "articles", "old", "old")
    await relate(structure, "articles", "named", "named")
    assert database.schema.collections["articles"].fields["old"].database_type == "int unsigned"


@pytest.mark.parametrize("bootstrapped", ["sqlite"], indirect=True)
async def test_sqlite_rebuild_keeps_everything_else(structure: Structure, database: Database) -> None:
    await run_ddl(
        database,
        "CREATE TABLE authors (id integer PRIMARY KEY AUTOINCREMENT)",
        "CREATE TABLE articles (id integer PRIMARY KEY AUTOINCREMENT, title varchar(20) COLLATE NOCASE, -- a, comment\n"
        " author integer, twice integer AS (author * 2), CHECK (author < 100))",
        "CREATE TABLE notes (id integer PRIMARY KEY, article integer REFERENCES articles (id) ON DELETE CASCADE)",
        "CREATE INDEX by_title ON articles (title, author)",
        "CREATE UNIQUE INDEX some ON articles (author) WHERE author > 50",
        "CREATE VIEW titles AS SELECT title FROM articles",
        "CREATE TRIGGER guard BEFORE DELETE ON articles WHEN old.title = 'kept' BEGIN SELECT raise(ABORT, 'kept'); END",
        "INSERT INTO authors VALUES (1)",
        "INSERT INTO articles (title, author) VALUES ('kept', 1), ('b', NULL), ('c', NULL)",
        "DELETE FROM articles WHERE title = 'c'",
        "INSERT INTO notes VALUES (1, 2)",
    )
    await structure.fields.update_one(ADMIN, "articles", "author", {"schema": {"default_value": 1}})
    await relate(structure, "articles", "author", "authors", schema={"on_delete": "SET NULL"})
    await structure.fields.create_one(ADMIN, "articles", column("status", default_value="new", is_nullable=False))
    await structure.relations.delete_one(ADMIN, "articles", "author")
    table = database.tables["articles"]
    assert [tuple(row) for row in await database.fetch(sa.select(table))] == [
        (1, "kept", 1, 2, "new"),
        (2, "b", None, None, "new"),
    ]
    async with database.transaction() as transaction:
        result = await transaction.execute(sa.insert(table).values(title="d"))
        assert result.inserted_primary_key == (4,), "the key of the deleted row is not given again"
    assert len(await database.fetch(sa.select(table).where(table.c.title == "KEPT"))) == 1
    assert (await database.fetch(sa.text("SELECT count(*) FROM titles")))[0][0] == 3
    names = [row[0] for row in await database.fetch(sa.text("SELECT name FROM sqlite_master WHERE sql IS NOT NULL"))]
    assert {"by_title", "some", "guard", "titles", "articles"} <= set(names)
    with pytest.raises(TidegateError):
        await insert(database, "articles", author=100)
    with pytest.raises(TidegateError):
        async with database.transaction() as transaction:
            await transaction.execute(sa.delete(table).where(table.c.id == 1))
    async with database.transaction() as transaction:
        await transaction.execute(sa.delete(table).where(table.c.id == 2))
    assert await rows(database, "notes") == []


async def test_change_is_finished_and_told_though_nobody_waits_for_it(
    structure: Structure, database: Database, told: list[Change], monkeypatch: pytest.MonkeyPatch
) -> None:
    connections, writing, version = database._connections, asyncio.Event(), database.schema.version

    async def write(work: Callable[[], Any]) -> Any:
        writing.set()
        return await type(connections).write(connections, work)

    monkeypatch.setattr(connections, "write", write)
    begun = asyncio.ensure_future(structure.collections.create_one(ADMIN, {"collection": "orphan", "schema": {}}))
    await writing.wait()
    begun.cancel()
    await asyncio.wait([begun])
    assert begun.cancelled()
    assert database.schema.version == version, "it was not finished yet"
    await structure.drain()
    assert "orphan" in database.schema.collections
    assert [change.collection for change in told] == ["directus_collections", "directus_fields"]


# Who may, and what cannot be.


async def test_nobody_but_administrators_sees_or_changes_anything(structure: Structure) -> None:
    await make(structure, "things", column("name"))
    data = {"collection": "other", "schema": {}}
    for refused in (
        structure.collections.read(NOBODY),
        structure.collections.read_one(NOBODY, "things"),
        structure.collections.create_one(NOBODY, data),
        structure.collections.update_one(NOBODY, "things", {"meta": {}}),
        structure.collections.delete_one(NOBODY, "things"),
        structure.fields.read(NOBODY),
        structure.fields.read_one(NOBODY, "things", "name"),
        structure.fields.create_one(NOBODY, "things", column("other")),
        structure.fields.update_one(NOBODY, "things", "name", {}),
        structure.fields.delete_one(NOBODY, "things", "name"),
        structure.relations.read(NOBODY),
        structure.relations.read_one(NOBODY, "things", "name"),
        structure.relations.create_one(NOBODY, {"collection": "things", "field": "name"}),
        structure.relations.update_one(NOBODY, "things", "name", {}),
        structure.relations.delete_one(NOBODY, "things", "name"),
    ):
        with pytest.raises(Forbidden):
            await refused


@pytest.mark.parametrize("bootstrapped", ["sqlite"], indirect=True)
async def test_what_does_not_exist_is_forbidden(structure: Structure) -> None:
    await make(structure, "things", column("name"))
    for refused in (
        structure.collections.read_one(ADMIN, "gone"),
        structure.collections.update_one(ADMIN, "gone", {}),
        structure.collections.delete_one(ADMIN, "gone"),
        structure.fields.read(ADMIN, "gone"),
        structure.fields.create_one(ADMIN, "gone", column("x")),
        structure.fields.update_one(ADMIN, "things", "gone", {}),
        structure.fields.delete_one(ADMIN, "gone", "x"),
        structure.relations.read(ADMIN, "gone"),
        structure.relations.read_one(ADMIN, "things", "name"),
        structure.relations.update_one(ADMIN, "things", "name", {}),
        structure.relations.delete_one(ADMIN, "things", "gone"),
    ):
        with pytest.raises(Forbidden):
            await refused


@pytest.mark.parametrize("bootstrapped", ["sqlite"], indirect=True)
async def test_collection_that_cannot_be_is_refused_and_nothing_made(structure: Structure, database: Database) -> None:
    await make(structure, "things")
    before = set(database.schema.collections)
    for data in (
        {"collection": 'x"; DROP TABLE things; --', "schema": {}},
        {"collection": "THINGS", "schema": {}},
        {"collection": "directus_mine", "schema": {}},
        {"collection": "x", "schema": {}, "meta": {"nonsense": 1}},
        {"collection": "x", "schema": {}, "fields": [KEY, KEY]},
        {"collection": "x", "schema": {}, "fields": [{**KEY, "meta": {"nonsense": 1}}]},
    ):
        with pytest.raises(InvalidPayload):
            await structure.collections.create_one(ADMIN, data)
    await database.reload()
    assert set(database.schema.collections) == before


@pytest.mark.parametrize("bootstrapped", ["sqlite"], indirect=True)
async def test_relation_that_cannot_be_is_refused(structure: Structure) -> None:
    alias = {"field": "alias", "type": "alias", "meta": {}}
    await make(structure, "things", column("name"), column("other", "integer"), column("same", "integer"), alias)
    await relate(structure, "things", "same", "things")
    other = {"collection": "things", "field": "other", "related_collection": "things"}
    for data in (
        {"collection": "things", "field": "name"},
        {**other, "field": "gone"},
        {**other, "collection": "gone"},
        {**other, "related_collection": "gone"},
        {**other, "field": "name"},
        {**other, "field": "same"},
        {**other, "field": "alias"},
        {**other, "schema": {"on_delete": "EXPLODE"}},
        {**other, "meta": {"nonsense": 1}},
    ):
        with pytest.raises(InvalidPayload):
            await structure.relations.create_one(ADMIN, data)
    assert [one["field"] for one in await structure.relations.read(ADMIN, "things")] == ["same"]


async def test_collection_whose_metadata_is_refused_leaves_no_table(structure: Structure, database: Database) -> None:
    with pytest.raises(TidegateError) as refused:
        await structure.collections.create_one(ADMIN, {"collection": "things", "schema": {}, "meta": {"group": "gone"}})
    assert refused.value.code == "INVALID_FOREIGN_KEY"
    await database.reload()
    assert "things" not in database.schema.collections
    assert await rows(database, "directus_collections") == []
    assert await rows(database, "directus_fields") == []


# Several at once.


async def everything(structure: Structure, database: Database) -> list[Any]:
    """What is served, what the catalogue says, and the metadata."""
    catalog = await database.catalog()
    names = ("directus_collections", "directus_fields", "directus_relations")
    return [
        await structure.collections.read(ADMIN),
        await structure.fields.read(ADMIN),
        await structure.relations.read(ADMIN),
        set(catalog.columns),
        set(catalog.foreign_keys),
        *[await rows(database, name) for name in names],
    ]


async def test_several_are_made_and_changed_together(structure: Structure, database: Database) -> None:
    folder: dict[str, Any] = {"collection": "folder", "schema": None, "meta": {}}
    inside = {
        "collection": "inside",
        "schema": {},
        "meta": {"group": "folder"},
        "fields": [KEY, column("a"), column("b")],
    }
    items = await structure.collections.create(ADMIN, [folder, inside])
    assert [item["collection"] for item in items] == ["folder", "inside"]
    items = await structure.collections.update(
        ADMIN, [{"collection": name, "meta": {"note": name}} for name in ("inside", "folder")]
    )
    assert [item["meta"]["note"] for item in items] == ["inside", "folder"]
    await insert(database, "inside", a="1", b="x")
    wanted: list[dict[str, Any]] = [
        {"field": "a", "type": "integer"},
        {"field": "b", "schema": {"is_unique": True, "is_nullable": False}, "meta": {"note": "n"}},
        {"field": "a", "schema": {"default_value": 5}},
    ]
    a, b, again = await structure.fields.update(ADMIN, "inside", wanted)
    assert (a["type"], a["schema"]["default_value"], again) == ("integer", 5, a)
    assert (b["schema"]["is_unique"], b["schema"]["is_nullable"], b["meta"]["note"]) == (True, False, "n")
    assert await rows(database, "inside") == [{"id": 1, "a": 1, "b": "x"}]
    await structure.fields.update(ADMIN, "inside", [{"field": "b", "schema": {"is_unique": False}}])
    await insert(database, "inside", b="x")


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ({"collection": "THINGS", "schema": {}}, "INVALID_PAYLOAD"),
        ({"collection": "FIRST", "schema": {}}, "INVALID_PAYLOAD"),
        ({"collection": "last", "schema": {}, "meta": {"nonsense": 1}}, "INVALID_PAYLOAD"),
        ({"collection": "last", "schema": {}, "meta": {"group": "gone"}}, "INVALID_FOREIGN_KEY"),
        ({"collection": "last", "schema": {}, "fields": [KEY, column("a", max_length=0)]}, "INVALID_PAYLOAD"),
        ({"collection": "titles", "schema": {}, "meta": {}}, None),
    ],
    ids=["name taken", "name twice", "no such property", "no such group", "no such length", "refused by the database"],
)
async def test_failure_of_the_last_collection_leaves_everything_as_it_was(
    structure: Structure, database: Database, told: list[Change], last: dict[str, Any], code: str | None
) -> None:
    await make(structure, "things", column("title"))
    told.clear()
    await run_ddl(database, "CREATE VIEW titles AS SELECT title FROM things")
    before = await everything(structure, database)
    first: list[Any] = [{"collection": name, "schema": {}, "meta": {}} for name in ("first", "second")]
    folder: dict[str, Any] = {"collection": "folder", "schema": None, "meta": {}}
    with pytest.raises(TidegateError) as refused:
        await structure.collections.create(ADMIN, [folder, *first, last])
    assert code in (None, refused.value.code)
    assert told == []
    assert await everything(structure, database) == before
    await database.reload()
    assert await everything(structure, database) == before


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ({"field": "gone"}, "FORBIDDEN"),
        ({"field": "c", "schema": {"max_length": 0}}, "INVALID_PAYLOAD"),
        ({"field": "c", "meta": {"nonsense": 1}}, "INVALID_PAYLOAD"),
        ({"field": "c", "meta": {"interface": "x" * 300}}, "VALUE_TOO_LONG"),
        ({"field": "c", "schema": {"is_nullable": False}}, "CONTAINS_NULL_VALUES"),
        ({"field": "b", "schema": {"is_unique": True}}, "RECORD_NOT_UNIQUE"),
    ],
    ids=["no such field", "no such length", "no such property", "too long", "nulls", "duplicates"],
)
async def test_failure_of_the_last_field_leaves_everything_as_it_was(
    structure: Structure, database: Database, last: dict[str, Any], code: str
) -> None:
    if code == "VALUE_TOO_LONG" and database.capabilities.dialect == "sqlite":
        pytest.skip("SQLite takes a text of any length")
    await make(structure, "things", column("a", is_unique=True), column("b"), column("c"))
    for value in ("1", "2"):
        await insert(database, "things", a=value, b="same")
    before = await everything(structure, database)
    first = {"field": "a", "type": "integer", "schema": {"is_unique": False, "default_value": 3}, "meta": {"note": "n"}}
    with pytest.raises(TidegateError) as refused:
        await structure.fields.update(ADMIN, "things", [first, last])
    assert refused.value.code == code
    assert await everything(structure, database) == before
    await database.reload()
    assert await everything(structure, database) == before


async def test_failure_of_the_last_collection_changed_leaves_the_others(
    structure: Structure, database: Database
) -> None:
    await make(structure, "things")
    await make(structure, "others")
    before = await everything(structure, database)
    with pytest.raises(TidegateError) as refused:
        await structure.collections.update(
            ADMIN,
            [{"collection": "things", "meta": {"note": "n"}}, {"collection": "others", "meta": {"group": "gone"}}],
        )
    assert refused.value.code == "INVALID_FOREIGN_KEY"
    assert await everything(structure, database) == before


async def test_field_and_relation_that_fail_halfway_leave_everything_as_it_was(
    structure: Structure, database: Database
) -> None:
    await make(structure, "authors", column("name", "bigInteger"))
    await make(structure, "things", column("author", "bigInteger"), column("mode"))
    for number in (8, 9):
        await insert(database, "things", author=str(number))
    before = await everything(structure, database)
    twice = column("one", default_value="same", is_nullable=False, is_unique=True)
    with pytest.raises(TidegateError) as refused:
        await structure.fields.create_one(ADMIN, "things", twice)
    assert refused.value.code == "RECORD_NOT_UNIQUE"
    assert await everything(structure, database) == before
    with pytest.raises(TidegateError) as refused:
        await relate(structure, "things", "author", "authors")
    assert refused.value.code == "INVALID_FOREIGN_KEY"
    assert await everything(structure, database) == before
