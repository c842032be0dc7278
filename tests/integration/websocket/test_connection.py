"""One WebSocket of the whole server, from upgrade to close, with time passed in."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.http.project import ADMIN, MEMBER, SENIOR, Project, seeded_project
from tests.integration.websocket.client import Client, Refused
from tidegate.access.authenticator import Authenticator
from tidegate.access.identity import User
from tidegate.access.rights import Rights
from tidegate.app.server import Running
from tidegate.query.model import Query
from tidegate.websocket.machine import MAX_PENDING

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/websocket"
OK = {"type": "auth", "status": "ok"}
OTHER = "other-static-token"
READ_NOTES = {"type": "items", "action": "read", "collection": "notes", "query": {"fields": ["id"]}}
READ_MESSAGES = {
    "type": "items",
    "action": "read",
    "collection": "messages",
    "query": {"fields": ["id", "text"], "limit": 1},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def public_project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    environ = {"WEBSOCKETS_REST_AUTH": "public", "WEBSOCKETS_SUBSCRIPTION_LIMIT": "3"}
    async with seeded_project(tmp_path_factory.mktemp("public"), environ) as running:
        yield running


def socket(project: Project, token: str | None = MEMBER, **headers: str) -> Client:
    return Client(project.app, PATH if token is None else f"{PATH}?access_token={token}", headers)


def running(project: Project) -> Running:
    found = project.app._running
    assert found is not None
    return found


def auth_error(code: str) -> Any:
    sentences = {
        "AUTH_FAILED": "Authentication failed.",
        "TOKEN_EXPIRED": "Token expired.",
        "AUTH_TIMEOUT": "Authentication timed out.",
    }
    return {"type": "auth", "status": "error", "error": {"code": code, "message": sentences[code]}}


async def short_token(project: Project) -> str:
    """An access token of the member, which expires."""
    token: str = (await project.login()).json()["data"]["access_token"]
    return token


def expire_tokens(project: Project) -> None:
    """Let every access token expire that was given so far; no timer has noticed yet."""
    project.clock.advance(900)


async def made(project: Project, collection: str, **row: Any) -> int:
    status, body = await project.ask("POST", f"/items/{collection}", row)
    assert status == 200, body
    key: int = body["data"]["id"]
    return key


# Opening


@pytest.mark.parametrize("path", ["/websocketx", "/", "/websocket/more"])
async def test_unknown_path_is_refused(project: Project, path: str) -> None:
    with pytest.raises(Refused) as refused:
        await Client(project.app, path).__aenter__()
    assert refused.value.status == 404


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?access_token=nope", {}, 401),
        ("?access_token=", {}, 401),
        (f"?access_token={MEMBER}&access_token={MEMBER}", {}, 401),
        ("?access_token=suspended-static-token", {}, 401),
        ("", {"cookie": "directus_session_token=nope"}, 401),
        ("", {"origin": "https://evil.example"}, 403),
        (f"?access_token={MEMBER}", {"origin": "null"}, 403),
    ],
)
async def test_bad_upgrade_is_refused_in_every_mode(
    project: Project, public_project: Project, query: str, headers: dict[str, str], status: int
) -> None:
    for running in (project, public_project):
        with pytest.raises(Refused) as refused:
            await Client(running.app, PATH + query, headers).__aenter__()
        assert refused.value.status == status


async def test_token_of_the_url_is_not_left_in_the_scope(project: Project) -> None:
    async with socket(project) as client:
        assert MEMBER not in str(client.scope)
        assert (await client.ask(**READ_NOTES))["data"] == [{"id": 1}, {"id": 2}]


async def test_session_cookie_opens_the_socket(project: Project) -> None:
    cookie = (await project.login("session")).cookies["directus_session_token"]
    project.client.cookies.clear()
    async with socket(project, None, cookie=f"directus_session_token={cookie}") as client:
        assert (await client.ask(**READ_NOTES))["data"] == [{"id": 1}, {"id": 2}]


# Authentication


async def test_messages_sent_behind_the_handshake_are_performed_after_it(project: Project) -> None:
    async with socket(project, None) as client:
        await client.send(type="auth", access_token=MEMBER)
        await client.send(**READ_NOTES, uid=1)
        await client.send(**READ_NOTES, uid=2)
        assert await client.receive() == OK
        assert [(await client.receive())["uid"] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"access_token": "nope"},
        {"access_token": ""},
        {"access_token": 7},
        {"access_token": MEMBER, "refresh_token": "also"},
        {"email": "member@example.com"},
        {"email": "member@example.com", "password": "wrong"},
        {"email": "nobody@example.com", "password": "member-password"},
        {"email": "member", "password": "member-password"},
        {"email": "member@example.com", "password": "member-password", "access_token": MEMBER},
        {"refresh_token": "nope"},
    ],
)
async def test_bad_credentials_are_all_refused_alike(
    project: Project, public_project: Project, credentials: dict[str, Any]
) -> None:
    async with socket(project, None) as client:
        assert await client.ask(type="auth", uid="u", **credentials) == auth_error("AUTH_FAILED")
        assert (await client.receive(), client.close_code) == (None, 1000)
    async with socket(public_project) as client:
        assert await client.ask(type="auth", uid="u", **credentials) == {**auth_error("AUTH_FAILED"), "uid": "u"}
        assert (await client.ask(**READ_NOTES))["error"]["code"] == "FORBIDDEN"
        assert (await client.ask(**READ_MESSAGES))["data"] == [{"id": 1, "text": "hello"}]


async def test_refresh_token_is_good_once(project: Project) -> None:
    refresh_token = (await project.login()).json()["data"]["refresh_token"]
    async with socket(project, None) as client:
        answer = await client.ask(type="auth", refresh_token=refresh_token)
        assert answer["status"] == "ok"
        assert len(answer["refresh_token"]) == 64
    async with socket(project, None) as client:
        assert await client.ask(type="auth", refresh_token=refresh_token) == auth_error("AUTH_FAILED")


async def test_expired_token_reads_as_nobody_from_that_moment(project: Project) -> None:
    async with socket(project, await short_token(project)) as client:
        assert (await client.ask(**READ_NOTES))["data"] == [{"id": 1}, {"id": 2}]
        expire_tokens(project)
        assert await client.ask(**READ_NOTES) == auth_error("TOKEN_EXPIRED")
        assert (await client.receive())["error"]["code"] == "FORBIDDEN"
        assert await client.ask(type="auth", access_token=MEMBER) == OK
        assert (await client.ask(**READ_NOTES))["data"] == [{"id": 1}, {"id": 2}]


async def test_expired_token_hears_of_nothing_from_that_moment(project: Project) -> None:
    async with socket(project, await short_token(project)) as client:
        await client.ask(type="subscribe", collection="notes", event="create", query={"fields": ["title"]}, uid="n")
        await client.ask(type="subscribe", collection="messages", event="create", uid="m")
        expire_tokens(project)
        await made(project, "notes", title="late", owner=project.ids["member"])
        assert await client.receive() == auth_error("TOKEN_EXPIRED")
        key = await made(project, "messages", text="for all", room=1)
        assert (await client.receive())["data"] == [{"id": key, "text": "for all"}]
        assert await client.ask(type="auth", access_token=MEMBER) == OK
        await made(project, "notes", title="again", owner=project.ids["member"])
        assert (await client.receive())["data"] == [{"title": "again"}]


async def test_what_was_read_for_an_identity_that_ended_meanwhile_does_not_leave(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = running(project).items
    read = items.read

    async def slow_read(rights: Rights, collection: str, query: Query) -> Any:
        found = await read(rights, collection, query)
        if rights.user is not None:
            expire_tokens(project)
        return found

    async with socket(project, await short_token(project)) as client:
        monkeypatch.setattr(items, "read", slow_read)
        await client.send(**READ_MESSAGES)
        assert await client.receive() == auth_error("TOKEN_EXPIRED")
        assert (await client.receive())["data"] == [{"id": 1, "text": "hello"}]
        await client.send(**READ_NOTES)
        assert (await client.receive())["error"]["code"] == "FORBIDDEN"


async def test_rights_of_a_token_that_expires_while_it_is_checked_are_never_in_force(
    public_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_token = Authenticator.by_token

    async def slow_by_token(self: Authenticator, token: str, ip: str | None) -> User:
        user = await by_token(self, token, ip)
        expire_tokens(public_project)
        return user

    token = await short_token(public_project)
    async with socket(public_project) as client:
        await client.ask(type="subscribe", collection="notes", event="create", query={"fields": ["title"]})
        monkeypatch.setattr(Authenticator, "by_token", slow_by_token)
        assert await client.ask(type="auth", access_token=token) == auth_error("AUTH_FAILED")
        await made(public_project, "notes", title="unseen", owner=public_project.ids["member"])
        await client.nothing_more()


async def test_expired_connection_times_out(project: Project) -> None:
    async with socket(project, await short_token(project)) as client:
        expire_tokens(project)
        await client.ask(type="pong")
        project.clock.advance(10)
        assert await client.ask(type="pong") == auth_error("AUTH_TIMEOUT")
        assert (await client.receive(), client.close_code) == (None, 1000)


async def test_reauthentication_changes_what_running_subscriptions_see(project: Project) -> None:
    async with socket(project) as client:
        init = await client.ask(type="subscribe", collection="notes", query={"fields": ["title"]}, uid="n")
        assert init["event"] == "init"
        assert await client.ask(type="auth", access_token=OTHER) == OK
        await made(project, "notes", title="for member", owner=project.ids["member"])
        await made(project, "notes", title="for other", owner=project.ids["other"])
        assert (await client.receive())["data"] == [{"title": "for other"}]


# Revocation


async def test_suspended_user_is_hung_up_on(project: Project) -> None:
    _, body = await project.ask("POST", "/users", {"email": "s@example.com", "token": "to-suspend", "role": None})
    async with socket(project, "to-suspend") as client:
        await client.nothing_more()
        await project.ask("PATCH", f"/users/{body['data']['id']}", {"status": "suspended"})
        assert await client.receive() == auth_error("AUTH_FAILED")
        assert (await client.receive(), client.close_code) == (None, 1000)


async def test_replaced_static_token_ends_in_public_rights_where_the_mode_is_public(public_project: Project) -> None:
    _, body = await public_project.ask("POST", "/users", {"email": "r@example.com", "token": "to-replace"})
    async with socket(public_project, "to-replace") as client:
        await client.nothing_more()
        await public_project.ask("PATCH", f"/users/{body['data']['id']}", {"token": "replaced"})
        assert await client.receive() == auth_error("AUTH_FAILED")
        assert (await client.ask(**READ_MESSAGES))["data"] == [{"id": 1, "text": "hello"}]


async def test_ended_session_is_hung_up_on(project: Project) -> None:
    cookie = (await project.login("session")).cookies["directus_session_token"]
    async with socket(project, None, cookie=f"directus_session_token={cookie}") as client:
        await client.nothing_more()
        answer = await project.client.post("/auth/logout", json={"mode": "session"})
        assert answer.status_code == 204
        assert await client.receive() == auth_error("AUTH_FAILED")
        assert await client.receive() is None


async def test_permission_that_is_taken_silences_a_subscription_until_it_is_given_back(project: Project) -> None:
    _, found = await project.ask(
        "GET", "/permissions?filter[collection][_eq]=notes&filter[action][_eq]=read&fields=id,policy,permissions,fields"
    )
    async with socket(project) as client:
        await client.ask(type="subscribe", collection="notes", event="create", query={"fields": ["title"]})
        for permission in found["data"]:
            await project.ask("PATCH", f"/permissions/{permission['id']}", {"fields": ["id"]})
        assert (await client.ask(**READ_NOTES))["data"][:2] == [{"id": 1}, {"id": 2}]
        await made(project, "notes", title="unseen", owner=project.ids["member"])
        for permission in found["data"]:
            await project.ask("PATCH", f"/permissions/{permission['id']}", {"fields": permission["fields"]})
        await client.nothing_more()
        await made(project, "notes", title="seen", owner=project.ids["member"])
        assert (await client.receive())["data"] == [{"title": "seen"}]


# Subscriptions


async def test_second_subscription_with_the_same_uid_replaces_the_first(project: Project) -> None:
    async with socket(project) as client:
        await client.ask(type="subscribe", collection="messages", event="create", uid=3, query={"fields": ["id"]})
        await client.ask(type="subscribe", collection="messages", event="create", uid="3", query={"fields": ["text"]})
        await made(project, "messages", text="once")
        assert (await client.receive())["data"] == [{"text": "once"}]
        await client.nothing_more()


async def test_subscription_that_fails_leaves_the_one_with_the_same_uid(project: Project) -> None:
    async with socket(project) as client:
        await client.ask(type="subscribe", collection="messages", event="create", uid="x", query={"fields": ["text"]})
        answer = await client.ask(type="subscribe", collection="hidden_things", uid="x")
        assert (answer["type"], answer["error"]["code"], answer["uid"]) == ("subscribe", "FORBIDDEN", "x")
        await made(project, "messages", text="still")
        assert (await client.receive())["data"] == [{"text": "still"}]


async def test_subscriptions_are_limited(public_project: Project) -> None:
    async with socket(public_project) as client:
        for uid in ("a", "b", "c"):
            await client.ask(type="subscribe", collection="messages", event="create", uid=uid)
        refused = await client.ask(type="subscribe", collection="messages", event="create", uid="d")
        assert (refused["error"]["code"], refused["uid"]) == ("REQUESTS_EXCEEDED", "d")
        replaced = await client.ask(type="subscribe", collection="messages", event="create", uid="c")
        assert replaced["event"] == "init"
        await client.ask(type="unsubscribe", uid="a")
        assert (await client.ask(type="subscribe", collection="messages", event="create", uid="d"))["event"] == "init"


async def test_unsubscribing_what_is_not_there_is_answered(project: Project) -> None:
    async with socket(project) as client:
        assert await client.ask(type="unsubscribe", uid="nothing") == {
            "type": "subscription",
            "event": "unsubscribe",
            "uid": "nothing",
        }


async def test_closed_connection_leaves_nothing_behind(project: Project) -> None:
    registry = running(project).subscriptions
    async with socket(project) as client:
        await client.ask(type="subscribe", collection="messages", uid="a")
        await client.ask(type="subscribe", collection="messages", event="create")
        await client.ask(type="subscribe", collection="messages", item=1, uid="c")
        assert len(registry) == 3
        await client.send(type="subscribe", collection="notes", uid="d")
    await project.ask("GET", "/items/notes")
    assert len(registry) == 0


async def test_deleted_collection_ends_its_subscriptions(project: Project) -> None:
    body = {"collection": "passing", "schema": {}, "meta": {}}
    assert (await project.ask("POST", "/collections", body))[0] == 200
    async with socket(project, ADMIN) as client:
        await client.ask(type="subscribe", collection="passing", uid="p")
        await project.ask("DELETE", "/collections/passing")
        ended = await client.receive()
        assert (ended["type"], ended["error"]["code"], ended["uid"]) == ("subscribe", "INVALID_COLLECTION", "p")


# Items


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"action": "read", "collection": "nothing"}, "INVALID_COLLECTION"),
        ({"action": "read", "collection": "directus_users"}, "INVALID_COLLECTION"),
        ({"action": "create", "collection": "messages"}, "INVALID_PAYLOAD"),
        ({"action": "update", "collection": "messages", "id": 1}, "INVALID_PAYLOAD"),
        ({"action": "update", "collection": "messages", "data": {"text": "x"}}, "INVALID_PAYLOAD"),
        ({"action": "update", "collection": "messages", "data": [{"text": "x"}]}, "INVALID_PAYLOAD"),
        ({"action": "delete", "collection": "messages"}, "INVALID_PAYLOAD"),
        ({"action": "read", "collection": "messages", "query": 7}, "INVALID_PAYLOAD"),
        ({"action": "read", "collection": "messages", "query": {"limit": "x"}}, "INVALID_QUERY"),
        ({"action": "read", "collection": "messages", "id": 404}, "FORBIDDEN"),
    ],
)
async def test_items_that_cannot_be_are_refused_with_uid(project: Project, message: dict[str, Any], code: str) -> None:
    async with socket(project, ADMIN) as client:
        answer = await client.ask(type="items", uid=7, **message)
        assert (answer["type"], answer["status"], answer["error"]["code"], answer["uid"]) == ("items", "error", code, 7)


async def test_writer_who_may_not_read_is_told_that_it_is_done(project: Project) -> None:
    _, policy = await project.ask("POST", "/policies", {"name": "writers"})
    rule = {"policy": policy["data"]["id"], "collection": "hidden_things", "action": "create", "fields": ["*"]}
    await project.ask("POST", "/permissions", {**rule, "permissions": {}})
    _, user = await project.ask("POST", "/users", {"email": "w@example.com", "token": "writer-token"})
    await project.ask("POST", "/access", {"user": user["data"]["id"], "policy": policy["data"]["id"]})
    create = {"type": "items", "action": "create", "collection": "hidden_things"}
    async with socket(project, "writer-token") as client:
        assert await client.ask(**create, data={"name": "one"}) == {"type": "items", "data": None}
        assert await client.ask(**create, data=[{"name": "two"}]) == {"type": "items", "data": []}


async def test_singleton_is_written_without_key(project: Project) -> None:
    update = {"type": "items", "action": "update", "collection": "site", "query": {"fields": ["name"]}}
    async with socket(project, ADMIN) as client:
        assert (await client.ask(**update, data={"name": "Renamed"}))["data"] == {"name": "Renamed"}
        read = {"type": "items", "action": "read", "collection": "site", "query": {"fields": ["name"]}}
        assert (await client.ask(**read))["data"] == {"name": "Renamed"}


async def test_answers_come_in_order(project: Project) -> None:
    async with socket(project) as client:
        for number in range(20):
            await client.send(**READ_MESSAGES, uid=number)
        assert [(await client.receive())["uid"] for _ in range(20)] == list(range(20))


async def test_reading_stops_while_too_many_messages_wait(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    items, gate = running(project).items, asyncio.Event()
    read = items.read

    async def gated(rights: Rights, collection: str, query: Query) -> Any:
        await gate.wait()
        return await read(rights, collection, query)

    monkeypatch.setattr(items, "read", gated)
    async with socket(project, SENIOR) as client:
        for number in range(2 * MAX_PENDING):
            await client.send(**READ_MESSAGES, uid=number)
        for _ in range(100):
            await asyncio.sleep(0)
        assert client.unread == MAX_PENDING - 1
        gate.set()
        assert [(await client.receive())["uid"] for _ in range(2 * MAX_PENDING)] == list(range(2 * MAX_PENDING))


async def test_binary_frames_are_read_as_text(project: Project) -> None:
    async with socket(project) as client:
        await client.send_bytes(json.dumps(READ_MESSAGES).encode())
        assert (await client.receive())["data"] == [{"id": 1, "text": "hello"}]
        await client.send_bytes(b"\xff\xfe")
        assert (await client.receive())["error"]["code"] == "INVALID_PAYLOAD"


async def test_fault_is_logged_and_told_without_details(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(rights: Rights, collection: str, query: Query) -> Any:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(running(project).items, "read", broken)
    async with socket(project) as client:
        answer = await client.ask(**READ_MESSAGES, uid=1)
        assert (answer["error"]["code"], answer["uid"]) == ("INTERNAL_SERVER_ERROR", 1)
        assert "secret detail" not in str(answer)
        monkeypatch.undo()
        assert (await client.ask(**READ_MESSAGES))["data"] == [{"id": 1, "text": "hello"}]
    assert "could not be performed" in caplog.text
