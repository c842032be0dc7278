"""Any query is answered or refused, never with a database error; and no answer depends on what cannot be seen."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.schemas import (
    ADMIN,
    COLUMNS,
    MEMBER,
    MEMBER_RIGHTS,
    OTHER,
    ROWS,
    SENIOR_RIGHTS,
    VARIABLES,
    run,
)
from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.database.engine import Database
from tidegate.errors import TidegateError
from tidegate.query.operators import OPERATORS

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEADS_TO: Mapping[tuple[str, str], Sequence[str]] = {
    ("authors", "articles"): ["articles"],
    ("articles", "author"): ["authors"],
    ("articles", "labels"): ["articles_labels"],
    ("articles_labels", "articles_id"): ["articles"],
    ("articles_labels", "labels_code"): ["labels"],
    ("pages", "parent"): ["pages"],
    ("pages", "children"): ["pages"],
    ("pages", "blocks"): ["pages_blocks"],
    ("pages_blocks", "pages_id"): ["pages"],
    ("pages_blocks", "item"): ["articles", "labels", "hidden_things"],
}
OF_DATES = ["year", "month", "week", "day", "weekday", "hour", "minute", "second"]
COMPARISONS = ["_eq", "_neq", "_lt", "_gte", "_in", "_nin", "_between", "_nbetween", "_null", "_nnull", "_empty"]
AGGREGATES = ["count", "countAll", "countDistinct", "sum", "sumDistinct", "avg", "avgDistinct", "min", "max"]
TIMES = ["2021-02-03", "2021-02-03T04:05:06Z", "$NOW", "$NOW(-1 day)", "$NOW(9999 years)"]
VALUES: Mapping[str, Sequence[Any]] = {
    "string": ["published", "draft", "mine", "First", "e", "", "100%", 5],
    "text": ["estate", "_sure_", "E"],
    "csv": ["x", "x,y"],
    "integer": [-1, 0, 1, 3, 10, 500, "2", 2**40],
    "bigInteger": ["5", 9007199254740993, -(2**63)],
    "float": [3, 4.5, 1e300, "0.1"],
    "decimal": ["12.50", 0.1, 10**40],
    "boolean": [True, "false"],
    "dateTime": TIMES,
    "timestamp": TIMES,
    "date": TIMES,
    "time": ["04:05:06", "$NOW"],
    "uuid": [MEMBER, OTHER, "$CURRENT_USER"],
}
NONSENSE = [
    None,
    True,
    2**70,
    -1.5,
    float("nan"),
    "x",
    "\0",
    "\ud800",
    "$CURRENT_ROLES",
    "$CURRENT_USER.x",
    MEMBER,
    "red",
]
Query = dict[str, Any]


class Asker:
    """Makes up queries, mostly with sense."""

    def __init__(self, seed: int, collections: Sequence[str], unseen: "Changes | None" = None) -> None:
        self._random = Random(seed)
        self._collections = collections
        self._interesting = {
            collection: sorted({name for values in rows.values() for name in values})
            for collection, rows in (unseen or {}).items()
        }

    def ask(self, number: int) -> list[tuple[str, Query]]:
        """Collections with queries on them."""
        asked = [self._random.choice(self._collections) for _ in range(number)]
        return [(collection, self._query(collection, 1)) for collection in asked]

    def _now_and_then(self, times_in_ten: int) -> bool:
        return self._random.randrange(10) < times_in_ten

    def _some(self, least: int, most: int) -> range:
        return range(self._random.randint(least, most))

    def _query(self, collection: str, depth: int) -> Query:
        query: Query = {}
        if self._now_and_then(7):
            query["filter"] = self._filter(collection, 2)
        if self._now_and_then(2):
            query["search"] = self._random.choice(["draft", "s3", "t0ken", "e", "1", "_", "estate"])
        if self._now_and_then(2):
            query["alias"] = {"a": self._reference(collection)}
            query["sort"] = ["a"]
        if self._now_and_then(2):
            query["aggregate"] = {
                self._random.choice(AGGREGATES): self._random.choice([["*"], [self._reference(collection)]])
                for _ in self._some(1, 3)
            }
            query["groupBy"] = [self._reference(collection) for _ in self._some(0, 2)]
            query["sort"] = [name for name in query["groupBy"] if self._now_and_then(5)]
        elif self._now_and_then(5):
            query["sort"] = [self._random.choice(["", "-"]) + self._path(collection, 1) for _ in self._some(1, 2)]
        if self._now_and_then(3):
            query["limit"] = self._random.randint(-1, 3)
            query[self._random.choice(["page", "offset"])] = self._random.randint(1, 2)
        if depth:
            query["fields"] = [self._path(collection, 2) for _ in self._some(0, 3)] + list(query.get("alias", ()))
            query["deep"] = {
                name: {f"_{part}": value for part, value in self._query(self._random.choice(targets), 0).items()}
                for (origin, name), targets in LEADS_TO.items()
                if origin == collection and self._now_and_then(5)
            }
        return query

    def _path(self, collection: str, depth: int) -> str:
        steps = [name for origin, name in LEADS_TO if origin == collection]
        if depth and steps and self._now_and_then(6):
            step = self._random.choice(steps)
            target = self._random.choice(LEADS_TO[collection, step])
            return f"{step}{f':{target}' if step == 'item' else ''}.{self._path(target, depth - 1)}"
        return self._random.choice(["*", "*.*"]) if self._now_and_then(3) else self._reference(collection)

    def _reference(self, collection: str) -> str:
        names = self._interesting.get(collection) if self._now_and_then(3) else None
        name = self._random.choice(names or list(COLUMNS[collection]))
        kind = COLUMNS[collection][name].split()[0]
        if kind in ("alias", "json") and self._now_and_then(8):
            return f"count({name})"
        if kind in ("date", "time", "dateTime", "timestamp") and self._now_and_then(5):
            return f"{self._random.choice(OF_DATES)}({name})"
        if self._now_and_then(1) and self._now_and_then(5):
            return self._random.choice(["nothing", f"count({name})", f"year({name})", f"{name}.x"])
        return name

    def _filter(self, collection: str, depth: int) -> Query:
        return dict(self._entry(collection, depth) for _ in self._some(1, 2))

    def _entry(self, collection: str, depth: int) -> tuple[str, Any]:
        if depth and self._now_and_then(2):
            return self._random.choice(["_and", "_or"]), [self._filter(collection, depth - 1) for _ in self._some(0, 2)]
        steps = [name for origin, name in LEADS_TO if origin == collection]
        if depth and steps and self._now_and_then(5):
            step = self._random.choice(steps)
            target = self._random.choice(LEADS_TO[collection, step])
            inner = self._filter(target, depth - 1)
            if COLUMNS[collection][step] == "alias" and self._now_and_then(6):
                inner = {self._random.choice(["_some", "_none"]): inner}
            return f"{step}:{target}" if step == "item" else step, inner
        name = self._reference(collection)
        kind = COLUMNS[collection][name].split()[0] if name in COLUMNS[collection] else "integer"
        return name, self._check(kind)

    def _check(self, kind: str) -> Query:
        text = kind in ("string", "text", "csv")
        operator = self._random.choice(list(OPERATORS) if text or self._now_and_then(1) else COMPARISONS)
        if operator in ("_null", "_nnull", "_empty", "_nempty"):
            return {operator: self._random.choice([True, False, "true"])}
        if operator in ("_in", "_nin", "_between", "_nbetween"):
            return {operator: [self._value(kind) for _ in range(2)]}
        return {operator: self._value(kind)}

    def _value(self, kind: str) -> Any:
        return self._random.choice(VALUES.get(kind, NONSENSE) if self._now_and_then(9) else NONSENSE)


GUARDED_RIGHTS = Rights(Public(), rules={**MEMBER_RIGHTS.rules, **SENIOR_RIGHTS.rules}, variables=VARIABLES)
"""What the role Senior of the vectors may read, which includes what Member may."""
SEEDS = st.integers(0, 2**32)
EXAMPLES = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
QUERIES = 40
"""On each example."""


async def answer(database: Database, rights: Rights, collection: str, query: dict[str, Any]) -> Any:
    """The items, or the error's code and sentence."""
    try:
        return await run(database, rights, collection, query)
    except TidegateError as refused:
        return refused.code, refused.message


