"""Which field type and default a column has."""

from typing import Any

import pytest

from tidegate.database.catalog import Column
from tidegate.database.column_types import default_value, field_type, is_default
from tidegate.schema import Field, FieldType


def column(type_: str, **options: Any) -> Column:
    numbers: dict[str, Any] = {"length": None, "precision": None, "scale": None, "nullable": True, "default": None}
    flags: dict[str, Any] = {"primary_key": False, "auto_increment": False, "unique": False}
    return Column("articles", "it", type_, type_, **{**numbers, **flags, **options})


@pytest.mark.parametrize(
    ("found", "special", "expected"),
    [
        (column("character varying", length=255), (), FieldType.STRING),
        (column("char", length=36), (), FieldType.UUID),
        (column("char", length=2), (), FieldType.STRING),
        (column("int unsigned"), (), FieldType.INTEGER),
        (column("bigint"), (), FieldType.BIG_INTEGER),
        (column("longtext", checked_json=True), (), FieldType.JSON),
        (column("longtext"), (), FieldType.TEXT),
        (column("enum", enumerated=True), (), FieldType.STRING),
        (column("inet"), (), FieldType.UNKNOWN),
        (column(""), (), FieldType.UNKNOWN),
        (column("text"), ("cast-csv",), FieldType.CSV),
        (column("text"), ("no-data", "cast-json"), FieldType.JSON),
        (column("datetime"), ("date-created", "cast-timestamp"), FieldType.TIMESTAMP),
        (column("timestamp with time zone"), ("cast-datetime",), FieldType.DATE_TIME),
        (column("varchar", length=36), ("uuid",), FieldType.UUID),
        (column("varchar", length=255), ("hash", "conceal"), FieldType.HASH),
        (column("integer"), ("cast-boolean",), FieldType.BOOLEAN),
        (column("integer"), ("m2o", "user-created"), FieldType.INTEGER),
    ],
)
def test_special_flags_refine_the_columns_type(found: Column, special: tuple[str, ...], expected: FieldType) -> None:
    assert field_type(found, special) is expected


@pytest.mark.parametrize(
    ("type_", "expression", "value"),
    [
        (FieldType.STRING, "'draft'::character varying", "draft"),
        (FieldType.STRING, "'it''s'", "it's"),
        (FieldType.STRING, "'a::b'", "a::b"),
        (FieldType.INTEGER, "0", 0),
        (FieldType.INTEGER, "'-5'::integer", -5),
        (FieldType.INTEGER, "(-5)", -5),
        (FieldType.BIG_INTEGER, "'9007199254740993'::bigint", "9007199254740993"),
        (FieldType.DECIMAL, "1.5", "1.50"),
        (FieldType.BOOLEAN, "true", True),
        (FieldType.BOOLEAN, "TRUE", True),
        (FieldType.BOOLEAN, "0", False),
        (FieldType.JSON, "'{\"a\": 1}'::json", {"a": 1}),
        (FieldType.DATE, "'2021-02-03'::date", "2021-02-03"),
        (FieldType.STRING, "NULL::character varying", None),
        (FieldType.TIMESTAMP, "CURRENT_TIMESTAMP", None),
        (FieldType.TIMESTAMP, "now()", None),
        (FieldType.INTEGER, "nextval('articles_id_seq'::regclass)", None),
        (FieldType.INTEGER, "'not a number'", None),
        (FieldType.STRING, None, None),
    ],
)
def test_literal_defaults_become_values(type_: FieldType, expression: str | None, value: object) -> None:
    found = default_value(Field("articles", "it", type_, numeric_precision=10, numeric_scale=2), expression)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [(None, False), ("NULL", False), ("NULL::text", False), ("'NULL'", True), ("now()", True), ("0", True)],
)
def test_null_is_no_default(expression: str | None, expected: bool) -> None:
    assert is_default(expression) is expected
