"""Writes on every engine: all or nothing, as somebody, with the changes that they make in commit order."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import pytest_asyncio

from tests.conformance.conformance import fill
from tests.integration.http.project import FIXTURE, Project, seeded_project
from tests.support.engines import DATABASE_ENGINES, environment, temporary_database
from tests.support.probes import DatabaseEngine, execute
from tidegate.access.identity import Identity, Public, User
from tidegate.access.rights import Rights, Rule
from tidegate.errors import Forbidden, InvalidPayload, TidegateError
from tidegate.items.changes import Change, Key
from tidegate.items.service import Items
from tidegate.query.model import Query

ADMIN_RIGHTS = Rights(Public(), admin=True)
EVERYTHING = Query(limit=-1)


pytestmark = pytest.mark.asyncio(loop_scope="module")


class Desk:
    """The items of the fixture's project, and the changes heard of since they were put back."""

    def __init__(self, project: Project, engine: DatabaseEngine, url: str) -> None:
        running = project.app.running
        self.items: Items = running.items
        self.ids = project.ids
        self._project = project
        self._engine = engine
        self._url = url
        self._directory = running.directory
        self.changes: list[Change] = []
        running.feed.subscribe(self._hear)

    def _hear(self, changes: Sequence[Change]) -> None:
        self.changes += changes

    async def reset(self) -> None:
        """Put the fixture's items back, with keys from 1."""
        tables = FIXTURE["item_tables"]
        match self._engine:
            case "sqlite":
                with contextlib.closing(sqlite3.connect(self._url.removeprefix("sqlite://"))) as database:
                    database.executescript("".join(f"DELETE FROM {table};" for table in (*tables, "sqlite_sequence")))
            case "postgresql":
                await execute("postgresql", self._url, f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
            case "mariadb":
                for table in tables:
                    empty = f"SET STATEMENT foreign_key_checks=0 FOR TRUNCATE TABLE {table}"
                    await execute("mariadb", self._url, empty)
        for request in FIXTURE["items"]:
            collection = request["path"].rpartition("/")[2]
            await self.items.create(ADMIN_RIGHTS, collection, fill(request, self.ids)["json"])
        self.changes.clear()

    async def rights(self, name: str) -> Rights:
        identity: Identity = User(self.ids[name])
        return await self._directory.rights(identity)

    async def rows(self, collection: str) -> list[dict[str, Any]]:
        return await self.items.read(ADMIN_RIGHTS, collection, EVERYTHING)

    def heard(self) -> list[tuple[str, str, tuple[object, ...]]]:
        return [(change.collection, change.action, change.keys) for change in self.changes]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DATABASE_ENGINES)
async def seeded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("project")
    async with temporary_database(request.param) as url, seeded_project(folder, environment(url)) as project:
        yield Desk(project, request.param, url)


@pytest_asyncio.fixture(loop_scope="module")
async def desk(seeded: Desk) -> Desk:
    await seeded.reset()
    return seeded


async def test_a_created_item_is_told_with_its_image(desk: Desk) -> None:
    keys = await desk.items.create(await desk.rights("member"), "messages", [{"text": "hi", "room": 7}])
    (change,) = desk.changes
    assert (change.action, change.keys, change.before) == ("create", tuple(keys), ())
    image = change.after[0]
    assert image == {**image, "id": keys[0], "text": "hi", "room": 7, "user_created": desk.ids["member"]}
    assert image["date_created"].endswith("Z")
    assert image["user_updated"] is None


async def test_a_batch_is_written_whole_or_not_at_all(desk: Desk) -> None:
    before = await desk.rows("labels")
    with pytest.raises(TidegateError) as failure:
        await desk.items.create(ADMIN_RIGHTS, "labels", [{"code": "new"}, {"code": "red"}])
    assert failure.value.code == "RECORD_NOT_UNIQUE"
    assert failure.value.extensions == {"collection": "labels", "field": "code", "value": "red"}
    assert (await desk.rows("labels"), desk.changes) == (before, [])


