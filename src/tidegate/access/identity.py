"""Who asks. "Nobody" is a value (`Public`), never `None`; the three kinds are a closed set.

`System` stands for the server itself (bootstrap, command line, migrations). Nothing that handles a request or a socket
may construct it; a test holds that to the imports.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Public:
    """Nobody in particular: has the rights of the public policy."""

    ip: str | None = None
    """The client's address, for `ip_access`; None where there is no client."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whose credentials were verified."""

    id: str
    ip: str | None = None
    expires: float | None = None
    """When the credentials end, in seconds since the epoch (`exp`); None for a static token."""
    session: str | None = field(default=None, repr=False)
    """The `directus_sessions` row that the credentials hang on, where there is one."""
    static: bool = False
    """Whether the credential is the user's static token (`directus_users.token`)."""
    token_hash: str | None = field(default=None, repr=False)
    """Of that token: whoever used it is nobody once the user has another. None asks for no such check."""


@dataclass(frozen=True, slots=True)
class System:
    """The server itself: may do everything, appears in no request."""


Identity = Public | User | System
