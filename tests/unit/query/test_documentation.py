"""docs/queries.md names every operator and function."""

import re
from pathlib import Path
from typing import get_args

import pytest

from tidegate.database.functions import DatePart
from tidegate.query.model import Function, Limits
from tidegate.query.operators import MAX_PATTERN, OPERATORS

PAGE = (Path(__file__).parents[3] / "docs" / "queries.md").read_text()
NAMES = set(re.findall(r"`([^`]+)`", PAGE))


@pytest.mark.parametrize(
    "name", [*OPERATORS, "_some", "_none", "_regex", *get_args(DatePart), *get_args(Function), "count"]
)
def test_page_names(name: str) -> None:
    assert name in NAMES


def test_page_names_no_other_operator() -> None:
    operators = {name for name in NAMES if re.fullmatch(r"_[a-z_]+", name)}
    assert operators == {*OPERATORS, "_some", "_none", "_regex", "_and", "_or"} | {"_"} & operators


def test_page_tells_the_limits() -> None:
    limits = Limits()
    assert f"{limits.max_tokens:,}\nparts" in PAGE
    assert f"nested {limits.max_filter_depth} deep" in PAGE
    assert f"{MAX_PATTERN:,} characters" in PAGE
