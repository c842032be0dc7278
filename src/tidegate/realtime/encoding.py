"""API values as JSON text, in UTF-8."""

import json

import orjson


def encode_json(value: object) -> bytes:
    """JSON for API values."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits, or more than 254 levels: a `json` column or a client's `uid` may hold such.
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
