"""GraphQL over WebSocket in one process: who hears what, for how long, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.graphql.client import Socket
from tests.integration.http.project import ADMIN, MEMBER, SENIOR, Project, seeded_project
from tests.integration.websocket.client import Refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = "subscription { messages_mutated { key event data { id text } } }"
NOTES = "subscription { notes_mutated { key event data { id title } } }"


@pytest_asyncio.fixture(loop_scope="module")
async def member(project: Project) -> AsyncIterator[Socket]:
    async with Socket(project.app) as socket:
        await socket.begin(MEMBER)
        yield socket


async def create(project: Project, collection: str, **item: Any) -> int:
    status, body = await project.ask("POST", f"/items/{collection}", item)
    assert status == 200, body
    key: int = body["data"]["id"]
    return key


async def test_member_hears_of_each_write_once_and_of_nothing_after_complete(project: Project, member: Socket) -> None:
    await member.subscribe(MESSAGES)
    key = await create(project, "messages", text="one")
    await project.ask("PATCH", f"/items/messages/{key}", {"text": "two"})
    await project.ask("DELETE", f"/items/messages/{key}")
    heard = [(await member.next())["messages_mutated"] for _ in range(3)]
    assert heard == [
        {"key": str(key), "event": "create", "data": {"id": str(key), "text": "one"}},
        {"key": str(key), "event": "update", "data": {"id": str(key), "text": "two"}},
        {"key": str(key), "event": "delete", "data": None},
    ]
    await member.send(type="complete", id="1")
    await create(project, "messages", text="unheard")
    await member.quiet()


async def test_write_after_the_message_is_heard_without_waiting_for_the_subscription(
    project: Project, member: Socket
) -> None:
    """Nothing confirms a subscription, so nothing may be lost between it and the first event."""
    await member.send(type="subscribe", id="1", payload={"query": MESSAGES})
    await asyncio.sleep(0)  # the message is taken; its answer is not awaited
    assert member.unread == 0
    await create(project, "messages", text="at once")
    assert (await member.next())["messages_mutated"]["data"]["text"] == "at once"


async def test_rows_of_others_are_not_heard_whatever_is_selected(project: Project, member: Socket) -> None:
    """As CVE-2023-38503: `$CURRENT_USER` in a rule binds subscriptions, deletes included."""
    await member.subscribe(NOTES, "data")
    await member.subscribe("subscription { notes_mutated { key } }", "keys")
    await member.subscribe("subscription { notes_mutated(event: delete) { key event } }", "deletes")
    theirs = await create(project, "notes", title="theirs", owner=project.ids["other"])
    await project.ask("PATCH", f"/items/notes/{theirs}", {"title": "still theirs"})
    await project.ask("DELETE", f"/items/notes/{theirs}")
    await member.quiet()
    mine = await create(project, "notes", title="mine", owner=project.ids["member"])
    heard = [await member.receive() for _ in range(2)]
    assert {(message["id"], message["payload"]["data"]["notes_mutated"]["key"]) for message in heard} == {
        ("data", str(mine)),
        ("keys", str(mine)),
    }
    await project.ask("DELETE", f"/items/notes/{mine}")
    assert {(await member.receive())["id"] for _ in range(3)} == {"data", "keys", "deletes"}
    await member.quiet()


async def test_forbidden_field_and_collection_are_unknown(member: Socket) -> None:
    await member.send(type="subscribe", id="1", payload={"query": "subscription { notes_mutated { data { secret } } }"})
    [error] = await member.errors()
    assert "secret" in error["message"]
    await member.send(type="subscribe", id="1", payload={"query": "subscription { hidden_things_mutated { key } }"})
    await member.errors()
    await member.subscribe(MESSAGES)


async def test_variables_aliases_and_fragments_shape_events(project: Project, member: Socket) -> None:
    query = """subscription Live($event: EventEnum, $text: Boolean!) { m: messages_mutated(event: $event) { ...event } }
        fragment event on messages_mutated { k: key data { __typename t: text @include(if: $text) } }"""
    await member.subscribe(query, "a", variables={"event": "update", "text": True}, operationName="Live")
    await member.subscribe(query, "b", variables={"event": "update", "text": False}, operationName="Live")
    key = await create(project, "messages", text="x")
    await project.ask("PATCH", f"/items/messages/{key}", {"text": "y"})
    heard = {message["id"]: message["payload"]["data"] for message in [await member.receive(), await member.receive()]}
    assert heard == {
        "a": {"m": {"k": str(key), "data": {"__typename": "messages", "t": "y"}}},
        "b": {"m": {"k": str(key), "data": {"__typename": "messages"}}},
    }


async def test_related_items_obey_their_arguments_and_rights(project: Project) -> None:
    async with Socket(project.app) as socket:
        await socket.begin(ADMIN)
        await socket.subscribe(
            """subscription { authors_mutated(event: update) { data { name
                many: articles(filter: {views: {_gt: 100}}) { title }
                one: articles(limit: 1, sort: ["id"]) { id } } } }"""
        )
        await project.ask("PATCH", "/items/authors/1", {"age": 40})
        assert (await socket.next())["authors_mutated"]["data"] == {
            "name": "Ada",
            "many": [{"title": "Second wind"}],
            "one": [{"id": "1"}],
        }


async def test_same_document_and_rights_share_one_answer(project: Project) -> None:
    async with Socket(project.app) as one, Socket(project.app) as other:
        for socket, name in ((one, "1"), (other, 'quote " and ü')):
            await socket.begin(MEMBER)
            await socket.subscribe(MESSAGES, name)
        groups = {subscription.group for subscription in project.app.running.subscriptions.of("messages")}
        assert len(groups) == 1
        await create(project, "messages", text="shared")
        assert await one.next() == await other.next('quote " and ü')


async def test_queries_and_mutations_run_over_the_socket(project: Project, member: Socket) -> None:
    await member.send(type="subscribe", id="q", payload={"query": "{ messages(limit: 1) { id } }"})
    assert await member.next("q") == {"messages": [{"id": "1"}]}
    assert await member.receive() == {"type": "complete", "id": "q"}
    written = {"query": 'mutation { create_messages_item(data: {text: "ws"}) { text } }'}
    await member.send(type="subscribe", id="q", payload=written)
    assert await member.next("q") == {"create_messages_item": {"text": "ws"}}
    assert await member.receive() == {"type": "complete", "id": "q"}
    await member.send(type="subscribe", id="q", payload={"query": "{ messages_by_id(id: 99999) { id } }"})
    message = await member.receive()
    assert message["payload"]["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert await member.receive() == {"type": "complete", "id": "q"}


async def test_new_rights_decide_from_the_next_event_on(project: Project) -> None:
    async with Socket(project.app) as socket:
        await socket.begin(SENIOR)
        await socket.subscribe("subscription { messages_mutated { data { text } } }", "stays")
        await socket.subscribe("subscription { messages_mutated { data { room } } }", "ends")
        _, found = await project.ask(
            "GET", '/permissions?limit=-1&filter={"collection":{"_eq":"messages"},"action":{"_eq":"read"}}'
        )
        before = {row["id"]: row["fields"] for row in found["data"]}
        for key in before:
            await project.ask("PATCH", f"/permissions/{key}", {"fields": ["id", "text"]})
        [error] = await socket.errors("ends")
        assert "room" in error["message"]
        await create(project, "messages", text="seen", room=1)
        assert await socket.next("stays") == {"messages_mutated": {"data": {"text": "seen"}}}
        await socket.quiet()
        for key, fields in before.items():
            await project.ask("PATCH", f"/permissions/{key}", {"fields": fields})


async def test_expiry_closes_before_the_next_event(project: Project) -> None:
    token = (await project.login()).json()["data"]["access_token"]
    async with Socket(project.app) as socket:
        await socket.begin(token)
        await socket.subscribe(MESSAGES)
        project.clock.advance(15 * 60)
        await create(project, "messages", text="too late")
        assert await socket.receive() is None
        assert socket.close_code == 4403


async def test_suspension_closes(project: Project) -> None:
    async with Socket(project.app) as socket:
        await socket.begin("other-static-token")
        await socket.subscribe(MESSAGES)
        path = f"/users/{project.ids['other']}"
        await project.ask("PATCH", path, {"status": "suspended"})
        assert await socket.receive() is None
        assert socket.close_code == 4403
        await project.ask("PATCH", path, {"status": "active"})


async def test_logout_closes_the_sockets_of_the_session(project: Project) -> None:
    login = await project.login("session")
    project.client.cookies.clear()
    session = login.cookies["directus_session_token"]
    async with Socket(project.app) as socket:
        await socket.begin(session)
        await socket.subscribe(MESSAGES)
        headers = {"cookie": f"directus_session_token={session}"}
        assert (await project.client.post("/auth/logout", headers=headers, json={"mode": "session"})).is_success
        assert await socket.receive() is None
        assert socket.close_code == 4403


async def test_read_that_rights_overtake_is_read_again(project: Project, member: Socket) -> None:
    """The rights change between the reading and the answer: what leaves is what may be seen by then."""
    items = project.app.running.items
    reading, read = asyncio.Event(), asyncio.Event()
    database_read = items.read

    async def slowly(*arguments: Any) -> Any:
        found = await database_read(*arguments)
        reading.set()
        await read.wait()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items, "read", slowly)
        await member.send(type="subscribe", id="1", payload={"query": "{ messages(filter: {id: {_eq: 1}}) { text } }"})
        await reading.wait()
    _, found = await project.ask(
        "GET", '/permissions?limit=-1&filter={"collection":{"_eq":"messages"},"action":{"_eq":"read"}}'
    )
    for row in found["data"]:
        await project.ask("PATCH", f"/permissions/{row['id']}", {"permissions": {"id": {"_gt": 1}}})
    read.set()
    assert await member.next() == {"messages": []}
    for row in found["data"]:
        await project.ask("PATCH", f"/permissions/{row['id']}", {"permissions": row["permissions"]})


async def test_closed_connection_leaves_nothing_behind(project: Project) -> None:
    async with Socket(project.app) as socket:
        await socket.begin(MEMBER)
        await socket.subscribe(MESSAGES, "a")
        await socket.subscribe(NOTES, "b")
        assert len(project.app.running.subscriptions) == 2
    assert len(project.app.running.subscriptions) == 0


async def test_other_subprotocol_is_closed(project: Project) -> None:
    socket = Socket(project.app)
    socket.scope["subprotocols"] = ["graphql-ws"]
    async with socket:
        assert await socket.receive() is None
        assert socket.close_code == 4406


async def test_duplicate_id_closes_while_the_first_is_still_running(project: Project, member: Socket) -> None:
    await member.send(type="subscribe", id="1", payload={"query": "{ messages { id } }"})
    await member.send(type="subscribe", id="1", payload={"query": "{ messages { id } }"})
    while (message := await member.receive()) is not None:
        assert message["type"] in ("next", "complete")
    assert member.close_code == 4409


async def test_public_mode_has_public_rights_and_strict_mode_wants_a_token(tmp_path: Path) -> None:
    async with seeded_project(tmp_path, {"WEBSOCKETS_GRAPHQL_AUTH": "public"}) as project:
        async with Socket(project.app) as socket:
            await socket.begin(None)
            await socket.send(type="subscribe", id="1", payload={"query": NOTES})
            assert "notes_mutated" in (await socket.errors())[0]["message"]
            await socket.subscribe(MESSAGES)
            await create(project, "messages", text="public")
            assert (await socket.next())["messages_mutated"]["data"]["text"] == "public"
        async with Socket(project.app) as socket:
            await socket.begin(MEMBER)
            await socket.subscribe(NOTES)


async def test_strict_mode_takes_the_token_of_the_url_only(tmp_path: Path) -> None:
    async with seeded_project(tmp_path, {"WEBSOCKETS_GRAPHQL_AUTH": "strict"}) as project:
        for path in ("/graphql", "/graphql?access_token=nope"):
            with pytest.raises(Refused) as refused:
                async with Socket(project.app, path, {"authorization": f"Bearer {MEMBER}"}):
                    pass
            assert refused.value.status == 401
        async with Socket(project.app, f"/graphql?access_token={MEMBER}") as socket:
            await socket.begin(None)
            await socket.subscribe(NOTES)
            await create(project, "notes", title="mine", owner=project.ids["member"])
            assert (await socket.next())["notes_mutated"]["data"]["title"] == "mine"
