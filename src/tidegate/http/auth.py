"""`/auth/login`, `/auth/refresh`, `/auth/logout`: tokens for credentials, in the three modes (PROTOCOL section 3.2).

These paths look at no access token: who comes here often has one that has just expired.
"""

from collections.abc import Mapping

from starlette.responses import Response

from tidegate.access.authenticator import Authenticator, Login, Mode
from tidegate.errors import InvalidPayload, TidegateError
from tidegate.http.answers import data_answer, no_content
from tidegate.http.cookies import TokenCookie
from tidegate.http.payloads import RefreshBody, login_body, refresh_body
from tidegate.http.request import ApiRequest, Handler


class AuthHandlers:
    def __init__(self, authenticator: Authenticator, session_cookie: TokenCookie, refresh_cookie: TokenCookie) -> None:
        self._authenticator = authenticator
        self._session_cookie = session_cookie
        self._refresh_cookie = refresh_cookie

    def paths(self) -> Mapping[str, Mapping[str, Handler]]:
        return {
            "/auth/login": {"POST": self.login},
            "/auth/refresh": {"POST": self.refresh},
            "/auth/logout": {"POST": self.logout},
        }

    async def login(self, request: ApiRequest) -> Response:
        body = login_body(await request.payload())
        login = await self._authenticator.by_password(
            body.email,
            body.password,
            body.otp,
            request.address,
            request.headers.get("user-agent"),
            request.headers.get("origin"),
            body.mode,
        )
        return self._handed_over(login, body.mode)

    async def refresh(self, request: ApiRequest) -> Response:
        token, mode = await self._refresh_token(request, refresh_body(await request.payload()))
        login = await self._authenticator.by_refresh(
            token, request.address, request.headers.get("user-agent"), request.headers.get("origin"), mode
        )
        return self._handed_over(login, mode)

    async def logout(self, request: ApiRequest) -> Response:
        token, mode = await self._refresh_token(request, refresh_body(await request.payload()))
        await self._authenticator.logout(token)
        response = no_content()
        if mode == "cookie":
            self._refresh_cookie.clear(response)
        elif mode == "session":
            self._session_cookie.clear(response)
        return response

    def _handed_over(self, login: Login, mode: Mode) -> Response:
        data: dict[str, object] = {"expires": login.expires_in}
        if mode == "session":
            response = data_answer(data)
            self._session_cookie.set(response, login.access_token)
            return response
        if mode == "cookie":
            response = data_answer(data | {"access_token": login.access_token})
            self._refresh_cookie.set(response, login.refresh_token)
            return response
        return data_answer(data | {"refresh_token": login.refresh_token, "access_token": login.access_token})

    async def _refresh_token(self, request: ApiRequest, body: RefreshBody) -> tuple[str, Mode]:
        """The refresh token, and how its successor is to be handed over: as asked for, else as it came.

        What came in a cookie, out of reach of scripts, goes back in that cookie only.
        """
        if body.refresh_token is not None:
            return body.refresh_token, body.mode or "json"
        if body.mode in (None, "cookie") and (token := request.cookies.get(self._refresh_cookie.name)):
            return token, "cookie"
        if body.mode in (None, "session") and (token := request.cookies.get(self._session_cookie.name)):
            return await self._session_of(token, request.address), "session"
        raise InvalidPayload('"refresh_token" is required, in the body or as a cookie')

    async def _session_of(self, session_token: str, address: str | None) -> str:
        user = await self._authenticator.by_token(session_token, address)
        if user.session is None:
            raise TidegateError("INVALID_CREDENTIALS")
        return user.session
