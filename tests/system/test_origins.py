"""Which pages may open a socket: the same table at every endpoint (PROTOCOL section 3.1)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.http.project import ADMIN, Project, seeded_project
from tests.integration.websocket.client import Client, Refused
from tidegate.graphql.messages import SUBPROTOCOL

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST = "host.com:8055"
ENDPOINTS = ("/websocket", "/websocket/logs", "/graphql")
TABLE = {
    "none": (None, True),
    "same-host": ("https://host.com:8055", True),
    "same-host-plain": ("http://host.com:8055", True),
    "public-url": ("https://public.example", True),
    "allowed": ("https://allowed.example", True),
    "allowed-by-pattern": ("https://app7.pattern.example", True),
    "star": ("*", False),
    "other": ("https://evil.example", False),
    "host-as-ending": ("https://evil-host.com:8055", False),
    "host-as-beginning": ("https://host.com.evil:8055", False),
    "host-as-path": ("https://evil.example/host.com:8055", False),
    "host-as-user": ("https://host.com:8055@evil.example", False),
    "subdomain-of-the-host": ("https://app.host.com:8055", False),
    "sibling-subdomain": ("https://other.public.example", False),
    "sibling-of-the-allowed": ("https://other.allowed.example", False),
    "allowed-as-beginning": ("https://allowed.example.evil", False),
    "beyond-the-pattern": ("https://app7.pattern.example.evil", False),
    "null": ("null", False),
    "empty": ("", False),
    "malformed": ("https://", False),
    "no-scheme": ("host.com:8055", False),
    "trailing-slash": ("https://host.com:8055/", False),
    "two-at-once": ("https://host.com:8055, https://evil.example", False),
    "other-port": ("https://host.com:8056", False),
    "default-port": ("https://host.com", False),
    "allowed-with-port": ("https://allowed.example:8443", False),
    "other-scheme": ("ftp://host.com:8055", False),
    "public-url-plain": ("http://public.example", False),
    "allowed-plain": ("http://allowed.example", False),
}
"""By what it shows: the `Origin`, and whether the socket opens."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    environ = {
        "PUBLIC_URL": "https://public.example",
        "CORS_ENABLED": "true",
        "CORS_ORIGIN": r"*,https://allowed.example,regex:https://app\d\.pattern\.example",
    }
    async with seeded_project(tmp_path_factory.mktemp("origins"), environ) as running:
        yield running


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("row", TABLE)
async def test_page_opens_a_socket_only_from_an_allowed_origin(project: Project, row: str, path: str) -> None:
    origin, allowed = TABLE[row]
    headers = {"host": HOST, **({} if origin is None else {"origin": origin})}
    client = Client(project.app, f"{path}?access_token={ADMIN}", headers)
    client.scope["subprotocols"] = [SUBPROTOCOL] if path == "/graphql" else []
    if allowed:
        async with client:
            pass
    else:
        with pytest.raises(Refused, match="403"):
            await client.__aenter__()
