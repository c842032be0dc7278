"""docs/performance.md: the parts of it that are measured."""

from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 0) -> str:
    """Markdown; the first `left` columns are words, the others figures."""
    lines = [head, [":--"] * left + ["--:"] * (len(head) - left), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(part: str, text: str) -> None:
    """Put the text between `<!-- part -->` and `<!-- end of part -->`."""
    first, last = f"<!-- {part} -->", f"<!-- end of {part} -->"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(first)
    _, found, after = rest.partition(last)
    if not found:
        raise ValueError(f"{PAGE.name} has no part {part!r}")
    PAGE.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}", encoding="utf-8")
