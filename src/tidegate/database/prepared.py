"""A read whose statement is compiled once and run many times with other parameters.

It goes straight to the driver's connection: about half of what a statement costs in SQLAlchemy is spent on finding its
compiled form and on its result object. For the reads that a server does most (by key), that is worth a second way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler


class PreparedRead:
    """A SELECT with named parameters (`sa.bindparam("key")`), compiled for one dialect."""

    def __init__(self, statement: sa.Select[Any], dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        if compiled.post_compile_params or compiled.literal_execute_params:
            raise ValueError("a statement whose text depends on its parameters (IN) cannot be prepared")
        self.statement = statement
        self.sql = compiled.string
        self._compiled = compiled
        self._binds = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or ()
        ]
        self._results = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in statement.selected_columns
        ]

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        """What the driver takes, in the order of its placeholders."""
        named = self._compiled.construct_params(dict(values))
        return [named[name] if process is None else process(named[name]) for name, process in self._binds]

    def rows(self, raw: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Rows of API values from the driver's rows."""
        columns = (
            column if process is None else map(process, column)
            for column, process in zip(zip(*raw, strict=True), self._results, strict=bool(raw))
        )
        return list(zip(*columns, strict=True))
