"""What is checked before a socket opens (PROTOCOL section 3.1), as pure functions of the upgrade request.

A browser lets any page open a WebSocket to any server and sends the cookies along, so the `Origin` header is all there
is against a foreign page acting as its visitor (RFC 6455 section 10.2).
"""

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

Scope = MutableMapping[str, Any]
"""An ASGI scope of type `websocket`."""

_ACCESS_TOKEN = "access_token"  # noqa: S105 - the name of a parameter, RFC 6750 section 2.3
_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE)
_HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE)
_DEFAULT_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class OriginRule:
    """Which pages may open sockets."""

    public_url: str
    """`PUBLIC_URL`: a URL, or `/` for none."""
    cors: bool | tuple[str | re.Pattern[str], ...] = False
    """`CORS_ORIGIN` where `CORS_ENABLED`, else False: every origin, none, or these. A literal `*` stands for nobody."""

    def allows(self, scope: Scope) -> bool:
        """Whether the request comes from an allowed page, or from no page at all."""
        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        if not origins:
            return True
        if len(origins) > 1:
            return False
        origin = origins[0]
        return self._cors_allows(origin) or self._is_home(origin, scope["scheme"], headers.get("host", ""))

    def _cors_allows(self, origin: str) -> bool:
        if isinstance(self.cors, bool):
            return self.cors
        return any(
            rule.fullmatch(origin) is not None if isinstance(rule, re.Pattern) else rule == origin and rule != "*"
            for rule in self.cors
        )

    def _is_home(self, origin: str, scheme: str, host: str) -> bool:
        page = _parts(_ORIGIN.fullmatch(origin))
        if page is None:
            return False
        public = _ORIGIN.match(self.public_url)
        if page == _parts(public):
            return True
        # Behind a proxy that ends TLS the request is plain although the page is not.
        if scheme == "wss" and page[0] != "https":
            return False
        here = _HOST.fullmatch(host)
        return here is not None and page[1:] == (here[1].lower(), _port(page[0], here[2]))


def _parts(origin: re.Match[str] | None) -> tuple[str, str, int] | None:
    if origin is None:
        return None
    scheme = origin[1].lower()
    return scheme, origin[2].lower(), _port(scheme, origin[3])


def _port(scheme: str, port: str | None) -> int:
    return int(port) if port else _DEFAULT_PORT[scheme]


def take_token(scope: Scope, session_cookie: str) -> str | None:
    """The token of the URL, else that of the session cookie, else None. An `Authorization` header is not looked at.

    The token is taken out of the scope's query string, so that nothing that comes after can log it. Several tokens are
    as good as one that nobody has: the empty text.
    """
    parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    tokens = [value for name, value in parameters if name == _ACCESS_TOKEN]
    if tokens:
        rest = [pair for pair in parameters if pair[0] != _ACCESS_TOKEN]
        scope["query_string"] = urlencode(rest).encode()
        return tokens[0] if len(tokens) == 1 else ""
    cookies: Sequence[str] = Headers(scope=scope).getlist("cookie")
    for line in cookies:
        if (token := cookie_parser(line).get(session_cookie)) is not None:
            return token
    return None
