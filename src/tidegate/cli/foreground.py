"""Ctrl-C under `make`: for the server alone.

A terminal sends SIGINT to every process of its foreground group. Run by `make`, that includes make itself, which then
ends with an error although the server ended well. So the server becomes the foreground group, as a shell with job
control would have made it, and gives the terminal back at the end.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_foreground() -> Iterator[None]:
    """Does nothing where there is no terminal, or where a shell has made us a group of our own already."""
    group = os.getpgrp()
    if not sys.stdin.isatty() or group == os.getpid() or os.tcgetpgrp(sys.stdin.fileno()) != group:
        yield
        return
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # or the last line below would stop us: we are in the background then
    os.setpgid(0, 0)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(sys.stdin.fileno(), group)
