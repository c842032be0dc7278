"""What a request to change the structure may ask for."""

from typing import Any

import pytest

from tidegate.errors import InvalidPayload, TidegateError
from tidegate.items import structure_input as given
from tidegate.schema import Collection, Field, FieldType

KEY = {"field": "id", "type": "integer", "schema": {"is_primary_key": True, "has_auto_increment": True}, "meta": {}}


def column(name: str, type_: str = "string", **schema: Any) -> dict[str, Any]:
    return {"field": name, "type": type_, "schema": schema, "meta": {}}


@pytest.mark.parametrize("name", ["articles", "_private", "A1", "x" * 63])
def test_plain_names_are_taken(name: str) -> None:
    assert given.new_collection_name({"collection": name}, ["others"]) == name


@pytest.mark.parametrize(
    "name",
    [
        None, 7, "", "dir ty", 'x"; DROP TABLE y; --', "1st", "ünï", "x" * 64, "directus_mine", "Directus_Mine",
        "sqlite_mine", "THINGS", "a.b", "a\n",
    ],
)  # fmt: skip
def test_other_names_are_refused(name: object) -> None:
    with pytest.raises(InvalidPayload):
        given.new_collection_name({"collection": name}, ["things"])


def test_key_that_counts_is_added_where_none_is_named() -> None:
    made = given.new_fields("articles", {"fields": [column("title")]})
    assert [(new.field.name, new.field.primary_key, new.field.auto_increment) for new in made] == [
        ("id", True, True),
        ("title", False, False),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        ["a"],
        [KEY, KEY],
        [KEY, {**KEY, "field": "other"}],
        [column("id")],
        [column("ID")],
        [KEY, column("a"), column("A")],
        [column("a b")],
        [{"field": "a", "schema": {}}],
        [column("a", "nonsense")],
        [column("a", "unknown")],
        [{"field": "a", "type": 7, "schema": {}}],
        [{"field": "a", "type": "alias", "schema": {}}],
        [{"field": "a", "type": "string", "schema": []}],
        [{"field": "a", "type": "string", "meta": "x"}],
        [column("a", "text", is_primary_key=True)],
        [column("a", "uuid", is_primary_key=True, has_auto_increment=True)],
        [column("a", "integer", has_auto_increment=True)],
        [column("a", is_nullable="no")],
        [column("a", max_length="long")],
        [column("a", max_length=0)],
        [column("a", max_length=True)],
        [column("a", "integer", default_value="one")],
        [column("a", "decimal", numeric_precision=2, numeric_scale=3)],
        [column("a", "decimal", numeric_precision=66)],
    ],
)
def test_fields_that_cannot_be_are_refused(fields: object) -> None:
    with pytest.raises(InvalidPayload):
        given.new_fields("articles", {"fields": fields})


