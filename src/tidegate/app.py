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
from typing import Any

import sqlalchemy as sa
from starlette.routing import BaseRoute, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tidegate.access.authenticator import Authenticator
from tidegate.access.directory import Directory
from tidegate.access.exchange import TokenExchange
from tidegate.access.passwords import PasswordHasher
from tidegate.access.settings import AccessSettings
from tidegate.clock import Clock, SystemClock
from tidegate.database.bootstrap import AdminAccount, bootstrap
from tidegate.database.engine import Database, DatabaseSettings, create_database
from tidegate.errors import TidegateError
from tidegate.graphql.build import item_executor, system_executor
from tidegate.graphql.connection import Services as GraphQLServices
from tidegate.graphql.endpoint import GraphQLEndpoint
from tidegate.graphql.machine import Rules as GraphQLRules
from tidegate.graphql.protection import Protection
from tidegate.graphql.system import SystemFields
from tidegate.http.address import ClientAddress
from tidegate.http.answers import error_answer
from tidegate.http.app import build_http, socket_not_found
from tidegate.http.auth import AuthHandlers
from tidegate.http.cookies import token_cookies
from tidegate.http.cors import cors
from tidegate.http.graphql import GraphQLHandlers
from tidegate.http.request import RequestContext
from tidegate.http.server import ServerHandlers
from tidegate.http.structure import StructureHandlers
from tidegate.http.throttle import Throttle
from tidegate.items.bus import CHANNEL, ChangeRelay, encode
from tidegate.items.changes import Change
from tidegate.items.feed import Feed
from tidegate.items.plans import Plans
from tidegate.items.schema_relay import SchemaRelay
from tidegate.items.service import Items
from tidegate.items.structure import Structure
from tidegate.logs.endpoint import Administrators, LogsEndpoint
from tidegate.logs.endpoint import Services as LogsServices
from tidegate.logs.machine import Rules as LogsRules
from tidegate.logs.machine import offered
from tidegate.logs.stream import LogStream
from tidegate.messenger.base import Messenger
from tidegate.messenger.memory import MemoryMessenger
from tidegate.messenger.redis import RedisMessenger
from tidegate.query.model import Limits
from tidegate.ratelimit.base import RateLimiter
from tidegate.ratelimit.logins import LOGIN_WINDOW, LoginLimiter
from tidegate.ratelimit.memory import MemoryRateLimiter
from tidegate.ratelimit.redis import RedisRateLimiter
from tidegate.ratelimit.redis import connect as connect_limiter
from tidegate.realtime.auth import Mode
from tidegate.realtime.connections import Connections
from tidegate.realtime.dispatch import Dispatcher, Sources
from tidegate.realtime.gate import Door, Gate
from tidegate.realtime.machine import Rules
from tidegate.realtime.reading import Reader
from tidegate.realtime.registry import Registry
from tidegate.realtime.socket import GOING_AWAY, Outboxes
from tidegate.realtime.upgrade import OriginRule
from tidegate.realtime.verify import Verifier
from tidegate.schema import Schema
from tidegate.settings import Settings
from tidegate.websocket.endpoint import WebSocketEndpoint
from tidegate.websocket.items import ItemsPerformer
from tidegate.websocket.services import Services as RestServices


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

    @property
    def running(self) -> "Running":
        """What a started server works with. Only within the lifespan."""
        assert self._running is not None, "the server has not been started"
        return self._running

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
    feed: Feed
    structure: Structure
    directory: Directory
    subscriptions: Registry
    connections: Connections
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
        limiters = Limiters(settings, clock)
        stack.push_async_callback(limiters.stop)
        authenticator = Authenticator(
            database, directory, hasher, clock, access_settings(settings), logins=limiters.logins()
        )

        limits = query_limits(settings)
        feed = Feed()
        plans = Plans(database, limits)
        items = Items(database, feed, plans, hasher, clock, directory.sessions, settings.max_batch_mutation)
        stack.push_async_callback(items.drain)
        structure = Structure(database)

        sources = Sources(lambda: database.schema, plans, Reader(database), feed.caught_up, clock)
        subscriptions = Registry()
        dispatcher = Dispatcher(subscriptions, sources)
        stack.push_async_callback(dispatcher.stop)
        connections = Connections(directory)
        stack.push_async_callback(connections.stop)

        node = str(uuid.uuid4())
        messenger = make_messenger(settings, node)
        stack.push_async_callback(messenger.stop)
        schema_relay = SchemaRelay(messenger, database, dispatcher.schema_outdated)
        stack.push_async_callback(schema_relay.stop)
        relay_changes(messenger, feed, database, schema_relay, directory, dispatcher, connections)
        log_stream = LogStream(node, settings.websockets_logs_level, settings.websockets_logs_style, messenger)
        await messenger.start()
        log_stream.start()
        stack.callback(log_stream.stop)

        address = ClientAddress(settings.ip_trust_proxy, settings.ip_custom_header)
        context = RequestContext(
            authenticator,
            directory,
            limits,
            session_cookie=settings.session_cookie_name,
            max_payload=settings.max_payload_size,
            address=address,
        )

        async def database_answers() -> None:
            await database.fetch(sa.select(sa.literal(1)))

        server = ServerHandlers(database, settings, clock, {"database": database_answers})
        protection = Protection(settings.graphql_query_token_limit, settings.graphql_introspection)
        exchange, cookies = TokenExchange(authenticator), token_cookies(settings)
        system_fields = SystemFields(exchange, server.describe)
        own = item_executor(items, lambda: database.schema, limits, protection)
        system = system_executor(items, lambda: database.schema, limits, protection, system_fields)
        http = build_http(
            context,
            database,
            items,
            AuthHandlers(exchange, cookies),
            StructureHandlers(structure),
            server,
            GraphQLHandlers(own, system, settings.websockets_graphql_path, cookies),
        )
        if settings.rate_limiter_enabled or settings.rate_limiter_global_enabled:
            http = Throttle(http, clock, address, per_address=limiters.per_address(), together=limiters.together())

        verifier = Verifier(authenticator, directory)
        performer = ItemsPerformer(items, database, limits)
        rules, most = message_rules(settings), settings.websockets_subscription_limit
        rest = RestServices(verifier.verify, directory, clock, dispatcher, performer, limits, rules, most)
        graphql = GraphQLServices(verifier.verify, directory, clock, dispatcher, own, limits, graphql_rules(settings))
        logs = LogsServices(Administrators(verifier).verify, directory, clock, log_stream, logs_rules(settings))
        outboxes = Outboxes(settings.websockets_outbox_limit)
        door = Door(origin_rule(settings), settings.session_cookie_name, address, outboxes, clock)
        sockets = Router(socket_routes(settings, door, rest, graphql, logs, connections), default=socket_not_found)
        stack.callback(connections.close_all, GOING_AWAY)

        yield Running(
            cors(http, settings), sockets, items, feed, structure, directory, subscriptions, connections, bootstrapped
        )


