"""References to fields as text."""

import pytest

from tidegate.query.operands import Reference, parse_reference, split_path


@pytest.mark.parametrize(
    ("text", "reference", "output"),
    [
        ("title", Reference("title"), "title"),
        ("year(published_on)", Reference("published_on", "year"), "published_on_year"),
        ("count( labels )", Reference("labels", "count"), "labels_count"),
        ("item:articles", Reference("item", None, "articles"), "item"),
        ("year(", Reference("year("), "year("),
        ("a(b(c))", Reference("a(b(c))"), "a(b(c))"),
        ("", Reference(""), ""),
    ],
)
def test_reference_is_taken_apart(text: str, reference: Reference, output: str) -> None:
    assert parse_reference(text) == reference
    assert parse_reference(text).output == output


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("title", ["title"]),
        ("author.name", ["author", "name"]),
        ("author.year(born)", ["author", "year(born)"]),
        ("year(author.born)", ["author", "year(born)"]),
        ("year(born)", ["year(born)"]),
        ("*.*", ["*", "*"]),
        ("item:articles.title", ["item:articles", "title"]),
    ],
)
def test_path_is_split_into_steps(text: str, steps: list[str]) -> None:
    assert split_path(text) == steps
