"""After changes of other processes were lost, every subscriber is told anew; and `leave`, as it is said."""

from typing import Any

import pytest

from tests.integration.http.project import ADMIN, MEMBER, Project
from tests.integration.websocket.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTES = {"type": "subscribe", "collection": "messages", "query": {"fields": ["id", "text"], "limit": -1}}
OWN = {"type": "subscribe", "collection": "notes", "query": {"fields": ["id"]}, "leave": True}


def socket(project: Project, token: str = MEMBER) -> Client:
    return Client(project.app, f"/websocket?access_token={token}")


async def made(project: Project, collection: str, **row: Any) -> int:
    status, body = await project.ask("POST", f"/items/{collection}", row)
    assert status == 200, body
    key: int = body["data"]["id"]
    return key


async def test_every_subscription_begins_anew_when_changes_were_missed(project: Project) -> None:
    key = await made(project, "messages", text="one")
    async with socket(project, ADMIN) as client:
        first = await client.ask(**NOTES)
        item = await client.ask(**NOTES, item=key, uid="item")
        assert await client.ask(**NOTES, event="create", uid="created") == {
            "type": "subscription",
            "event": "init",
            "uid": "created",
        }
        project.app.running.connections.changes_missed()
        assert await client.receive() == first
        assert await client.receive() == item
        assert await client.receive() == {"type": "subscription", "event": "init", "uid": "created"}
        other = await made(project, "messages", text="two")
        heard = [await client.receive(), await client.receive()]
        assert sorted(event.get("uid", "") for event in heard) == ["", "created"]
        assert [event["data"] for event in heard] == [[{"id": other, "text": "two"}]] * 2
        await client.nothing_more()


async def test_subscription_whose_item_is_gone_meanwhile_ends(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(project, "messages", text="gone soon")
    async with socket(project, ADMIN) as client:
        await client.ask(**NOTES, item=key, uid="item")
        with monkeypatch.context() as patch:
            patch.setattr(project.app.running.feed, "_handlers", [])
            await project.ask("DELETE", f"/items/messages/{key}")
        project.app.running.connections.changes_missed()
        answer = await client.receive()
        assert (answer["type"], answer["error"]["code"], answer["uid"]) == ("subscribe", "FORBIDDEN", "item")
        assert len(project.app.running.subscriptions) == 0


async def test_client_in_the_handshake_is_left_alone(project: Project) -> None:
    async with Client(project.app, "/websocket") as client:
        project.app.running.connections.changes_missed()
        assert await client.ask(type="auth", access_token=MEMBER) == {"type": "auth", "status": "ok"}


async def test_subscriber_that_asked_for_it_is_told_that_a_row_leaves(project: Project) -> None:
    status, me = await project.ask("GET", "/users/me", token=MEMBER)
    assert status == 200
    key = await made(project, "notes", title="mine", owner=me["data"]["id"])
    async with socket(project) as client, socket(project) as other:
        await client.ask(**OWN, uid="own")
        await other.ask(type="subscribe", collection="notes", query={"fields": ["id"]})
        await project.ask("PATCH", f"/items/notes/{key}", {"owner": None})
        assert await client.receive() == {"type": "subscription", "event": "leave", "data": [str(key)], "uid": "own"}
        await other.nothing_more()


async def test_leave_is_true_or_false(project: Project) -> None:
    async with socket(project) as client:
        answer = await client.ask(**{**OWN, "leave": "yes"})
        assert (answer["type"], answer["error"]["code"]) == ("subscribe", "INVALID_PAYLOAD")


async def test_graphql_subscriber_is_sent_to_connect_again(project: Project) -> None:
    client = Client(project.app, f"/graphql?access_token={MEMBER}")
    client.scope["subprotocols"] = ["graphql-transport-ws"]
    async with client:
        assert (await client.ask(type="connection_init"))["type"] == "connection_ack"
        project.app.running.connections.changes_missed()
        assert await client.ask(type="ping") == {"type": "pong"}, "who subscribes to nothing has missed nothing"
        document = "subscription { messages_mutated(event: create) { key } }"
        await client.send(type="subscribe", id="1", payload={"query": document})
        assert await client.ask(type="ping") == {"type": "pong"}
        project.app.running.connections.changes_missed()
        assert await client.receive() is None
        assert client.close_code == 1012
