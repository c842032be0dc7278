"""Where a server listens: a real socket, or one sentence on why not."""

import socket

import pytest

from tidegate.cli.address import listening_socket, listening_sockets, local_url
from tidegate.cli.output import CommandError


def test_free_port_is_listened_on() -> None:
    with listening_socket("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname(), timeout=5):
        pass


def test_port_that_is_taken_is_named() -> None:
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CommandError, match=rf"^Port {port} on 127\.0\.0\.1 is taken by another program"):
            listening_socket("127.0.0.1", port)


def test_host_that_is_no_address_is_named() -> None:
    with pytest.raises(CommandError, match=r"^HOST is 'no\.such\.host\.invalid'"):
        listening_socket("no.such.host.invalid", 0)


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(CommandError, match=r"^Port 0 on 192\.0\.2\.1 cannot be listened on: "):
        listening_socket("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://127.0.0.1:80"),
        ("10.1.2.3", "http://10.1.2.3:80"),
        ("::1", "http://[::1]:80"),
    ],
)
def test_url_is_one_that_this_machine_reaches(host: str, url: str) -> None:
    assert local_url(host, 80) == url


def test_sockets_of_workers_share_one_port() -> None:
    sockets = listening_sockets("127.0.0.1", 0, 3)
    assert len({one.getsockname() for one in sockets}) == 1
    for one in sockets:
        one.close()


def test_sockets_of_workers_take_no_port_that_others_would_share() -> None:
    sockets = listening_sockets("127.0.0.1", 0, 2)
    with pytest.raises(CommandError, match="is taken by another program"):
        listening_sockets("127.0.0.1", sockets[0].getsockname()[1], 2)
    for one in sockets:
        one.close()
