"""GraphQL over HTTP and WebSocket (PROTOCOL section 4)."""
