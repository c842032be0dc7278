"""`tidegate start`: one process that serves until it is told to stop (SIGTERM, SIGINT) or to drain (SIGHUP).

Stopping closes every socket at once with 1001. Draining takes no more connections, closes the sockets with 1012 evenly
over `WEBSOCKETS_DRAIN_TIME`, and then stops.
"""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import uvicorn

from tidegate import logging as tidegate_logging
from tidegate.app import Tidegate, create_app
from tidegate.cli.address import BACKLOG, listening_socket, local_url
from tidegate.cli.administrator import introduction, with_password
from tidegate.cli.failures import why_not_started
from tidegate.cli.output import CommandError, say
from tidegate.cli.system import prepare_folder
from tidegate.errors import TidegateError
from tidegate.realtime.socket import SERVICE_RESTART
from tidegate.settings import Settings, make_settings, read_process_environment

HTTP_CLASS = "tidegate.http.uvicorn_protocol:UvicornHttpProtocol"
WEBSOCKET_CLASS = "tidegate.realtime.uvicorn_protocol:UvicornProtocol"
"""uvicorn's class for WebSocket connections, given by name so that it can be swapped."""
SHUTDOWN_SECONDS = 1
"""How long requests under way may take after the server was told to stop."""

log = logging.getLogger(__name__)


def start() -> None:
    """Serve by the environment. Raises `SettingsError` or `CommandError` when that cannot be."""
    settings = read_settings()
    with listening_socket(settings.host, settings.port) as listener:
        serve(settings, listener, lambda url: log.info("Listening on %s", url))


def read_settings(*, warn: bool = True) -> Settings:
    """The settings of the environment, with logging set up by them. Raises `SettingsError`."""
    reading = read_process_environment()
    settings = make_settings(reading)
    tidegate_logging.configure(settings.log_level, settings.log_style)
    for warning in reading.warnings if warn else ():
        log.warning(warning)
    return settings


def serve(
    settings: Settings,
    listener: socket.socket,
    started: Callable[[str], None],
    supervisor: socket.socket | None = None,
) -> None:
    """Serve until a signal says to stop, or the other end of `supervisor` is closed, which is never written to.

    `started` is told the server's URL once it answers. Raises `CommandError`.
    """
    prepare_folder(settings)
    host, port = listener.getsockname()[:2]
    used = with_password(settings)
    app = create_app(used)

    def answering() -> None:
        if app.running.bootstrapped:
            say(introduction(settings, used))
        started(local_url(host, port))

    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=HTTP_CLASS,
        ws=WEBSOCKET_CLASS,
        ws_max_size=settings.max_payload_size,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = _Server(config, answering, partial(_drain, app, settings))
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        try:
            runner.run(_run(app, server, listener, supervisor))
        except TidegateError as error:
            raise CommandError(why_not_started(error, settings)) from None


async def _run(app: Tidegate, server: "_Server", listener: socket.socket, supervisor: socket.socket | None) -> None:
    with contextlib.suppress(asyncio.CancelledError), server.told_when_to_end(supervisor):
        async with app.lifespan():
            await server.serve([listener])


def collect_rarely() -> None:
    """Have garbage looked for less often than by default, and never among what there is by now.

    Each connection is made of some 80 objects that live for long. Looking through all of them again and again took a
    tenth of the time of opening connections; what they leave behind is nearly all freed by counting references. Nothing
    else runs meanwhile, so the young ones are looked through in small lots: a million at once took half a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 1_000)


async def _drain(app: Tidegate, settings: Settings) -> None:
    await app.running.connections.drain(SERVICE_RESTART, settings.websockets_drain_time)


class _Server(uvicorn.Server):
    """uvicorn, but a signal ends it with exit code 0, also while it starts."""

    def __init__(
        self, config: uvicorn.Config, answering: Callable[[], None], drain: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._answering = answering
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None
        self._whole: asyncio.Task[None] | None = None
        """Start, service and end."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        collect_rarely()
        self._answering()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own would raise the signal again at the end."""
        yield

    @contextlib.contextmanager
    def told_when_to_end(self, supervisor: socket.socket | None) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        self._whole = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._begin_to_drain)
        if supervisor is not None:
            loop.add_reader(supervisor, self._left_alone, supervisor)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)
            if supervisor is not None:
                loop.remove_reader(supervisor)

    def _stop(self, number: int) -> None:
        self.handle_exit(number, None)
        if self._whole is not None and not self.started:
            self._whole.cancel()

    def _left_alone(self, supervisor: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(supervisor)
        self._stop(signal.SIGTERM)

    def _begin_to_drain(self) -> None:
        if not self.started:
            self._stop(signal.SIGHUP)
        elif self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain_and_stop())

    async def _drain_and_stop(self) -> None:
        for server in self.servers:
            server.close()
        await self._drain()
        self.should_exit = True
