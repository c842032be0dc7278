"""Running GraphQL documents: parsed and validated once for each schema, then executed as whoever asks.

A schema is built once for all who have the same rules, and anew when rules or tables change. All caches are bounded,
least recently used out first.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Final, Generic, TypeVar

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    execute,
    get_operation_ast,
    parse,
    print_schema,
    specified_rules,
    validate,
)

from tidegate.access.rights import Rights
from tidegate.errors import TidegateError
from tidegate.graphql.protection import Protection, check_variables, complexity, measure, scan
from tidegate.graphql.resolvers import Context
from tidegate.schema import Schema

logger = logging.getLogger(__name__)
T = TypeVar("T")

SCHEMAS: Final = 64
"""Schemas kept; one takes up to a few megabytes."""
DOCUMENTS: Final = 256
"""Valid documents kept for each schema."""
REMEMBERED_LENGTH: Final = 10_000
"""Characters of a document up to which it is kept."""
MAX_ERRORS: Final = 5
"""Faults of a document that are told at once."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sends over either transport."""

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None = None


class DocumentError(TidegateError):
    """The document cannot be run; `errors` say why, as GraphQL formats them."""

    def __init__(self, *errors: GraphQLError) -> None:
        self.errors = [dict(error.formatted) for error in errors]
        super().__init__("GRAPHQL_VALIDATION", errors=self.errors)


class Cache(Generic[T]):
    """A bounded cache, least recently used out first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[Hashable, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> T | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: Hashable, value: T) -> None:
        self._entries[key] = value
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)


class SharedSchema:
    """The GraphQL schema of all who have the same rules, with the documents that were found valid for it."""

    def __init__(self, types: GraphQLSchema, schema: Schema, rules: object, protection: Protection) -> None:
        """`types` were built from `schema` for who has `rules`."""
        self.types = types
        self.schema = schema
        self.rules = rules
        self._protection = protection
        self._checks = (*specified_rules, *(() if protection.introspection else (NoSchemaIntrospectionCustomRule,)))
        self._documents: Cache[DocumentNode] = Cache(DOCUMENTS)

    def document(self, text: str) -> DocumentNode:
        """The document, parsed and found valid. Raises DocumentError."""
        found = self._documents.get(text)
        if found is None:
            found = self._checked(text)
            if len(text) <= REMEMBERED_LENGTH:
                self._documents.put(text, found)
        return found

    def operation(self, request: Request) -> tuple[DocumentNode, OperationDefinitionNode]:
        """What the request asks to run. Raises DocumentError."""
        document = self.document(request.query)
        operation = get_operation_ast(document, request.operation_name)
        if operation is None:
            known = "no such operation" if request.operation_name else "no single operation"
            raise DocumentError(GraphQLError(f"The document has {known}"))
        return document, operation

    @property
    def secretive(self) -> bool:
        """Whether nothing about the schema is told."""
        return not self._protection.introspection

    def _checked(self, text: str) -> DocumentNode:
        try:
            scan(text, self._protection.max_tokens)
            document = parse(text, max_tokens=self._protection.max_tokens)
            measure(document)
            errors = validate(self.types, document, self._checks, MAX_ERRORS, hide_suggestions=self.secretive)
            if errors:
                raise DocumentError(*errors)
            for definition in document.definitions:
                if isinstance(definition, OperationDefinitionNode):
                    complexity(document, self.types, definition)
        except GraphQLError as error:
            raise DocumentError(error) from None
        return document


class Schemas:
    """The GraphQL schema of everybody."""

    def __init__(
        self,
        snapshot: Callable[[], Schema],
        build: Callable[[Schema, Rights], GraphQLSchema],
        protection: Protection,
    ) -> None:
        self._snapshot = snapshot
        self._build = build
        self._protection = protection
        self._schemas: Cache[SharedSchema] = Cache(SCHEMAS)

    def of(self, rights: Rights) -> SharedSchema:
        """The schema for these rights: the same object as long as rules and tables stay the same."""
        schema = self._snapshot()
        # No rule binds an administrator.
        key: Hashable = "admin" if rights.admin else id(rights.rules)
        found = self._schemas.get(key)
        if found is None or found.schema is not schema:
            # The rules are kept with it, so that no other object gets their id.
            found = SharedSchema(self._build(schema, rights), schema, rights.rules, self._protection)
            self._schemas.put(key, found)
        return found

    def sdl(self, rights: Rights) -> str:
        """The schema as text. Raises ROUTE_NOT_FOUND where nobody is to know it."""
        if not self._protection.introspection:
            raise TidegateError("ROUTE_NOT_FOUND")
        return print_schema(self.of(rights).types)


class Executor:
    """Runs queries and mutations."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    async def run(self, request: Request, context: Context, *, reading: bool = False) -> tuple[dict[str, Any], bool]:
        """The response (`data`, and `errors` where there are some), and whether it was a mutation's.

        `reading`: queries only.

        Raises DocumentError; METHOD_NOT_ALLOWED for another operation where only queries are taken.
        """
        shared = self.schemas.of(context.rights)
        document, operation = shared.operation(request)
        if operation.operation is OperationType.SUBSCRIPTION:
            raise DocumentError(GraphQLError("Subscriptions need a WebSocket"))
        writes = operation.operation is not OperationType.QUERY
        if reading and writes:
            raise TidegateError("METHOD_NOT_ALLOWED", "GET takes queries only.")
        check_values(request.variables)
        result = execute(
            shared.types,
            document,
            context_value=context,
            variable_values=dict(request.variables),
            operation_name=request.operation_name,
            max_coercion_errors=MAX_ERRORS,
            hide_suggestions=shared.secretive,
        )
        return response(await result if isawaitable(result) else result), writes


def check_values(variables: Mapping[str, Any]) -> None:
    """Raises DocumentError where the variables hold too many values."""
    try:
        check_variables(variables)
    except GraphQLError as error:
        raise DocumentError(error) from None


def response(result: ExecutionResult) -> dict[str, Any]:
    """What a client gets. Raises DocumentError where nothing was executed, as for variables of another type."""
    if not result.errors:
        return {"data": result.data}
    if result.data is None and all(error.path is None for error in result.errors):
        raise DocumentError(*result.errors)
    return {"errors": [told(error) for error in result.errors], "data": result.data}


def told(error: GraphQLError) -> dict[str, Any]:
    """An error of the execution: with a code, and without anything that the client may not know."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if cause is None:
        fault = TidegateError("GRAPHQL_EXECUTION", error.message)
    elif isinstance(cause, TidegateError):
        fault = cause
    else:
        logger.error("A GraphQL field could not be resolved", exc_info=cause)
        fault = TidegateError("INTERNAL_SERVER_ERROR")
    formatted = error.formatted
    shown: dict[str, Any] = {"message": fault.message}
    if "locations" in formatted:
        shown["locations"] = formatted["locations"]
    if "path" in formatted:
        shown["path"] = formatted["path"]
    return {**shown, "extensions": {**fault.extensions, "code": fault.code}}
