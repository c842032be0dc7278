"""The address that a server listens on."""

import errno
import socket

from tidegate.cli.output import CommandError

LOCAL_URL = "http://127.0.0.1:8055"
"""A server of this machine with the default PORT."""
BACKLOG = 2_048
"""Connections that may wait to be accepted."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Raises `CommandError` where the address cannot be listened on."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        dual = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)
    except socket.gaierror:
        raise CommandError(f"HOST is {host!r}: there is no such address.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(f"Port {port} on {host} is taken by another program; set PORT to a free one.") from None
        raise CommandError(f"Port {port} on {host} cannot be listened on: {error.strerror}.") from None


def listening_sockets(host: str, port: int, number: int) -> list[socket.socket]:
    """As many sockets on one address, among which the kernel divides new connections (`SO_REUSEPORT`).

    Raises `CommandError` as `listening_socket` does, also where the address is somebody else's who would share it.
    """
    with listening_socket(host, port) as alone:
        family, address = alone.family, alone.getsockname()[:2]
    dual = host == "::" and socket.has_dualstack_ipv6()
    return [
        socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=True, dualstack_ipv6=dual)
        for _ in range(number)
    ]


def local_url(host: str, port: int) -> str:
    """Where a person on this machine reaches the server."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