async def test_an_update_tells_the_rows_before_and_after(desk: Desk) -> None:
    await desk.items.update(ADMIN_RIGHTS, "messages", ["1", 2], {"room": 9})
    (change,) = desk.changes
    assert change.keys == ("1", 2)
    assert [image["room"] for image in change.before] == [1, 1]
    assert [(image["id"], image["room"]) for image in change.after] == [(1, 9), (2, 9)]
    assert change.payload["room"] == 9


async def test_a_delete_tells_the_rows_as_they_were(desk: Desk) -> None:
    await desk.items.delete(ADMIN_RIGHTS, "messages", [3, 1])
    (change,) = desk.changes
    assert (change.keys, change.after) == ((3, 1), ())
    assert [image["text"] for image in change.before] == ["other room", "hello"]


async def test_secrets_do_not_leave_with_the_changes(desk: Desk) -> None:
    await desk.items.update(ADMIN_RIGHTS, "directus_users", [desk.ids["other"]], {"password": "new", "token": "new-t"})
    (change,) = desk.changes
    for image in (*change.before, *change.after, change.payload):
        assert (image["password"], image["token"]) == ("**********", "**********")


async def test_a_masked_secret_that_comes_back_changes_nothing(desk: Desk) -> None:
    other = desk.ids["other"]
    await desk.items.update(ADMIN_RIGHTS, "directus_users", [other], {"token": "**********", "title": "Dr"})
    (change,) = desk.changes
    assert set(change.payload) == {"title"}


@pytest.mark.parametrize("keys", [[4, 1], [1, 4], [4, 999], [999]])
async def test_one_forbidden_row_keeps_all_rows_as_they_are(desk: Desk, keys: list[int]) -> None:
    member = await desk.rights("member")
    await desk.items.create(member, "messages", [{"text": "own"}])
    before = await desk.rows("messages")
    desk.changes.clear()
    with pytest.raises(Forbidden):
        await desk.items.update(member, "messages", keys, {"text": "taken"})
    with pytest.raises(Forbidden):
        await desk.items.delete(member, "messages", keys)
    assert (await desk.rows("messages"), desk.changes) == (before, [])


@pytest.mark.parametrize(("keys", "deleted"), [(["2", 999, 1], ("2", 1)), ([999], None)], ids=str)
async def test_an_administrator_may_delete_what_is_not_there(
    desk: Desk, keys: list[Key], deleted: tuple[Key, ...] | None
) -> None:
    assert await desk.items.delete(ADMIN_RIGHTS, "messages", keys) == keys
    assert desk.heard() == ([] if deleted is None else [("messages", "delete", deleted)])
    assert [row["id"] for row in await desk.rows("messages")] == ([1, 2, 3] if deleted is None else [3])
    with pytest.raises(Forbidden):
        await desk.items.update(ADMIN_RIGHTS, "messages", [3, *keys], {"text": "changed"})


async def test_presets_fill_and_rules_validate(desk: Desk) -> None:
    member = await desk.rights("member")
    (key,) = await desk.items.create(member, "notes", [{"title": "mine"}])
    image = desk.changes[0].after[0]
    assert (image["owner"], image["status"]) == (desk.ids["member"], "fresh")
    with pytest.raises(TidegateError, match="status") as failure:
        await desk.items.update(member, "notes", [key], {"status": "odd"})
    assert failure.value.code == "FAILED_VALIDATION"


