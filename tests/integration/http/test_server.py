"""`/server/*`."""

import pytest

from tests.integration.http.project import ADMIN, MEMBER, Project
from tidegate import __version__

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_server_answers_ping(project: Project) -> None:
    answer = await project.client.get("/server/ping")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
        200,
        "pong",
        "text/plain; charset=utf-8",
    )


async def test_server_tells_more_to_whom_it_knows(project: Project) -> None:
    told = {
        token: (await project.ask("GET", "/server/info", None, token))[1]["data"] for token in (None, MEMBER, ADMIN)
    }
    assert set(told[None]) == {"project"}
    assert set(told[MEMBER]) == {"project", "rateLimit", "rateLimitGlobal", "queryLimit", "websocket"}
    assert set(told[ADMIN]) == {*told[MEMBER], "version"}
    assert "project_name" in told[None]["project"]
    assert told[MEMBER]["queryLimit"] == {"default": 100, "max": -1}
    assert told[MEMBER]["rateLimit"] is False
    assert told[MEMBER]["websocket"] == {
        "rest": {"authentication": "handshake", "path": "/websocket"},
        "graphql": {"authentication": "handshake", "path": "/graphql"},
        "logs": {"authentication": "handshake", "path": "/websocket/logs"},
        "heartbeat": False,
    }


async def test_server_says_how_it_is(project: Project) -> None:
    answer = await project.client.get("/server/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["content-type"] == "application/health+json"
    _, body = await project.ask("GET", "/server/health")
    (database,) = body.pop("checks")["database:responseTime"]
    assert body == {"status": "ok", "releaseId": __version__}
    assert (database["status"], database["observedUnit"]) == ("ok", "ms")
