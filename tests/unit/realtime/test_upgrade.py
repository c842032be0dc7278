"""What is checked before a socket opens."""

import re

import pytest

from tidegate.realtime.upgrade import OriginRule, Scope, take_token

PUBLIC_URL = "https://host.com/app"


def scope(*headers: tuple[str, str], query: str = "", scheme: str = "ws", host: str | None = "host.com:8055") -> Scope:
    lines = [*headers, *([("host", host)] if host else [])]
    return {
        "type": "websocket",
        "scheme": scheme,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in lines],
    }


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://host.com:8055", True),
        ("https://host.com:8055", True),
        ("HTTP://HOST.COM:8055", True),
        ("https://host.com", True),
        ("https://host.com:443", True),
        ("http://host.com", False),
        ("https://host.com:8056", False),
        ("https://evil-host.com", False),
        ("https://host.com.evil", False),
        ("https://evil.com/host.com", False),
        ("https://host.com@evil.com", False),
        ("https://other.host.com", False),
        ("https://host.com.", False),
        ("ftp://host.com:8055", False),
        ("host.com:8055", False),
        ("null", False),
        ("", False),
        ("https://", False),
        ("https://host.com:8055/", False),
        ("https://host.com:8055?", False),
        ("https://host.com:99999999", False),
        ("https://[::1", False),
        ("https://host.com:8055\x00", False),
        ("https://ünïcode.com", False),
        ("https://host.com, https://evil.com", False),
    ],
)
def test_origin_is_allowed_from_home_only(origin: str | None, allowed: bool) -> None:
    headers = [] if origin is None else [("origin", origin)]
    assert OriginRule(PUBLIC_URL).allows(scope(*headers)) is allowed


@pytest.mark.parametrize(
    ("cors", "origin", "allowed"),
    [
        (False, "https://app.example", False),
        (True, "https://app.example", True),
        (("https://app.example",), "https://app.example", True),
        (("https://app.example",), "https://app.example.evil", False),
        (("https://app.example",), "http://app.example", False),
        (("*",), "https://app.example", False),
        (("*",), "*", False),
        (("*", "https://app.example"), "https://app.example", True),
        ((re.compile(r"https://.*\.example"),), "https://a.example", True),
        ((re.compile(r"https://.*\.example"),), "https://a.example.evil", False),
        ((re.compile(r"https://.*\.example"),), "evil https://a.example", False),
    ],
)
def test_origin_is_allowed_by_cors(cors: bool | tuple[str | re.Pattern[str], ...], origin: str, allowed: bool) -> None:
    assert OriginRule("/", cors).allows(scope(("origin", origin))) is allowed


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://host.com", "host.com", True),
        ("http://host.com", "host.com", False),
        ("https://host.com", "host.com:443", True),
        ("https://host.com:8443", "host.com", False),
        ("https://[::1]:8055", "[::1]:8055", True),
        ("https://host.com", "", False),
        ("https://host.com", None, False),
        ("https://host.com", "host.com/x", False),
    ],
)
def test_origin_of_an_encrypted_request_has_to_be_encrypted(origin: str, host: str | None, allowed: bool) -> None:
    assert OriginRule("/").allows(scope(("origin", origin), scheme="wss", host=host)) is allowed


def test_two_origins_are_refused() -> None:
    assert not OriginRule("/", cors=True).allows(
        scope(("origin", "https://a.example"), ("origin", "https://b.example"))
    )


@pytest.mark.parametrize(
    ("query", "cookie", "token", "rest"),
    [
        ("", None, None, b""),
        ("access_token=t", None, "t", b""),
        ("a=1&access_token=t%2Bu&b=", None, "t+u", b"a=1&b="),
        ("access_token=", None, "", b""),
        ("access_token=a&access_token=b", None, "", b""),
        ("", "session=c", "c", b""),
        ("", "other=1; session=c; more=2", "c", b""),
        ("", "other=1", None, b""),
        ("access_token=t", "session=c", "t", b""),
        ("access_token=", "session=c", "", b""),
    ],
)
def test_token_is_taken_from_the_url_else_the_cookie(
    query: str, cookie: str | None, token: str | None, rest: bytes
) -> None:
    request = scope(*([("cookie", cookie)] if cookie else []), ("authorization", "Bearer nobody"), query=query)
    assert take_token(request, "session") == token
    assert request["query_string"] == rest
