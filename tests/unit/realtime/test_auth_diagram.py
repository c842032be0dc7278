from pathlib import Path

from tidegate.realtime.auth import TABLE
from tidegate.realtime.auth_diagram import page

PAGE = Path(__file__).parents[3] / "docs" / "authentication.md"


def test_documentation_shows_the_table_as_it_is() -> None:
    assert PAGE.read_text() == page(), "run: python -m tidegate.realtime.auth_diagram > docs/authentication.md"


def test_page_lists_every_row() -> None:
    assert sum(line.startswith("| ") for line in page().splitlines()) == len(TABLE) + 1
