"""`/auth/login`, `/auth/refresh`, `/auth/logout`: tokens for credentials, in the three modes (PROTOCOL section 3.2).

These paths look at no access token: who comes here often has one that has just expired.
"""

from collections.abc import Mapping

from starlette.responses import Response

from tidegate.access.exchange import TokenExchange
from tidegate.http.answers import data_answer, no_content
from tidegate.http.cookies import TokenCookies
from tidegate.http.payloads import login_body, refresh_body
from tidegate.http.request import ApiRequest, Handler


class AuthHandlers:
    def __init__(self, exchange: TokenExchange, cookies: TokenCookies) -> None:
        self._exchange = exchange
        self._cookies = cookies

    def paths(self) -> Mapping[str, Mapping[str, Handler]]:
        return {
            "/auth/login": {"POST": self.login},
            "/auth/refresh": {"POST": self.refresh},
            "/auth/logout": {"POST": self.logout},
        }

    async def login(self, request: ApiRequest) -> Response:
        body, cookies = login_body(await request.payload()), self._cookies.of(request)
        data = await self._exchange.login(body.email, body.password, body.otp, body.mode, request.asker, cookies)
        return self._cookies.put(cookies, data_answer(data))

    async def refresh(self, request: ApiRequest) -> Response:
        body, cookies = refresh_body(await request.payload()), self._cookies.of(request)
        data = await self._exchange.refresh(body.refresh_token, body.mode, request.asker, cookies)
        return self._cookies.put(cookies, data_answer(data))

    async def logout(self, request: ApiRequest) -> Response:
        body, cookies = refresh_body(await request.payload()), self._cookies.of(request)
        await self._exchange.logout(body.refresh_token, body.mode, request.asker, cookies)
        return self._cookies.put(cookies, no_content())
