"""The tokens that came with a request in cookies, and those that its answer is to carry in cookies."""

from dataclasses import dataclass, field

from tidegate.access.authenticator import Login, Mode


@dataclass(slots=True)
class Cookies:
    """Of one HTTP request."""

    refresh_token: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    opened: list[tuple[Mode, Login]] = field(default_factory=list, repr=False)
    """Logins whose tokens go out in a cookie."""
    ended: list[Mode] = field(default_factory=list)
    """Cookies to clear."""