def test_default_that_the_column_cannot_hold_is_refused() -> None:
    with pytest.raises(TidegateError) as refused:
        given.new_field("articles", column("a", max_length=3, default_value="long"), [])
    assert refused.value.code == "VALUE_TOO_LONG"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (column("a"), {"type": FieldType.STRING, "max_length": 255, "nullable": True, "unique": False}),
        (
            column("a", length=40, is_nullable=False, is_unique=True),
            {"max_length": 40, "nullable": False, "unique": True},
        ),
        (column("a", "decimal"), {"numeric_precision": 10, "numeric_scale": 5, "max_length": None}),
        (column("a", "decimal", numeric_precision=3), {"numeric_precision": 3, "numeric_scale": 3}),
        (column("a", "decimal", numeric_precision=8, numeric_scale=0), {"numeric_precision": 8, "numeric_scale": 0}),
        (column("a", "boolean", default_value="true"), {"default": True, "has_default": True}),
        (column("a", "timestamp", default_value="NOW()"), {"default": "CURRENT_TIMESTAMP"}),
        (column("a", default_value=None), {"default": None, "has_default": False}),
        ({"field": "a"}, {"type": FieldType.ALIAS}),
        ({"field": "a", "type": "string"}, {"type": FieldType.STRING, "max_length": 255}),
        (KEY, {"primary_key": True, "auto_increment": True, "nullable": False, "unique": True}),
    ],
)
def test_field_has_the_properties_asked_for(row: dict[str, Any], expected: dict[str, Any]) -> None:
    made = given.new_field("articles", row, []).field
    assert {name: getattr(made, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("row", "special"),
    [
        ({"field": "a", "meta": {"special": ["o2m"]}}, ["o2m"]),
        ({"field": "a", "type": "alias", "schema": None}, ["no-data"]),
        (column("a", "csv"), ["cast-csv"]),
        ({**column("a", "csv"), "meta": {"special": ["cast-csv", "x"]}}, ["cast-csv", "x"]),
        ({**column("a", "hash"), "meta": {"special": ["conceal"]}}, ["conceal", "hash"]),
        ({**column("a", "json"), "meta": {"special": None}}, None),
    ],
)
def test_flags_tell_what_the_column_cannot(row: dict[str, Any], special: list[str] | None) -> None:
    meta = given.new_field("articles", row, []).meta
    assert meta is not None
    assert meta.get("special") == special


TITLE = Field(
    "articles", "title", FieldType.STRING, max_length=40, default="x", has_default=True, database_type="varchar"
)


def test_change_keeps_what_it_does_not_name() -> None:
    after = given.changed_field(TITLE, {"schema": {"is_nullable": False, "data_type": "ignored"}})
    assert (after.max_length, after.default, after.nullable, after.database_type) == (40, "x", False, "varchar")


def test_change_of_type_drops_the_default_and_the_columns_spelling() -> None:
    after = given.changed_field(TITLE, {"type": "integer", "schema": {"default_value": 5}})
    assert (after.type, after.default, after.database_type) == (FieldType.INTEGER, 5, "")


@pytest.mark.parametrize(
    ("field", "row"),
    [
        (TITLE, {"type": "alias"}),
        (TITLE, {"schema": {"is_primary_key": True}}),
        (Field("articles", "id", FieldType.INTEGER, primary_key=True), {"type": "string"}),
        (Field("articles", "line", FieldType.ALIAS), {"type": "string", "schema": {}}),
        (Field("articles", "line", FieldType.ALIAS), {"schema": {"is_nullable": True}}),
    ],
)
def test_change_that_cannot_be_is_refused(field: Field, row: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        given.changed_field(field, row)


FIELDS = Collection(
    "directus_fields",
    "id",
    {
        "id": Field("directus_fields", "id", FieldType.INTEGER),
        "collection": Field("directus_fields", "collection", FieldType.STRING),
        "required": Field("directus_fields", "required", FieldType.BOOLEAN),
        "options": Field("directus_fields", "options", FieldType.JSON),
        "children": Field("directus_fields", "children", FieldType.ALIAS),
    },
)


def test_meta_sets_known_properties_but_no_identity() -> None:
    meta = {"id": 7, "collection": "other", "system": True, "required": 1, "options": {"a": 1}, "children": [1]}
    assert given.meta_row(meta, FIELDS) == {"required": True, "options": {"a": 1}}


@pytest.mark.parametrize("meta", [{"nonsense": 1}, {"required": "maybe"}])
def test_other_meta_is_refused(meta: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        given.meta_row(meta, FIELDS)


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        (None, "no action"),
        ({}, "no action"),
        ({"on_delete": "SET NULL"}, "set null"),
        ({"on_delete": None}, "no action"),
    ],
)
def test_rules_of_foreign_keys(schema: dict[str, Any] | None, rule: str) -> None:
    assert given.on_delete(schema) == rule


@pytest.mark.parametrize("rule", ["EXPLODE", 7])
def test_other_rules_are_refused(rule: object) -> None:
    with pytest.raises(InvalidPayload):
        given.on_delete({"on_delete": rule})


@pytest.mark.parametrize(
    ("field", "key", "fits"),
    [
        ("integer", "integer", True),
        ("bigInteger", "integer", True),
        ("text", "string", True),
        ("string", "uuid", False),
        ("string", "integer", False),
    ],
)
def test_field_has_to_hold_keys_of_the_other_collection(field: str, key: str, fits: bool) -> None:
    assert given.fits_key(Field("a", "b", FieldType(field)), Field("b", "id", FieldType(key))) is fits
