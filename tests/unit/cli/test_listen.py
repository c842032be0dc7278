"""What `tidegate listen` prints for an event."""

from typing import Any

import pytest

from tidegate.cli.listen import lines
from tidegate.client import Event


@pytest.mark.parametrize(
    ("event", "printed"),
    [
        (Event("init", []), ["init   (no items yet)"]),
        (Event("init", [{"id": 1}, {"id": 2}]), ['init   {"id":1}', 'init   {"id":2}']),
        (Event("create", [{"id": 3, "text": "grüß dich"}]), ['create {"id":3,"text":"grüß dich"}']),
        (Event("update", {"id": 3}), ['update {"id":3}']),
        (Event("delete", ["3", "4"]), ['delete "3"', 'delete "4"']),
    ],
)
def test_event_is_a_line_for_each_item(event: Event, printed: list[Any]) -> None:
    assert [line.plain for line in lines(event)] == printed
