"""From a request to a `Query`: the JSON form (messages, SEARCH bodies) and the parameters of a URL.

Only the form is checked here; whatever is wrong with it is an `InvalidQuery`. Unknown parameters are ignored, as
clients send some that concern other parts of Directus.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import orjson

from tidegate.errors import InvalidQuery
from tidegate.query.brackets import unfold
from tidegate.query.model import AllOf, AnyOf, Check, Filter, Function, Limits, Quantified, Query, Scalar, Under

COUNTS: Final = ("total_count", "filter_count")

_PARAMETERS: Final = (
    "fields",
    "filter",
    "search",
    "sort",
    "limit",
    "offset",
    "page",
    "aggregate",
    "groupBy",
    "group",
    "alias",
    "meta",
)
_FUNCTIONS: Mapping[str, Function] = {function: function for function in get_args(Function)}
_QUANTIFIERS: Mapping[str, Literal["some", "none"]] = {"_some": "some", "_none": "none"}


def parse_query(raw: object, limits: Limits) -> Query:
    """The query in its JSON form; None is the empty query. Raises `InvalidQuery`."""
    return _Parser(limits).query(raw)


def parse_filter(raw: object, limits: Limits) -> Filter | None:
    """A filter in its JSON form, also as JSON text; None where it is empty. Raises `InvalidQuery`."""
    return _Parser(limits).filter(raw)


def query_from_params(pairs: Sequence[tuple[str, str]], limits: Limits) -> Query:
    """The query in the decoded parameters of a URL, such as `("filter[room][_eq]", "1")`. Raises `InvalidQuery`."""
    return _Parser(limits).query(unfold(pairs, 2 * limits.max_filter_depth))


class _Parser:
    """Parses one query, counting its parts."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tokens = 0

    def query(self, raw: object) -> Query:
        parameters = _object("query", raw)
        return self._query(parameters, self._deep(parameters.get("deep"), 1), "")

    def filter(self, raw: object) -> Filter | None:
        entries = _object("filter", raw)
        return self._filter(entries, 1) if entries else None

    def _query(self, raw: Mapping[str, Any], deep: tuple[tuple[str, Query], ...], prefix: str) -> Query:
        """`prefix` is what stands before the name of every parameter."""
        given = {name: raw.get(prefix + name) for name in _PARAMETERS}
        return Query(
            fields=self._names("fields", given["fields"]),
            filter=self.filter(given["filter"]),
            search=_search(given["search"]),
            sort=self._names("sort", given["sort"]),
            limit=self._limit(given["limit"]),
            offset=_number("offset", given["offset"], 0) or 0,
            page=_number("page", given["page"], 1),
            aggregate=self._aggregate(given["aggregate"]),
            group=self._names("groupBy", given["group"] if given["groupBy"] is None else given["groupBy"]),
            deep=deep,
            alias=self._alias(given["alias"]),
            meta=self._meta(given["meta"]),
        )

    def _deep(self, raw: object, depth: int) -> tuple[tuple[str, Query], ...]:
        entries = _object("deep", raw)
        if entries and depth > self._limits.max_relational_depth:
            raise InvalidQuery("Max relational depth exceeded")
        return tuple(
            (key, self._query(below, self._deep(_without_parameters(below), depth + 1), "_"))
            for key, part in entries.items()
            if (below := _object("deep", part))
        )

    def _filter(self, raw: Mapping[str, Any], depth: int) -> Filter:
        if depth > self._limits.max_filter_depth:
            raise InvalidQuery("The filter is nested too deep")
        parts = tuple(self._entry(key, value, depth) for key, value in raw.items())
        return parts[0] if len(parts) == 1 else AllOf(parts)

    def _entry(self, key: str, value: object, depth: int) -> Filter:
        self._count(1)
        if key in ("_and", "_or"):
            if not isinstance(value, list | tuple):
                raise InvalidQuery(f'"{key}" has to be an array of filters')
            parts = tuple(self._filter(_object(key, part), depth + 1) for part in value)
            self._count(len(parts))
            return AllOf(parts) if key == "_and" else AnyOf(parts)
        if key in _QUANTIFIERS:
            return Quantified(_QUANTIFIERS[key], self._filter(_object(key, value), depth + 1))
        if key.startswith("_") and not isinstance(value, Mapping):
            return Check(key, self._operand(key, value))
        if isinstance(value, Mapping):
            return Under(key, self._filter(value, depth + 1))
        if isinstance(value, str | int | float):
            return Under(key, Check("_eq", value))
        raise InvalidQuery(f'The filter of "{key}" has to be a value or an object of operators')

    def _operand(self, operator: str, value: object) -> Scalar | tuple[Scalar, ...]:
        if isinstance(value, list | tuple):
            self._count(len(value))
            return tuple(_scalar(operator, part) for part in value)
        return _scalar(operator, value)

    def _names(self, parameter: str, raw: object) -> tuple[str, ...]:
        """A list of names, or names between commas."""
        entries = raw if isinstance(raw, list | tuple) else () if raw is None else (raw,)
        if not all(isinstance(entry, str) for entry in entries):
            raise InvalidQuery(f'"{parameter}" has to be a list of names')
        names = tuple(name for entry in entries for part in entry.split(",") if (name := part.strip()))
        self._count(len(names))
        return names

    def _limit(self, raw: object) -> int | None:
        highest = self._limits.max_limit
        limit = _number("limit", raw, -1)
        if limit is not None and highest is not None and limit > highest:
            raise InvalidQuery(f'"limit" must be less than or equal to {highest}')
        return limit

    def _aggregate(self, raw: object) -> tuple[tuple[Function, tuple[str, ...]], ...]:
        found: list[tuple[Function, tuple[str, ...]]] = []
        for name, fields in _object("aggregate", raw).items():
            if name not in _FUNCTIONS:
                raise InvalidQuery(f'"{name}" is not an aggregate function')
            if names := self._names("aggregate", fields):
                found.append((_FUNCTIONS[name], names))
        return tuple(found)

    def _alias(self, raw: object) -> tuple[tuple[str, str], ...]:
        entries = _object("alias", raw)
        self._count(len(entries))
        for name, target in entries.items():
            if not isinstance(target, str) or not name or any(sign in name for sign in ".*:("):
                raise InvalidQuery('"alias" has to be an object of new names and field names')
            if "." in target:
                raise InvalidQuery(f'The alias "{name}" may not follow a relation')
        return tuple(entries.items())

    def _meta(self, raw: object) -> tuple[str, ...]:
        names = self._names("meta", raw)
        return COUNTS if "*" in names else tuple(name for name in COUNTS if name in names)

    def _count(self, tokens: int) -> None:
        self._tokens += tokens
        if self._tokens > self._limits.max_tokens:
            raise InvalidQuery("The query has too many parts")


