"""Rate limits as fixed windows: `base` is the port, in memory or in Redis (PROTOCOL section 8)."""
