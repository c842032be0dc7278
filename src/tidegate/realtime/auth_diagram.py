"""The page `docs/authentication.md`, generated from the table of `auth.py` (a test compares them).

python -m tidegate.realtime.auth_diagram > docs/authentication.md
"""

import sys
from collections.abc import Iterator

from tidegate.realtime.auth import TABLE, Mode, Row, State

_INTRODUCTION = """\
# The authentication life of a connection

Generated from the transition table in `src/tidegate/realtime/auth.py`; change it there, then run
`python -m tidegate.realtime.auth_diagram > docs/authentication.md`.

Every WebSocket endpoint lives this life; the endpoint decides only how an effect is said on the wire. Inputs that
change neither the state nor anything else are left out of the diagram and kept in the table.
"""


def page() -> str:
    """The whole page, as Markdown with a Mermaid diagram."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.OPENING}"
    for row in TABLE:
        if row.state is not State.CLOSED and (row.next is not row.state or row.effects):
            yield f"    {row.state} --> {row.next}: {_label(row)}"
    yield f"    {State.CLOSED} --> [*]"
    yield "```"
    yield ""
    yield "## Transitions"
    yield ""
    yield "| modes | state | input | next state | effects |"
    yield "|---|---|---|---|---|"
    for row in TABLE:
        yield f"| {_modes(row)} | {row.state} | {row.input} | {row.next} | {', '.join(row.effects) or '–'} |"
    yield ""


def _label(row: Row) -> str:
    return f"{row.input} ({_modes(row)})" if len(row.modes) < len(Mode) else row.input


def _modes(row: Row) -> str:
    return "any" if len(row.modes) == len(Mode) else ", ".join(mode for mode in Mode if mode in row.modes)


if __name__ == "__main__":
    sys.stdout.write(page())
