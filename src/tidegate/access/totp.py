"""One-time passwords (RFC 6238 over RFC 4226) as authenticator applications make them: SHA-1, six digits, 30 seconds.

By hand because the libraries at hand refuse the 80-bit secrets that existing databases hold. A code is good for as long
as its window: one device may use it over HTTP and then over a socket, as clients of the protocol do.
"""

import base64
import binascii
import hmac
import struct

STEP = 30
"""Seconds for which one code is current."""
WINDOW = 1
"""How many steps a device's clock may be off, either way."""
DIGITS = 6


def verify(secret: str, code: str, now: float) -> bool:
    """Whether the code belongs to `secret` (base32) at `now`, in seconds since the epoch. A broken secret has none."""
    key = _key(secret)
    if not key:
        return False
    current = int(now // STEP)
    given = code.encode("utf-8", "replace")
    matches = [hmac.compare_digest(_code(key, current + drift), given) for drift in range(-WINDOW, WINDOW + 1)]
    return any(matches)


def _key(secret: str) -> bytes:
    text = secret.replace(" ", "").rstrip("=").upper()
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return b""


def _code(key: bytes, counter: int) -> bytes:
    """RFC 4226 section 5.3."""
    digest = hmac.digest(key, struct.pack(">q", counter), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}".encode()
