"""The machine that is measured on: its cores, its limits, and how a measurement is started and ended on it."""

import asyncio
import contextlib
import os
import platform
import resource
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator

import pytest
from tests.support import engines

FIRST_CORE, *OTHER_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES, LOAD_CORES = [FIRST_CORE], OTHER_CORES or [FIRST_CORE]
CORES = 1 + len(OTHER_CORES)
LONGEST_SECONDS = 30 * 60
"""After this a measurement ends by itself."""


@contextlib.contextmanager
def pinned(cores: Iterable[int]) -> Iterator[None]:
    """Processes started inside run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def conditions() -> str:
    """Under which circumstances figures come about, as a sentence: call it before measuring."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"Measured {time.strftime('%Y-%m-%d', time.gmtime())} with {python} on {CORES} cores; the load of the machine "
        f"(one minute's average) was {os.getloadavg()[0]:.1f} when it began."
    )


def measure(measurement: Callable[[], Awaitable[bool]]) -> int:
    """Run it with as many open files as the system allows; an exit code.

    Ctrl-C and SIGTERM cancel it, so that whatever it started ends.
    """
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored by what runs in the background
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))

    async def limited() -> bool:
        async with asyncio.timeout(LONGEST_SECONDS):
            return await measurement()

    try:
        return 0 if asyncio.run(limited()) else 1
    except pytest.skip.Exception as missing:
        print(f"nothing to measure on: {missing}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    except TimeoutError:
        print(f"not done within {LONGEST_SECONDS} s", file=sys.stderr)
    finally:
        engines.stop_started()
    return 1
