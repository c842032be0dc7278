"""GraphQL clients of one application in this process: over HTTP, and over `graphql-transport-ws`."""

from typing import Any

from tests.integration.http.project import ADMIN, Project
from tests.integration.websocket.client import Client


async def run(
    project: Project, query: str, token: str | None = ADMIN, *, path: str = "/graphql", **parts: Any
) -> dict[str, Any]:
    """The response to a document that is valid."""
    status, body = await project.ask("POST", path, {"query": query, **parts}, token)
    assert status == 200, body
    assert isinstance(body, dict)
    return body


async def data(project: Project, query: str, token: str | None = ADMIN, **parts: Any) -> Any:
    """What a document gives that fails nowhere."""
    body = await run(project, query, token, **parts)
    assert "errors" not in body, body
    return body["data"]


class Socket(Client):
    """One GraphQL socket."""

    def __init__(self, app: Any, path: str = "/graphql", headers: dict[str, str] | None = None) -> None:
        super().__init__(app, path, headers)
        self.scope["subprotocols"] = ["graphql-transport-ws"]

    async def begin(self, token: str | None = ADMIN) -> None:
        payload = None if token is None else {"access_token": token}
        assert await self.ask(type="connection_init", payload=payload) == {"type": "connection_ack"}

    async def subscribe(self, query: str, name: str = "1", **parts: Any) -> None:
        """Begin to listen; when this returns, the subscription is live."""
        await self.send(type="subscribe", id=name, payload={"query": query, **parts})
        await self.quiet()

    async def quiet(self) -> None:
        """A round trip through everything that was sent before: nothing stands before its answer."""
        assert await self.ask(type="ping", payload={"round": "trip"}) == {"type": "pong", "payload": {"round": "trip"}}

    async def next(self, name: str = "1") -> Any:
        """The data of the next event."""
        message = await self.receive()
        assert message is not None, self.close_code
        assert (message["type"], message["id"]) == ("next", name), message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    async def errors(self, name: str = "1") -> Any:
        """The errors that end an operation."""
        message = await self.receive()
        assert message is not None, self.close_code
        assert (message["type"], message["id"]) == ("error", name), message
        return message["payload"]
