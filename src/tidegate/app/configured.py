"""What the settings say, in the words of each part; and the parts that the settings choose."""

import secrets

from tidegate.access.passwords import PasswordHasher
from tidegate.access.settings import AccessSettings
from tidegate.clock import Clock
from tidegate.database.bootstrap import AdminAccount
from tidegate.database.connect import DatabaseSettings
from tidegate.messenger.base import Messenger
from tidegate.messenger.memory import MemoryMessenger
from tidegate.messenger.redis import RedisMessenger
from tidegate.query.model import Limits
from tidegate.ratelimit.base import RateLimiter
from tidegate.ratelimit.logins import LOGIN_WINDOW, LoginLimiter
from tidegate.ratelimit.memory import MemoryRateLimiter
from tidegate.ratelimit.redis import RedisRateLimiter
from tidegate.ratelimit.redis import connect as connect_limiter
from tidegate.settings import Settings


async def first_administrator(settings: Settings, hasher: PasswordHasher) -> AdminAccount | None:
    """For an empty database. Without `ADMIN_PASSWORD` nobody knows the password."""
    if settings.admin_email is None:
        return None
    password = settings.admin_password or secrets.token_urlsafe(32)
    return AdminAccount(settings.admin_email, await hasher.hash(password), settings.admin_token)


def make_messenger(settings: Settings, node: str) -> Messenger:
    if settings.redis_url is None:
        return MemoryMessenger()
    return RedisMessenger(settings.redis_url, settings.redis_bus_namespace, node)


class Limiters:
    """The limiters, in the store that the settings name."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        url = settings.redis_url if settings.rate_limiter_store == "redis" else None
        self._client = None if url is None else connect_limiter(url)

    def logins(self) -> LoginLimiter:
        """Its points are each project's own: `directus_settings.auth_login_attempts`."""
        return LoginLimiter(self._make("login", 0, LOGIN_WINDOW))

    def per_address(self) -> RateLimiter | None:
        settings = self._settings
        if not settings.rate_limiter_enabled:
            return None
        return self._make("rate-limit", settings.rate_limiter_points, settings.rate_limiter_duration)

    def together(self) -> RateLimiter | None:
        settings = self._settings
        if not settings.rate_limiter_global_enabled:
            return None
        return self._make(
            "rate-limit-global", settings.rate_limiter_global_points, settings.rate_limiter_global_duration
        )

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _make(self, prefix: str, points: int, duration: float) -> RateLimiter:
        if self._client is None:
            return MemoryRateLimiter(points, duration, self._clock)
        prefix = f"{self._settings.redis_bus_namespace}:{prefix}"
        return RedisRateLimiter(self._client, prefix, points, duration, self._clock)


def database_settings(settings: Settings) -> DatabaseSettings:
    return DatabaseSettings(
        settings.db_client,
        settings.db_filename,
        settings.db_host,
        settings.db_port,
        settings.db_database,
        settings.db_user,
        settings.db_password,
        settings.db_connection_string,
        settings.db_search_path,
    )


def access_settings(settings: Settings) -> AccessSettings:
    return AccessSettings(
        settings.secret,
        settings.access_token_ttl,
        settings.refresh_token_ttl,
        settings.session_cookie_ttl,
        settings.login_stall_time,
    )


def query_limits(settings: Settings) -> Limits:
    return Limits(settings.query_limit_default, settings.query_limit_max, settings.max_relational_depth)
