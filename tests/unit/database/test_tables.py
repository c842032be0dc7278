"""Tables of one snapshot after the other: the same where nothing of them has changed."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.schemas import CAPABILITIES, build_schema
from tidegate.database.tables import build_tables
from tidegate.schema import FieldType, Schema

BEFORE = build_schema()
TABLES = build_tables(BEFORE, CAPABILITIES["sqlite"])


def changed(**parts: Any) -> Schema:
    """The snapshot after a change of `articles.title`."""
    articles = BEFORE.collections["articles"]
    fields = {**articles.fields, "title": replace(articles.fields["title"], **parts)}
    return replace(BEFORE, collections={**BEFORE.collections, "articles": replace(articles, fields=fields)})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"name": "heading"}),
        ({}, {"type": FieldType.TEXT}),
        ({}, {"type": FieldType.ALIAS}),
        ({}, {"database_type": "text"}),
        ({"type": FieldType.DECIMAL}, {"type": FieldType.DECIMAL, "numeric_scale": 3}),
        ({"type": FieldType.TIMESTAMP}, {"type": FieldType.TIMESTAMP, "moment_separator": "T"}),
        ({}, {"primary_key": True}),
        ({}, {"auto_increment": True}),
        ({}, {"nullable": False}),
        ({}, {"has_default": True}),
    ],
)
def test_table_is_another_once_a_column_is(before: dict[str, Any], after: dict[str, Any]) -> None:
    first = build_tables(changed(**before), CAPABILITIES["sqlite"])
    then = build_tables(changed(**after), CAPABILITIES["sqlite"])
    assert {name for name, table in then.items() if table is not first[name]} == {"articles"}


@pytest.mark.parametrize(
    "parts", [{"special": ("conceal",)}, {"required": True}, {"validation": {"title": {"_nnull": True}}}]
)
def test_table_stays_the_same_whatever_else_changes(parts: dict[str, Any]) -> None:
    again = build_tables(changed(**parts), CAPABILITIES["sqlite"])
    assert all(table is TABLES[name] for name, table in again.items())


def test_engines_share_no_table() -> None:
    other = build_tables(BEFORE, CAPABILITIES["postgresql"])
    assert all(table is not TABLES[name] for name, table in other.items())
