"""The connection to the database is lost around COMMIT: written and told, or neither."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple, get_args

import pytest
import pytest_asyncio
import sqlalchemy as sa

from tests.integration.http.project import running_project
from tests.support import directus
from tests.support.engines import environment, require, temporary_database
from tests.support.private_servers import Server
from tests.support.probes import DatabaseEngine
from tests.support.proxy import Loss, Proxy, proxy_before
from tests.support.waiting import until
from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.database.connections_server import MysqlConnections, PostgresqlConnections
from tidegate.database.engine import Transaction
from tidegate.errors import CommitUnansweredError, TidegateError
from tidegate.items import outcome
from tidegate.items.changes import Change
from tidegate.items.service import Items
from tidegate.items.structure import Structure
from tidegate.query.model import Query

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN = Rights(Public(), admin=True)
SERVERS = ("postgresql", "mariadb")
LOSSES = pytest.mark.parametrize("loss", get_args(Loss))


class Line(NamedTuple):
    """Items behind a proxy, what was heard of them, and the database behind all that."""

    items: Items
    structure: Structure
    proxy: Proxy
    heard: list[Change]
    engine: DatabaseEngine
    url: str

    async def stored(self, loss: Loss) -> list[tuple[Any, ...]]:
        """The rows in the end, as another client of the database sees them."""
        if loss == "late":
            await self.proxy.deliver()
        return await directus.ask(self.engine, self.url, ["SELECT id, text FROM things ORDER BY id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SERVERS)
async def connected(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    server: Server = await require(request.param)
    host, _, port = server.url.rpartition("@")[2].partition(":")
    folder = tmp_path_factory.mktemp("project")
    async with temporary_database(request.param) as url, proxy_before(host, int(port)) as proxy:
        environ = {**environment(url), "DB_HOST": "127.0.0.1", "DB_PORT": str(proxy.port)}
        async with running_project(folder, environ) as project:
            running = project.app.running
            fields = [{"field": "text", "type": "string", "schema": {}, "meta": {}}]
            await running.structure.collections.create_one(
                ADMIN, {"collection": "things", "schema": {}, "fields": fields}
            )
            heard: list[Change] = []
            running.feed.subscribe(heard.extend)
            yield Line(running.items, running.structure, proxy, heard, request.param, url)


@pytest_asyncio.fixture(loop_scope="module")
async def line(connected: Line) -> AsyncIterator[Line]:
    items = connected.items
    keys = [row["id"] for row in await items.read(ADMIN, "things", Query(limit=-1))]
    await items.delete(ADMIN, "things", keys)
    await items.create(ADMIN, "things", [{"id": 1, "text": "first"}, {"id": 2, "text": "second"}])
    connected.heard.clear()
    lost = connected.proxy.lost
    yield connected
    assert connected.proxy.lost > lost, "every test is about a loss"


@LOSSES
async def test_create_is_there_once_and_told_once(line: Line, loss: Loss) -> None:
    line.proxy.lose(loss)
    (key,) = await line.items.create(ADMIN, "things", [{"text": "third"}])
    assert await line.stored(loss) == [(1, "first"), (2, "second"), (key, "third")]
    assert [(change.action, change.keys) for change in line.heard] == [("create", (key,))]


@LOSSES
async def test_update_is_there_and_told_once(line: Line, loss: Loss) -> None:
    line.proxy.lose(loss)
    await line.items.update(ADMIN, "things", [1], {"text": "changed"})
    assert await line.stored(loss) == [(1, "changed"), (2, "second")]
    assert [(change.action, change.before[0]["text"]) for change in line.heard] == [("update", "first")]


@LOSSES
async def test_delete_is_done_and_told_once(line: Line, loss: Loss) -> None:
    line.proxy.lose(loss)
    await line.items.delete(ADMIN, "things", [1, 2])
    assert await line.stored(loss) == []
    assert [(change.action, change.keys) for change in line.heard] == [("delete", (1, 2))]


@LOSSES
async def test_row_that_goes_back_to_what_it_was_is_no_proof_against_the_write(line: Line, loss: Loss) -> None:
    line.proxy.lose(loss)
    rows = [{"id": 1, "text": "other"}, {"id": 2, "text": "new"}, {"id": 1, "text": "first"}]
    await line.items.update_batch(ADMIN, "things", rows)
    assert await line.stored(loss) == [(1, "first"), (2, "new")]
    assert [change.keys for change in line.heard] == [(1,), (2,), (1,)]


@pytest.mark.parametrize(
    ("loss", "write", "meanwhile"),
    [
        ("after", "update", "UPDATE things SET text = 'of somebody else' WHERE id = 1"),
        ("after", "create", "UPDATE things SET text = 'of somebody else' WHERE id = 999"),
        ("before", "create", "INSERT INTO things (id, text) VALUES (999, 'of somebody else')"),
    ],
    ids=["changed meanwhile", "created and changed meanwhile", "key given to somebody else"],
)
async def test_write_that_nobody_can_tell_of_is_not_told(
    line: Line, monkeypatch: pytest.MonkeyPatch, loss: Loss, write: str, meanwhile: str
) -> None:
    """Somebody writes the row between the lost answer and the look at it."""
    end = Transaction._end

    async def overwritten(transaction: Transaction) -> None:
        await end(transaction)
        if line.proxy.lost > before:
            monkeypatch.setattr(Transaction, "_end", end)
            await directus.ask(line.engine, line.url, [meanwhile])

    before = line.proxy.lost
    monkeypatch.setattr(Transaction, "_end", overwritten)
    line.proxy.lose(loss)
    if write == "create":
        written: Awaitable[object] = line.items.create(ADMIN, "things", [{"id": 999, "text": "new"}])
    else:
        written = line.items.update(ADMIN, "things", [1], {"text": "changed"})
    with pytest.raises(TidegateError) as failure:
        await written
    assert failure.value.code == "SERVICE_UNAVAILABLE"
    assert line.heard == []


async def test_writes_after_a_loss_are_told_in_order(line: Line) -> None:
    line.proxy.lose("after")
    for number in range(3):
        await line.items.update(ADMIN, "things", [2], {"text": str(number)})
    assert [change.after[0]["text"] for change in line.heard] == ["0", "1", "2"]


@LOSSES
async def test_structure_is_there_once_and_told_once(line: Line, loss: Loss) -> None:
    line.proxy.lose(loss)
    await line.structure.collections.create_one(ADMIN, {"collection": f"folder_{loss}", "schema": None})
    await line.stored(loss)
    statement = f"SELECT collection FROM directus_collections WHERE collection = 'folder_{loss}'"
    assert await directus.ask(line.engine, line.url, [statement]) == [(f"folder_{loss}",)]
    told = [(change.collection, change.keys) for change in line.heard]
    assert told == [("directus_collections", (f"folder_{loss}",))]


@pytest.mark.parametrize("engine_cannot", ["end the session", "name the session"])
async def test_write_is_not_tried_again_while_it_may_still_come(
    line: Line, monkeypatch: pytest.MonkeyPatch, engine_cannot: str
) -> None:
    monkeypatch.setattr(outcome, "LIMIT", 0.3)
    refusing = "end_session" if engine_cannot == "end the session" else "_hold"
    for server in (PostgresqlConnections, MysqlConnections):
        monkeypatch.setattr(server, refusing, lambda *_: False)
    await line.items._database.stop()  # it connects again by itself
    line.proxy.lose("before")
    with pytest.raises(TidegateError) as unknown:
        await line.items.create(ADMIN, "things", [{"text": "third"}])
    assert unknown.value.code == "SERVICE_UNAVAILABLE"
    assert line.heard == []
    assert await line.stored("before") == [(1, "first"), (2, "second")]
    monkeypatch.undo()
    await line.items._database.stop()


async def test_transaction_is_ended_by_who_knows_its_session(connected: Line) -> None:
    database = connected.items._database

    async def written() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(sa.insert(transaction.tables["things"]).values(text="of the dead"))
            assert transaction.session is not None
            assert not await database.end_session(transaction.session), "it was there"
            async with asyncio.timeout(10):
                while not await database.end_session(transaction.session):
                    pass

    with pytest.raises(CommitUnansweredError):
        await written()
    assert "of the dead" not in {text for _, text in await connected.stored("before")}


async def test_later_events_wait_for_a_lost_answer_no_longer_than_a_limit(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "LIMIT", 0.5)
    monkeypatch.setattr(Transaction, "end_session", lambda *_: asyncio.sleep(60))
    line.proxy.lose("late")
    before = line.proxy.lost
    lost = asyncio.ensure_future(line.items.update(ADMIN, "things", [1], {"text": "changed"}))
    await until(lambda: line.proxy.lost > before)
    await line.items.update(ADMIN, "things", [2], {"text": "later"})
    assert line.heard == [], "the order of commits holds"
    with pytest.raises(TidegateError):
        await lost
    assert [change.keys for change in line.heard] == [(2,)]
    await line.proxy.deliver()


WRITES: Mapping[str, Callable[[Items], Awaitable[object]]] = {
    "create": lambda items: items.create(ADMIN, "things", [{"text": "third"}, {"text": "fourth"}]),
    "update": lambda items: items.update(ADMIN, "things", [1, 2], {"text": "changed"}),
    "delete": lambda items: items.delete(ADMIN, "things", [1, 2]),
}


@pytest.mark.parametrize("name", WRITES)
async def test_write_whose_connection_breaks_off_anywhere_is_whole_and_told_or_neither(line: Line, name: str) -> None:
    items, write = line.items, WRITES[name]
    first = [(1, "first"), (2, "second")]

    async def conversation() -> int:
        """Do it over a new connection; how many bytes the database answers."""
        await items._database.stop()
        answered = line.proxy.answered
        await write(items)
        return line.proxy.answered - answered

    length = await conversation()
    for byte in range(0, length, length // 25):
        keys = [row["id"] for row in await items.read(ADMIN, "things", Query(limit=-1))]
        await items.delete(ADMIN, "things", keys)
        await items.create(ADMIN, "things", [{"id": key, "text": text} for key, text in first])
        line.heard.clear()
        line.proxy.break_off(byte, times=2)
        with contextlib.suppress(TidegateError):
            await conversation()
        line.proxy.break_off(0, times=0)
        stored = [text for _, text in await line.stored("before")]
        told = [(change.action, len(change.keys)) for change in line.heard]
        after = {"create": ["first", "second", "third", "fourth"], "update": ["changed"] * 2, "delete": []}[name]
        events = [("create", 1)] * 2 if name == "create" else [(name, 2)]
        assert (stored, told) in ((["first", "second"], []), (after, events)), f"broken off at {byte} of {length}"
