"""The bracket syntax of URL parameters: `filter[a][_eq]=1`, `fields[]=id`, `deep[a][_limit]=1`, `_or[0][…]=…`."""

import re
from collections.abc import Sequence
from typing import Any

from tidegate.errors import InvalidQuery

_KEY = re.compile(r"(?P<name>[^\[\]]+)(?P<path>(?:\[[^\[\]]*\])*)")
_STEP = re.compile(r"\[([^\[\]]*)\]")


def unfold(pairs: Sequence[tuple[str, str]], max_depth: int) -> dict[str, Any]:
    """The parameters as nested objects and arrays of texts.

    Empty brackets add to an array, as does a parameter that is given again; brackets with numbers only make an array in
    the order of the numbers. What is no such name (as `a[b`) is taken as it stands. Raises `InvalidQuery` for brackets
    more than `max_depth` deep and for a name that is both an object and a value.
    """
    root: dict[str, Any] = {}
    for key, value in pairs:
        _put(root, _steps(key, max_depth), value)
    return {name: _arrays(part) for name, part in root.items()}


def _steps(key: str, max_depth: int) -> list[str]:
    named = _KEY.fullmatch(key)
    if named is None:
        return [key]
    if named["path"].count("[") > max_depth:
        raise InvalidQuery("A parameter is nested too deep")
    return [named["name"], *_STEP.findall(named["path"])]


def _put(root: dict[str, Any], steps: list[str], value: str) -> None:
    node = root
    for step in steps[:-1]:
        node = node.setdefault(step or str(len(node)), {})
        if not isinstance(node, dict):
            raise InvalidQuery(f'"{steps[0]}" is both a value and an object')
    last = steps[-1] or str(len(node))
    if last not in node:
        node[last] = value
    elif isinstance(node[last], dict):
        raise InvalidQuery(f'"{steps[0]}" is both a value and an object')
    elif isinstance(node[last], list):
        node[last].append(value)
    else:
        node[last] = [node[last], value]


def _arrays(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    parts = {key: _arrays(part) for key, part in node.items()}
    if all(key.isascii() and key.isdigit() for key in parts):
        return [parts[key] for key in sorted(parts, key=lambda key: (len(key), key))]
    return parts
