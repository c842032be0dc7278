"""Address lists, against the standard library's own networks."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.access.network import Addresses

ANY_ADDRESS = st.one_of(
    st.ip_addresses(),
    st.integers(0, 2**32 - 1).map(lambda number: IPv6Address((0xFFFF << 32) | number)),
)
MAPPED = ip_network("::ffff:0:0/96")


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        ("10.0.0.1", ["10.0.0.1", "::ffff:10.0.0.1", " 10.0.0.1 "], ["10.0.0.2", "::10.0.0.1", "::1"]),
        ("10.99.0.0/16", ["10.99.0.0", "10.99.255.255", "::ffff:10.99.1.1"], ["10.98.255.255", "10.100.0.0"]),
        ("10.99.3.4/16", ["10.99.0.1"], ["10.98.0.1"]),
        ("10.0.0.5-10.0.1.2", ["10.0.0.5", "10.0.0.255", "10.0.1.2"], ["10.0.0.4", "10.0.1.3"]),
        (" 10.0.0.5 - 10.0.0.6 ", ["10.0.0.6"], ["10.0.0.7"]),
        ("0.0.0.0/0", ["1.2.3.4", "::ffff:1.2.3.4"], ["::1", "2001:db8::1"]),
        ("::/0", ["::1", "2001:db8::1"], ["1.2.3.4", "::ffff:1.2.3.4"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:DB8:ffff::"], ["2001:db9::1"]),
        ("2001:db8::1-2001:db8::ff", ["2001:db8::80"], ["2001:db8::100"]),
        ("::ffff:10.0.0.0/104", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1"]),
        ("::ffff:10.0.0.1", ["10.0.0.1"], ["10.0.0.2"]),
        ("::ffff:10.0.0.1-::ffff:10.0.0.3", ["10.0.0.2"], ["10.0.0.4"]),
    ],
)
def test_entry_names_addresses(entry: str, inside: list[str], outside: list[str]) -> None:
    addresses = Addresses([entry])
    assert [address for address in inside if address not in addresses] == []
    assert [address for address in outside if address in addresses] == []


@pytest.mark.parametrize(
    "entry",
    ["", "nonsense", "10.0.0", "10.0.0.1/33", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0.1-", "-", "/", "localhost"],
)
def test_bad_entry_names_nobody_and_spoils_no_other(entry: str) -> None:
    for address in ("10.0.0.1", "10.0.0.5", "::1", "::", "0.0.0.0"):
        assert address not in Addresses([entry])
    assert "10.0.0.1" in Addresses([entry, "10.0.0.1"])


@pytest.mark.parametrize("address", [None, "", "unknown", "10.0.0.1:80", "/run/socket"])
def test_client_without_an_address_is_nowhere(address: str | None) -> None:
    assert address not in Addresses(["0.0.0.0/0", "::/0"])


@given(ANY_ADDRESS, ANY_ADDRESS, st.data())
def test_networks_hold_what_the_standard_library_says(
    network_address: IPv4Address | IPv6Address, client: IPv4Address | IPv6Address, data: st.DataObject
) -> None:
    prefix = data.draw(st.integers(0, network_address.max_prefixlen))
    network = ip_network((network_address, prefix), strict=False)
    if network.version == 6 and network.overlaps(MAPPED) and network.prefixlen < 96:
        assert str(client) not in Addresses([str(network)]) or (client.version, client in MAPPED) == (6, False)
        return
    expected = any(each in network for each in _spellings(client))
    assert (str(client) in Addresses([str(network)])) is expected


@given(ANY_ADDRESS, ANY_ADDRESS, ANY_ADDRESS)
def test_range_is_the_sum_of_its_networks(
    first: IPv4Address | IPv6Address, last: IPv4Address | IPv6Address, client: IPv4Address | IPv6Address
) -> None:
    numbers = [_plain(first), _plain(last), _plain(client)]
    one_version = len({number.version for number in numbers}) == 1
    expected = one_version and int(numbers[0]) <= int(numbers[2]) <= int(numbers[1])
    assert (str(client) in Addresses([f"{first}-{last}"])) is expected


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _spellings(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, and an IPv4 address in IPv6 clothes or out of them."""
    plain = _plain(address)
    mapped = [ip_address(f"::ffff:{plain}")] if plain.version == 4 else []
    return [plain, *mapped]
