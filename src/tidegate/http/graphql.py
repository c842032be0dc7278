"""`/graphql` and `/graphql/system` over HTTP, and their schemas as text (PROTOCOL section 4).

In the shape of "GraphQL over HTTP" for `application/json`: 400 for a document that cannot be run, 200 for one that was,
errors of its fields included.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import PlainTextResponse, Response

from tidegate.errors import InvalidPayload, TidegateError
from tidegate.graphql.execution import Executor, Request
from tidegate.graphql.messages import read_request
from tidegate.graphql.resolvers import Context
from tidegate.http.answers import JSONAnswer, error_answer
from tidegate.http.cookies import TokenCookies
from tidegate.http.request import ApiRequest, Handler


class GraphQLHandlers:
    def __init__(self, items: Executor, system: Executor, path: str, cookies: TokenCookies) -> None:
        """`path` of the items; the system collections are below it."""
        self._executors = {path: items, f"{path.rstrip('/')}/system": system}
        self._schemas = {"items": items.schemas, "system": system.schemas}
        self._cookies = cookies

    def paths(self) -> Mapping[str, Mapping[str, Handler]]:
        return {
            **{path: self._runs(executor) for path, executor in self._executors.items()},
            "/server/specs/graphql": {"GET": self._tells("items")},
            **{f"/server/specs/graphql/{scope}": {"GET": self._tells(scope)} for scope in self._schemas},
        }

    def _runs(self, executor: Executor) -> Mapping[str, Handler]:
        async def get(request: ApiRequest) -> Response:
            return await self._answer(executor, request, read_request(_parameters(request)), reading=True)

        async def post(request: ApiRequest) -> Response:
            return await self._answer(executor, request, read_request(await request.payload()))

        return {"GET": get, "POST": post}

    def _tells(self, scope: str) -> Handler:
        async def get(request: ApiRequest) -> Response:
            return PlainTextResponse(self._schemas[scope].sdl(await request.rights()))

        return get

    async def _answer(
        self, executor: Executor, request: ApiRequest, asked: Request, *, reading: bool = False
    ) -> Response:
        context = Context(await request.rights(), request.asker, self._cookies.of(request))
        try:
            answer, _ = await executor.run(asked, context, reading=reading)
        except TidegateError as error:
            if error.code != "METHOD_NOT_ALLOWED":
                raise
            return error_answer(error, {"Allow": "POST"})
        return self._cookies.put(context.cookies, JSONAnswer(answer))


def _parameters(request: ApiRequest) -> dict[str, Any]:
    """The request in the URL; `variables` are JSON text there."""
    parameters: dict[str, Any] = dict(request.params)
    if "variables" in parameters:
        try:
            parameters["variables"] = orjson.loads(parameters["variables"])
        except orjson.JSONDecodeError:
            raise InvalidPayload('"variables" must be JSON') from None
    return parameters
