"""What authentication needs to know of the settings (PROTOCOL section 2). Durations in seconds."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AccessSettings:
    secret: str = field(repr=False)
    access_token_ttl: float = 900.0
    refresh_token_ttl: float = 604_800.0
    session_cookie_ttl: float = 86_400.0
    login_stall_time: float = 0.5