def _object(parameter: str, raw: object) -> Mapping[str, Any]:
    """An object, also as JSON text; an empty one for None and an empty text."""
    if raw is None or raw == "":
        return {}
    if isinstance(raw, str):
        try:
            raw = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise InvalidQuery(f'"{parameter}" is not valid JSON') from None
    if not isinstance(raw, Mapping):
        raise InvalidQuery(f'"{parameter}" has to be an object')
    return raw


def _without_parameters(deep: Mapping[str, Any]) -> Mapping[str, Any]:
    """The relations in one level of `deep`; its parameters begin with an underscore."""
    return {key: part for key, part in deep.items() if not key.startswith("_")}


def _scalar(operator: str, value: object) -> Scalar:
    if value is None or isinstance(value, str | int | float):
        return value
    raise InvalidQuery(f'"{operator}" cannot be compared with an array or object inside its value')


def _search(raw: object) -> str | None:
    if raw is None or raw == "":
        return None
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise InvalidQuery('"search" has to be a text')
    return str(raw)


def _number(parameter: str, raw: object, least: int) -> int | None:
    """A whole number of at most 15 digits, also as text."""
    if raw is None or raw == "":
        return None
    if isinstance(raw, str) and raw.removeprefix("-").isascii() and raw.removeprefix("-").isdigit() and len(raw) <= 15:
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or not least <= raw < 10**15:
        raise InvalidQuery(f'"{parameter}" has to be a whole number from {least}')
    return raw
