"""A project with a field of every type and every kind of relation, a witness of all that happens, and ways to ask.

Whatever is asked is told as an `Outcome`; what a refusal must not hold is looked for in its text.
"""

import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.integration.http.project import ADMIN, Project, running_project
from tests.integration.websocket.client import Client
from tests.support.directus import ask
from tests.support.engines import environment, temporary_database
from tests.support.probes import DatabaseEngine

CPU_SECONDS = 10.0
"""A quadratic step over 100,000 entries takes minutes; a full garbage collection on a busy machine takes seconds."""
TABLES = ("owners", "things", "blocks")

SHOWN = re.compile(
    r"\b(select|insert into|update \w+ set|delete from|where|traceback)\b"
    r"|sqlite|asyncpg|asyncmy|postgres|mysql|mariadb|sqlalchemy|orjson|msgspec"
    r"|\.py\b|line \d+, in|/(home|usr|root)/",
    re.IGNORECASE,
)
"""Words that no answer to a client may hold: of SQL, of drivers, of stacks, of paths."""


class Outcome(NamedTuple):
    """What came back: `code` is that of the error, "done" where there is none, "closed" where the socket closed."""

    code: str
    status: int | None
    """Of HTTP; None over a socket."""
    text: str
    cpu: float


def column(name: str, kind: str, schema: Mapping[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    return {"field": name, "type": kind, "schema": dict(schema or {}), "meta": meta}


COUNTER = column("id", "integer", {"is_primary_key": True, "has_auto_increment": True})
COLLECTIONS: Mapping[str, list[dict[str, Any]]] = {
    "owners": [column("code", "string", {"is_primary_key": True, "max_length": 30}), column("name", "string")],
    "things": [
        COUNTER,
        column("string", "string", {"max_length": 20}),
        column("text", "text"),
        column("integer", "integer"),
        column("big", "bigInteger"),
        column("float", "float"),
        column("decimal", "decimal", {"numeric_precision": 10, "numeric_scale": 2}),
        column("long", "decimal", {"numeric_precision": 38, "numeric_scale": 10}),
        column("boolean", "boolean", special=["cast-boolean"]),
        column("date", "date"),
        column("time", "time"),
        column("moment", "dateTime"),
        column("stamp", "timestamp"),
        column("json", "json", special=["cast-json"]),
        column("csv", "csv", special=["cast-csv"]),
        column("uuid", "uuid"),
        column("hash", "hash"),
        column("binary", "binary"),
        column("code", "string", {"is_unique": True}),
        column("must", "string", required=True),
        column("filled", "integer", {"is_nullable": False, "default_value": 1}),
        column("score", "integer", validation={"_and": [{"score": {"_lte": 100}}]}),
        column("parent", "integer"),
        column("owner", "string", {"max_length": 30}),
    ],
    "blocks": [COUNTER, column("thing", "integer"), column("item", "string"), column("collection", "string")],
    "bells": [COUNTER],
}
RELATIONS: list[tuple[str, str, str | None, str]] = [
    ("things", "parent", "things", "children"),
    ("things", "owner", "owners", "things"),
    ("blocks", "thing", "things", "blocks"),
    ("blocks", "item", None, ""),
]
ITEMS: Mapping[str, list[dict[str, Any]]] = {
    "owners": [{"code": "ada", "name": "Ada"}],
    "things": [
        {"string": "one", "must": "x", "code": "one", "integer": 1, "owner": "ada"},
        {"string": "two", "must": "x", "code": "two", "integer": 2, "parent": 1},
        {"string": "three", "must": "x", "code": "three", "score": 7},
    ],
    "blocks": [{"thing": 1, "item": "ada", "collection": "owners"}],
}


class World:
    """One project on one engine."""

    def __init__(self, project: Project, engine: DatabaseEngine, url: str, witness: Client, socket: Client) -> None:
        self.project = project
        self._engine = engine
        self._url = url
        self._witness = witness
        self._socket = socket

    async def rows(self) -> list[list[tuple[Any, ...]]]:
        """Everything that the tables hold, as the engine tells it."""
        return [await ask(self._engine, self._url, [f"SELECT * FROM {table} ORDER BY 1"]) for table in TABLES]

    async def told(self) -> list[Any]:
        """The events that the witness has heard since the last time; it still hears."""
        status, made = await self.project.ask("POST", "/items/bells", {})
        assert status == 200, made
        heard = [await self._witness.receive()]
        while heard[-1]["uid"] != "bells":
            heard.append(await self._witness.receive())
        assert heard.pop()["data"] == [{"id": made["data"]["id"]}]
        return heard

    async def http(self, method: str, path: str, body: object = None) -> Outcome:
        """`body` as JSON; one that is text already as it stands."""
        content = body if isinstance(body, str) or body is None else json.dumps(body)
        headers = {"authorization": f"Bearer {ADMIN}", "content-type": "application/json"}
        began = time.process_time()
        answer = await self.project.client.request(method, path, content=content, headers=headers)
        spent = time.process_time() - began
        errors = answer.json().get("errors") if answer.content else None
        code = errors[0]["extensions"]["code"] if errors else "done"
        return Outcome(code, answer.status_code, answer.text, spent)

    async def say(self, message: Mapping[str, Any] | str) -> Outcome:
        """Over the socket, which is the same for all."""
        began = time.process_time()
        await self._socket.send_text(message if isinstance(message, str) else json.dumps(message))
        answer = await self._socket.receive()
        spent = time.process_time() - began
        code = "closed" if answer is None else answer.get("error", {}).get("code", "done")
        return Outcome(code, None, json.dumps(answer), spent)


async def _build(project: Project) -> None:
    async def post(path: str, body: object) -> None:
        status, answer = await project.ask("POST", path, body)
        assert status == 200, (path, answer)

    for name, fields in COLLECTIONS.items():
        await post("/collections", {"collection": name, "schema": {}, "meta": {}, "fields": fields})
    for collection, field, target, alias in RELATIONS:
        meta: dict[str, Any] = {"one_field": alias or None}
        if target is None:
            meta = {"one_collection_field": "collection", "one_allowed_collections": ["owners", "things"]}
        relation = {"collection": collection, "field": field, "related_collection": target, "meta": meta}
        await post("/relations", relation)
        if target is not None:
            meta = {"special": ["o2m"]}
            await post(f"/fields/{target}", {"field": alias, "type": "alias", "schema": None, "meta": meta})
    for name, items in ITEMS.items():
        await post(f"/items/{name}", items)


@contextlib.asynccontextmanager
async def world_on(engine: DatabaseEngine, folder: Path) -> AsyncIterator[World]:
    async with (
        temporary_database(engine) as url,
        running_project(folder, environment(url)) as project,
        Client(project.app, f"/websocket?access_token={ADMIN}") as witness,
        Client(project.app, f"/websocket?access_token={ADMIN}") as socket,
    ):
        await _build(project)
        for name in (*TABLES, "bells"):
            query = {"fields": ["code" if name == "owners" else "id"]}
            heard = await witness.ask(type="subscribe", collection=name, uid=name, query=query)
            assert heard["event"] == "init", heard
        yield World(project, engine, url, witness, socket)


class Refusals:
    """Collects what is wrong with answers, so that a test names all of it at once."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.checked = 0

    def check(self, what: object, outcome: Outcome, *codes: str) -> None:
        """The answer must be one of these error codes and show nothing."""
        self.checked += 1
        faults = []
        if outcome.code not in codes:
            faults.append(f"{outcome.code} in place of {' or '.join(codes)}: {outcome.text[:200]}")
        elif outcome.status is not None and not 400 <= outcome.status < 500:
            faults.append(f"status {outcome.status}")
        shown = SHOWN.search(outcome.text)
        if shown and outcome.code != "done" and shown.group() not in str(what):  # names are said as they were sent
            faults.append(f"shows {shown.group()!r}: {outcome.text[:300]}")
        if outcome.cpu > CPU_SECONDS:
            faults.append(f"took {outcome.cpu:.2f} s of CPU")
        if faults:  # only then: some of what is sent takes long to spell out
            self.wrong += [f"{what!s:.200}: {fault}" for fault in faults]

    def result(self, least: int) -> None:
        """Fails with everything that was wrong, or where fewer than `least` answers were checked."""
        assert not self.wrong, "\n".join([f"{len(self.wrong)} of {self.checked}", *self.wrong[:40]])
        assert self.checked >= least
