"""The imports of the source, held to the table in docs/architecture.md, and what importing the package loads."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SYSTEM = "tidegate.access.identity.System"
MAY_BE_SYSTEM = ("tidegate.access", "tidegate.cli.system")


def module_name(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in sorted((SOURCE / "tidegate").rglob("*.py"))}


def imported_names(file: Path, *, also_for_types: bool = True) -> Iterator[str]:
    """Everything of ours that the file names in an import, dotted in full."""
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "tidegate")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            if (node.module or "").split(".")[0] == "tidegate":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif also_for_types or not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            waiting.extend(ast.iter_child_nodes(node))


def imported_modules(file: Path, *, also_for_types: bool = True) -> set[str]:
    """The modules of ours that the file imports."""
    names = imported_names(file, also_for_types=also_for_types)
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


def package_of(module: str) -> str:
    """The second part of the name: what the table calls a package."""
    return module.split(".")[1] if "." in module else ""


def layers() -> dict[str, int]:
    """Packages to their layer, from the table."""
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \|", ARCHITECTURE, re.MULTILINE)
    return {package: int(layer) for layer, packages in rows for package in re.findall(r"`(\w+)`", packages)}


def exceptions() -> dict[str, set[str]]:
    """Packages that import nothing but what one sentence lists: "`client` … imports `errors` only."."""
    sentences = re.findall(r"^`(\w+)`[^.]* imports (.*) only\.$", ARCHITECTURE, re.MULTILINE)
    return {package: set(re.findall(r"`(\w+)`", allowed)) for package, allowed in sentences}


LAYERS = layers()
EXCEPTIONS = exceptions()


def may_import(importer: str, imported: str) -> bool:
    if importer == imported or imported == "":
        return True
    if importer in EXCEPTIONS:
        return imported in EXCEPTIONS[importer]
    if imported in EXCEPTIONS:
        return importer == "cli"
    return LAYERS[imported] < LAYERS[importer]


def test_architecture_lists_every_package() -> None:
    there = {package_of(module) for module in MODULES} - {"", "__main__"}
    assert there <= LAYERS.keys() | EXCEPTIONS.keys()
    assert len(LAYERS) > 10
    assert "client" in EXCEPTIONS


def test_every_module_says_what_it_is_for() -> None:
    """Packages too: a newcomer begins with them (CONTRIBUTING)."""
    assert [name for name, file in MODULES.items() if not ast.get_docstring(ast.parse(file.read_text("utf-8")))] == []


def test_page_names_modules_that_are_there() -> None:
    section = ARCHITECTURE.partition("## Where to find what")[2].partition("\n## ")[0]
    named = {f"tidegate.{name}" for name in re.findall(r"`(\w+\.\w+)`", section)}
    assert len(named) > 20
    assert named <= MODULES.keys()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_module_imports_only_what_stands_below_it(module: str) -> None:
    importer = "cli" if module == "tidegate.__main__" else package_of(module)
    wrong = {name for name in imported_modules(MODULES[module]) if not may_import(importer, package_of(name))}
    assert not wrong, f"{module} may not import {', '.join(sorted(wrong))}"


def test_modules_import_one_another_without_cycles() -> None:
    """Two classes of one package may still name one another as types."""
    graph = {module: imported_modules(file, also_for_types=False) - {module} for module, file in MODULES.items()}
    TopologicalSorter(graph).prepare()


def test_only_the_shell_can_be_the_system() -> None:
    named = {module for module, file in MODULES.items() if SYSTEM in set(imported_names(file))}
    assert {module for module in named if not module.startswith(MAY_BE_SYSTEM)} == set()


def loaded_by(statement: str) -> set[str]:
    """What a new interpreter has loaded after the statement, beyond what it loads by itself."""
    script = f"import json, sys; {statement}; print(json.dumps([*sys.modules]))"
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    plain = subprocess.run(
        [sys.executable, "-c", "import json, sys; print(json.dumps([*sys.modules]))"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(json.loads(answer.stdout)) - set(json.loads(plain.stdout))


def test_importing_the_package_loads_nothing_else() -> None:
    assert loaded_by("import tidegate") == {"tidegate"}


def test_importing_the_client_loads_no_server() -> None:
    loaded = loaded_by("import tidegate.client")
    ours = {name for name in loaded if name.startswith("tidegate.") and not name.startswith("tidegate.client")}
    assert ours == {"tidegate.errors"}
    assert not loaded & {"sqlalchemy", "starlette", "uvicorn", "graphql", "pydantic"}


def test_importing_the_command_line_loads_no_server() -> None:
    loaded = loaded_by("import tidegate.cli")
    assert not loaded & {"sqlalchemy", "starlette", "uvicorn", "graphql", "websockets", "redis", "pydantic"}
