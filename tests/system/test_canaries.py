"""No secret is told to anybody: not in the log, not on the stream of logs, not in an error (GHSA-vw58-ph65-6rxp).

A server that logs everything (`LOG_LEVEL=trace`) is given secrets that occur nowhere else, good and bad ones, by every
path of authentication. Then they are looked for in whatever came out. A marker that is no secret travels the same way
and has to be found, or nothing is shown.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.conformance.conformance import ADMIN_TOKEN
from tests.support.server import ADMIN, ServerProcess, running_server, seed
from tidegate.graphql.messages import SUBPROTOCOL

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARKER = "marker-that-may-be-seen"
STYLES = ("raw", "pretty")
QUIET_SECONDS = 1.0


def canary(name: str) -> str:
    return f"canary-{name}-{secrets.token_hex(8)}"


@dataclass
class Told:
    """Everything that the server said to somebody who was not to learn a secret."""

    server: ServerProcess
    http: httpx.AsyncClient
    secrets: dict[str, str] = field(default_factory=dict)
    """By what they are."""
    errors: list[str] = field(default_factory=list)
    stream: list[str] = field(default_factory=list)
    following: asyncio.Event = field(default_factory=asyncio.Event)

    def secret(self, name: str) -> str:
        return self.secrets.setdefault(name, canary(name))

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        answer = await self.http.request(method, path, **request)
        if answer.is_error or '"errors"' in answer.text:
            self.errors.append(f"{answer.text} {answer.headers}")
        return answer

    async def say(self, path: str, *messages: str, headers: Mapping[str, str] | None = None) -> list[Any]:
        """On a socket of its own; what came back until all was answered or the server closed."""
        answers: list[Any] = []
        url = f"ws://127.0.0.1:{self.server.port}{path}"
        protocols: Any = [SUBPROTOCOL] if path.startswith("/graphql") else None
        try:
            async with connect(url, additional_headers=headers, subprotocols=protocols, proxy=None) as socket:
                for message in messages:
                    await socket.send(message)
                    answers.append(json.loads(await socket.recv()))
                    if "error" in str(answers[-1]):
                        self.errors.append(str(answers[-1]))
        except ConnectionClosed as closed:
            self.errors.append(str(closed))
        except InvalidStatus as refused:
            self.errors.append(f"{refused.response.body!r} {refused.response.headers}")
        return answers


async def follow(told: Told) -> None:
    url = f"ws://127.0.0.1:{told.server.port}/websocket/logs?access_token={ADMIN_TOKEN}"
    async with connect(url, proxy=None) as socket:
        await socket.send('{"type":"subscribe","log_level":"trace"}')
        async for line in socket:
            told.stream.append(str(line))
            told.following.set()


@pytest_asyncio.fixture(params=STYLES, loop_scope="module")
async def told(request: pytest.FixtureRequest) -> AsyncIterator[Told]:
    style = request.param
    environ = {
        "LOG_LEVEL": "trace",
        "LOG_STYLE": style,
        "WEBSOCKETS_LOGS_LEVEL": "trace",
        "WEBSOCKETS_LOGS_STYLE": style,
        "WEBSOCKETS_REST_AUTH": "public",
        "WEBSOCKETS_GRAPHQL_AUTH": "handshake",
    }
    async with running_server(environ) as server, httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        await seed(server)
        told = Told(server, http)
        following = asyncio.create_task(follow(told))
        await told.following.wait()
        yield told
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


async def make_user(told: Told) -> None:
    password, token = told.secret("password"), told.secret("static-token")
    user = {"email": "canary@example.com", "password": password, "token": token, "tfa_secret": told.secret("tfa")}
    for body in (user, user, {**user, "email": "twin@example.com"}, {**user, "token": told.secret("token") * 40}):
        await told.ask("POST", "/users", headers=ADMIN, json=body)
    plain = {"email": "plain@example.com", "password": password, "token": told.secret("other-static-token")}
    made = await told.ask("POST", "/users", headers=ADMIN, json=plain)
    assert made.status_code == 200, made.text
    await told.ask(
        "PATCH", f"/users/{made.json()['data']['id']}", headers=ADMIN, json={"token": told.secret("static-token")}
    )
    query = {"filter[token][_eq]": told.secret("token-in-a-filter"), "marker": MARKER}
    await told.ask("GET", "/users", params=query, headers={"authorization": f"Bearer {token}"})


async def use_http(told: Told) -> None:
    bad = told.secret("bad-token")
    login = {"email": "plain@example.com", "password": told.secret("password")}
    for mode in ("json", "cookie", "session"):
        answer = await told.ask("POST", "/auth/login", json={**login, "mode": mode})
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        told.secrets |= {f"{mode}-{name}": data[name] for name in ("access_token", "refresh_token") if name in data}
        told.secrets |= {f"{mode}-{name}": value for name, value in answer.cookies.items()}
        token = data.get("access_token") or answer.cookies["directus_session_token"]
        await told.ask("GET", "/users/me", params={"access_token": token})
        await told.ask("GET", "/users/nobody", headers={"authorization": f"Bearer {token}"})
        refreshed = await told.ask(
            "POST", "/auth/refresh", json={"mode": mode, "refresh_token": data.get("refresh_token")}
        )
        told.secrets |= {f"{mode}-refreshed-{name}": value for name, value in refreshed.cookies.items()}
        told.http.cookies.clear()
    for wrong in (
        {"password": told.secret("wrong-password")},
        {"otp": told.secret("otp")},
        {"otp": {"x": told.secret("otp")}},
    ):
        await told.ask("POST", "/auth/login", json={**login, **wrong})
    await told.ask("POST", "/auth/login", content=f'{{"email":"a@b.c","password":"{told.secret("cut-off")}"')
    await told.ask("POST", "/auth/login", json={"email": told.secret("email-as-password"), "password": 7})
    for path in ("/auth/refresh", "/auth/logout"):
        await told.ask("POST", path, json={"refresh_token": told.secret("bad-refresh-token")})
        await told.ask("POST", path, headers={"cookie": f"directus_refresh_token={bad}; directus_session_token={bad}"})
    for headers in (
        {"authorization": f"Bearer {bad}"},
        {"authorization": f"Basic {bad}"},
        {"cookie": f"directus_session_token={bad}"},
    ):
        await told.ask("GET", "/items/messages", headers=headers)
    await told.ask("GET", "/items/messages", params={"access_token": bad, "marker": MARKER})
    await told.ask("GET", f"/{MARKER}", params={"access_token": [bad, bad]})


async def use_graphql(told: Told) -> None:
    login = "mutation { auth_login(email: %s, password: %s) { access_token refresh_token } }"
    for email, password in (("plain@example.com", "password"), ("plain@example.com", "wrong-password")):
        query = login % (json.dumps(email), json.dumps(told.secret(password)))
        answer = (await told.ask("POST", "/graphql/system", json={"query": query})).json()
        tokens = (answer.get("data") or {}).get("auth_login") or {}
        told.secrets |= {f"graphql-{name}": value for name, value in tokens.items()}
    await told.ask("POST", "/graphql/system", json={"query": (login % ('"a"', f'"{told.secret("cut-off")}'))})
    refresh = f'mutation {{ auth_refresh(refresh_token: "{told.secret("bad-refresh-token")}") {{ access_token }} }}'
    await told.ask("POST", "/graphql/system", json={"query": refresh})
    bad, good = told.secret("bad-token"), told.secret("static-token")
    init = '{"type":"connection_init","payload":{"access_token":"%s"}}'
    for message in (init % bad, init % told.secret("other-static-token"), init % good, (init % bad)[:-1]):
        await told.say("/graphql", message)
    await told.say(f"/graphql?access_token={bad}")


async def use_sockets(told: Told) -> None:
    bad = told.secret("bad-token")
    credentials: list[dict[str, Any]] = [
        {"access_token": told.secret("static-token")},
        {"access_token": bad},
        {"access_token": {"inside": bad}},
        {"access_token": [bad], "uid": 1},
        {"email": "plain@example.com", "password": told.secret("password")},
        {"email": "plain@example.com", "password": told.secret("wrong-password")},
        {"email": "plain@example.com", "password": told.secret("password"), "otp": told.secret("otp")},
        {"email": "canary@example.com", "password": told.secret("password"), "otp": told.secret("otp")},
        {"email": "canary@example.com", "password": told.secret("password"), "access_token": bad},
        {"refresh_token": told.secret("bad-refresh-token")},
    ]
    for path in ("/websocket", "/websocket/logs"):
        for number, given in enumerate(credentials):
            for answer in await told.say(path, json.dumps({"type": "auth", **given})):
                if "refresh_token" in answer:
                    token = told.secrets[f"{path}-{number}"] = answer["refresh_token"]
                    again = await told.say(path, json.dumps({"type": "auth", "refresh_token": token}))
                    told.secrets[f"{path}-{number}-again"] = again[0].get("refresh_token", token)
        await told.say(path, f'{{"type":"auth","access_token":"{told.secret("cut-off")}"')
        await told.say(path, f'{{"type":"{told.secret("type")}","type":1}}')
        await told.say(path, json.dumps({"type": "items", "action": "dance", "collection": "x", "access_token": bad}))
        await told.say(f"{path}?access_token={bad}&marker={MARKER}")
        await told.say(f"{path}?access_token={told.secret('static-token')}")
        for cookie in (bad, told.secrets["session-directus_session_token"]):
            await told.say(path, headers={"cookie": f"directus_session_token={cookie}"})
        await told.say(path, headers={"authorization": f"Bearer {bad}", "origin": f"https://{bad}.example"})


async def quiet(told: Told) -> None:
    """Until nothing more comes on the stream."""
    seen = -1
    while seen != len(told.stream):
        seen = len(told.stream)
        await asyncio.sleep(QUIET_SECONDS)


async def test_no_secret_comes_out_anywhere(told: Told) -> None:
    await make_user(told)
    await use_http(told)
    await use_graphql(told)
    await use_sockets(told)
    await quiet(told)
    told.secrets["administrator"] = ADMIN_TOKEN
    log, stream, errors = told.server.log, "\n".join(told.stream), "\n".join(told.errors)
    assert len(told.secrets) > 25
    assert len(told.errors) > 40
    for place, text in (("log", log), ("stream", stream), ("errors", errors)):
        found = [name for name, value in told.secrets.items() if value in text]
        assert not found, f"in the {place}: {found}"
    assert MARKER in errors
    assert '"level":20' in stream, "the stream has what is logged at debug level"
    assert "refused" in log
