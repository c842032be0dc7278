"""What a message looks like on Redis: JSON, gzip when it is 1,000 bytes or more (PROTOCOL section 9).

Ours carry one member more, first in the object: `"node"`, by which a process knows its own messages again. Programs
that do not know it ignore it, and messages without it are somebody else's.
"""

import zlib

COMPRESS_FROM = 1000
"""Bytes from which a message is compressed."""
MAX_BYTES = 64 * 1024 * 1024
"""Bytes that a compressed message may have when it is unpacked."""
FASTEST = 1
"""The level of compression: the event loop waits for it."""

NOBODY = b"\0"
"""A mark with which no message begins."""

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_MARK_START = b'{"node":"'
_MARK_LENGTH = len(_MARK_START) + 36 + 1
"""Up to and with the quotation mark behind the UUID."""


def mark(node: str) -> bytes:
    """How every message of the process begins; `node` is a UUID in its usual spelling."""
    return _MARK_START + node.encode() + b'"'


def pack(own_mark: bytes, message: bytes) -> bytes:
    """Mark an encoded JSON object and compress it where it is long. Raises `ValueError` for anything else."""
    if not message.startswith(b"{"):
        raise ValueError("a message is a JSON object")
    marked = own_mark + (b"}" if message == b"{}" else b"," + message[1:])
    if len(marked) < COMPRESS_FROM:
        return marked
    compressor = zlib.compressobj(FASTEST, zlib.DEFLATED, _GZIP)
    return compressor.compress(marked) + compressor.flush()


def unpack(own_mark: bytes, data: bytes) -> bytes | None:
    """The message without its mark, or None where it is our own, which costs next to nothing to find out.

    Raises `ValueError` for what is not gzip although it begins so, or is too long. The JSON is not looked at.
    """
    if not data.startswith(_GZIP_MAGIC):
        return None if data.startswith(own_mark) else _unmarked(data)
    decompressor = zlib.decompressobj(_GZIP)
    try:
        head = decompressor.decompress(data, len(own_mark))
        if head == own_mark:
            return None
        message = head + decompressor.decompress(decompressor.unconsumed_tail, MAX_BYTES)
    except zlib.error as error:
        raise ValueError("a message is not gzip") from error
    if not decompressor.eof:
        raise ValueError("a message is cut short or too long")
    return _unmarked(message)


def _unmarked(message: bytes) -> bytes:
    if message.startswith(_MARK_START) and message[_MARK_LENGTH - 1 : _MARK_LENGTH] == b'"':
        return b"{" + message[_MARK_LENGTH:].removeprefix(b",")
    return message
