"""A WebSocket class for uvicorn that can be written to without waiting (`uvicorn --ws` takes its name).

uvicorn's own class sends through a coroutine and builds each frame anew. This one offers a socket in the
scope's extensions that writes the frame to the transport in one call. Everything else is uvicorn's.
"""

import struct
from collections.abc import Sequence
from functools import partial
from typing import Final

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode
from websockets.http11 import Request

from tidegate.realtime.socket import EXTENSION, GOING_AWAY, NORMAL_CLOSURE, TRY_AGAIN_LATER, Outboxes

_TEXT: Final = 0x81
"""First byte of an unfragmented text frame (RFC 6455 section 5.2)."""
_UNREADABLE_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_MARK: Final = 65_536
"""Bytes from which a transport says that it is not writable."""


def text_frame(text: bytes, tail: bytes = b"") -> bytes:
    """The frame of a text message from a server: final, without mask and extensions."""
    length = len(text) + len(tail)
    if length < 126:
        head = bytes((_TEXT, length))
    elif length < 65_536:
        head = struct.pack("!BBH", _TEXT, 126, length)
    else:
        head = struct.pack("!BBQ", _TEXT, 127, length)
    return b"".join((head, text, tail))


def _is_utf8(fragments: Sequence[bytes]) -> bool:
    try:
        b"".join(fragments).decode()
    except UnicodeDecodeError:
        return False
    return True


class UvicornProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket connection with a direct way out."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            # The request cannot be read (a header above the limit, for one); uvicorn would leave the sender waiting.
            self.transport.write(_UNREADABLE_REQUEST)
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(self.frames):
            # uvicorn would write a stack to the log, which anybody could fill so.
            self.frames = []
            self.conn.send_close(CloseCode.INVALID_DATA)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            # The application's task has been made but has not begun.
            extensions = self.scope["extensions"]
            assert extensions is not None, "set by handle_connect"
            extensions[EXTENSION] = {"open": partial(UvicornSocket, self)}

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            # A refusal completes the handshake too; uvicorn would complain that nothing did.
            self.handshake_complete = True
        elif message["type"] == "websocket.accept":
            # What has been read and said would be kept for as long as the connection is open.
            self.request.headers.clear()
            del self.request, self.response

    def close_with(self, code: int, reason: str) -> None:
        """Begin the closing handshake, as `send` does for `websocket.close`; the peer has a while to answer."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        try:
            self.conn.send_close(code, reason)
        except InvalidState:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        # A client that does not read its messages will not read the close either.
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def shutdown(self) -> None:
        """The server stops: 1001, where uvicorn says 1012."""
        if self.handshake_complete and not self.close_sent:
            self.stop_keepalive()
            self.close_with(GOING_AWAY, "")
            if self.close_timer is not None:
                self.close_timer.cancel()
                self.close_timer = None
            self.transport.close()
        else:
            super().shutdown()


class UvicornSocket:
    """A `Socket` that is one connection of uvicorn."""

    __slots__ = ("_outboxes", "_protocol", "_transport")

    def __init__(self, protocol: UvicornProtocol, outboxes: Outboxes) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._outboxes = outboxes
        # Below its mark the transport counts as empty, which saves asking it before every message.
        self._transport.set_write_buffer_limits(min(outboxes.limit, _MARK))

    @property
    def buffered(self) -> int:
        return self._transport.get_write_buffer_size()

    @property
    def open(self) -> bool:
        protocol = self._protocol
        return not (protocol.close_sent or protocol.disconnected or self._transport.is_closing())

    def send(self, text: bytes, tail: bytes = b"") -> None:
        if not self.open:
            return
        waiting = 0 if self._protocol.writable.is_set() else self.buffered
        if waiting + len(text) + len(tail) > self._outboxes.limit:
            self._outboxes.slow += 1
            self._protocol.close_with(TRY_AGAIN_LATER, "Too slow")
            return
        self._transport.write(text_frame(text, tail))

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        self._protocol.close_with(code, reason)
