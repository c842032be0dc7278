"""Every error that leaves the server: one table of codes, one exception that carries a code.

Sources: PROTOCOL sections 3.5 (codes) and 4 (GraphQL); HTTP statuses as RFC 9110 names them. A client may rely on the
code; the sentence is for people. Anything that is not a `TidegateError` is our fault: it is logged with its stack and
answered as `INTERNAL_SERVER_ERROR`, without details.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One row of the table of errors."""

    code: str
    status: int
    """The HTTP status that carries it."""
    sentence: str
    """What a person reads when nothing more exact is known."""
    when: str
    """When it is issued, for operators and the documentation."""
    retry: bool = False
    """Whether the same request may succeed later, unchanged."""


_ROWS = (
    ErrorCode("AUTH_FAILED", 401, "Authentication failed.", "A socket's credentials are wrong, missing or late."),
    ErrorCode("AUTH_TIMEOUT", 401, "Authentication timed out.", "No good `auth` message came in time after expiry."),
    ErrorCode("TOKEN_EXPIRED", 401, "Token expired.", "The access token's `exp` has passed."),
    ErrorCode("INVALID_CREDENTIALS", 401, "Invalid user credentials.", "Login, refresh or a token over HTTP is wrong."),
    ErrorCode("INVALID_OTP", 401, "Invalid user OTP.", "The one-time password is missing or wrong."),
    ErrorCode("INVALID_PAYLOAD", 400, "Invalid payload.", "The message or body is not what its type asks for."),
    ErrorCode("INVALID_QUERY", 400, "Invalid query.", "The query cannot be understood or passes a limit."),
    ErrorCode(
        "INVALID_COLLECTION",
        400,
        "The provided collection does not exists or is not accessible.",
        "A WebSocket message names an unknown collection, or a system collection in `items`.",
    ),
    ErrorCode("FORBIDDEN", 403, "You don't have permission to access this.", "Not allowed, or it does not exist."),
    ErrorCode("FAILED_VALIDATION", 400, "Validation failed.", "A value breaks a rule of the field or the permission."),
    ErrorCode("RECORD_NOT_UNIQUE", 400, "Value has to be unique.", "The value is already used in a unique field."),
    ErrorCode("INVALID_FOREIGN_KEY", 400, "Invalid foreign key.", "A relation points at an item that is not there."),
    ErrorCode("VALUE_TOO_LONG", 400, "Value is too long.", "The text is longer than the column."),
    ErrorCode("VALUE_OUT_OF_RANGE", 400, "Value is out of range.", "The number does not fit the column."),
    ErrorCode("NOT_NULL_VIOLATION", 400, "Value can't be null.", "A required column has no value."),
    ErrorCode("CONTAINS_NULL_VALUES", 400, "Field contains null values.", "A column with nulls cannot be required."),
    ErrorCode("REQUESTS_EXCEEDED", 429, "Too many requests.", "A rate limit is used up.", retry=True),
    ErrorCode("SERVICE_UNAVAILABLE", 503, "Service unavailable.", "The database or bus cannot be reached.", retry=True),
    ErrorCode("INTERNAL_SERVER_ERROR", 500, "An unexpected error occurred.", "A fault of the server; see its log."),
    ErrorCode("ROUTE_NOT_FOUND", 404, "Route doesn't exist.", "No such HTTP path, or none with this method."),
    ErrorCode("METHOD_NOT_ALLOWED", 405, "Method not allowed.", "GraphQL over GET takes queries only."),
    ErrorCode("CONTENT_TOO_LARGE", 413, "Content is too large.", "The body is larger than `MAX_PAYLOAD_SIZE`."),
    ErrorCode("GRAPHQL_VALIDATION", 400, "GraphQL validation error.", "A GraphQL document is not valid."),
    ErrorCode("GRAPHQL_EXECUTION", 400, "GraphQL execution error.", "A GraphQL operation failed while running."),
)

ERROR_CODES: Mapping[str, ErrorCode] = {row.code: row for row in _ROWS}


class TidegateError(Exception):
    """An error that the client may see: a code of `ERROR_CODES`, a sentence, and extensions as JSON values."""

    def __init__(self, code: str, message: str | None = None, **extensions: Any) -> None:
        self.row = ERROR_CODES[code]
        self.code = code
        self.message = self.row.sentence if message is None else message
        self.extensions: Mapping[str, Any] = extensions
        super().__init__(self.message)

    def entry(self) -> dict[str, Any]:
        """One of the `errors` of an answer over HTTP or GraphQL, as JSON values."""
        return {"message": self.message, "extensions": {**self.extensions, "code": self.code}}


class Forbidden(TidegateError):
    """What a user may not see and what does not exist: the same error for both."""

    def __init__(self, message: str | None = None, **extensions: Any) -> None:
        super().__init__("FORBIDDEN", message, **extensions)

    @classmethod
    def collection(cls, collection: str, path: str = "") -> "Forbidden":
        """`path` is where it was asked for: dotted fields from the root, empty for the root itself."""
        reason = (
            f'You don\'t have permission to access collection "{collection}" or it does not exist. '
            f"Queried in {_place(path)}."
        )
        return cls(reason, reason=reason)

    @classmethod
    def field(cls, field: str, collection: str, path: str = "") -> "Forbidden":
        reason = (
            f'You don\'t have permission to access field "{field}" in collection "{collection}" '
            f"or it does not exist. Queried in {_place(path)}."
        )
        return cls(reason, reason=reason)


class InvalidPayload(TidegateError):
    """The client's message or body is wrong; `reason` says how, without a full stop."""

    def __init__(self, reason: str) -> None:
        super().__init__("INVALID_PAYLOAD", f"Invalid payload. {reason}.", reason=reason)


class InvalidQuery(TidegateError):
    """The client's query is wrong; `reason` says how, without a full stop."""

    def __init__(self, reason: str) -> None:
        super().__init__("INVALID_QUERY", f"Invalid query. {reason}.", reason=reason)


class OutdatedSchema(TidegateError):
    """The database lacks a table or column that it had when it was looked at: another program changed it meanwhile."""

    def __init__(self) -> None:
        super().__init__("SERVICE_UNAVAILABLE")


class Conflict(TidegateError):
    """The database gave this transaction up for the sake of another (deadlock, serialization failure): try it again."""

    def __init__(self) -> None:
        super().__init__("SERVICE_UNAVAILABLE")


class CommitUnansweredError(TidegateError):
    """The connection was lost after COMMIT had been sent, and nobody has told whether the transaction is there."""

    def __init__(self) -> None:
        super().__init__("SERVICE_UNAVAILABLE")


def _place(path: str) -> str:
    return f'"{path}"' if path else "root"
