"""Where the system collections live: each under its own path, never under `/items` (PROTOCOL section 1)."""

WRITABLE = (
    "access",
    "folders",
    "notifications",
    "permissions",
    "policies",
    "presets",
    "roles",
    "settings",
    "translations",
    "users",
)
"""Paths whose collection takes the five methods of items; the collection is `directus_` and the path."""

READABLE = ("activity", "comments", "files", "revisions", "shares", "versions")
"""Paths whose rows are read only here: writing them means more than changing the row."""


def collection_of(path: str) -> str:
    return f"directus_{path}"
