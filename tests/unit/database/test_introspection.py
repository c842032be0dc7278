"""Catalogue and metadata rows become a schema. Pure; the integration tests ask real databases."""

from typing import Any

from tidegate.database.catalog import Catalog, Column, ForeignKey
from tidegate.database.introspection import Metadata, build_schema
from tidegate.database.system import system_tables
from tidegate.schema import FieldType, RelationKind, Schema


def column(table: str, name: str, type_: str = "integer", **options: Any) -> Column:
    numbers: dict[str, Any] = {"length": None, "precision": None, "scale": None, "nullable": True, "default": None}
    flags: dict[str, Any] = {"primary_key": name == "id", "auto_increment": False, "unique": False}
    return Column(table, name, type_, type_, **{**numbers, **flags, **options})


def foreign_key(table: str, name: str, target: str, target_column: str | None = "id") -> ForeignKey:
    return ForeignKey(table, name, target, target_column, "cascade", "no action", None)


def field_row(collection: str, field: str, **options: Any) -> dict[str, Any]:
    return {"collection": collection, "field": field, "special": None, **options}


def relation_row(collection: str, field: str, **options: Any) -> dict[str, Any]:
    empty = {"one_collection": None, "one_field": None, "one_collection_field": None, "one_allowed_collections": None}
    return {
        "many_collection": collection,
        "many_field": field,
        **empty,
        "sort_field": None,
        "one_deselect_action": "nullify",
        **options,
    }


AUTHORS_ARTICLES = [column("articles", "id"), column("articles", "author"), column("authors", "id")]


def schema_of(
    columns: list[Column], foreign_keys: list[ForeignKey] | None = None, metadata: Metadata | None = None
) -> Schema:
    return build_schema(Catalog(columns, foreign_keys or []), metadata or Metadata(), system_tables())[0]


def test_foreign_key_without_metadata_is_a_relation_without_the_other_side() -> None:
    schema = schema_of(AUTHORS_ARTICLES, [foreign_key("articles", "author", "authors")])
    view = schema.relation("articles", "author")
    assert view is not None
    assert (view.kind, view.target, view.relation.on_delete) == (RelationKind.M2O, "authors", "cascade")
    assert view.relation.one_field is None


def test_foreign_key_to_the_implied_primary_key_is_a_relation() -> None:
    schema = schema_of(AUTHORS_ARTICLES, [foreign_key("articles", "author", "authors", None)])
    assert schema.relation("articles", "author") is not None


def test_foreign_key_to_another_column_is_none() -> None:
    schema = schema_of(
        [*AUTHORS_ARTICLES, column("authors", "code")], [foreign_key("articles", "author", "authors", "code")]
    )
    assert schema.relation("articles", "author") is None


def test_metadata_names_the_other_side_when_its_alias_field_is_there() -> None:
    relations = [relation_row("articles", "author", one_collection="authors", one_field="articles")]
    without = schema_of(AUTHORS_ARTICLES, metadata=Metadata(relations=relations))
    assert without.relation("authors", "articles") is None
    alias = [field_row("authors", "articles", special=["o2m"])]
    schema = schema_of(AUTHORS_ARTICLES, metadata=Metadata(fields=alias, relations=relations))
    view = schema.relation("authors", "articles")
    assert view is not None
    assert view.kind is RelationKind.O2M
    assert schema.collections["authors"].fields["articles"].alias


def test_many_to_any_lists_what_it_may_lead_to() -> None:
    columns = [column("blocks", "id"), column("blocks", "item"), column("blocks", "kind"), column("texts", "id")]
    row = relation_row("blocks", "item", one_collection_field="kind", one_allowed_collections=["texts", "gone"])
    view = schema_of(columns, metadata=Metadata(relations=[row])).relation("blocks", "item")
    assert view is not None
    assert view.kind is RelationKind.A2O
    assert view.relation.one_allowed_collections == ("texts", "gone")


def test_relation_of_what_is_not_there_is_left_out() -> None:
    rows = [
        relation_row("gone", "author", one_collection="authors"),
        relation_row("articles", "gone", one_collection="authors"),
        relation_row("articles", "author", one_collection="gone"),
    ]
    relations = schema_of(AUTHORS_ARTICLES, metadata=Metadata(relations=rows)).relations
    assert [relation for relation in relations if relation.many_collection == "articles"] == []


def test_table_without_one_primary_key_is_not_served_and_the_reason_kept() -> None:
    columns = [column("log", "line"), column("pairs", "id"), column("pairs", "b", primary_key=True)]
    schema, unserved = build_schema(Catalog(columns, []), Metadata(), system_tables())
    assert not schema.collections
    assert unserved == {"log": "it has no primary key", "pairs": "its primary key has more than one column"}


def test_metadata_gives_specials_validation_and_settings() -> None:
    row = field_row(
        "articles", "author", special=["cast-boolean"], required=True, validation={"author": {"_nnull": True}},
        validation_message="please", searchable=False,
    )  # fmt: skip
    collection = {"collection": "articles", "singleton": True, "sort_field": "author"}
    schema = schema_of(AUTHORS_ARTICLES, metadata=Metadata(collections=[collection], fields=[row]))
    articles = schema.collections["articles"]
    field = articles.fields["author"]
    assert (articles.singleton, articles.sort_field) == (True, "author")
    assert (field.type, field.special, field.required) == (FieldType.BOOLEAN, ("cast-boolean",), True)
    assert (field.validation, field.validation_message) == ({"author": {"_nnull": True}}, "please")
    assert not field.searchable
    assert (schema.collections["authors"].singleton, schema.collections["authors"].sort_field) == (False, None)


def test_system_fields_come_from_the_description_as_far_as_columns_exist() -> None:
    columns = [
        column("directus_users", "id", "char", length=36),
        column("directus_users", "password", "varchar", length=255),
        column("directus_users", "tags", "json"),
        column("directus_users", "nickname", "varchar", length=20),
    ]
    users = schema_of(columns).collections["directus_users"]
    assert users.fields["password"].type is FieldType.HASH
    assert users.fields["password"].concealed
    assert users.fields["policies"].alias
    assert users.fields["nickname"].type is FieldType.STRING
    assert "email" not in users.fields


def test_unknown_system_tables_are_not_served() -> None:
    _, unserved = build_schema(Catalog([column("directus_flows", "id")], []), Metadata(), system_tables())
    assert list(unserved) == ["directus_flows"]
