"""Whatever happens to rows and permissions, the pictures that clients of both sockets keep are what they may see.

The whole server, with users at several addresses whose policies hold at some of them. Permissions, and the addresses of
policies, are changed as such while rows are written. What each user may see is worked out here in plain Python.

A client of JSON messages asks for `leave` and keeps its picture by what it hears alone. One of GraphQL begins with the
rows as they are, and keeps those that an update took out of its sight. After a change of rules both begin anew.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.graphql.client import Socket
from tests.integration.http.project import Project, running_project
from tests.integration.websocket.client import Client
from tests.support import engines
from tests.support.probes import DatabaseEngine
from tests.support.waiting import until
from tidegate.app.server import Running
from tidegate.items.changes import Change

Row = Mapping[str, Any]
Picture = dict[int, Row]
BATCHES = {"sqlite": 10, "postgresql": 4}
USERS = ("ada", "bo", "cy")
STATUSES = ("published", "draft", "archived")
NAMES = ("id", "title", "owner", "status", "secret")
HERE, THERE = "10.0.0.5", "192.0.2.7"
ADDRESSES: tuple[tuple[list[str] | None, frozenset[str]], ...] = (
    (None, frozenset({HERE, THERE})),
    (["10.0.0.0/8"], frozenset({HERE})),
    (["172.16.0.1", "192.0.2.1-192.0.2.9"], frozenset({THERE})),
)
"""`ip_access`, and which of the two addresses it holds."""
FILTERS: tuple[tuple[dict[str, Any], Callable[[Row, str], bool]], ...] = (
    ({}, lambda _row, _user: True),
    ({"status": {"_eq": "published"}}, lambda row, _: row["status"] == "published"),
    ({"owner": {"_eq": "$CURRENT_USER.title"}}, lambda row, user: row["owner"] == user),
    ({"owner": {"_neq": "$CURRENT_USER.title"}}, lambda row, user: row["owner"] not in (user, None)),
    (
        {"_or": [{"status": {"_eq": "draft"}}, {"title": {"_contains": "1"}}]},
        lambda row, _: row["status"] == "draft" or "1" in row["title"],
    ),
)
FIELDS = (["*"], ["id", "status", "title"], ["id", "status", "owner"], ["id", "status"])
GRAPHQL = "subscription { notes_mutated { key event data { id status } } }"


@dataclass(frozen=True)
class Rule:
    """A policy with one permission."""

    policy: str
    users: tuple[str, ...]
    permission: int
    matches: Callable[[Row, str], bool]
    fields: list[str]
    addresses: frozenset[str]


@dataclass(frozen=True)
class Eyes:
    """Who looks, from where, under which rules."""

    user: str
    address: str
    rules: tuple[Rule, ...]

    def see(self, row: Row) -> Row | None:
        """The row as it is shown; None where it is not."""
        matching = [rule for rule in self.given if rule.matches(row, self.user)]
        if not matching:
            return None
        named, shown = (
            {name for rule in rules for name in NAMES if {"*", name} & {*rule.fields}}
            for rules in (self.given, matching)
        )
        return {name: row[name] if name in shown else None for name in NAMES if name in named}

    @property
    def given(self) -> list[Rule]:
        """The rules in force."""
        return [rule for rule in self.rules if self.user in rule.users and self.address in rule.addresses]


class Notes:
    """The project, its rules as they are, and every state that any of its rows has had."""

    def __init__(self, project: Project, chance: random.Random) -> None:
        self.project = project
        self.chance = chance
        self.rules: tuple[Rule, ...] = ()
        self.states: dict[int, list[Row]] = {}
        self.updated: set[int] = set()
        """The keys of rows that were updated in this batch."""
        self._number = 0

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        status, answer = await self.project.ask(method, path, body)
        assert status in (200, 204), answer
        return answer["data"] if answer else None

    async def make(self) -> None:
        self.project.app.running.feed.subscribe(self._changed)
        key = {"field": "id", "type": "integer", "schema": {"is_primary_key": True}}
        texts = [{"field": name, "type": "string", "schema": {}} for name in NAMES[1:]]
        await self.ask("POST", "/collections", {"collection": "notes", "schema": {}, "fields": [key, *texts]})
        users = {
            name: (await self.ask("POST", "/users", {"email": f"{name}@example.com", "token": name, "title": name}))[
                "id"
            ]
            for name in USERS
        }
        for several in (("ada",), ("bo", "ada"), ("cy",), USERS):
            policy = (await self.ask("POST", "/policies", {"name": "Some"}))["id"]
            for name in several:
                await self.ask("POST", "/access", {"user": users[name], "policy": policy})
            permission = {
                "policy": policy,
                "collection": "notes",
                "action": "read",
                "fields": ["id"],
                "permissions": {},
            }
            number = (await self.ask("POST", "/permissions", permission))["id"]
            everywhere = ADDRESSES[0][1]
            self.rules = (*self.rules, Rule(policy, several, number, FILTERS[0][1], ["id"], everywhere))
        for at in range(len(self.rules)):
            for change in (self._filter, self._fields, self._addresses):
                await change(at)
        for _ in range(8):
            await self._create()

    # Rules.

    async def change_a_rule(self) -> None:
        at = self.chance.randrange(len(self.rules))
        await self.chance.choice([self._filter, self._fields, self._addresses])(at)

    async def _filter(self, at: int) -> None:
        condition, matches = self.chance.choice(FILTERS)
        await self.ask("PATCH", f"/permissions/{self.rules[at].permission}", {"permissions": condition})
        self._now(at, matches=matches)

    async def _fields(self, at: int) -> None:
        fields = self.chance.choice(FIELDS)
        await self.ask("PATCH", f"/permissions/{self.rules[at].permission}", {"fields": fields})
        self._now(at, fields=fields)

    async def _addresses(self, at: int) -> None:
        entries, addresses = self.chance.choice(ADDRESSES)
        await self.ask("PATCH", f"/policies/{self.rules[at].policy}", {"ip_access": entries})
        self._now(at, addresses=addresses)

    def _now(self, at: int, **parts: Any) -> None:
        self.rules = (*self.rules[:at], replace(self.rules[at], **parts), *self.rules[at + 1 :])

    # Rows.

    def _values(self) -> dict[str, Any]:
        self._number += 1
        choice = self.chance.choice
        return {
            "title": f"t{self._number}",
            "owner": choice([*USERS, None]),
            "status": choice(STATUSES),
            "secret": choice(["s", None]),
        }

    async def write(self) -> None:
        kinds = [self._create, self._update, self._update, self._update, self._several, self._delete]
        await self.chance.choice(kinds)()

    async def _create(self) -> None:
        values = self._values()
        row = {"id": self._number, **values}
        self.states[row["id"]] = [row]
        assert await self.ask("POST", "/items/notes", row) == row

    async def _update(self) -> None:
        await self._several(1)

    async def _several(self, most: int = 5) -> None:
        keys = self.chance.sample(list(self.states), min(most, len(self.states)))
        values = self._values()
        part = {name: values[name] for name in self.chance.sample(list(values), self.chance.randint(1, 4))}
        status, answer = await self.project.ask("PATCH", "/items/notes", {"keys": keys, "data": part})
        if status == 403:
            return  # somebody deleted one of them meanwhile, or it is not there yet
        assert status == 200, answer

    def _changed(self, changes: Sequence[Change]) -> None:
        # The answer to an update shows its rows as they are by then, which others may have changed since.
        for change in changes:
            if change.collection == "notes" and change.action == "update":
                for row in change.after:
                    self.updated.add(row["id"])
                    self.states[row["id"]].append(dict(row))

    async def _delete(self) -> None:
        status, answer = await self.project.ask("DELETE", f"/items/notes/{self.chance.choice(list(self.states))}")
        assert status in (204, 403), answer

    async def rows(self) -> list[Row]:
        found: list[Row] = await self.ask("GET", "/items/notes?limit=-1")
        return found


class Follower:
    """A client that follows all notes over one socket."""

    question = "items"
    """The type of a message that has an answer."""

    def __init__(self, notes: Notes, user: str, address: str) -> None:
        self.notes = notes
        self.user = user
        self.address = address
        self.picture: Picture = {}
        self.socket = self.make_socket(notes.project)
        self.socket.scope["client"] = (address, 1234)

    def make_socket(self, project: Project) -> Client:
        return Client(project.app, "/websocket")

    def eyes(self, rules: tuple[Rule, ...]) -> Eyes:
        return Eyes(self.user, self.address, rules)

    async def authenticate(self) -> None:
        assert (await self.socket.ask(type="auth", access_token=self.user))["status"] == "ok"

    async def begin(self) -> None:
        """Subscribe anew."""
        await self.socket.send(type="unsubscribe")
        while (await self.socket.receive())["event"] != "unsubscribe":
            pass
        await self.socket.send(type="subscribe", collection="notes", query={"limit": -1}, leave=True)
        first = await self.socket.receive()
        blind = not self.eyes(self.notes.rules).given
        assert first.get("event") == "init" or (first["error"]["code"] == "FORBIDDEN" and blind), first
        self.picture = {row["id"]: row for row in first.get("data", ())}

    async def heard(self) -> list[Any]:
        """All messages that have been sent to it, as an answer to what follows them shows."""
        messages = []
        await self.socket.send(type=self.question, uid="round trip")
        while not self.answers(message := await self.socket.receive()):
            messages.append(message)
        return messages

    def answers(self, message: Any) -> bool:
        """Whether this is the answer."""
        return bool(message.get("uid") == "round trip")

    async def look(self, *rules: tuple[Rule, ...]) -> None:
        """Take in what was told; fails where it shows what may not be seen under any of these rules."""
        for message in await self.heard():
            for entry in message["data"]:
                if message["event"] in ("delete", "leave"):
                    self.picture.pop(int(entry), None)  # a key is spelled as the writer did
                else:
                    assert self.may_be_shown(entry["id"], entry, rules), (self.user, self.address, message)
                    self.picture[entry["id"]] = entry

    def may_be_shown(self, key: int, row: Row, rules: Sequence[tuple[Rule, ...]]) -> bool:
        seen = (self.eyes(each).see(state) for each in rules for state in self.notes.states[key])
        return any(each is not None and self.shown(each) == row for each in seen)

    def shown(self, row: Row) -> Row:
        """The part of a visible row that it asks for."""
        return row

    def compare(self, rows: Sequence[Row]) -> int:
        """Whether the picture is right; the number of rows in it."""
        eyes = self.eyes(self.notes.rules)
        assert self.picture == {row["id"]: self.shown(seen) for row in rows if (seen := eyes.see(row)) is not None}
        return len(self.picture)


class GraphQLFollower(Follower):
    """It is not told of rows that an update takes out of its sight."""

    question = "ping"
    number = 0

    def make_socket(self, project: Project) -> Client:
        return Socket(project.app)

    async def authenticate(self) -> None:
        assert await self.socket.ask(type="connection_init", payload={"access_token": self.user}) == {
            "type": "connection_ack"
        }

    def answers(self, message: Any) -> bool:
        return bool(message["type"] == "pong")

    async def begin(self) -> None:
        await self.socket.send(type="complete", id=str(self.number))
        await self.heard()
        self.number += 1
        await self.socket.send(type="subscribe", id=str(self.number), payload={"query": GRAPHQL})
        eyes = self.eyes(self.notes.rules)
        assert [message["type"] for message in await self.heard()] == ([] if eyes.given else ["error"])
        seen = ((row["id"], eyes.see(row)) for row in await self.notes.rows())
        self.picture = {key: self.shown(row) for key, row in seen if row is not None}

    async def look(self, *rules: tuple[Rule, ...]) -> None:
        for message in await self.heard():
            if message["type"] == "error":
                assert not all(self.eyes(each).given for each in rules), message
                continue
            event = message["payload"]["data"]["notes_mutated"]
            key, row = int(event["key"]), event["data"]
            if event["event"] == "delete":
                assert row is None
                self.picture.pop(key, None)
            else:
                assert self.may_be_shown(key, row, rules), (self.user, self.address, message)
                self.picture[key] = row

    def shown(self, row: Row) -> Row:
        return {"id": str(row["id"]), "status": row["status"]}

    def compare(self, rows: Sequence[Row]) -> int:
        eyes = self.eyes(self.notes.rules)
        seen = {row["id"] for row in rows if eyes.see(row) is not None}
        for key in self.notes.updated - seen:
            self.picture.pop(key, None)
        return super().compare(rows)


async def settled(running: Running) -> None:
    """Wait until everybody's rights are known and nothing waits for the database."""

    def quiet() -> bool:
        subscriptions = running.subscriptions.all()
        return running.connections._seen == running.directory.generation and not any(
            each.held is not None or (each.group is not None and each.group.queue is not None) for each in subscriptions
        )

    await until(quiet)


