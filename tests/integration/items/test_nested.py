"""Writes of related items: every level is held to the rights of whoever writes, and each row touched is told of."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import pytest

from tests.integration.realtime.world import World, open_world
from tests.support import engines
from tests.support.schemas import COLUMNS, VARIABLES, rule, run
from tidegate.access.identity import Public
from tidegate.access.rights import Rights, Rule
from tidegate.errors import TidegateError
from tidegate.items.changes import Change
from tidegate.query.model import Query
from tidegate.schema import Schema

ADMIN = Rights(Public(), admin=True, variables=VARIABLES)
WRITTEN = ("authors", "articles", "labels", "articles_labels", "pages", "pages_blocks")
FULL = {(collection, action): (rule(),) for collection in WRITTEN for action in ("create", "read", "update", "delete")}
"""May do anything with everything but `hidden_things`."""
Rules = Mapping[tuple[str, str], Sequence[Rule]]
Verb = Literal["create", "update"]


class Desk:
    """A filled database, and the changes heard of."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.changes: list[Change] = []
        world.feed.subscribe(self.changes.extend)

    def deselect(self, collection: str, action: str) -> None:
        """What becomes of items of `collection` that are let go."""
        database = self.world.database
        relations = [
            replace(each, one_deselect_action=action) if each.many_collection == collection else each
            for each in database.schema.relations
        ]
        database.schema = Schema(database.schema.collections, tuple(relations))

    async def write(self, verb: Verb, collection: str, key: object, data: dict[str, Any], rules: Rules) -> None:
        rights = Rights(
            Public(), rules={**FULL, **{at: tuple(given) for at, given in rules.items()}}, variables=VARIABLES
        )
        if verb == "create":
            await self.world.items.create(rights, collection, [data])
        else:
            await self.world.items.update(rights, collection, [key], data)  # type: ignore[list-item]

    async def rows(self, *collections: str) -> dict[str, list[dict[str, Any]]]:
        names = collections or tuple(COLUMNS)
        columns = {name: [field for field, kind in COLUMNS[name].items() if kind != "alias"] for name in names}
        return {name: await run(self.world.database, ADMIN, name, {"fields": columns[name]}) for name in names}

    def heard(self) -> list[tuple[str, str, tuple[object, ...]]]:
        return [(change.collection, change.action, change.keys) for change in self.changes]


@pytest.fixture(params=engines.DATABASE_ENGINES)
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    async with engines.temporary_database(request.param) as url, open_world(url) as world:
        yield Desk(world)


def validated(condition: Mapping[str, Any]) -> Rule:
    return Rule({}, frozenset("*"), validation=condition, presets={})


