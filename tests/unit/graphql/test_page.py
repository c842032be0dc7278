"""The page about GraphQL, compared with the code."""

import re
from pathlib import Path

import pytest

from tidegate.graphql import machine, protection
from tidegate.realtime.machine import Hangup

PAGE = (Path(__file__).parents[3] / "docs" / "graphql.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("levels of selections", protection.MAX_DEPTH),
        ("levels of brackets", protection.MAX_NESTING),
        ("fields, fragments expanded", protection.MAX_FIELDS),
        ("root fields", protection.MAX_ROOT_FIELDS),
        ("aliases", protection.MAX_ALIASES),
        ("fields selected twice in the same braces", protection.MAX_DUPLICATES),
        ("directives", protection.MAX_DIRECTIVES),
        ("fragment spreads and inline fragments", protection.MAX_SPREADS),
        ("operations and fragments in a document", protection.MAX_DEFINITIONS),
        ("names with a value in arguments", protection.MAX_ARGUMENTS),
        ("values in variables", protection.MAX_VALUES),
    ],
)
def test_page_has_limit_as_the_code_has_it(what: str, limit: int) -> None:
    assert f"| {what} | {limit} |" in PAGE


def test_page_has_limits_that_go_together() -> None:
    assert f"{protection.CHARACTERS_PER_TOKEN} characters for each" in PAGE
    row = re.search(r"\| complexity: .* counted (\d+) times .* \| (\d+) \|", PAGE)
    assert row is not None
    assert (int(row[1]), int(row[2])) == (protection.LIST_WEIGHT, protection.MAX_COMPLEXITY)


def test_page_has_every_close_code_with_its_reason() -> None:
    for hangup in vars(machine).values():
        if isinstance(hangup, Hangup):
            assert f"| {hangup.code} | `{hangup.reason}` |" in PAGE
