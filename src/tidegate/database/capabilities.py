"""What an engine can do. Outside this package, ask for a capability and never for an engine's name."""

from dataclasses import dataclass
from typing import Literal

DialectName = Literal["sqlite", "postgresql", "mysql"]
"""`mysql` stands for MariaDB too."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The answers of one engine at its version."""

    dialect: DialectName
    insert_returning: bool
    update_returning: bool
    delete_returning: bool
    case_sensitive_like: bool
    """Whether LIKE tells `a` from `A`; where not, a column's collation decides."""
    exact_text_comparison: bool
    """Whether `=` on text compares code point by code point, without regard to case, accents or trailing blanks."""
    nulls_ordering: bool
    """Whether ORDER BY takes NULLS FIRST and NULLS LAST."""
    nulls_sort_high: bool
    """Whether NULL comes after every value in ascending order when nothing is said."""
    given_keys_move_counter: bool
    """Whether a table never counts up to a key that an INSERT named; where not, see `functions.move_counter`."""
    for_update: bool
    """Whether SELECT … FOR UPDATE locks rows; where not, a transaction is alone in writing from its start."""
    transactional_ddl: bool
    """Whether a rollback takes back CREATE, ALTER and DROP."""
    max_binds: int
    """How many bound values one statement may have."""


SQLITE = Capabilities(
    dialect="sqlite",
    insert_returning=True,
    update_returning=True,
    delete_returning=True,
    case_sensitive_like=True,
    exact_text_comparison=True,
    nulls_ordering=True,
    nulls_sort_high=False,
    given_keys_move_counter=True,
    for_update=False,
    transactional_ddl=True,
    max_binds=32_766,
)
"""SQLite since 3.35 (RETURNING), with `case_sensitive_like` switched on for every connection."""

POSTGRESQL = Capabilities(
    dialect="postgresql",
    insert_returning=True,
    update_returning=True,
    delete_returning=True,
    case_sensitive_like=True,
    exact_text_comparison=True,
    nulls_ordering=True,
    nulls_sort_high=True,
    given_keys_move_counter=False,
    for_update=True,
    transactional_ddl=True,
    max_binds=32_767,
)

MYSQL = Capabilities(
    dialect="mysql",
    insert_returning=False,
    update_returning=False,
    delete_returning=False,
    case_sensitive_like=False,
    exact_text_comparison=False,
    nulls_ordering=False,
    nulls_sort_high=False,
    given_keys_move_counter=True,
    for_update=True,
    transactional_ddl=False,
    max_binds=65_535,
)
