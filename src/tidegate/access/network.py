"""`ip_access`: the addresses at which a policy is in force. Pure.

An entry is an address, a network (`10.0.0.0/8`) or a range (`10.0.0.1-10.0.0.9`), IPv4 or IPv6. An IPv4 address in IPv6
clothes (`::ffff:10.0.0.1`, RFC 4291 section 2.5.5.2) is that IPv4 address, in entries and clients alike. An entry that
cannot be read matches nobody.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_Range = tuple[int, int, int]
"""Version, first and last address."""
_MAPPED = IPv6Network("::ffff:0:0/96")
_MAPPED_BITS = 96


class Addresses:
    """The addresses that any of the entries names."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._ranges = tuple(found for entry in entries if (found := _range(entry)) is not None)

    def __contains__(self, address: str | None) -> bool:
        """None, an unknown address, and text that is no address are in no list."""
        if address is None:
            return False
        try:
            client = _address(address)
        except ValueError:
            return False
        number = int(client)
        return any(version == client.version and first <= number <= last for version, first, last in self._ranges)


def _range(entry: str) -> _Range | None:
    try:
        if "/" in entry:
            return _network(entry)
        start, dash, end = entry.partition("-")
        first = _address(start)
        last = _address(end) if dash else first
    except ValueError:
        return None
    return (first.version, int(first), int(last)) if first.version == last.version else None


def _address(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text.strip())
    return (address.version == 6 and address.ipv4_mapped) or address


def _network(text: str) -> _Range:
    network = ip_network(text.strip(), strict=False)
    if network.version == 6 and network.prefixlen >= _MAPPED_BITS and network.network_address in _MAPPED:
        inner = int(network.network_address) & 0xFFFF_FFFF
        return 4, inner, inner + network.num_addresses - 1
    return network.version, int(network.network_address), int(network.broadcast_address)
