"""The ASGI application behind `WEBSOCKETS_GRAPHQL_PATH` (PROTOCOL section 4)."""

from tidegate.graphql.connection import Connection, Services
from tidegate.graphql.machine import NO_SUBPROTOCOL
from tidegate.graphql.messages import SUBPROTOCOL
from tidegate.realtime.connections import Connections
from tidegate.realtime.gate import Gate, Receive
from tidegate.realtime.shell import serve
from tidegate.realtime.socket import Send
from tidegate.realtime.upgrade import Scope


class GraphQLEndpoint:
    """Serves one connection for each call."""

    def __init__(self, gate: Gate, services: Services, connections: Connections) -> None:
        self._gate = gate
        self._services = services
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
        async with self._gate.admit(scope, receive, send, subprotocol) as admission:
            if admission is None:
                return
            if subprotocol is None:
                # Only a close code tells the client why; a refused upgrade would not.
                admission.socket.close(NO_SUBPROTOCOL.code, NO_SUBPROTOCOL.reason)
                while (await receive())["type"] != "websocket.disconnect":
                    pass
                return
            await serve(Connection(self._services, admission), self._connections, receive)
