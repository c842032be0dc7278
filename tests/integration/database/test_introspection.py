"""Real tables of every engine as a schema: those of any program, and those of a Directus project."""

import pytest
import sqlalchemy as sa

from tests.support.ddl import run_ddl
from tidegate.database.engine import Database
from tidegate.schema import FieldType, RelationKind

ORDINARY = (
    "CREATE TABLE customers (id integer NOT NULL PRIMARY KEY, name varchar(50) DEFAULT 'nobody' NOT NULL, "
    "vip boolean DEFAULT false)",
    "CREATE UNIQUE INDEX by_name ON customers (name)",
    "CREATE TABLE orders (number integer NOT NULL PRIMARY KEY, customer integer, total decimal(12, 3) DEFAULT 1.5, "
    "CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE SET NULL)",
    "CREATE TABLE order_lines (order_number integer NOT NULL, line integer NOT NULL, PRIMARY KEY (order_number, line))",
    "CREATE TABLE log (line varchar(20))",
    "CREATE VIEW totals AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer",
)


async def test_ordinary_tables_become_collections_with_their_constraints(database: Database) -> None:
    await run_ddl(database, *ORDINARY)
    schema = database.schema
    assert set(schema.collections) == {"customers", "orders"}
    assert database.unserved == {
        "order_lines": "its primary key has more than one column",
        "log": "it has no primary key",
        "totals": "it is a view",
    }
    name = schema.collections["customers"].fields["name"]
    assert (name.type, name.max_length, name.nullable, name.unique) == (FieldType.STRING, 50, False, True)
    assert (name.default, name.has_default) == ("nobody", True)
    vip = schema.collections["customers"].fields["vip"]
    assert (vip.type, vip.default) == (FieldType.BOOLEAN, False)
    total = schema.collections["orders"].fields["total"]
    assert (total.type, total.numeric_precision, total.numeric_scale) == (FieldType.DECIMAL, 12, 3)
    assert total.default == "1.500"
    assert schema.collections["orders"].primary_key == "number"
    view = schema.relation("orders", "customer")
    assert view is not None
    assert (view.kind, view.target, view.relation.on_delete) == (RelationKind.M2O, "customers", "set null")


KEYS = {"sqlite": "integer PRIMARY KEY", "postgresql": "serial PRIMARY KEY", "mysql": "int AUTO_INCREMENT PRIMARY KEY"}


async def test_counting_keys_are_found(database: Database) -> None:
    await run_ddl(database, f"CREATE TABLE things (id {KEYS[database.capabilities.dialect]}, other integer)")
    key = database.schema.collections["things"].key_field
    assert (key.auto_increment, key.has_default, key.default) == (True, True, None)
    assert not database.schema.collections["things"].fields["other"].auto_increment


async def test_names_of_any_kind_can_be_read_and_written(database: Database) -> None:
    quote = "`" if database.capabilities.dialect == "mysql" else '"'
    names = ["id", "order", "Mixed Case", "per%cent", "qu'ote", "col:on", "ünï", "$dollar"]
    columns = ", ".join(f"{quote}{name}{quote} varchar(20)" for name in names[1:])
    await run_ddl(database, f"CREATE TABLE {quote}select %s{quote} (id integer NOT NULL PRIMARY KEY, {columns})")
    table = database.tables["select %s"]
    row = {"id": 1, **{name: name for name in names[1:]}}
    async with database.transaction() as transaction:
        await transaction.execute(sa.insert(table).values(row))
    assert [
        found._asdict() for found in await database.fetch(sa.select(table).where(table.c["per%cent"] == "per%cent"))
    ] == [row]
    read = database.prepare(sa.select(table).where(table.c["col:on"] == sa.bindparam("key")))
    assert await database.fetch_prepared(read, {"key": "col:on"}) == [tuple(row.values())]


async def test_directus_metadata_refines_what_columns_say(database: Database) -> None:
    quote = "`" if database.capabilities.dialect == "mysql" else '"'
    await run_ddl(
        database,
        "CREATE TABLE articles (id integer NOT NULL PRIMARY KEY, tags text, author integer)",
        "CREATE TABLE authors (id integer NOT NULL PRIMARY KEY)",
        f"CREATE TABLE directus_collections (collection varchar(64) NOT NULL PRIMARY KEY, singleton boolean, "
        f"sort_field varchar(64), {quote}group{quote} varchar(64))",
        f"CREATE TABLE directus_fields (id integer NOT NULL PRIMARY KEY, collection varchar(64), field varchar(64), "
        f"special varchar(64), {quote}required{quote} boolean)",
        "CREATE TABLE directus_relations (id integer NOT NULL PRIMARY KEY, many_collection varchar(64), "
        "many_field varchar(64), one_collection varchar(64), one_field varchar(64), one_collection_field varchar(64), "
        "one_allowed_collections text, junction_field varchar(64), sort_field varchar(64), "
        "one_deselect_action varchar(255))",
        "INSERT INTO directus_collections VALUES ('articles', true, 'id', NULL), ('folder', false, NULL, NULL)",
        "INSERT INTO directus_fields VALUES (1, 'articles', 'tags', 'cast-csv', true), "
        "(2, 'authors', 'articles', 'o2m', NULL)",
        "INSERT INTO directus_relations VALUES (1, 'articles', 'author', 'authors', 'articles', NULL, NULL, NULL, "
        "NULL, 'delete')",
    )
    articles = database.schema.collections["articles"]
    assert (articles.singleton, articles.sort_field) == (True, "id")
    assert articles.fields["tags"].type is FieldType.CSV
    assert articles.fields["tags"].required
    assert "folder" not in database.schema.collections
    view = database.schema.relation("authors", "articles")
    assert view is not None
    assert (view.kind, view.target, view.relation.one_deselect_action) == (RelationKind.O2M, "articles", "delete")
    assert view.relation.on_delete is None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_partitions_and_other_schemas_are_left_out(database: Database) -> None:
    await run_ddl(
        database,
        "CREATE SCHEMA other",
        "CREATE TABLE other.hidden (id integer PRIMARY KEY)",
        "CREATE TABLE measures (id integer PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE measures_1 PARTITION OF measures FOR VALUES FROM (0) TO (10)",
    )
    assert set(database.schema.collections) == {"measures"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_sqlite_tables_of_any_age(database: Database) -> None:
    await run_ddl(
        database,
        "CREATE TABLE a (id INTEGER PRIMARY KEY, x, y NVARCHAR (20), z FLOAT(8), g integer AS (id * 2))",
        "CREATE TABLE b (code text PRIMARY KEY) WITHOUT ROWID",
        "CREATE TABLE c (id INT PRIMARY KEY, a REFERENCES a)",
    )
    fields = database.schema.collections["a"].fields
    assert [(name, field.type.value) for name, field in fields.items()] == [
        ("id", "integer"), ("x", "unknown"), ("y", "string"), ("z", "float"), ("g", "integer"),
    ]  # fmt: skip
    assert fields["y"].max_length == 20
    assert [database.schema.collections[name].key_field.auto_increment for name in "abc"] == [True, False, False]
    assert database.schema.relation("c", "a") is not None
