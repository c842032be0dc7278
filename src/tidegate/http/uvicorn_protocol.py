"""An HTTP class for uvicorn that waits only so long for a request's head (`uvicorn --http` takes its name).

uvicorn waits for ever, so a client that begins a request, or the handshake of a socket, and never ends it would keep
its connection as long as it likes, unseen by every limit on open sockets.
"""

from asyncio import BaseTransport, TimerHandle, Transport
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""From the start of a connection, or of a request on it, to the end of the request's head."""


class UvicornHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP connection with an end to its patience. Everything else is uvicorn's."""

    head_seconds = HEAD_SECONDS
    _patience: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast("Transport", transport))
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_of_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        self._end_of_head()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        # The parser and this object, which nobody needs any more, hold each other.
        del self.parser

    def _wait_for_head(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _end_of_head(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
