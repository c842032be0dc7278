"""A query as it was asked, checked for form only: no schema and no rights have been looked at yet.

Everything here is frozen and hashable by value, so that what was worked out for a query can be kept under it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

Scalar = str | int | float | bool | None
Function = Literal["count", "countAll", "countDistinct", "sum", "sumDistinct", "avg", "avgDistinct", "min", "max"]
"""What `aggregate` can work out of a group of rows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one query may ask for."""

    default_limit: int | None = 100
    """How many items a query gets that names no limit; None for all."""
    max_limit: int | None = None
    """The highest limit that a query may name; None for any."""
    max_relational_depth: int = 10
    """How many relations a path may follow."""
    max_filter_depth: int = 50
    """How deep a filter may be nested."""
    max_tokens: int = 10_000
    """How many parts a query may have: fields after wildcards are expanded, tests, and values of lists."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """Filters that must all match: `_and`, and the keys of one object."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Filters of which one must match: `_or`."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Under:
    """A filter on what `key` leads to: a field, `function(field)`, or `field:collection`."""

    key: str
    part: "Filter"


@dataclass(frozen=True, slots=True)
class Quantified:
    """A filter that some, or none, of the related items must match: `_some`, `_none`."""

    quantifier: Literal["some", "none"]
    part: "Filter"


@dataclass(frozen=True, slots=True)
class Check:
    """One operator with its value, such as `_eq` and 5. Values are told apart by type: `1` is not `true`."""

    operator: str
    value: Scalar | tuple[Scalar, ...] = field(compare=False)
    spelling: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "spelling", repr(self.value))


Filter = AllOf | AnyOf | Under | Quantified | Check


@dataclass(frozen=True, slots=True)
class Query:
    """PROTOCOL section 7. An empty tuple or None is what was not asked for."""

    fields: tuple[str, ...] = ()
    """Dotted paths; empty means `*`."""
    filter: Filter | None = None
    search: str | None = None
    sort: tuple[str, ...] = ()
    limit: int | None = None
    """-1 for all; None for the default."""
    offset: int = 0
    page: int | None = None
    """From 1; takes precedence over `offset`."""
    aggregate: tuple[tuple[Function, tuple[str, ...]], ...] = ()
    """Functions with the fields they are applied to."""
    group: tuple[str, ...] = ()
    deep: tuple[tuple[str, "Query"], ...] = ()
    """Queries on what is related, by field."""
    alias: tuple[tuple[str, str], ...] = ()
    """New names with the fields they stand for."""
    meta: tuple[str, ...] = ()
    """Of `total_count` and `filter_count`."""

    def only(self, field_name: str) -> "Query":
        """The same items, with nothing but one field of each."""
        return replace(self, fields=(field_name,), aggregate=(), group=(), deep=(), meta=())

    @property
    def deep_by_field(self) -> Mapping[str, "Query"]:
        return MappingProxyType(dict(self.deep))

    @property
    def alias_by_name(self) -> Mapping[str, str]:
        return MappingProxyType(dict(self.alias))