@EXAMPLES
@given(SEEDS)
async def test_any_query_is_answered_or_refused(database: Database, seed: int) -> None:
    for collection, query in Asker(seed, list(COLUMNS)).ask(QUERIES):
        for rights in (ADMIN, GUARDED_RIGHTS):
            found = await answer(database, rights, collection, query)
            assert isinstance(found, list) or found[0] in ("FORBIDDEN", "INVALID_QUERY"), (collection, query, found)


Changes = Mapping[str, Mapping[int, Mapping[str, Any]]]
MEMBER_CANNOT_SEE: Changes = {
    "notes": {
        1: {"secret": "zzz"},
        2: {"secret": None},
        3: {"title": "changed", "secret": "s9", "status": "done", "owner": None},
    },
    "authors": {1: {"age": None}, 2: {"age": 1}, 3: {"age": 99}},
    "articles": {
        3: {"title": "other", "views": 1, "author": 1, "status": "archived", "day": "2000-01-01", "body": "estate"},
        5: {"title": "First", "views": 1000, "author": None, "price": "99.00", "tags": ["x"]},
    },
}
SENIOR_CANNOT_SEE: Changes = {
    "articles": {
        3: {"status": "archived", "day": "2001-01-01", "body": "estate", "price": "99.00", "published": True},
        5: {"title": "First", "views": 1, "author": 2, "tags": ["x"]},
    }
}
"""The author of a draft is not among it: `articles` of authors, which may be seen, tells it from the other side."""


