import pytest
from starlette.responses import Response

from tidegate.http.cookies import TokenCookie


def flags(response: Response) -> tuple[str, set[str]]:
    pair, *attributes = response.headers["set-cookie"].split("; ")
    return pair, set(attributes)


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (TokenCookie("s", 86400.0), {"HttpOnly", "Max-Age=86400", "Path=/", "SameSite=lax"}),
        (
            TokenCookie("s", 60.9, domain="example.com", secure=True, same_site="none"),
            {"Domain=example.com", "HttpOnly", "Max-Age=60", "Path=/", "SameSite=none", "Secure"},
        ),
        (TokenCookie("s", 60.0, same_site="strict"), {"HttpOnly", "Max-Age=60", "Path=/", "SameSite=strict"}),
    ],
)
def test_cookie_has_flags(cookie: TokenCookie, expected: set[str]) -> None:
    response = Response()
    cookie.set(response, "token")
    assert flags(response) == ("s=token", expected)


def test_cleared_cookie_keeps_place_and_ends_now() -> None:
    response = Response()
    TokenCookie("s", 60.0, domain="example.com", secure=True).clear(response)
    pair, attributes = flags(response)
    assert pair == 's=""'
    assert {"Domain=example.com", "Path=/", "Max-Age=0", "Secure", "HttpOnly"} <= attributes
