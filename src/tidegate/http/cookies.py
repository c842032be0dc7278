"""The two cookies that carry tokens, with their flags (`SESSION_COOKIE_*`, `REFRESH_TOKEN_COOKIE_*`)."""

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from tidegate.access.exchange import Cookies
from tidegate.settings import Settings


@dataclass(frozen=True, slots=True)
class TokenCookie:
    """A cookie that scripts cannot read."""

    name: str
    max_age: float
    """Seconds, the lifetime of the token inside."""
    domain: str | None = None
    secure: bool = False
    same_site: Literal["lax", "strict", "none"] = "lax"

    def set(self, response: Response, token: str) -> None:
        response.set_cookie(
            self.name,
            token,
            max_age=int(self.max_age),
            domain=self.domain,
            secure=self.secure,
            httponly=True,
            samesite=self.same_site,
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(
            self.name, domain=self.domain, secure=self.secure, httponly=True, samesite=self.same_site
        )


@dataclass(frozen=True, slots=True)
class TokenCookies:
    """Both, on requests and answers."""

    session: TokenCookie
    refresh: TokenCookie

    def of(self, request: Request) -> Cookies:
        """Those that came with the request."""
        return Cookies(request.cookies.get(self.refresh.name), request.cookies.get(self.session.name))

    def put(self, cookies: Cookies, response: Response) -> Response:
        """The response, with the cookies that are to be set and cleared."""
        for mode, login in cookies.opened:
            if mode == "session":
                self.session.set(response, login.access_token)
            else:
                self.refresh.set(response, login.refresh_token)
        for mode in cookies.ended:
            if mode == "session":
                self.session.clear(response)
            elif mode == "cookie":
                self.refresh.clear(response)
        return response


def token_cookies(settings: Settings) -> TokenCookies:
    return TokenCookies(session_cookie(settings), refresh_cookie(settings))


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
