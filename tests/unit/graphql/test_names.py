"""What GraphQL can call things."""

import pytest

from tests.support.schemas import build_schema
from tidegate.graphql.names import nameable, root_name, sayable
from tidegate.schema import Collection, Field, FieldType, Schema


def collection(name: str, *fields: str) -> Collection:
    described = {each: Field(name, each, FieldType.STRING, primary_key=each == "id") for each in ("id", *fields)}
    return Collection(name, "id", described)


def schema(*collections: Collection) -> Schema:
    return Schema({each.name: each for each in collections}, ())


@pytest.mark.parametrize("name", ["notes", "_notes", "Notes2", "a"])
def test_ordinary_name_is_sayable(name: str) -> None:
    assert sayable(name)


@pytest.mark.parametrize("name", ["", "2notes", "my notes", "my-notes", "größe", "__notes", "notes\n"])
def test_name_that_graphql_does_not_take_is_not(name: str) -> None:
    assert not sayable(name)


def test_every_ordinary_collection_has_a_name() -> None:
    described = build_schema()
    assert nameable(described) == set(described.collections)


@pytest.mark.parametrize(
    "later",
    ["notes_filter", "notes_by_id", "notes_aggregated", "notes_mutated", "create_notes_input", "notes_owner_union"],
)
def test_collection_that_is_called_like_a_type_of_another_is_left_out(
    later: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = nameable(schema(collection("notes", "owner"), collection(later), collection("other")))
    assert found == {"notes", "other"}
    assert later in caplog.text


@pytest.mark.parametrize("name", ["Query", "String", "JSON", "EventEnum", "string_filter_operators", "my notes"])
def test_collection_that_is_called_like_a_type_of_the_server_is_left_out(name: str) -> None:
    assert nameable(schema(collection(name), collection("notes"))) == {"notes"}


def test_system_collection_loses_its_prefix_on_its_own_endpoint_only() -> None:
    assert root_name("directus_users", system=True) == "users"
    assert root_name("directus_users", system=False) == "directus_users"
