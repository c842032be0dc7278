"""A new password over HTTP ends the other sessions, with the sockets on them (PROTOCOL sections 3.2 and 6)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.http.project import Project, client_of, seeded_project
from tests.integration.websocket.client import Client
from tidegate.access.accounts import hash_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGIN = {"email": "member@example.com", "password": "member-password"}


@pytest_asyncio.fixture(loop_scope="module")
async def project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    async with seeded_project(tmp_path_factory.mktemp("revocations")) as running:
        yield running


async def test_new_password_of_ones_own_ends_every_other_session_and_its_sockets(project: Project) -> None:
    _, policies = await project.ask("GET", "/policies?filter[name][_eq]=Member policy&fields=id")
    own = {"collection": "directus_users", "permissions": {"id": {"_eq": "$CURRENT_USER"}}, "fields": ["*"]}
    for action in ("read", "update"):
        await project.ask("POST", "/permissions", {"policy": policies["data"][0]["id"], "action": action, **own})
    here, elsewhere = client_of(project.app), client_of(project.app)
    for client in (here, elsewhere):
        assert (await client.post("/auth/login", json={**LOGIN, "mode": "session"})).status_code == 200
    sockets = [
        await Client(project.app, "/websocket", {"cookie": f"directus_session_token={cookie}"}).__aenter__()
        for client in (here, elsewhere)
        for cookie in [client.cookies["directus_session_token"]]
    ]
    by_password = await Client(project.app, "/websocket").__aenter__()
    refresh_token = (await by_password.ask(type="auth", **LOGIN))["refresh_token"]

    changed = await here.patch("/users/me", json={"password": "another-password"})
    assert changed.status_code == 200, changed.text
    for socket in (sockets[1], by_password):
        assert (await socket.receive())["error"]["code"] == "AUTH_FAILED"
        assert await socket.receive() is None
    await sockets[0].nothing_more()
    assert (await here.get("/users/me")).status_code == 200
    assert (await elsewhere.get("/users/me")).status_code == 401
    assert (await elsewhere.post("/auth/refresh", json={"refresh_token": refresh_token})).status_code == 401
    for socket in (*sockets, by_password):
        await socket.__aexit__()


async def test_follower_of_sessions_learns_no_token(project: Project) -> None:
    """Of a session that ends, everybody else is told its hash."""
    told: list[str] = []
    project.app.running.feed.subscribe(
        lambda changes: told.extend(str(key) for change in changes for key in change.keys)
    )
    tokens = [(await project.login()).json()["data"]["refresh_token"] for _ in range(2)]
    await project.ask("PATCH", f"/users/{project.ids['member']}", {"password": "third-password"})
    assert {hash_token(token) for token in tokens} <= set(told)
    assert not set(tokens) & set(told)


async def test_user_who_is_suspended_is_out_though_the_change_has_to_wait_for_another_commit(project: Project) -> None:
    user = {"email": "short@example.com", "token": "the-token-of-short", "status": "active"}
    _, made = await project.ask("POST", "/users", user)
    feed = project.app.running.feed
    async with Client(project.app, "/websocket") as socket:
        assert (await socket.ask(type="auth", access_token=user["token"]))["status"] == "ok"
        unanswered = feed.take()
        await project.ask("PATCH", f"/users/{made['data']['id']}", {"status": "suspended"})
        assert (await socket.receive())["error"]["code"] == "AUTH_FAILED"
        assert await socket.receive() is None
        feed.settle(unanswered, ())