async def batch(notes: Notes, followers: list[Follower], chance: random.Random) -> int:
    """Writes, new subscriptions, and sometimes a change of rules, all at once; the number of rows compared."""
    before, again = notes.rules, [each for each in followers[::2] if chance.random() < 0.3]
    notes.updated.clear()
    work = [notes.write() for _ in range(chance.randint(2, 6))]
    if changes := chance.random() < 0.5:
        work.append(notes.change_a_rule())
    else:
        work += [each.begin() for each in again]
    chance.shuffle(work)
    await asyncio.gather(*work)
    await settled(notes.project.app.running)
    for each in followers:
        await each.look(before, notes.rules)
    if changes:
        await asyncio.gather(*(notes.write() for _ in range(3)))
        await settled(notes.project.app.running)
        for each in followers:
            await each.look(notes.rules)
            await each.begin()
    rows = await notes.rows()
    return sum(each.compare(rows) for each in followers)


@pytest.mark.parametrize(("engine", "seed"), [("sqlite", 0), ("sqlite", 1), ("postgresql", 2)])
async def test_picture_of_every_client_is_what_it_may_see(engine: DatabaseEngine, seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    async with (
        engines.temporary_database(engine) as url,
        running_project(tmp_path, engines.environment(url)) as project,
        contextlib.AsyncExitStack() as stack,
    ):
        notes = Notes(project, chance)
        await notes.make()
        kinds = (Follower, GraphQLFollower)
        followers = [kind(notes, user, address) for user in USERS for address in (HERE, THERE) for kind in kinds]
        for each in followers:
            await stack.enter_async_context(each.socket)
            await each.authenticate()
            await each.begin()
        compared = sum([await batch(notes, followers, chance) for _ in range(BATCHES[engine])])
        assert compared > BATCHES[engine] * len(followers)
