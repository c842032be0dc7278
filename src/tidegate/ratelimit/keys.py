"""What to count under: keys that a client cannot multiply or blow up."""

from hashlib import blake2b
from ipaddress import AddressValueError, IPv6Address

PREFIX_BITS = 64
"""An IPv6 client is its network: who is given one address is given all 2**64 of it (RFC 6177)."""


def address_key(address: str) -> str:
    """The key of a client's address: an IPv6 address stands for its /64, a mapped IPv4 address for itself."""
    try:
        parsed = IPv6Address(address)
    except AddressValueError:
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> (128 - PREFIX_BITS) << (128 - PREFIX_BITS)))


def account_key(email: str) -> str:
    """The key of an account: short however long the text, the same in any case, and no address in the store."""
    return blake2b(email.strip().casefold().encode(errors="surrogatepass"), digest_size=16).hexdigest()
