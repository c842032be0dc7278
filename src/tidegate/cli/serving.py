"""`tidegate start`: one process that serves until it is told to stop."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from tidegate import logging as tidegate_logging
from tidegate.app import Tidegate, create_app
from tidegate.cli.address import BACKLOG, listening_socket, local_url
from tidegate.cli.failures import why_not_started
from tidegate.cli.output import CommandError
from tidegate.cli.system import prepare_folder
from tidegate.errors import TidegateError
from tidegate.settings import Settings, make_settings, read_process_environment

WEBSOCKET_CLASS = "tidegate.realtime.uvicorn_protocol:UvicornProtocol"
"""uvicorn's class for WebSocket connections, given by name so that it can be swapped."""
SHUTDOWN_SECONDS = 1
"""How long requests under way may take after the server was told to stop."""

log = logging.getLogger(__name__)


def start() -> None:
    """Serve by the environment. Raises `SettingsError` or `CommandError` when that cannot be."""
    reading = read_process_environment()
    settings = make_settings(reading)
    tidegate_logging.configure(settings.log_level, settings.log_style)
    for warning in reading.warnings:
        log.warning(warning)
    with listening_socket(settings.host, settings.port) as listener:
        serve(settings, listener, lambda url: log.info("Listening on %s", url))


def serve(settings: Settings, listener: socket.socket, started: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `started` is told the server's URL once it answers. Raises `CommandError`."""
    prepare_folder(settings)
    host, port = listener.getsockname()[:2]
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
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
    server = _Server(config, lambda: started(local_url(host, port)))
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        try:
            runner.run(_run(app, server, listener))
        except TidegateError as error:
            raise CommandError(why_not_started(error, settings)) from None


async def _run(app: Tidegate, server: "_Server", listener: socket.socket) -> None:
    with contextlib.suppress(asyncio.CancelledError), server.stopped_by_signals():
        async with app.lifespan():
            await server.serve([listener])


class _Server(uvicorn.Server):
    """uvicorn, but a signal ends it with exit code 0, also while it starts."""

    def __init__(self, config: uvicorn.Config, answering: Callable[[], None]) -> None:
        super().__init__(config)
        self._answering = answering

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._answering()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own would raise the signal again at the end."""
        yield

    @contextlib.contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int) -> None:
            self.handle_exit(number, None)
            if task is not None and not self.started:
                task.cancel()

        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, stop, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)
