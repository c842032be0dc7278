"""One worker of `tidegate start --workers`: `python -m tidegate.cli.worker DESCRIPTOR`.

The descriptor is that of the listening socket. Stdin is a socket to the supervisor: the worker writes `READY` to it
once it answers, and stops when the other end is closed, so that no worker outlives its supervisor.
"""

import socket
import sys

from tidegate.cli.output import CommandError, fail
from tidegate.cli.serving import read_settings, serve
from tidegate.settings import SettingsError

READY = b"1"


def main(descriptor: int) -> None:
    listener, supervisor = socket.socket(fileno=descriptor), socket.socket(fileno=sys.stdin.fileno())
    with listener, supervisor:
        try:
            serve(read_settings(warn=False), listener, lambda _: supervisor.sendall(READY), supervisor)
        except (CommandError, SettingsError) as error:
            fail(error)


if __name__ == "__main__":
    main(int(sys.argv[1]))