def relay_changes(
    messenger: Messenger,
    feed: Feed,
    database: Database,
    schema_relay: SchemaRelay,
    directory: Directory,
    dispatcher: Dispatcher,
    connections: Connections,
) -> None:
    """Who hears of what. Of a change first the directory, so that nobody is told of it with rights it has ended."""

    def changed(changes: Sequence[Change]) -> None:
        schema_relay.changed(changes)
        directory.changed(changes)
        connections.rights_changed()
        dispatcher.changed(changes)

    def sessions_ended(hashes: Sequence[str]) -> None:
        connections.rights_changed()
        if not messenger.alone:
            messenger.publish(CHANNEL, encode(Change("directus_sessions", "delete", tuple(hashes))))

    def changes_missed() -> None:
        directory.forget()
        connections.changes_missed()

    feed.subscribe(changed)
    ChangeRelay(messenger, feed, changed)
    directory.sessions.on_end(sessions_ended)

    def schema_changed(_: Schema) -> None:
        dispatcher.schema_changed()
        connections.rights_changed()

    database.on_schema(schema_changed)
    messenger.on_gap(changes_missed)


def socket_routes(
    settings: Settings,
    door: Door,
    rest: RestServices,
    graphql: GraphQLServices,
    logs: LogsServices,
    connections: Connections,
) -> list[BaseRoute]:
    """The endpoints that are switched on, by path."""
    routes: list[BaseRoute] = []
    if settings.websockets_enabled and settings.websockets_rest_enabled:
        gate = Gate(
            door,
            rest.verify,
            Mode(settings.websockets_rest_auth),
            settings.websockets_rest_auth_timeout,
            settings.websockets_rest_conn_limit,
        )
        routes.append(WebSocketRoute(settings.websockets_rest_path, WebSocketEndpoint(gate, rest, connections)))
    if settings.websockets_enabled and settings.websockets_graphql_enabled:
        gate = Gate(
            door,
            graphql.verify,
            Mode(settings.websockets_graphql_auth),
            settings.websockets_graphql_auth_timeout,
            settings.websockets_graphql_conn_limit,
        )
        routes.append(WebSocketRoute(settings.websockets_graphql_path, GraphQLEndpoint(gate, graphql, connections)))
    if settings.websockets_enabled and settings.websockets_logs_enabled:
        gate = Gate(
            door,
            logs.verify,
            Mode(settings.websockets_logs_auth),
            settings.websockets_logs_auth_timeout,
            settings.websockets_logs_conn_limit,
        )
        routes.append(WebSocketRoute(settings.websockets_logs_path, LogsEndpoint(gate, logs, connections)))
    return routes


def origin_rule(settings: Settings) -> OriginRule:
    return OriginRule(settings.public_url, settings.cors_enabled and settings.cors_origin)


def message_rules(settings: Settings) -> Rules:
    return Rules(heartbeat_period=heartbeat_period(settings), **message_limit(settings))


def graphql_rules(settings: Settings) -> GraphQLRules:
    timeout, most = settings.websockets_graphql_auth_timeout, settings.websockets_subscription_limit
    return GraphQLRules(timeout, most, heartbeat_period=heartbeat_period(settings), **message_limit(settings))


def logs_rules(settings: Settings) -> LogsRules:
    offering = offered(settings.websockets_logs_level)
    return LogsRules(offering, heartbeat_period=heartbeat_period(settings), **message_limit(settings))


def heartbeat_period(settings: Settings) -> float | None:
    return settings.websockets_heartbeat_period if settings.websockets_heartbeat_enabled else None


def message_limit(settings: Settings) -> dict[str, Any]:
    """How many messages a socket may send, and within how many seconds."""
    points = settings.rate_limiter_websockets_points if settings.rate_limiter_enabled else None
    return {"message_points": points, "message_duration": settings.rate_limiter_websockets_duration}


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
