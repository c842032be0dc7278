"""What the commands print, and how one fails: a sentence on stderr and an exit code that is not 0."""

import sys
from typing import NoReturn

FAILURE = 1
INTERRUPTED = 130
"""What a shell reports of a process that Ctrl-C ended (128 and the number of SIGINT)."""


class CommandError(Exception):
    """A command cannot do what was asked; the message is one sentence for the person who typed it."""


def fail(error: Exception) -> NoReturn:
    """Say why, line by line, and end the process."""
    for line in str(error).splitlines():
        print(f"tidegate: {line}", file=sys.stderr)  # noqa: T201 - printing is what this module is for
    sys.exit(FAILURE)


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say(text: str) -> None:
    """A line for the person, at once, also where stdout is a pipe."""
    print(text, flush=True)  # noqa: T201 - printing is what this module is for
