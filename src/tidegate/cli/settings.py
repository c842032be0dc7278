"""`tidegate settings`: every variable, its value and where it came from."""

import json

from rich.console import Console

from tidegate.cli.output import say
from tidegate.settings import Reading, SettingsError, Variable, read_process_environment, variables

HIDDEN = "***"


def show_settings(*, as_json: bool) -> None:
    """Print the table. Raises `SettingsError` when a value is wrong, after printing."""
    reading = read_process_environment()
    rows = [_row(variable, reading) for variable in variables()]
    if as_json:
        say(json.dumps(rows, indent=2))
    else:
        _print_table(rows)
    if reading.problems:
        raise SettingsError(reading.problems)


def _row(variable: Variable, reading: Reading) -> dict[str, str]:
    given = reading.given.get(variable.name)
    if given is not None:
        value = HIDDEN if variable.secret else given.text
    else:
        value = variable.default or _derived(variable, reading)
    return {"variable": variable.name, "value": value, "source": given.source if given else "default"}


def _derived(variable: Variable, reading: Reading) -> str:
    """The value of a variable that has no default of its own: another setting's, or nothing."""
    value = getattr(reading.settings, variable.attribute, None)
    return "" if value is None or variable.secret else f"{value:g}"


def _print_table(rows: list[dict[str, str]]) -> None:
    console = Console(markup=False, highlight=False, soft_wrap=True)
    titles = {"variable": "variable", "value": "value", "source": "source"}
    names, values = (max(len(row[column]) for row in [titles, *rows]) for column in ("variable", "value"))
    for row in [titles, *rows]:
        line = f"{row['variable']:<{names}}  {row['value']:<{values}}  {row['source']}"
        console.print(line, style=None if row["source"] == "default" else "bold")
