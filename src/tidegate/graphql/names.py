"""What a GraphQL schema calls things, and what it cannot call at all."""

import logging
import re
from collections.abc import Iterator
from typing import Final

from tidegate.schema import SYSTEM_PREFIX, Collection, Field, FieldType, Schema

logger = logging.getLogger(__name__)

_NAME: Final = re.compile(r"(?!__)[_A-Za-z][_0-9A-Za-z]*", re.ASCII)
_MOMENT: Final = ("year", "month", "week", "day", "weekday", "hour", "minute", "second")
_FUNCTIONS: Final = {
    FieldType.DATE_TIME: _MOMENT,
    FieldType.TIMESTAMP: _MOMENT,
    FieldType.DATE: _MOMENT[:5],
    FieldType.TIME: _MOMENT[5:],
    FieldType.JSON: ("count",),
}

_SUFFIXES: Final = (
    "by_id",
    "mutated",
    "filter",
    "quantifier_filter",
    "aggregated",
    "aggregated_count",
    "aggregated_fields",
)
_OPERATORS: Final = ("string", "id", "number", "big_int", "date", "boolean", "hash", "json")
_KINDS: Final = ("count", "datetime", "date", "time")
_RESERVED: Final = frozenset(
    {
        *("Query", "Mutation", "Subscription", "ID", "Int", "Float", "String", "Boolean"),
        *("GraphQLBigInt", "GraphQLStringOrFloat", "Date", "Hash", "JSON", "EventEnum", "delete_one", "delete_many"),
        *(f"{kind}_functions" for kind in _KINDS),
        *(f"{name}_filter_operators" for name in (*_OPERATORS, *(f"{kind}_function" for kind in _KINDS))),
        *("auth_tokens", "auth_mode", "users_me", "server_info", "server_ping"),
    }
)
"""Names of types and root fields that belong to no collection."""


def sayable(name: str) -> bool:
    """Whether GraphQL takes the name (its specification, section 2.1.9); leading `__` is reserved."""
    return _NAME.fullmatch(name) is not None


def root_name(collection: str, system: bool) -> str:
    """What queries and mutations call the collection: on the system endpoint without its prefix."""
    return collection.removeprefix(SYSTEM_PREFIX) if system else collection


def functions_of(field: Field, to_many: bool) -> tuple[str, ...]:
    """The functions that `{field}_func` offers."""
    return ("count",) if to_many else _FUNCTIONS.get(field.type, ())


def functions_type(functions: tuple[str, ...]) -> str:
    return {("count",): "count", _MOMENT: "datetime", _MOMENT[:5]: "date", _MOMENT[5:]: "time"}[
        functions
    ] + "_functions"


def nameable(schema: Schema) -> frozenset[str]:
    """The collections that GraphQL has a name for, and whose types are named like no other's.

    Of two collections that get in each other's way (`notes` and `notes_filter`) the first stays. What is left out is
    logged.
    """
    taken = set(_RESERVED)
    found: set[str] = set()
    for collection in schema.collections.values():
        names = set(_type_names(collection))
        if sayable(collection.name) and not names & taken:
            taken |= names
            found.add(collection.name)
        else:
            logger.warning("GraphQL leaves out %s: it has no name for it", collection.name)
    return frozenset(found)


def _type_names(collection: Collection) -> Iterator[str]:
    name = collection.name
    yield name
    yield from (f"{name}_{suffix}" for suffix in _SUFFIXES)
    yield from (f"create_{name}_input", f"update_{name}_input")
    yield from (f"{name}_{field}_union" for field in collection.fields)
