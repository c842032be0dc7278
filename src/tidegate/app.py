"""The composition root: settings in, one ASGI application out. Only here are concrete classes chosen.

Served alone, the application starts and stops with the ASGI lifespan:

    app = create_app(load_settings())

In another Starlette or FastAPI application it is mounted, and the host's own lifespan holds it open, because a mounted
application is not told of it:

    tidegate = create_app(load_settings())

    @asynccontextmanager
    async def lifespan(host):
        async with tidegate.lifespan():
            yield

    host = Starlette(routes=[Mount("/realtime", tidegate)], lifespan=lifespan)
"""

import secrets
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from starlette.types import ASGIApp, Receive, Scope, Send

from tidegate.access.authenticator import Authenticator
from tidegate.access.directory import Directory
from tidegate.access.passwords import PasswordHasher
from tidegate.access.settings import AccessSettings
from tidegate.clock import Clock, SystemClock
from tidegate.database.bootstrap import AdminAccount, bootstrap
from tidegate.database.engine import DatabaseSettings, create_database
from tidegate.errors import TidegateError
from tidegate.http.address import ClientAddress
from tidegate.http.answers import error_answer
from tidegate.http.app import build_http
from tidegate.http.auth import AuthHandlers
from tidegate.http.call import Desk
from tidegate.http.cookies import TokenCookie
from tidegate.http.cors import cors
from tidegate.http.server import ServerHandlers
from tidegate.http.structure import StructureHandlers
from tidegate.http.throttle import Throttle
from tidegate.items.bus import ChangeRelay
from tidegate.items.changes import Change
from tidegate.items.feed import Feed
from tidegate.items.plans import Plans
from tidegate.items.service import Items
from tidegate.items.structure import Structure
from tidegate.messenger.base import Messenger
from tidegate.messenger.memory import MemoryMessenger
from tidegate.messenger.redis import RedisMessenger
from tidegate.query.model import Limits
from tidegate.ratelimit.base import RateLimiter
from tidegate.ratelimit.memory import MemoryRateLimiter
from tidegate.ratelimit.redis import RedisRateLimiter
from tidegate.ratelimit.redis import connect as connect_limiter
from tidegate.settings import Settings


class Tidegate:
    """The server as an ASGI application. Outside of its lifespan it answers SERVICE_UNAVAILABLE."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._running: Running | None = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Start on entering and stop on leaving. Raises TidegateError where database or bus cannot be reached."""
        async with running(self._settings, self._clock) as self._running:
            try:
                yield
            finally:
                self._running = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._running is None:
            await error_answer(TidegateError("SERVICE_UNAVAILABLE"))(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._running.sockets(scope, receive, send)
        else:
            await self._running.http(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol of ASGI, version 2.0. A failure is told to the server and raised."""
        await receive()
        stage = "startup"
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
                stage = "shutdown"
        except Exception as fault:
            await send({"type": f"lifespan.{stage}.failed", "message": str(fault)})
            raise
        await send({"type": "lifespan.shutdown.complete"})


def create_app(settings: Settings) -> Tidegate:
    """The application, not yet started."""
    return Tidegate(settings)


@dataclass(frozen=True, slots=True)
class Running:
    """A started server: what it answers with, and what the command line works with."""

    http: ASGIApp
    sockets: ASGIApp
    items: Items
    structure: Structure
    directory: Directory
    bootstrapped: bool
    """Whether the database was empty."""


@asynccontextmanager
async def running(settings: Settings, clock: Clock) -> AsyncIterator[Running]:
    """Everything, in the order in which it starts; it stops in the reverse order."""
    async with AsyncExitStack() as stack:
        hasher = PasswordHasher()
        stack.callback(hasher.stop)

        database = create_database(database_settings(settings))
        stack.push_async_callback(database.stop)
        await database.start()
        bootstrapped = False
        if "directus_settings" not in database.schema.collections:
            bootstrapped = await bootstrap(database, await first_administrator(settings, hasher))

        directory = Directory(database, clock)
        authenticator = Authenticator(database, directory, hasher, clock, access_settings(settings))

        limits = query_limits(settings)
        feed = Feed()
        plans = Plans(database, limits)
        items = Items(database, feed, plans, hasher, clock, settings.max_batch_mutation)
        stack.push_async_callback(items.drain)
        structure = Structure(database)

        def changed(changes: Sequence[Change]) -> None:
            directory.changed(changes)

        messenger = make_messenger(settings)
        feed.subscribe(changed)
        ChangeRelay(messenger, feed, changed)
        messenger.on_gap(directory.forget)
        stack.push_async_callback(messenger.stop)
        await messenger.start()

        address = ClientAddress(settings.ip_trust_proxy, settings.ip_custom_header)
        desk = Desk(
            authenticator,
            directory,
            limits,
            session_cookie=settings.session_cookie_name,
            max_payload=settings.max_payload_size,
            address=address,
        )

        async def database_answers() -> None:
            await database.fetch(sa.select(sa.literal(1)))

        http = build_http(
            desk,
            database,
            items,
            AuthHandlers(authenticator, session_cookie(settings), refresh_cookie(settings)),
            StructureHandlers(structure),
            ServerHandlers(database, settings, clock, {"database": database_answers}),
            {},
        )
        if settings.rate_limiter_enabled or settings.rate_limiter_global_enabled:
            limiters = Limiters(settings, clock)
            stack.push_async_callback(limiters.stop)
            http = Throttle(http, clock, address, per_address=limiters.per_address(), together=limiters.together())
        yield Running(cors(http, settings), http, items, structure, directory, bootstrapped)


async def first_administrator(settings: Settings, hasher: PasswordHasher) -> AdminAccount | None:
    """For an empty database. Without `ADMIN_PASSWORD` nobody knows the password."""
    if settings.admin_email is None:
        return None
    password = settings.admin_password or secrets.token_urlsafe(32)
    return AdminAccount(settings.admin_email, await hasher.hash(password), settings.admin_token)


def make_messenger(settings: Settings) -> Messenger:
    if settings.redis_url is None:
        return MemoryMessenger()
    return RedisMessenger(settings.redis_url, settings.redis_bus_namespace, str(uuid.uuid4()))


class Limiters:
    """The limiters of HTTP, in the store that the settings name."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        url = settings.redis_url if settings.rate_limiter_store == "redis" else None
        self._client = None if url is None else connect_limiter(url)

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


def session_cookie(settings: Settings) -> TokenCookie:
    return TokenCookie(
        settings.session_cookie_name,
        settings.session_cookie_ttl,
        settings.session_cookie_domain,
        settings.session_cookie_secure,
        settings.session_cookie_same_site,
    )


def refresh_cookie(settings: Settings) -> TokenCookie:
    return TokenCookie(
        settings.refresh_token_cookie_name,
        settings.refresh_token_ttl,
        settings.refresh_token_cookie_domain,
        settings.refresh_token_cookie_secure,
        settings.refresh_token_cookie_same_site,
    )
