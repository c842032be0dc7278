"""The composition root: settings in, one ASGI application out. Only in this package are concrete classes chosen.

`server` starts and stops everything, `sockets` has the WebSocket endpoints, `configured` reads the settings for each
part.

Served alone, the application starts and stops with the ASGI lifespan:

    app = create_app(load_settings())

In another Starlette or FastAPI application it is mounted, and the host's own lifespan holds it open, because a mounted
application is not told of it:

    tidegate = create_app(load_settings())

    @asynccontextmanager
    async def lifespan(host):
        async with tidegate.lifespan():
            yield

    host = Starlette(routes=[Mount("/realtime", tidegate)], lifespan=lifespan)
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope, Send

from tidegate.app.server import Running, running
from tidegate.clock import Clock, SystemClock
from tidegate.errors import TidegateError
from tidegate.http.answers import error_answer
from tidegate.settings import Settings


class Tidegate:
    """The server as an ASGI application. Outside of its lifespan it answers SERVICE_UNAVAILABLE."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._running: Running | None = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Start on entering and stop on leaving. Raises TidegateError where database or bus cannot be reached."""
        async with running(self._settings, self._clock) as self._running:
            try:
                yield
            finally:
                self._running = None

    @property
    def running(self) -> Running:
        """What a started server works with. Only within the lifespan."""
        assert self._running is not None, "the server has not been started"
        return self._running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._running is None:
            await error_answer(TidegateError("SERVICE_UNAVAILABLE"))(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._running.sockets(scope, receive, send)
        else:
            await self._running.http(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol of ASGI, version 2.0. A failure is told to the server and raised."""
        await receive()
        stage = "startup"
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
                stage = "shutdown"
        except Exception as fault:
            await send({"type": f"lifespan.{stage}.failed", "message": str(fault)})
            raise
        await send({"type": "lifespan.shutdown.complete"})


def create_app(settings: Settings) -> Tidegate:
    """The application, not yet started."""
    return Tidegate(settings)
