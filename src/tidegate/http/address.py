"""The address of a client, behind proxies or not (`IP_TRUST_PROXY`, `IP_CUSTOM_HEADER`).

`X-Forwarded-For` lists the client first and each proxy appends the peer it saw. Anybody can send one, so it is believed
from the right, for as long as the address that vouches for the next is trusted.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

Address = IPv4Address | IPv6Address

NETWORKS = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "linklocal": ("169.254.0.0/16", "fe80::/10"),
    "uniquelocal": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
}
"""Names for networks in `IP_TRUST_PROXY`."""


class ClientAddress:
    """Finds the client's address in the scope of a request or a socket."""

    def __init__(self, trust: bool | int | Iterable[str], header: str | None = None) -> None:
        """`trust`: everybody, nobody, the nearest so many, or addresses and networks. `header` is believed alike."""
        self._hops: int | None = None
        self._networks: tuple[IPv4Network | IPv6Network, ...] = ()
        if isinstance(trust, bool):
            self._hops = None if trust else 0
            self._networks = (ip_network("0.0.0.0/0"), ip_network("::/0"))
        elif isinstance(trust, int):
            self._hops = trust
        else:
            self._networks = tuple(
                ip_network(part, strict=False) for name in trust for part in NETWORKS.get(name, (name,))
            )
        self._header = header

    def __call__(self, scope: Scope) -> str | None:
        """In its usual spelling; None where the server does not know its peer (a Unix socket)."""
        peer = scope.get("client")
        address = _parse(peer[0]) if peer else None
        if address is None:
            return None
        headers = Headers(scope=scope)
        if self._header is not None and (named := headers.get(self._header)) and self._trusts(0, address):
            return str(_parse(named.strip()) or address)
        forwarded = ",".join(headers.getlist("x-forwarded-for"))
        for hop, text in enumerate(reversed(forwarded.split(",")) if forwarded else ()):
            if not self._trusts(hop, address) or (vouched := _parse(text.strip())) is None:
                break
            address = vouched
        return str(address)

    def _trusts(self, hop: int, address: Address) -> bool:
        if self._hops is not None:
            return hop < self._hops
        return any(address in network for network in self._networks)


@lru_cache(maxsize=1024)
def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
