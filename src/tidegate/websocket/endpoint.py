"""The ASGI application behind `WEBSOCKETS_REST_PATH` (PROTOCOL section 3)."""

from tidegate.realtime.connections import Connections
from tidegate.realtime.gate import Gate, Receive
from tidegate.realtime.shell import serve
from tidegate.realtime.socket import Send
from tidegate.realtime.upgrade import Scope
from tidegate.websocket.connection import Connection
from tidegate.websocket.services import Services


class WebSocketEndpoint:
    """Serves one connection for each call."""

    def __init__(self, gate: Gate, services: Services, connections: Connections) -> None:
        self._gate = gate
        self._services = services
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._gate.admit(scope, receive, send) as admission:
            if admission is not None:
                await serve(Connection(self._services, admission), self._connections, receive)
