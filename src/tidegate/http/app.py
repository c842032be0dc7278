"""The HTTP application: every path, and what a request passes through before it gets there."""

from collections.abc import Mapping

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from tidegate.database.engine import Database
from tidegate.errors import TidegateError
from tidegate.http.answers import ErrorEdge, error_answer, route_not_found
from tidegate.http.auth import AuthHandlers
from tidegate.http.graphql import GraphQLHandlers
from tidegate.http.items import ItemHandlers
from tidegate.http.mine import OwnHandlers
from tidegate.http.request import Endpoint, Handler, RequestContext
from tidegate.http.server import ServerHandlers
from tidegate.http.structure import StructureHandlers
from tidegate.http.system import READABLE, WRITABLE, collection_of
from tidegate.items.service import Items

Paths = Mapping[str, Mapping[str, Handler]]


class ItemKey(Convertor[str]):
    """A key in a path, which may hold slashes; a slash at the end of the path is none of it."""

    regex = ".*[^/]"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("item_key", ItemKey())


def build_http(
    context: RequestContext,
    database: Database,
    items: Items,
    auth: AuthHandlers,
    structure: StructureHandlers,
    server: ServerHandlers,
    graphql: GraphQLHandlers,
) -> ASGIApp:
    paths: dict[str, Mapping[str, Handler]] = {
        **item_paths(context, database, items),
        **auth.paths(),
        **OwnHandlers(items, database).paths(),
        **system_paths(context, database, items),
        **structure.paths(),
        **server.paths(),
        **graphql.paths(),
    }
    routes = [Route(path, Endpoint(context, handlers)) for path, handlers in paths.items()]
    return ErrorEdge(Router(routes, default=no_route))


def item_paths(context: RequestContext, database: Database, items: Items) -> Paths:
    handlers = ItemHandlers(items, database, context.limits)
    return {"/items/{collection}": handlers.many(), "/items/{collection}/{key:item_key}": handlers.one()}


def system_paths(context: RequestContext, database: Database, items: Items) -> Paths:
    paths: dict[str, Mapping[str, Handler]] = {}
    for name in (*WRITABLE, *READABLE):
        handlers = ItemHandlers(items, database, context.limits, collection_of(name))
        many, one = handlers.many(), handlers.one()
        if name in READABLE:
            many, one = _reading(many), _reading(one)
        paths |= {f"/{name}": many, f"/{name}/{{key}}": one}
    return paths


async def no_route(scope: Scope, _receive: Receive, _send: Send) -> None:
    raise route_not_found(scope["path"])


async def socket_not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuses with 404 where the server can say so, else with 403 (ASGI: WebSocket Denial Response)."""
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        await error_answer(TidegateError("ROUTE_NOT_FOUND"))(scope, receive, send)
    else:
        await WebSocketClose()(scope, receive, send)


def _reading(handlers: Mapping[str, Handler]) -> Mapping[str, Handler]:
    return {method: handler for method, handler in handlers.items() if method in ("GET", "SEARCH")}
