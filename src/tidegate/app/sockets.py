"""The WebSocket endpoints, as the settings have them."""

from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute

from tidegate.graphql.connection import Services as GraphQLServices
from tidegate.graphql.endpoint import GraphQLEndpoint
from tidegate.graphql.machine import Rules as GraphQLRules
from tidegate.logs.endpoint import LogsEndpoint
from tidegate.logs.endpoint import Services as LogsServices
from tidegate.logs.machine import Rules as LogsRules
from tidegate.logs.machine import offered
from tidegate.realtime.auth import Mode
from tidegate.realtime.connections import Connections
from tidegate.realtime.gate import Door, Gate
from tidegate.realtime.machine import Rules
from tidegate.realtime.upgrade import OriginRule
from tidegate.settings import Settings
from tidegate.websocket.endpoint import WebSocketEndpoint
from tidegate.websocket.services import Services as RestServices


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
    if not settings.websockets_enabled:
        return routes
    if settings.websockets_rest_enabled:
        gate = Gate(
            door,
            rest.verify,
            Mode(settings.websockets_rest_auth),
            settings.websockets_rest_auth_timeout,
            settings.websockets_rest_conn_limit,
        )
        routes.append(WebSocketRoute(settings.websockets_rest_path, WebSocketEndpoint(gate, rest, connections)))
    if settings.websockets_graphql_enabled:
        gate = Gate(
            door,
            graphql.verify,
            Mode(settings.websockets_graphql_auth),
            settings.websockets_graphql_auth_timeout,
            settings.websockets_graphql_conn_limit,
        )
        routes.append(WebSocketRoute(settings.websockets_graphql_path, GraphQLEndpoint(gate, graphql, connections)))
    if settings.websockets_logs_enabled:
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
    return Rules(**_shared_rules(settings))


def graphql_rules(settings: Settings) -> GraphQLRules:
    timeout, most = settings.websockets_graphql_auth_timeout, settings.websockets_subscription_limit
    return GraphQLRules(timeout, most, **_shared_rules(settings))


def logs_rules(settings: Settings) -> LogsRules:
    return LogsRules(offered(settings.websockets_logs_level), **_shared_rules(settings))


def _shared_rules(settings: Settings) -> dict[str, Any]:
    """The members of `realtime.machine.Rules`."""
    return {
        "heartbeat_period": settings.websockets_heartbeat_period if settings.websockets_heartbeat_enabled else None,
        "message_points": settings.rate_limiter_websockets_points if settings.rate_limiter_enabled else None,
        "message_duration": settings.rate_limiter_websockets_duration,
    }
