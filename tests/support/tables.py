"""The documentation's tables as the code has them; `python -m tests.support.tables` prints them to paste."""

import sys
from collections.abc import Iterator

from tidegate.errors import ERROR_CODES
from tidegate.settings import variables


def setting_rows() -> Iterator[str]:
    """docs/settings.md: one row for each variable."""
    for variable in variables():
        default = f"`{variable.default}`" if variable.default else "–"
        yield f"| `{variable.name}` | {default} | {variable.allowed} | {variable.help} |"


def error_rows() -> Iterator[str]:
    """docs/errors.md: one row for each code."""
    for row in ERROR_CODES.values():
        yield f"| `{row.code}` | {row.status} | {row.when} | {'yes' if row.retry else 'no'} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join((*setting_rows(), "", *error_rows(), "")))
