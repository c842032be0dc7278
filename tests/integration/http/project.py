"""The whole server in this process, asked over HTTP without a network: real SQLite, real services, time passed in."""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.conformance.conformance import ADMIN_TOKEN, BASE_ENV, dig, fill
from tidegate.app import Tidegate
from tidegate.clock import ManualClock
from tidegate.settings import load_settings

FIXTURE: dict[str, Any] = json.loads((Path(__file__).parents[2] / "conformance" / "fixture.json").read_text())
ADMIN, MEMBER, SENIOR, NO_ROLE = ADMIN_TOKEN, "member-static-token", "senior-static-token", "norole-static-token"
BASE_URL = "http://tidegate.test"
Answer = tuple[int, Any]
"""Status and parsed body; the body's text where it is not JSON."""


class Project:
    """A running server; `ids` holds what the fixture saves."""

    def __init__(self, app: Tidegate, clock: ManualClock) -> None:
        self.app = app
        self.clock = clock
        self.client = client_of(app)
        self.ids: dict[str, str] = {}

    async def ask(self, method: str, path: str, body: object = None, token: str | None = ADMIN) -> Answer:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = await self.client.request(method, path, headers=headers, json=body)
        return answer.status_code, answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    async def code(self, method: str, path: str, body: object = None, token: str | None = ADMIN) -> tuple[int, str]:
        """Status and error code."""
        status, answer = await self.ask(method, path, body, token)
        return status, answer["errors"][0]["extensions"]["code"]

    async def login(self, mode: str = "json") -> httpx.Response:
        body = {"email": "member@example.com", "password": "member-password", "mode": mode}
        return await self.client.post("/auth/login", json=body)

    async def seed(self) -> None:
        """Send the fixture as its administrator does."""
        for request in (*FIXTURE["requests"], *FIXTURE["items"]):
            filled = fill(request, self.ids)
            status, body = await self.ask(filled.get("method", "POST"), filled["path"], filled.get("json"))
            assert status < 300, (filled["path"], status, body)
            for name, path in request.get("save", {}).items():
                self.ids[name] = dig(body, path)


def client_of(app: Tidegate) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL)


@contextlib.asynccontextmanager
async def running_project(folder: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[Project]:
    """An empty project with its first administrator."""
    database = {"DB_CLIENT": "sqlite3", "DB_FILENAME": str(folder / "data.db")}
    clock = ManualClock(float(int(time.time())))
    app = Tidegate(load_settings({**BASE_ENV, **database, **(environ or {})}), clock)
    async with app.lifespan():
        project = Project(app, clock)
        async with project.client:
            yield project


@contextlib.asynccontextmanager
async def seeded_project(folder: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[Project]:
    async with running_project(folder, environ) as project:
        await project.seed()
        yield project
