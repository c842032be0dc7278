"""Everything that a server is made of, in the order in which it starts."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from starlette.routing import Router
from starlette.types import ASGIApp

from tidegate.access.authenticator import Authenticator
from tidegate.access.directory import Directory
from tidegate.access.exchange import TokenExchange
from tidegate.access.passwords import PasswordHasher
from tidegate.app.configured import (
    Limiters,
    access_settings,
    database_settings,
    first_administrator,
    make_messenger,
    query_limits,
)
from tidegate.app.sockets import graphql_rules, logs_rules, message_rules, origin_rule, socket_routes
from tidegate.clock import Clock
from tidegate.database.bootstrap import bootstrap
from tidegate.database.engine import Database, create_database
from tidegate.graphql.build import item_executor, system_executor
from tidegate.graphql.connection import Services as GraphQLServices
from tidegate.graphql.protection import Protection
from tidegate.graphql.system import SystemFields
from tidegate.http.address import ClientAddress
from tidegate.http.app import build_http, socket_not_found
from tidegate.http.auth import AuthHandlers
from tidegate.http.cookies import token_cookies
from tidegate.http.cors import cors
from tidegate.http.graphql import GraphQLHandlers
from tidegate.http.request import RequestContext
from tidegate.http.server import ServerHandlers
from tidegate.http.structure import StructureHandlers
from tidegate.http.throttle import Throttle
from tidegate.items.changes import Change
from tidegate.items.feed import Feed
from tidegate.items.plans import Plans
from tidegate.items.relay import ChangeRelay
from tidegate.items.schema_relay import SchemaRelay
from tidegate.items.service import Items
from tidegate.items.structure import Structure
from tidegate.logs.endpoint import Administrators
from tidegate.logs.endpoint import Services as LogsServices
from tidegate.logs.stream import LogStream
from tidegate.messenger.base import Messenger
from tidegate.realtime.connections import Connections
from tidegate.realtime.dispatch import Dispatcher, Sources
from tidegate.realtime.gate import Door
from tidegate.realtime.reading import Reader
from tidegate.realtime.registry import Registry
from tidegate.realtime.socket import GOING_AWAY, Outboxes
from tidegate.realtime.verify import Verifier
from tidegate.schema import Schema
from tidegate.settings import Settings
from tidegate.websocket.items import ItemsPerformer
from tidegate.websocket.services import Services as RestServices


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
        structure = Structure(database, feed)

        sources = Sources(lambda: database.schema, plans, Reader(database), feed.caught_up, lambda: feed.gaps, clock)
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
        relay = relay_changes(messenger, feed, database, schema_relay, directory, dispatcher, connections)
        log_stream = LogStream(node, settings.websockets_logs_level, settings.websockets_logs_style, messenger)
        await messenger.start()
        relay.start()
        stack.push_async_callback(relay.stop)
        stack.push_async_callback(items.drain)
        stack.push_async_callback(structure.drain)
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
) -> ChangeRelay:
    """Who hears of what. Of a change first the directory, so that nobody is told of it with rights it has ended.

    Rights do not wait for the turn of the change that they end with either: it may be long in coming where another
    process does not say what became of a commit.
    """

    def changes_missed() -> None:
        directory.forget()
        connections.changes_missed()

    relay = ChangeRelay(messenger, feed, changes_missed, database.end_session)

    def rights_changed(changes: Sequence[Change]) -> None:
        directory.changed(changes)
        connections.rights_changed()

    def changed(changes: Sequence[Change]) -> None:
        schema_relay.changed(changes)
        rights_changed(changes)
        dispatcher.changed(changes)

    def sessions_ended(hashes: Sequence[str]) -> None:
        connections.rights_changed()
        relay.publish(Change("directus_sessions", "delete", tuple(hashes)))

    feed.subscribe(changed)
    feed.subscribe_early(rights_changed)
    directory.sessions.on_end(sessions_ended)

    def schema_changed(_: Schema) -> None:
        dispatcher.schema_changed()
        connections.rights_changed()

    database.on_schema(schema_changed)
    return relay