BY_ADA = {"author": {"name": {"_eq": "Ada"}}}
REFUSED: Mapping[str, tuple[Verb, str, object, dict[str, Any], Rules, str]] = {
    "create through one-to-many": (
        *("create", "authors", None),
        {"id": 9, "name": "Dee", "articles": [{"id": 90}]},
        {("articles", "create"): []},
        "FORBIDDEN",
    ),
    "update of a related row outside of the rule": (
        *("update", "authors", 1),
        {"name": "x", "articles": {"update": [{"id": 1, "title": "x"}, {"id": 2, "title": "x"}]}},
        {("articles", "update"): [rule({"views": {"_lt": 100}})]},
        "FORBIDDEN",
    ),
    "update of a related row that is not there": (
        *("update", "authors", 1),
        {"articles": {"update": [{"id": 99, "title": "x"}]}},
        {("articles", "create"): []},
        "FORBIDDEN",
    ),
    "field on the second level": (
        *("update", "authors", 1),
        {"articles": {"update": [{"id": 1, "title": "x"}]}},
        {("articles", "update"): [rule(fields=["author"])]},
        "FORBIDDEN",
    ),
    "field of a new item on the second level": (
        *("update", "authors", 1),
        {"articles": {"create": [{"id": 90, "title": "x"}]}},
        {("articles", "create"): [rule(fields=["id", "author"])]},
        "FORBIDDEN",
    ),
    "field that points at the owner": (
        *("update", "authors", 1),
        {"articles": [1, 2, 5]},
        {("articles", "update"): [rule(fields=["title"])]},
        "FORBIDDEN",
    ),
    "field of the relation itself": (
        *("update", "authors", 1),
        {"articles": []},
        {("authors", "update"): [rule(fields=["name"])]},
        "FORBIDDEN",
    ),
    "validation on the second level": (
        *("create", "authors", None),
        {"id": 9, "articles": [{"id": 90, "title": ""}]},
        {("articles", "create"): [validated({"title": {"_nempty": True}})]},
        "FAILED_VALIDATION",
    ),
    "validation of where a row is moved to": (
        *("update", "authors", 1),
        {"articles": [1, 2, 5]},
        {("articles", "update"): [validated({"author": {"_neq": 1}})]},
        "FAILED_VALIDATION",
    ),
    "taking a row from an owner that one may not touch": (
        *("update", "authors", 1),
        {"articles": {"update": [{"id": 5}]}},
        {("articles", "update"): [rule(BY_ADA)]},
        "FORBIDDEN",
    ),
    "letting go a row that one sees and may not touch": (
        *("update", "authors", 1),
        {"articles": [1]},
        {("articles", "update"): [rule({"id": {"_eq": 1}})]},
        "FORBIDDEN",
    ),
    "update through many-to-one": (
        *("update", "articles", 1),
        {"title": "x", "author": {"id": 1, "name": "x"}},
        {("authors", "update"): [rule({"id": {"_eq": 2}})]},
        "FORBIDDEN",
    ),
    "create through many-to-one": (
        *("create", "articles", None),
        {"id": 90, "author": {"id": 9, "name": "x"}},
        {("authors", "create"): []},
        "FORBIDDEN",
    ),
    "update of a junction row": (
        *("update", "articles", 1),
        {"labels": {"delete": [1]}},
        {("articles_labels", "update"): []},
        "FORBIDDEN",
    ),
    "create beyond a junction row": (
        *("update", "articles", 1),
        {"labels": {"create": [{"id": 9, "labels_code": {"code": "new"}}]}},
        {("labels", "create"): []},
        "FORBIDDEN",
    ),
    "update of an item of many-to-any": (
        *("update", "pages", 1),
        {"blocks": {"update": [{"id": 1, "collection": "articles", "item": {"id": 2, "title": "x"}}]}},
        {("articles", "update"): [rule({"views": {"_lt": 100}})]},
        "FORBIDDEN",
    ),
    "item of many-to-any in a collection that one does not see": (
        *("update", "pages", 1),
        {"blocks": {"create": [{"id": 9, "collection": "hidden_things", "item": {"id": 5, "name": "x"}}]}},
        {},
        "FORBIDDEN",
    ),
    "item of many-to-any in a collection that it does not lead to": (
        *("update", "pages", 1),
        {"blocks": {"create": [{"id": 9, "collection": "authors", "item": {"id": 5, "name": "x"}}]}},
        {},
        "INVALID_PAYLOAD",
    ),
    "third level, after everything else was written": (
        *("create", "authors", None),
        {"id": 9, "articles": [{"id": 90, "title": "x", "labels": [{"id": 8, "labels_code": {"code": "a"}}]}, 5]},
        {("labels", "create"): [rule(fields=["color"])]},
        "FORBIDDEN",
    ),
    "key that is taken, after everything else was written": (
        *("create", "authors", None),
        {"id": 9, "articles": [{"id": 90, "labels": [{"id": 8, "labels_code": "red"}]}], "name": ["no", "text"]},
        {},
        "INVALID_PAYLOAD",
    ),
    "row that the same write deletes": (
        *("update", "articles", 1),
        {"title": "x", "author": {"id": 1, "articles": {"delete": [1]}}},
        {},
        "FAILED_VALIDATION",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_refused_on_any_level_leaves_nothing_behind(desk: Desk, case: str) -> None:
    verb, collection, key, data, rules, code = REFUSED[case]
    desk.deselect("articles", "delete" if case.startswith("row that") else "nullify")
    before = await desk.rows()
    with pytest.raises(TidegateError) as refused:
        await desk.write(verb, collection, key, data, rules)
    assert refused.value.code == code
    assert (await desk.rows(), desk.changes) == (before, [])


async def test_deleting_through_relations_takes_the_right_to_delete(desk: Desk) -> None:
    desk.deselect("articles_labels", "delete")
    before = await desk.rows()
    with pytest.raises(TidegateError) as refused:
        await desk.write("update", "articles", 1, {"labels": [1]}, {("articles_labels", "delete"): []})
    assert (refused.value.code, await desk.rows(), desk.changes) == ("FORBIDDEN", before, [])
    await desk.write("update", "articles", 1, {"labels": [1]}, {("articles_labels", "update"): []})
    assert desk.heard() == [("articles", "update", (1,)), ("articles_labels", "delete", (2,))]
    assert [row["id"] for row in (await desk.rows("articles_labels"))["articles_labels"]] == [1, 3]


async def test_presets_fill_related_items(desk: Desk) -> None:
    filling = Rule({}, frozenset(["id", "author"]), {}, {"title": "untitled", "ref": "$CURRENT_USER"})
    await desk.write(
        "create", "authors", None, {"id": 9, "articles": [{"id": 90}]}, {("articles", "create"): [filling]}
    )
    (row,) = [row for row in (await desk.rows("articles"))["articles"] if row["id"] == 90]
    assert (row["title"], row["ref"], row["author"]) == ("untitled", VARIABLES["$CURRENT_USER"], 9)


async def test_every_row_is_told_of_once_in_order(desk: Desk) -> None:
    article = {"id": 2, "title": "x", "author": {"id": 1, "age": 37}}
    blocks = {
        "create": [{"id": 9, "collection": "labels", "item": {"code": "new"}}],
        "update": [{"id": 1, "collection": "articles", "item": article}],
        "delete": [2, 3],
    }
    data = {"name": "x", "parent": {"id": 2, "name": "y"}, "blocks": blocks, "children": {"create": [{"id": 4}]}}
    await desk.write("update", "pages", 1, data, {})
    assert desk.heard() == [
        ("pages", "update", (1,)),
        ("pages", "update", (2,)),
        ("pages_blocks", "create", (9,)),
        ("labels", "create", ("new",)),
        ("pages_blocks", "update", (1,)),
        ("articles", "update", (2,)),
        ("authors", "update", (1,)),
        ("pages_blocks", "update", (2, 3)),
        ("pages", "create", (4,)),
    ]
    for change in desk.changes:
        stored = {row[next(iter(row))]: row for row in (await desk.rows(change.collection))[change.collection]}
        assert [dict(image) for image in change.after] == [stored[key] for key in change.keys]


async def test_whole_set_is_the_set_that_one_sees(desk: Desk) -> None:
    """What is hidden stays where it is, and does not show by what is refused."""
    seen = {
        ("articles", "read"): [rule({"views": {"_lt": 100}})],
        ("articles", "update"): [rule({"views": {"_lt": 100}})],
    }
    await desk.write("update", "authors", 1, {"articles": []}, seen)
    rows = {row["id"]: row["author"] for row in (await desk.rows("articles"))["articles"]}
    assert (rows[1], rows[2]) == (None, 1)
    for hidden in (2, 3, 404):
        with pytest.raises(TidegateError) as refused:
            await desk.write("update", "authors", 1, {"articles": [hidden]}, {**seen, ("articles", "create"): []})
        assert refused.value.code == "FORBIDDEN"


async def test_only_what_belongs_to_the_owner_is_let_go(desk: Desk) -> None:
    some = [rule({"id": {"_neq": 2}})]
    hiding = {("articles", "read"): some, ("articles", "update"): some}
    await desk.write("update", "authors", 1, {"articles": {"delete": [1, 2, 3, 404]}}, hiding)
    assert desk.heard() == [("authors", "update", (1,)), ("articles", "update", (1,))]
    rows = {row["id"]: row["author"] for row in (await desk.rows("articles"))["articles"]}
    assert (rows[1], rows[2], rows[3]) == (None, 1, 2)


async def test_row_that_is_touched_twice_is_told_last_as_it_is(desk: Desk) -> None:
    data = {"title": "new", "author": {"id": 1, "articles": {"update": [{"id": 1, "views": 11}]}}}
    written = await desk.world.items.update_one(ADMIN, "articles", 1, data)
    (row,) = [row for row in (await desk.rows("articles"))["articles"] if row["id"] == 1]
    told = [change.after[0] for change in desk.changes if change.collection == "articles"]
    assert (row["title"], row["views"], dict(told[-1])) == ("new", 11, row)
    data = {"name": "outer", "children": {"update": [{"id": 1, "name": "inner"}]}}
    written = await desk.world.items.update_one(ADMIN, "pages", 1, data)
    shown = await desk.world.items.read_written(ADMIN, "pages", written, Query(fields=("name",)))
    assert shown == {"name": "inner"}


async def test_row_that_the_same_write_deletes_may_be_made_anew(desk: Desk) -> None:
    desk.deselect("articles", "delete")
    rows = [{"id": 1, "articles": []}, {"id": 2, "articles": {"create": [{"id": 1, "title": "anew"}]}}]
    await desk.world.items.update_batch(ADMIN, "authors", rows)
    assert desk.heard()[-1] == ("articles", "create", (1,))
