"""Rate limits over HTTP: requests of one address, and of all together (PROTOCOL section 8)."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidegate.clock import Clock
from tidegate.errors import TidegateError
from tidegate.http.address import ClientAddress
from tidegate.http.answers import error_answer
from tidegate.ratelimit.base import RateLimiter
from tidegate.ratelimit.headers import rate_headers
from tidegate.ratelimit.keys import address_key

EVERYBODY = "all"


class Throttle:
    """Counts every request before anything else is done for it, and tells the client its budget in headers.

    An address pays from its own budget first: what it is refused there uses up nothing of everybody's.
    """

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        address: ClientAddress,
        *,
        per_address: RateLimiter | None,
        together: RateLimiter | None,
    ) -> None:
        self._app = app
        self._clock = clock
        self._address = address
        self._per_address = per_address
        self._together = together

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[str, str] = {}
        """Of the client's own budget where it has one."""
        for limiter, key in (
            (self._per_address, address_key(self._address(scope) or "")),
            (self._together, EVERYBODY),
        ):
            if limiter is None:
                continue
            verdict = await limiter.hit(key)
            told = dict(rate_headers(verdict, self._clock.now()))
            if not verdict.allowed:
                await error_answer(TidegateError("REQUESTS_EXCEEDED"), told)(scope, receive, send)
                return
            headers = headers or told

        async def send_with_budget(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, send_with_budget)
