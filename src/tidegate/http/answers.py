"""What leaves over HTTP: `{"data": …}` or `{"errors": [{"message", "extensions": {…, "code"}}]}`, as JSON.

`ErrorEdge` is the only place where an exception becomes an answer. A `TidegateError` is the client's to read; anything
else is our fault, is logged with its stack and tells the client nothing.
"""

import logging

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tidegate.errors import InvalidPayload, TidegateError
from tidegate.realtime.encoding import encode_json

log = logging.getLogger(__name__)


class JSONAnswer(Response):
    """Any API value as the whole body."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return encode_json(content)


def data_answer(data: object, meta: object = None) -> Response:
    """`{"data": …}`, behind `meta` where it was asked for."""
    return JSONAnswer({"data": data} if meta is None else {"meta": meta, "data": data})


def no_content() -> Response:
    return Response(status_code=204)


def error_answer(error: TidegateError, headers: dict[str, str] | None = None) -> Response:
    return JSONAnswer({"errors": [error.entry()]}, error.row.status, headers)


def route_not_found(path: str) -> TidegateError:
    """No such path, or none that takes the method: a route is both."""
    return TidegateError("ROUTE_NOT_FOUND", f"Route {path} doesn't exist.", path=path)


class ErrorEdge:
    """Answers with the error shape whatever the application within raises.

    An endpoint sends nothing before its answer is whole, so an exception always finds the response unstarted.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except ClientDisconnect:
            return
        except Exception as fault:  # noqa: BLE001 - the outermost edge of HTTP
            await error_answer(told(fault))(scope, receive, send)


def told(fault: Exception) -> TidegateError:
    """What the client may know of `fault`; what it may not is logged."""
    if isinstance(fault, TidegateError):
        return fault
    if isinstance(fault, RecursionError):
        # Only what the client sent is nested deeply enough for this.
        return InvalidPayload("The request is nested too deeply")
    log.error("A request failed unexpectedly", exc_info=fault)
    return TidegateError("INTERNAL_SERVER_ERROR")
