"""Subscription operations: what each listens to, and what it says of an event.

`Answer` is a value: subscribers with the same schema, document and variables have equal ones, share a group of
`realtime.dispatch`, and so one execution and one encoding for each event.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    execute_sync,
)
from graphql.execution import get_argument_values
from graphql.execution.values import VariableValues, get_variable_values

from tidegate.graphql import messages
from tidegate.graphql.execution import MAX_ERRORS, DocumentError, Request, SharedSchema, check_values, response
from tidegate.graphql.protection import fragments_of
from tidegate.graphql.selections import SelectionReader
from tidegate.items.changes import Action, Key
from tidegate.query.model import Limits, Query
from tidegate.realtime.subscription import Row

SUFFIX: Final = "_mutated"


@dataclass(frozen=True, slots=True)
class Answer:
    """A subscription's `Encode`: one `next`, without its tail, for each row."""

    shared: SharedSchema
    text: str
    variables: bytes
    """As JSON with sorted keys."""
    operation_name: str | None
    document: DocumentNode = field(compare=False, repr=False)
    root_field: str = field(compare=False)

    def __call__(self, action: Action, keys: Sequence[Key], rows: Sequence[Row]) -> list[bytes]:
        data: Sequence[Row | None] = rows if action != "delete" else [None] * len(keys)
        return [self._answer(action, key, row) for key, row in zip(keys, data, strict=True)]

    def _answer(self, action: Action, key: Key, row: Row | None) -> bytes:
        result = execute_sync(
            self.shared.types,
            self.document,
            root_value={self.root_field: {"key": str(key), "event": action, "data": row}},
            variable_values=orjson.loads(self.variables),
            operation_name=self.operation_name,
            hide_suggestions=self.shared.secretive,
        )
        return messages.result(response(result))


@dataclass(frozen=True, slots=True)
class Listening:
    """What a subscription operation listens to."""

    collection: str
    query: Query
    event: Action | None
    answer: Answer


def listening(
    shared: SharedSchema,
    request: Request,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    limits: Limits,
) -> Listening:
    """Read a valid subscription operation. Raises DocumentError for its variables."""
    check_values(request.variables)
    variables = _variables(shared, request, operation)
    reader = SelectionReader(shared.schema, shared.types, fragments_of(document), variables, limits)
    nodes = next(iter(reader.children([operation]).values()), None)
    if nodes is None:
        raise DocumentError(GraphQLError("The subscription selects nothing", operation))
    name = nodes[0].name.value
    root = shared.types.subscription_type
    assert root is not None, "the document is valid"
    arguments = get_argument_values(root.fields[name], nodes[0], variables)
    collection = shared.schema.collections[name.removesuffix(SUFFIX)]
    data: list[FieldNode] = []
    for below in reader.children(nodes).values():
        if below[0].name.value == "data":
            data += below
    return Listening(
        collection.name,
        reader.query(collection, data, {}),
        arguments.get("event"),
        Answer(
            shared,
            request.query,
            orjson.dumps(request.variables, option=orjson.OPT_SORT_KEYS),
            request.operation_name,
            document,
            name,
        ),
    )


def _variables(shared: SharedSchema, request: Request, operation: OperationDefinitionNode) -> VariableValues:
    values: Any = get_variable_values(
        shared.types,
        operation.variable_definitions or (),
        dict(request.variables),
        max_errors=MAX_ERRORS,
        hide_suggestions=shared.secretive,
    )
    if isinstance(values, list):
        raise DocumentError(*values)
    assert isinstance(values, VariableValues)
    return values