async def change(database: Database, changes: Changes) -> None:
    async with database.transaction() as transaction:
        for collection, rows in changes.items():
            table = database.tables[collection]
            for key, values in rows.items():
                await transaction.execute(sa.update(table).where(table.c.id == key).values(dict(values)))


def before(changes: Changes) -> Changes:
    """What the rows hold before the changes."""
    rows = {collection: {row.get("id"): row for row in ROWS[collection]} for collection in changes}
    return {
        collection: {key: {name: rows[collection][key].get(name) for name in values} for key, values in changed.items()}
        for collection, changed in changes.items()
    }


@pytest.mark.parametrize(
    ("rights", "collections", "unseen"),
    [
        (MEMBER_RIGHTS, ["notes", "authors", "articles", "articles_labels", "labels"], MEMBER_CANNOT_SEE),
        (GUARDED_RIGHTS, ["authors", "articles", "articles_labels", "labels"], SENIOR_CANNOT_SEE),
    ],
    ids=["member", "senior"],
)
@EXAMPLES
@given(SEEDS)
async def test_answers_do_not_depend_on_what_cannot_be_seen(
    database: Database, rights: Rights, collections: list[str], unseen: Changes, seed: int
) -> None:
    asked = Asker(seed, collections, unseen).ask(QUERIES)
    answers = [await answer(database, rights, collection, query) for collection, query in asked]
    assert any(isinstance(each, list) for each in answers), "none of the queries makes sense"
    await change(database, unseen)
    try:
        again = [await answer(database, rights, collection, query) for collection, query in asked]
    finally:
        await change(database, before(unseen))
    for one, other, question in zip(answers, again, asked, strict=True):
        assert one == other, question


async def test_what_a_user_cannot_see_is_there_for_an_administrator(database: Database) -> None:
    query = {"fields": ["*"], "sort": ["id"]}
    seen = await run(database, ADMIN, "notes", query)
    await change(database, MEMBER_CANNOT_SEE)
    try:
        assert await run(database, ADMIN, "notes", query) != seen
    finally:
        await change(database, before(MEMBER_CANNOT_SEE))
    assert await run(database, ADMIN, "notes", query) == seen
    assert {row["owner"] for row in seen} == {MEMBER, OTHER}
