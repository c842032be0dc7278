"""The documentation, compared with the code: settings, errors, dependencies, commands, links."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import typer

from tests.support.tables import error_rows, setting_rows
from tidegate import __version__
from tidegate.cli import app
from tidegate.realtime import socket
from tidegate.settings import variables

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table_rows(text: str, first_cell: str) -> list[str]:
    """Rows of the tables in the text whose first cell matches."""
    return [line for line in text.splitlines() if re.match(rf"\| {first_cell} \|", line)]


def test_settings_page_has_every_variable_as_the_code_has_it() -> None:
    assert table_rows(page("docs/settings.md"), r"`[A-Z_]+`") == list(setting_rows())


def test_errors_page_has_every_code_as_the_code_has_it() -> None:
    assert table_rows(page("docs/errors.md"), r"`[A-Z_]+`") == list(error_rows())


def test_errors_page_has_every_close_code() -> None:
    named = {int(row.split("|")[1]) for row in table_rows(page("docs/errors.md"), r"\d{4}")}
    used = {value for value in vars(socket).values() if isinstance(value, int) and 1000 <= value < 5000}
    assert used
    assert used <= named


def declared_dependencies() -> Iterator[str]:
    groups = PYPROJECT["dependency-groups"]
    for requirement in (*PYPROJECT["project"]["dependencies"], *groups["build"], *groups["dev"]):
        yield re.split(r"[\[<>=;~!]", requirement)[0].strip()


def test_dependencies_page_has_every_dependency() -> None:
    rows = table_rows(page("docs/dependencies.md"), r"`[a-z0-9-]+`")
    assert sorted(row.split("`")[1] for row in rows) == sorted(declared_dependencies())


def test_source_imports_nothing_that_is_not_declared() -> None:
    imported = {
        name.split(".")[0]
        for file in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
        + ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
    }
    distributions = packages_distributions()
    foreign = imported - sys.stdlib_module_names - {"tidegate"}
    used = {distributions[name][0].lower().replace("_", "-") for name in foreign}
    needed = {re.split(r"[\[<>=;]", requirement)[0] for requirement in PYPROJECT["project"]["dependencies"]}
    assert used - needed == {"pydantic-core"}, "comes with pydantic, which declares its exact version"


def test_lock_files_name_no_registry() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        assert "://" not in page(name)
        assert "--index-url" not in page(name)


def test_lock_files_hold_every_dependency() -> None:
    locked = {
        name: set(re.findall(r"^([a-z0-9-]+)==", page(name), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    }
    runtime = {re.split(r"[\[<>=;]", requirement)[0] for requirement in PYPROJECT["project"]["dependencies"]}
    assert runtime <= locked["requirements.lock"]
    assert set(declared_dependencies()) <= locked["requirements-dev.lock"]


def test_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", page("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == __version__


def commands(group: typer.Typer, path: str = "tidegate") -> Iterator[str]:
    """Every command as it is typed."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{path} {command.name or command.callback.__name__}"
    for child in group.registered_groups:
        assert child.typer_instance is not None
        yield from commands(child.typer_instance, f"{path} {child.name}")


def test_every_command_is_in_the_documentation() -> None:
    text = "\n".join(file.read_text(encoding="utf-8") for file in PAGES)
    typed = list(commands(app))
    assert "tidegate users token" in typed
    assert [command for command in typed if command not in text] == []


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_links_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (file.parent / target).exists(), target


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_variables_in_the_text_are_settings(file: Path) -> None:
    known = {variable.name for variable in variables()}
    prefixes = ("WEBSOCKETS_", "DB_", "REDIS_", "RATE_LIMITER_", "CORS_", "SESSION_COOKIE_", "LOG_", "ADMIN_")
    for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", file.read_text(encoding="utf-8")):
        assert name in known or not name.startswith(prefixes), name