async def test_a_row_is_held_to_the_validation_of_a_rule_that_shows_it(desk: Desk) -> None:
    """One policy lets owners give titles that are not empty; another one lets drafts be changed at will."""
    own = Rule({"owner": {"_eq": "$CURRENT_USER"}}, frozenset(["title"]), {"title": {"_nempty": True}}, {})
    drafts = Rule({"status": {"_eq": "draft"}}, frozenset("*"), {}, {})
    owner = Rights(
        Public(), rules={("notes", "update"): (own, drafts)}, variables={"$CURRENT_USER": desk.ids["member"]}
    )
    with pytest.raises(Forbidden):
        await desk.items.update(owner, "notes", [1], {"title": ""})
    await desk.items.update(owner, "notes", [1], {"title": "named"})
    await desk.items.update(ADMIN_RIGHTS, "notes", [1], {"status": "draft"})
    await desk.items.update(owner, "notes", [1], {"title": ""})
    assert [change.after[0]["title"] for change in desk.changes] == ["named", "named", ""]


@pytest.mark.parametrize("collection", ["authors", "tokens"])
async def test_a_key_that_is_null_is_one_that_is_left_out(desk: Desk, collection: str) -> None:
    (key,) = await desk.items.create(ADMIN_RIGHTS, collection, [{"id": None, "name": "n"}])
    assert desk.heard() == [(collection, "create", (key,))]
    assert "id" not in desk.changes[0].payload or desk.changes[0].payload["id"] == key


async def test_related_items_are_written_with_their_owner(desk: Desk) -> None:
    data = {"name": "Dee", "articles": [{"title": "one", "labels": [{"labels_code": "red"}]}, 5]}
    (key,) = await desk.items.create(ADMIN_RIGHTS, "authors", [data])
    assert desk.heard() == [
        ("authors", "create", (key,)),
        ("articles", "create", (6,)),
        ("articles_labels", "create", (4,)),
        ("articles", "update", (5,)),
    ]
    (row,) = await desk.items.read_keys(ADMIN_RIGHTS, "authors", [key], Query(fields=("articles.id", "articles.title")))
    assert row["articles"] == [{"id": 5, "title": "fifth column"}, {"id": 6, "title": "one"}]


async def test_a_whole_set_lets_go_of_what_is_not_in_it(desk: Desk) -> None:
    await desk.items.update(ADMIN_RIGHTS, "authors", [1], {"articles": [{"id": 2, "title": "kept"}]})
    assert desk.heard() == [
        ("authors", "update", (1,)),
        ("articles", "update", (2,)),
        ("articles", "update", (1,)),
    ]
    rows = {row["id"]: row for row in await desk.rows("articles")}
    assert (rows[1]["author"], rows[2]["author"], rows[2]["title"]) == (None, 1, "kept")


async def test_a_change_of_a_set_touches_only_what_it_names(desk: Desk) -> None:
    named = {"create": [{"labels_code": "green"}], "update": [{"id": 2, "labels_code": "red"}], "delete": [1]}
    await desk.items.update(ADMIN_RIGHTS, "articles", [1], {"labels": named})
    rows = {row["id"]: row for row in await desk.rows("articles_labels")}
    assert {key: (row["articles_id"], row["labels_code"]) for key, row in rows.items()} == {
        1: (None, "red"),
        2: (1, "red"),
        3: (2, "blue"),
        4: (1, "green"),
    }


async def test_rights_hold_at_every_level_and_nothing_is_left_behind(desk: Desk) -> None:
    senior = await desk.rights("senior")
    before = await desk.rows("articles")
    with pytest.raises(Forbidden, match="authors"):
        await desk.items.create(senior, "articles", [{"title": "x", "author": {"name": "smuggled"}}])
    assert (await desk.rows("articles"), desk.changes) == (before, [])


@pytest.mark.parametrize(
    ("data", "named"),
    [({"id": 2, "text": "x"}, "primary key"), ({"room": "abc"}, "room"), ({"date_created": "soon"}, "date_created")],
)
async def test_values_that_do_not_fit_are_refused(desk: Desk, data: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidPayload, match=named):
        await desk.items.update(ADMIN_RIGHTS, "messages", [1], data)
    assert desk.changes == []


