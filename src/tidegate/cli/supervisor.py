"""`tidegate start --workers N`: processes that serve one address, and one more that looks after them.

The supervisor makes the listening sockets, one for each worker, and keeps them open, so that connections wait while a
worker is replaced instead of being refused. It holds no application: SIGHUP replaces each worker by a new interpreter,
with new code and new settings.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegate.cli.address import listening_sockets, local_url
from tidegate.cli.output import FAILURE, CommandError
from tidegate.cli.serving import read_settings
from tidegate.cli.system import prepare_folder
from tidegate.messenger.backoff import backoff

START_SECONDS = 60.0
"""How long a worker may take until it answers."""
STOP_SECONDS = 4.0
"""How long a worker may take to end, once it has nothing more to do, before it is killed."""
STEADY_SECONDS = 30.0
"""A worker that lived this long did not fail at its start: the next one is started at once."""

log = logging.getLogger(__name__)


def start_workers(number: int) -> None:
    """Serve by the environment with as many workers. Raises `SettingsError`, `CommandError`, `SystemExit`."""
    settings = read_settings()
    if settings.redis_url is None:
        raise CommandError("Several workers need Redis, to tell one another what was written: set REDIS or REDIS_HOST.")
    prepare_folder(settings)
    listeners = listening_sockets(settings.host, settings.port, number)
    url = local_url(*listeners[0].getsockname()[:2])
    supervisor = Supervisor(listeners, settings.websockets_drain_time)
    with contextlib.ExitStack() as stack:
        for listener in listeners:
            stack.enter_context(listener)
        if not asyncio.run(supervisor.run(url)):
            # The worker has said why.
            sys.exit(FAILURE)


@dataclass(frozen=True, eq=False)
class Worker:
    """A process that serves."""

    process: Process
    channel: socket.socket
    """Says when the process answers; closing it ends the process."""
    started_at: float

    @classmethod
    async def launch(cls, listener: socket.socket) -> "Worker":
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tidegate.cli.worker", str(listener.fileno())),
                stdin=theirs.fileno(),
                pass_fds=[listener.fileno()],
                process_group=0,  # a terminal's Ctrl-C is the supervisor's to pass on
            )
        return cls(process, ours, asyncio.get_running_loop().time())

    @property
    def age(self) -> float:
        """In seconds."""
        return asyncio.get_running_loop().time() - self.started_at

    async def answers(self) -> bool:
        """Wait until it serves; False where it ended instead, or takes too long."""
        try:
            async with asyncio.timeout(START_SECONDS):
                return bool(await asyncio.get_running_loop().sock_recv(self.channel, 1))
        except (TimeoutError, ConnectionError):
            return False

    async def end(self, number: signal.Signals, seconds: float) -> None:
        """Send the signal, and kill the process where it has not ended after this time."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            async with asyncio.timeout(seconds):
                await self.process.wait()
        except TimeoutError:
            log.warning("Worker %d is killed: it did not end in time", self.process.pid)
            self.process.kill()
            await self.process.wait()
        self.channel.close()


class Supervisor:
    """Keeps one worker on each listening socket."""

    def __init__(self, listeners: Sequence[socket.socket], drain_seconds: float) -> None:
        self._listeners = listeners
        self._drain_seconds = drain_seconds
        self._current: dict[socket.socket, Worker] = {}
        self._alive: set[Worker] = set()
        """The current ones, those that are to replace them, and those that are being drained."""
        self._told = asyncio.Event()
        self._restarts = 0
        """Restarts that were asked for and have not begun."""
        self._restarting: asyncio.Task[None] | None = None

    async def run(self, url: str) -> bool:
        """Serve until SIGINT or SIGTERM; False where not even a first worker could be started."""
        with self._signals():
            serving = asyncio.create_task(self._serve(url))
            told = asyncio.create_task(self._told.wait())
            try:
                await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                failed = serving.done()
                for task in filter(None, (serving, told, self._restarting)):
                    task.cancel()
                    await asyncio.wait([task])
                await asyncio.gather(*(worker.end(signal.SIGTERM, STOP_SECONDS) for worker in self._alive))
        if failed and not serving.cancelled() and (fault := serving.exception()) is not None:
            raise fault
        return not failed

    async def _serve(self, url: str) -> None:
        """Returns where the first worker does not start; the others follow it, as an empty database is filled once."""
        first, *others = self._listeners
        if not await (await self._launch(first)).answers():
            return
        for listener in others:
            await self._launch(listener)
        log.info("Listening on %s with %d workers", url, len(self._listeners))
        async with asyncio.TaskGroup() as group:
            for listener in self._listeners:
                group.create_task(self._keep(listener))

    async def _launch(self, listener: socket.socket) -> Worker:
        worker = self._current[listener] = await Worker.launch(listener)
        self._alive.add(worker)
        return worker

    async def _keep(self, listener: socket.socket) -> None:
        """Start another worker whenever the current one dies."""
        pauses = backoff()
        while True:
            worker = self._current[listener]
            code = await worker.process.wait()
            if self._current[listener] is not worker:
                continue
            self._alive.discard(worker)
            worker.channel.close()
            if worker.age >= STEADY_SECONDS:
                pauses = backoff()
            pause = next(pauses)
            log.error("Worker %d ended (%d); another one starts in %.1f s", worker.process.pid, code, pause)
            await asyncio.sleep(pause)
            if self._current[listener] is worker:
                await self._launch(listener)

    def _restart(self) -> None:
        self._restarts += 1
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.create_task(self._replace_all())

    async def _replace_all(self) -> None:
        while self._restarts:
            self._restarts = 0
            log.info("Restarting, one worker after another")
            for listener in self._listeners:
                if listener in self._current and not await self._replace(listener):
                    log.error("The restart has stopped: a new worker does not start")
                    break
            else:
                log.info("Restarted")

    async def _replace(self, listener: socket.socket) -> bool:
        """Start a worker beside the current one, and drain that; where the new one fails, nothing has changed."""
        new = await Worker.launch(listener)
        self._alive.add(new)
        if not await new.answers():
            await new.end(signal.SIGTERM, STOP_SECONDS)
            self._alive.discard(new)
            return False
        old, self._current[listener] = self._current[listener], new
        await old.end(signal.SIGHUP, self._drain_seconds + STOP_SECONDS)
        self._alive.discard(old)
        return True

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGINT: self._told.set, signal.SIGTERM: self._told.set, signal.SIGHUP: self._restart}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)
