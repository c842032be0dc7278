"""The log as a stream for administrators, over a WebSocket (PROTOCOL section 5)."""
