"""`/server/*`: whether the server is there, what it is, and how it is doing (PROTOCOL section 1)."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import sqlalchemy as sa
from starlette.responses import PlainTextResponse, Response

from tidegate import __version__
from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.clock import Clock
from tidegate.database.engine import Database
from tidegate.errors import TidegateError
from tidegate.http.answers import JSONAnswer, data_answer
from tidegate.http.openapi import describe_api
from tidegate.http.request import ApiRequest, Handler
from tidegate.settings import Settings

log = logging.getLogger(__name__)

PROJECT_COLUMNS = (
    "project_name",
    "project_descriptor",
    "project_logo",
    "project_color",
    "default_appearance",
    "default_theme_light",
    "default_theme_dark",
    "theme_light_overrides",
    "theme_dark_overrides",
    "default_language",
    "public_foreground",
    "public_background",
    "public_favicon",
    "public_note",
    "custom_css",
    "public_registration",
    "public_registration_verify_email",
)
"""What of `directus_settings` anybody may know."""

SLOW_MILLISECONDS = 150.0
"""A check that takes longer is a warning."""

Check = Callable[[], Awaitable[None]]
"""Raises where the component cannot be used."""


class ServerHandlers:
    def __init__(self, database: Database, settings: Settings, clock: Clock, checks: Mapping[str, Check]) -> None:
        """`checks` by component, such as `database`."""
        self._database = database
        self._settings = settings
        self._clock = clock
        self._checks = checks

    def paths(self) -> Mapping[str, Mapping[str, Handler]]:
        return {
            "/server/ping": {"GET": self.ping},
            "/server/info": {"GET": self.info},
            "/server/health": {"GET": self.health},
            "/server/specs/oas": {"GET": self.specification},
        }

    async def ping(self, _request: ApiRequest) -> Response:
        return PlainTextResponse("pong")

    async def info(self, request: ApiRequest) -> Response:
        return data_answer(await self.describe(await request.rights()))

    async def describe(self, rights: Rights) -> dict[str, Any]:
        """The project for everybody, the limits for users, the version for administrators."""
        data: dict[str, Any] = {"project": await self._project()}
        if not isinstance(rights.identity, Public):
            data |= service_info(self._settings)
        if rights.admin:
            data["version"] = __version__
        return data

    async def specification(self, request: ApiRequest) -> Response:
        """The API as OpenAPI describes it, as far as the asker may use it."""
        document = describe_api(
            self._database.schema,
            await request.rights(),
            self._settings.public_url,
            self._settings.websockets_graphql_path,
        )
        return JSONAnswer(document)

    async def health(self, request: ApiRequest) -> Response:
        """`ok`, `warn` or `error`; what it rests on for administrators.

        In the shape of draft-inadarei-api-health-check-06. 503 where a component cannot be used.
        """
        rights = await request.rights()
        checks = {f"{name}:responseTime": [await self._check(check)] for name, check in self._checks.items()}
        statuses = {entry["status"] for entries in checks.values() for entry in entries}
        status = next((worst for worst in ("error", "warn") if worst in statuses), "ok")
        body: dict[str, Any] = {"status": status}
        if rights.admin:
            body |= {"releaseId": __version__, "checks": checks}
        return JSONAnswer(body, 503 if status == "error" else 200, media_type="application/health+json")

    async def _check(self, check: Check) -> dict[str, Any]:
        start = self._clock.monotonic()
        try:
            await check()
        except TidegateError as error:
            return {"status": "error", "componentType": "datastore", "output": error.code}
        took = (self._clock.monotonic() - start) * 1000
        return {
            "status": "ok" if took <= SLOW_MILLISECONDS else "warn",
            "componentType": "datastore",
            "observedUnit": "ms",
            "observedValue": round(took, 3),
            "threshold": SLOW_MILLISECONDS,
        }

    async def _project(self) -> dict[str, Any]:
        """Empty before the project has settings; columns that an older project lacks are left out."""
        table = self._database.tables.get("directus_settings")
        columns = [table.c[name] for name in PROJECT_COLUMNS if name in table.c] if table is not None else []
        rows = await self._database.fetch(sa.select(*columns).limit(1)) if columns else ()
        return dict(rows[0]._mapping) if rows else {}


def service_info(settings: Settings) -> dict[str, Any]:
    """Limits and sockets, as `/server/info` tells them to users. Durations in seconds, the heartbeat's period too."""
    return {
        "rateLimit": settings.rate_limiter_enabled
        and {"points": settings.rate_limiter_points, "duration": settings.rate_limiter_duration},
        "rateLimitGlobal": settings.rate_limiter_global_enabled
        and {"points": settings.rate_limiter_global_points, "duration": settings.rate_limiter_global_duration},
        "queryLimit": {
            "default": settings.query_limit_default,
            "max": -1 if settings.query_limit_max is None else settings.query_limit_max,
        },
        "websocket": settings.websockets_enabled
        and {
            "rest": settings.websockets_rest_enabled
            and {"authentication": settings.websockets_rest_auth, "path": settings.websockets_rest_path},
            "graphql": settings.websockets_graphql_enabled
            and {"authentication": settings.websockets_graphql_auth, "path": settings.websockets_graphql_path},
            "logs": settings.websockets_logs_enabled
            and {"authentication": settings.websockets_logs_auth, "path": settings.websockets_logs_path},
            "heartbeat": settings.websockets_heartbeat_enabled and settings.websockets_heartbeat_period,
        },
    }
