"""URL parameters with brackets."""

import pytest

from tidegate.errors import InvalidQuery
from tidegate.query.brackets import unfold


@pytest.mark.parametrize(
    ("pairs", "unfolded"),
    [
        ([("limit", "1")], {"limit": "1"}),
        ([("filter[room][_eq]", "1")], {"filter": {"room": {"_eq": "1"}}}),
        ([("fields[]", "id"), ("fields[]", "room")], {"fields": ["id", "room"]}),
        ([("fields[1]", "b"), ("fields[0]", "a")], {"fields": ["a", "b"]}),
        ([("fields[2]", "c"), ("fields[10]", "d")], {"fields": ["c", "d"]}),
        ([("fields", "id"), ("fields", "room"), ("fields", "text")], {"fields": ["id", "room", "text"]}),
        ([("fields[]", "id")], {"fields": ["id"]}),
        (
            [("filter[_or][0][a][_eq]", "1"), ("filter[_or][1][b][_eq]", "2")],
            {"filter": {"_or": [{"a": {"_eq": "1"}}, {"b": {"_eq": "2"}}]}},
        ),
        ([("filter[a][_in][]", "1"), ("filter[a][_in][]", "2")], {"filter": {"a": {"_in": ["1", "2"]}}}),
        ([("deep[articles][_limit]", "1")], {"deep": {"articles": {"_limit": "1"}}}),
        ([("a[b", "1"), ("]", "2"), ("[x]", "3")], {"a[b": "1", "]": "2", "[x]": "3"}),
        ([("search", "")], {"search": ""}),
        ([], {}),
    ],
)
def test_brackets_become_objects_and_arrays(pairs: list[tuple[str, str]], unfolded: dict[str, object]) -> None:
    assert unfold(pairs, 20) == unfolded


@pytest.mark.parametrize(
    "pairs",
    [
        [("a", "1"), ("a[b]", "2")],
        [("a[b]", "2"), ("a", "1")],
        [("a[b]", "1"), ("a[b]", "2"), ("a[b][c]", "3")],
        [("a" + "[b]" * 21, "1")],
        [("a" + "[b]" * 100_000, "1")],
    ],
)
def test_what_cannot_be_unfolded_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidQuery):
        unfold(pairs, 20)
