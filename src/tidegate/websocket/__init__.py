"""The WebSocket of JSON messages (PROTOCOL section 3): `machine` decides what is to be done, `connection` does it."""
