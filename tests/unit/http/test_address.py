from collections.abc import Sequence

import pytest
from starlette.types import Scope

from tidegate.http.address import ClientAddress

PRIVATE = ("loopback", "linklocal", "uniquelocal")


def scope(peer: str | None, forwarded: Sequence[str] = (), **headers: str) -> Scope:
    raw = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    raw += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": None if peer is None else (peer, 5), "headers": raw}


@pytest.mark.parametrize(
    ("trust", "peer", "forwarded", "address"),
    [
        (PRIVATE, "203.0.113.9", [], "203.0.113.9"),
        (PRIVATE, "::ffff:203.0.113.9", [], "203.0.113.9"),
        (PRIVATE, "2001:DB8::1", [], "2001:db8::1"),
        (PRIVATE, None, ["203.0.113.9"], None),
        # A stranger's claim is not believed, a private proxy's is.
        (PRIVATE, "203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        (PRIVATE, "127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        (PRIVATE, "::1", ["198.51.100.1"], "198.51.100.1"),
        # What the client wrote to the left of what the proxy saw stays unbelieved.
        (PRIVATE, "10.0.0.1", ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        (PRIVATE, "10.0.0.1", ["192.0.2.66", "198.51.100.1"], "198.51.100.1"),
        (PRIVATE, "10.0.0.1", ["198.51.100.1, 172.16.3.4"], "198.51.100.1"),
        (True, "203.0.113.9", ["192.0.2.66, 198.51.100.1"], "192.0.2.66"),
        (True, "2001:db8::1", ["192.0.2.66"], "192.0.2.66"),
        (False, "127.0.0.1", ["198.51.100.1"], "127.0.0.1"),
        (0, "127.0.0.1", ["198.51.100.1"], "127.0.0.1"),
        (1, "203.0.113.9", ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        (2, "203.0.113.9", ["192.0.2.66, 198.51.100.1"], "192.0.2.66"),
        (("203.0.113.0/24",), "203.0.113.9", ["198.51.100.1"], "198.51.100.1"),
        (("203.0.113.77/24",), "203.0.113.9", ["198.51.100.1"], "198.51.100.1"),
        (("203.0.113.1",), "203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        # What is no address ends the walk.
        (True, "127.0.0.1", ["<script>"], "127.0.0.1"),
        (True, "127.0.0.1", ["192.0.2.66, nonsense, 198.51.100.1"], "198.51.100.1"),
        (True, "127.0.0.1", [""], "127.0.0.1"),
    ],
)
def test_client_address(
    trust: bool | int | tuple[str, ...], peer: str | None, forwarded: list[str], address: str | None
) -> None:
    assert ClientAddress(trust)(scope(peer, forwarded)) == address


@pytest.mark.parametrize(
    ("peer", "value", "address"),
    [
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
    ],
)
def test_custom_header_is_believed_from_trusted_peer(peer: str, value: str, address: str) -> None:
    assert ClientAddress(PRIVATE, "CF-Connecting-IP")(scope(peer, cf_connecting_ip=value)) == address
