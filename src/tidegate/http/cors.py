"""Which pages of other origins may use the API in a browser (`CORS_*`)."""

import re
from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from tidegate.settings import Settings

ANY = "*"


def cors(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app` behind the rules of `settings`, or as it is where CORS is off."""
    if not settings.cors_enabled or settings.cors_origin is False:
        return app
    origins: Sequence[str | re.Pattern[str]] = () if settings.cors_origin is True else settings.cors_origin
    anybody = ANY in origins
    return CORSMiddleware(
        app,
        allow_origins=[origin for origin in origins if isinstance(origin, str)],
        allow_origin_regex=".*" if settings.cors_origin is True else _either(origins),
        allow_methods=settings.cors_methods,
        allow_headers=settings.cors_allowed_headers,
        expose_headers=settings.cors_exposed_headers,
        # A literal `*` never goes with cookies (Fetch standard, 3.3.5); the middleware would name the origin instead.
        allow_credentials=settings.cors_credentials and not anybody,
        max_age=int(settings.cors_max_age),
    )


def _either(origins: Sequence[str | re.Pattern[str]]) -> str | None:
    return "|".join(f"(?:{origin.pattern})" for origin in origins if isinstance(origin, re.Pattern)) or None
