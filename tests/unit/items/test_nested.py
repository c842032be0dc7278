"""The forms in which a write may name related items."""

from typing import Any

import pytest

from tidegate.errors import InvalidPayload
from tidegate.items.nested import RelatedSet, related_set


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, RelatedSet(whole=True)),
        ([], RelatedSet(whole=True)),
        ([1, "two", {"id": 3}], RelatedSet(items=(1, "two", {"id": 3}), whole=True)),
        ({}, RelatedSet()),
        ({"create": [{"a": 1}], "update": [{"id": 2}], "delete": [3]}, RelatedSet(({"a": 1}, {"id": 2}), (3,))),
        ({"delete": ["x"]}, RelatedSet(removed=("x",))),
        ({"create": None}, RelatedSet()),
    ],
)
def test_related_set_reads_each_form(value: object, expected: RelatedSet) -> None:
    assert related_set("labels", value) == expected


@pytest.mark.parametrize(
    "value",
    [
        7,
        "red",
        True,
        {"insert": []},
        {"create": {"a": 1}},
        {"create": [1]},
        {"update": ["x"]},
        {"delete": [{"id": 1}]},
        [None],
        [[1]],
        [True],
        [1.5],
    ],
)
def test_related_set_refuses_other_forms(value: Any) -> None:
    with pytest.raises(InvalidPayload, match="labels"):
        related_set("labels", value)
