"""Variables with a path: found in rules, read by joins."""

from typing import Any

import pytest
import sqlalchemy as sa

from tidegate.access.paths import USER_PATH, path_reader, used_paths
from tidegate.access.rights import Rule
from tidegate.database.capabilities import SQLITE
from tidegate.database.tables import build_tables
from tidegate.schema.model import Collection, Field, FieldType, Relation, Schema


def collection(name: str, *fields: str, **special: FieldType) -> Collection:
    types = {"id": FieldType.INTEGER} | dict.fromkeys(fields, FieldType.STRING) | special
    concealed = {"password"}
    return Collection(
        name,
        "id",
        {
            field: Field(
                name, field, kind, special=("conceal",) if field in concealed else (), primary_key=field == "id"
            )
            for field, kind in types.items()
        },
    )


SCHEMA = Schema(
    {
        each.name: each
        for each in (
            collection(
                "users", "name", "password", team=FieldType.INTEGER, boss=FieldType.INTEGER, notes=FieldType.ALIAS
            ),
            collection("teams", "name", region=FieldType.INTEGER, password=FieldType.HASH),
            collection("regions", "code"),
            collection("notes", "text", author=FieldType.INTEGER, item=FieldType.INTEGER, kind=FieldType.STRING),
        )
    },
    (
        Relation("users", "team", "teams"),
        Relation("users", "boss", "users"),
        Relation("teams", "region", "regions"),
        Relation("notes", "author", "users", one_field="notes"),
        Relation("notes", "item", None, one_collection_field="kind", one_allowed_collections=("teams",)),
    ),
)
TABLES = build_tables(SCHEMA, SQLITE)


@pytest.fixture
def connection() -> Any:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        for table in TABLES.values():
            table.create(connection)
        for name, rows in {
            "regions": [{"id": 1, "code": "north"}],
            "teams": [{"id": 1, "name": "red", "region": 1}, {"id": 2, "name": "blue"}],
            "users": [
                {"id": 1, "name": "Ada", "team": 1, "password": "hash"},
                {"id": 2, "name": "Bob", "team": 2, "boss": 1},
                {"id": 3, "name": "Cy"},
            ],
        }.items():
            for row in rows:
                connection.execute(sa.insert(TABLES[name]).values(row))
        yield connection
    engine.dispose()


def read(connection: sa.Connection, user: int, *paths: str) -> dict[str, Any]:
    reader = path_reader(USER_PATH, "users", (USER_PATH + path for path in paths), SCHEMA, TABLES)
    ends = [column.label(f"path_{number}") for number, column in enumerate(reader.columns)]
    select = sa.select(TABLES["users"].c.id, *ends).select_from(reader.source).where(TABLES["users"].c.id == user)
    (row,) = connection.execute(select).all()
    return {variable.removeprefix(USER_PATH): value for variable, value in reader.values(row[1:]).items()}


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (1, {"name": "Ada", "team": 1, "team.name": "red", "team.region.code": "north", "boss.team.name": None}),
        (2, {"name": "Bob", "team": 2, "team.name": "blue", "team.region.code": None, "boss.team.name": "red"}),
        (3, {"name": "Cy", "team": None, "team.name": None, "team.region.code": None, "boss.team.name": None}),
    ],
)
def test_paths_lead_along_many_to_one_in_one_statement(
    connection: sa.Connection, user: int, expected: dict[str, Any]
) -> None:
    assert read(connection, user, *expected) == expected


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "team.nothing",
        "nothing.name",
        "name.name",
        "notes",
        "notes.text",
        "password",
        "team.password",
        "",
        "team.",
        ".team",
        "team.name.x",
        "count(notes)",
    ],
)
def test_path_that_leads_nowhere_or_to_a_secret_is_null(connection: sa.Connection, path: str) -> None:
    assert read(connection, 1, path, "name") == {path: None, "name": "Ada"}


def test_reader_knows_the_collections_on_the_way() -> None:
    paths = [USER_PATH + path for path in ("name", "team.region", "boss.name", "notes.text")]
    assert path_reader(USER_PATH, "users", paths, SCHEMA, TABLES).collections == {"teams", "users"}


def test_many_to_any_leads_nowhere() -> None:
    reader = path_reader("$X.", "notes", ["$X.item.name"], SCHEMA, TABLES)
    assert reader.source is TABLES["notes"]
    assert isinstance(reader.columns[0], sa.Null)


def test_paths_are_found_in_every_part_of_a_rule() -> None:
    rule = Rule(
        {"_or": [{"team": {"_in": ["$CURRENT_USER.team", 7, None]}}, {"x": {"_eq": "$CURRENT_USER"}}]},
        frozenset({"$CURRENT_USER.field"}),
        {"_and": [{"region": {"_eq": "$CURRENT_ROLE.region.code"}}]},
        {"owner": "$CURRENT_USER.boss", "text": "by $CURRENT_USER.name", "$CURRENT_USER.key": 1},
    )
    assert used_paths(rule) == {"$CURRENT_USER.team", "$CURRENT_ROLE.region.code", "$CURRENT_USER.boss"}