async def test_a_write_is_finished_and_told_though_nobody_waits_for_it(desk: Desk) -> None:
    begun = asyncio.ensure_future(desk.items.create(ADMIN_RIGHTS, "messages", [{"text": "orphan"}]))
    await asyncio.sleep(0)
    begun.cancel()
    await asyncio.wait([begun])
    await desk.items.drain()
    assert begun.cancelled()
    assert [row["text"] for row in await desk.rows("messages")].count("orphan") == 1
    assert desk.heard() == [("messages", "create", (4,))]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_write_that_is_cancelled_at_any_call_of_the_database_is_told_if_and_only_if_it_is_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """As when the process stops without waiting for its writes."""
    connections = desk.items._database._connections
    calls, cancelled_at = 0, 0

    async def write(work: Callable[[], Any]) -> Any:
        nonlocal calls
        calls += 1
        now = calls == cancelled_at
        if now and moment == "before":
            _cancel_writes(desk.items)
        result = await type(connections).write(connections, work)
        if now and moment == "after":
            _cancel_writes(desk.items)
        return result

    monkeypatch.setattr(connections, "write", write)
    while calls >= cancelled_at:
        calls, cancelled_at = 0, cancelled_at + 1
        rows = [{"text": f"{cancelled_at}, {number}"} for number in range(2)]
        await asyncio.wait([asyncio.ensure_future(desk.items.create(ADMIN_RIGHTS, "messages", rows))])
        await desk.items.drain()
    stored = {row["text"] for row in await desk.rows("messages")}
    told = {change.after[0]["text"] for change in desk.changes}
    assert told == {text for text in stored if "," in text}
    assert {f"{cancelled_at}, 0", f"{cancelled_at}, 1"} <= told, "the last one was not cancelled"
    assert "1, 0" not in told
    assert all((f"{number}, 0" in told) is (f"{number}, 1" in told) for number in range(1, cancelled_at))


def _cancel_writes(items: Items) -> None:
    for task in items._writes._tasks:
        task.cancel()


async def test_changes_of_one_row_are_told_in_the_order_of_their_commits(desk: Desk) -> None:
    await asyncio.gather(*(desk.items.update(ADMIN_RIGHTS, "messages", [1], {"room": number}) for number in range(40)))
    rooms = [(change.before[0]["room"], change.after[0]["room"]) for change in desk.changes]
    assert len(rooms) == 40
    assert [after for _, after in rooms[:-1]] == [before for before, _ in rooms[1:]]
    assert rooms[-1][1] == (await desk.rows("messages"))[0]["room"]


async def test_writes_in_each_others_way_both_succeed(desk: Desk) -> None:
    async def both(first: int, second: int) -> None:
        data = [{"id": first, "text": f"from {first}"}, {"id": second, "text": f"from {first}"}]
        await desk.items.update_batch(ADMIN_RIGHTS, "messages", data)

    await asyncio.gather(*(both(*keys) for keys in [(1, 2), (2, 1), (1, 2), (2, 1)]))
    texts = {row["id"]: row["text"] for row in await desk.rows("messages")}
    assert texts[1] == texts[2]
    assert len(desk.changes) == 8


async def test_by_query_finds_more_than_a_page(desk: Desk) -> None:
    await desk.items.create(ADMIN_RIGHTS, "messages", [{"text": str(n), "room": 42} for n in range(150)])
    desk.changes.clear()
    found = Query(filter=None, search=None)
    keys = await desk.items.delete_by_query(ADMIN_RIGHTS, "messages", found)
    assert len(keys) == 153
    assert await desk.rows("messages") == []


async def test_a_singleton_is_created_once_and_then_changed(desk: Desk) -> None:
    first = await desk.items.write_singleton(ADMIN_RIGHTS, "site", {"name": "one"})
    second = await desk.items.write_singleton(ADMIN_RIGHTS, "site", {"name": "two"})
    assert first == second
    assert [(change.action, change.after[0]["name"]) for change in desk.changes] == [
        ("create", "one"),
        ("update", "two"),
    ]
