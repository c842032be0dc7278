"""The bus between processes (PROTOCOL section 9): `base` is the port, for one process in memory, for several Redis."""
