"""Random lives of connections, held against a plain model of PROTOCOL sections 3.1 to 3.3 and 6.

A real server (in this process, on SQLite, with time passed in) and up to five sockets on it. After every step each
socket reads, and everything that came is compared: what it reads and hears is what HTTP gives that identity at that
moment, and nothing is said but what the model foresees. `hidden_things` may be read by administrators alone: whoever
gets it reads as the system (CVE-2026-126539, CVE-2024-54151).
"""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import argon2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.conformance.conformance import BASE_ENV
from tests.integration.http.project import Project, seeded_project
from tests.integration.websocket.client import Client, Refused
from tidegate.access import tokens
from tidegate.access.sessions import GRACE

MODES = ("public", "handshake", "strict")
AUTH_TIMEOUT = 10.0
ACCESS_TTL = 900.0
MOST = 5
"""Sockets at once."""
FIELDS = {"notes": "id,title,owner", "messages": "*", "hidden_things": "*"}
"""What is read: one's own rows, what everybody may see, what nobody may see."""
WHO = st.sampled_from((0, 1))
NUMBER = st.integers(0, 5)
_CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_names = itertools.count()


@dataclass(eq=False)
class Session:
    user: "Person"
    token: str
    line: list["Session"]
    """With all that replaced it or that it replaced, oldest first."""
    replaced_at: float | None = None
    ended: bool = False


@dataclass(eq=False)
class Person:
    id: str
    email: str
    password: str
    static: str
    active: bool = True
    sessions: list[Session] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Credential:
    """Something to authenticate with, and what the model knows of it."""

    message: dict[str, str]
    user: Person | None = None
    expires: float | None = None
    session: Session | None = None
    static: str | None = None


@dataclass(eq=False)
class Socket:
    client: Client
    state: str
    """`waiting`, `public`, `user`, `expired` or `closed`."""
    deadline: float | None = None
    user: Person | None = None
    session: Session | None = None
    static: str | None = None
    subscriptions: dict[str, str] = field(default_factory=dict)
    """Collections by uid."""
    said: list[str] = field(default_factory=list)
    """What it is to be told about authentication: `ok`, or an error's code."""
    events: list[tuple[str, str, Any]] = field(default_factory=list)
    """What it is to hear: uid, event, data."""


class World:
    """The servers, one for each mode, and the loop that they run in."""

    def __init__(self, folder: Path) -> None:
        """Each in a subfolder."""
        self.runner = asyncio.Runner()
        self.projects: dict[str, Project] = {}
        self._stack = AsyncExitStack()
        self.runner.run(self._start(folder))

    async def _start(self, folder: Path) -> None:
        for mode in MODES:
            (folder / mode).mkdir()
            environ = {"WEBSOCKETS_REST_AUTH": mode, "WEBSOCKETS_REST_AUTH_TIMEOUT": str(int(AUTH_TIMEOUT))}
            project = await self._stack.enter_async_context(seeded_project(folder / mode, environ))
            await project.ask("PATCH", "/settings", {"auth_login_attempts": None})
            _, policy = await project.ask("POST", "/policies", {"name": "Own"})
            own = {"collection": "notes", "permissions": {"owner": {"_eq": "$CURRENT_USER"}}, "fields": ["*"]}
            await project.ask("POST", "/permissions", {"policy": policy["data"]["id"], "action": "read", **own})
            project.ids["own_policy"] = policy["data"]["id"]
            self.projects[mode] = project

    def stop(self) -> None:
        self.runner.run(self._stack.aclose())
        self.runner.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        # What a hash costs is no matter here, and most of what a login does.
        patch.setattr(argon2, "PasswordHasher", lambda **_: _CHEAP)
        made = World(tmp_path_factory.mktemp("lives"))
        yield made
        made.stop()


class Lives(RuleBasedStateMachine):
    """Rules do something to the server and tell the model; `everything_is_as_it_must_be` compares."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.sockets: list[Socket] = []
        self.probes = itertools.count()

    def run(self, work: Any) -> Any:
        return self.world.runner.run(work)

    @property
    def now(self) -> float:
        return self.project.clock.now()

    @property
    def guarded(self) -> bool:
        return self.mode != "public"

    @initialize(
        mode=st.sampled_from(MODES), kinds=st.lists(st.sampled_from(("static", "access")), min_size=3, max_size=3)
    )
    def begin(self, mode: str, kinds: list[str]) -> None:
        self.mode = mode
        self.project = self.world.projects[mode]
        self.people = self.run(self._people())
        for who, kind in enumerate(kinds):
            self.open_socket(who % 2, kind, cookie=False)
            self.subscribe(who, ("notes", "messages")[who % 2])
        self.authenticate(0, 0, "password")

    def teardown(self) -> None:
        async def leave() -> None:
            for socket in self.sockets:
                await socket.client.__aexit__()
            await self.ask("DELETE", "/users", [person.id for person in self.people])

        if hasattr(self, "people"):
            self.run(leave())

    async def _people(self) -> list[Person]:
        people = []
        for _ in range(2):
            name = f"person-{next(_names)}"
            body = {"email": f"{name}@example.com", "password": name, "token": f"static-{name}"}
            made = await self.ask("POST", "/users", {**body, "role": self.project.ids["member_role"]})
            people.append(Person(made["data"]["id"], body["email"], name, body["token"]))
            # Whatever becomes of the role, a note of one's own says who one is.
            await self.ask("POST", "/access", {"user": people[-1].id, "policy": self.project.ids["own_policy"]})
            await self.ask("POST", "/items/notes", {"title": name, "owner": people[-1].id})
        return people

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """As the administrator."""
        status, answer = await self.project.ask(method, path, body)
        assert status < 300, (path, status, answer)
        return answer

    # Opening and closing

    @precondition(lambda self: len(self.sockets) < MOST)
    @rule(
        who=WHO, kind=st.sampled_from(("none", "static", "access", "expired", "bad", "session")), cookie=st.booleans()
    )
    def open_socket(self, who: int, kind: str, cookie: bool) -> None:
        credential = None if kind == "none" else self._token(self.people[who], kind)
        headers, path = {}, "/websocket"
        if credential is not None and cookie:
            headers["cookie"] = f"directus_session_token={credential.message['access_token']}"
        elif credential is not None:
            path += f"?access_token={credential.message['access_token']}"
        client = Client(self.project.app, path, headers)
        refused = self.mode == "strict" if credential is None else not self._is_good(credential)
        if refused:
            with pytest.raises(Refused, match="401"):
                self.run(client.__aenter__())
            return
        self.run(client.__aenter__())
        if credential is not None:
            socket = Socket(client, "user")
            self._become(socket, credential)
        elif self.mode == "public":
            socket = Socket(client, "public")
        else:
            socket = Socket(client, "waiting", self.now + AUTH_TIMEOUT)
        self.sockets.append(socket)

    @precondition(lambda self: self.sockets)
    @rule(number=NUMBER)
    def hang_up(self, number: int) -> None:
        socket = self.sockets.pop(number % len(self.sockets))
        self.run(socket.client.__aexit__())

    # Authentication

    @precondition(lambda self: self.sockets)
    @rule(
        number=NUMBER,
        who=WHO,
        kind=st.sampled_from(
            ("static", "access", "expired", "bad", "session", "password", "wrong", "refresh", "reuse")
        ),
    )
    def authenticate(self, number: int, who: int, kind: str) -> None:
        socket = self.sockets[number % len(self.sockets)]
        credential = self._credential(self.people[who], kind)
        good = self._is_good(credential)
        self._use(credential)
        answer = self.run(self._authenticate(socket, credential))
        if good:
            assert answer["status"] == "ok", (kind, answer)
            if "password" in credential.message or "refresh_token" in credential.message:
                credential = self._opened(credential, answer["refresh_token"])
            self._become(socket, credential)
        else:
            assert answer["error"]["code"] == "AUTH_FAILED", (kind, answer)
            self._fail(socket)
            socket.said.clear()  # it is `answer`

    async def _authenticate(self, socket: Socket, credential: Credential) -> Any:
        """The answer, after what was due before."""
        self._pass_time(socket)
        await socket.client.send(type="auth", **credential.message)
        if socket.state == "waiting" and socket.deadline is not None and self.now >= socket.deadline:
            raise AssertionError("the invariant lets no handshake outlast its time")
        return await self._next(socket)

    async def _next(self, socket: Socket) -> Any:
        message = await socket.client.receive()
        assert message is not None, "closed"
        return message

    def _credential(self, person: Person, kind: str) -> Credential:
        if kind == "password":
            return Credential({"email": person.email, "password": person.password}, person)
        if kind == "wrong":
            return Credential({"email": person.email, "password": "wrong"})
        if kind in ("refresh", "reuse"):
            used = kind == "reuse"
            for session in reversed(person.sessions):
                if (session.replaced_at is not None) == used and not session.ended:
                    return Credential({"refresh_token": session.token}, None if used else person, session=session)
            return Credential({"refresh_token": "x" * 64})
        return self._token(person, kind)

    def _token(self, person: Person, kind: str) -> Credential:
        match kind:
            case "static":
                return Credential({"access_token": person.static}, person, static=person.static)
            case "access" | "expired":
                expires = int(self.now + (ACCESS_TTL if kind == "access" else -1))
                return Credential({"access_token": self._minted(person, expires)}, person, float(expires))
            case "session" if person.active:
                signed_in: Credential = self.run(self._session_token(person))
                return signed_in
        return Credential({"access_token": "bad"})

    def _minted(self, person: Person, expires: int) -> str:
        claims = tokens.Claims(person.id, None, False, False, int(self.now), expires)
        return tokens.encode(claims, BASE_ENV["SECRET"])

    async def _session_token(self, person: Person) -> Credential:
        body = {"email": person.email, "password": person.password, "mode": "session"}
        answer = await self.project.client.post("/auth/login", json=body)
        self.project.client.cookies.clear()
        token = answer.cookies["directus_session_token"]
        claims = tokens.decode(token, BASE_ENV["SECRET"], self.now)
        assert claims.session is not None
        session = Session(person, claims.session, [])
        session.line.append(session)
        return Credential({"access_token": token}, person, claims.expires, session)

    def _is_good(self, credential: Credential) -> bool:
        """By the model alone."""
        person = credential.user
        if person is None or not person.active:
            return False
        if credential.static is not None and credential.static != person.static:
            return False
        if credential.expires is not None and credential.expires <= self.now:
            return False
        return credential.session is None or not credential.session.ended

    def _use(self, credential: Credential) -> None:
        """A token that was used before, presented again, ends its line, unless somebody was only in a hurry."""
        used = credential.session
        if used is not None and used.replaced_at is not None and self.now > used.replaced_at + GRACE:
            self._end(used.line)

    def _opened(self, credential: Credential, refresh_token: str) -> Credential:
        person = credential.user
        assert person is not None
        line: list[Session] = []
        if credential.session is not None:
            credential.session.replaced_at = self.now
            line = credential.session.line
        session = Session(person, refresh_token, line)
        line.append(session)
        person.sessions.append(session)
        return Credential({}, person, float(int(self.now + ACCESS_TTL)), session)

    # What happens to everybody

    @rule(seconds=st.sampled_from((3.0, 11.0, 450.0, 901.0)))
    def time_passes(self, seconds: float) -> None:
        self.project.clock.advance(seconds)

    @rule(
        who=WHO,
        how=st.sampled_from(
            ("_have_token_stolen", "_suspend_or_restore", "_replace_static_token", "_change_password", "_log_out")
        ),
    )
    def change_user(self, who: int, how: str) -> None:
        getattr(self, how)(self.people[who])

    def _suspend_or_restore(self, person: Person) -> None:
        person.active = not person.active
        status = "active" if person.active else "suspended"
        self.run(self.ask("PATCH", f"/users/{person.id}", {"status": status}))
        self._revoke(lambda socket: socket.user is person and not person.active)

    def _replace_static_token(self, person: Person) -> None:
        person.static = f"static-{next(_names)}"
        self.run(self.ask("PATCH", f"/users/{person.id}", {"token": person.static}))
        self._revoke(lambda socket: socket.user is person and socket.static not in (None, person.static))

    def _change_password(self, person: Person) -> None:
        person.password = f"password-{next(_names)}"
        self.run(self.ask("PATCH", f"/users/{person.id}", {"password": person.password}))
        hung_on = {socket.session for socket in self.sockets if socket.session is not None}
        self._end([session for session in {*person.sessions, *hung_on} if session.user is person])

    def _have_token_stolen(self, person: Person) -> None:
        """Somebody else has used the refresh token, and then its owner does."""
        session = next((found for found in reversed(person.sessions) if not (found.replaced_at or found.ended)), None)
        if session is not None and person.active:
            body = {"refresh_token": session.token}
            first = self.run(self.project.client.post("/auth/refresh", json=body))
            self._opened(Credential({}, person, session=session), first.json()["data"]["refresh_token"])
            self.project.clock.advance(GRACE + 1)
            for token in (session.token, first.json()["data"]["refresh_token"]):
                again = self.project.client.post("/auth/refresh", json={"refresh_token": token})
                assert self.run(again).status_code == 401
            self._end(session.line)

    def _log_out(self, person: Person) -> None:
        session = next((found for found in reversed(person.sessions) if not found.ended), None)
        if session is not None:
            answer = self.run(self.project.client.post("/auth/logout", json={"refresh_token": session.token}))
            assert answer.status_code == 204
            self._end(session.line[session.line.index(session) :])

    @rule(who=WHO, member=st.booleans())
    def change_role(self, who: int, member: bool) -> None:
        role = self.project.ids["member_role"] if member else None
        self.run(self.ask("PATCH", f"/users/{self.people[who].id}", {"role": role}))

    @rule(fields=st.sampled_from((["*"], ["id", "room"], ["id"])))
    def change_permission(self, fields: list[str]) -> None:
        query = "filter[collection][_eq]=messages&filter[action][_eq]=read&fields=id"
        policy = f"filter[policy][_eq]={self.project.ids['member_policy']}"
        for permission in self.run(self.ask("GET", f"/permissions?{query}&{policy}"))["data"]:
            self.run(self.ask("PATCH", f"/permissions/{permission['id']}", {"fields": fields}))

    # Subscriptions and writes

    @precondition(lambda self: any(socket.state != "waiting" for socket in self.sockets))
    @rule(number=NUMBER, collection=st.sampled_from(("notes", "messages", "hidden_things")))
    def subscribe(self, number: int, collection: str) -> None:
        admitted = [socket for socket in self.sockets if socket.state != "waiting"]
        socket = admitted[number % len(admitted)]

        async def work() -> None:
            readable = await self._rows(socket.user, collection)
            fields = FIELDS[collection].split(",")
            answer = await socket.client.ask(
                type="subscribe", collection=collection, query={"fields": fields}, uid=collection
            )
            if isinstance(readable, str):
                assert answer["error"]["code"] == readable
            else:
                assert (answer["event"], answer["data"]) == ("init", readable)
                socket.subscriptions[collection] = collection

        self.run(work())

    @rule(
        who=st.sampled_from((0, 1, None)),
        collection=st.sampled_from(("notes", "messages", "hidden_things")),
        after=st.sampled_from((901.0, 0.0)),
    )
    def create(self, who: int | None, collection: str, after: float) -> None:
        """`after` seconds in which no socket has said or heard anything."""
        self.project.clock.advance(after)
        owner = None if who is None else self.people[who].id
        title = {"notes": "title", "messages": "text", "hidden_things": "name"}[collection]
        row = {title: f"row {next(_names)}", **({"owner": owner} if collection == "notes" else {})}
        key = self.run(self.ask("POST", f"/items/{collection}", row))["data"]["id"]
        self._foresee("create", collection, key)

    @rule(who=st.sampled_from((0, 1, None)), collection=st.sampled_from(("notes", "messages")))
    def update(self, who: int | None, collection: str) -> None:
        key = self._some(collection)
        if key is not None:
            change: dict[str, Any] = {"owner": None if who is None else self.people[who].id}
            if collection == "messages":
                change = {"text": f"row {next(_names)}"}
            self.run(self.ask("PATCH", f"/items/{collection}/{key}", change))
            self._foresee("update", collection, key)

    @rule(collection=st.sampled_from(("notes", "messages")))
    def delete(self, collection: str) -> None:
        key = self._some(collection)
        if key is not None:
            self._foresee("delete", collection, key)
            self.run(self.ask("DELETE", f"/items/{collection}/{key}"))

    def _some(self, collection: str) -> int | None:
        found = self.run(self.ask("GET", f"/items/{collection}?fields=id&sort=-id&limit=1"))["data"]
        return found[0]["id"] if found else None

    def _foresee(self, event: str, collection: str, key: int) -> None:
        """What HTTP gives of the row is what subscribers hear of it."""
        for socket in self.sockets:
            if collection not in socket.subscriptions.values():
                continue
            person = self._in_force(socket)
            row = self.run(self._row(person, collection, key))
            if row is not None:
                data = str(key) if event == "delete" else row
                socket.events.append((collection, event, [data]))

    # The model

    def _become(self, socket: Socket, credential: Credential) -> None:
        socket.state, socket.user = "user", credential.user
        socket.deadline = credential.expires
        socket.session, socket.static = credential.session, credential.static

    def _leave(self, socket: Socket, state: str) -> None:
        socket.state, socket.deadline = state, None
        socket.user = socket.session = socket.static = None

    def _fail(self, socket: Socket) -> None:
        socket.said.append("AUTH_FAILED")
        self._leave(socket, "closed" if self.guarded else "public")

    def _in_force(self, socket: Socket) -> Person | None:
        expired = socket.deadline is not None and socket.deadline <= self.now
        return None if expired else socket.user

    def _pass_time(self, socket: Socket) -> None:
        if socket.deadline is None or self.now < socket.deadline:
            return
        match socket.state:
            case "waiting":
                self._fail(socket)
            case "user":
                socket.said.append("TOKEN_EXPIRED")
                self._leave(socket, "expired")
                socket.deadline = self.now + AUTH_TIMEOUT
            case "expired":
                socket.said.append("AUTH_TIMEOUT")
                self._leave(socket, "closed" if self.guarded else "public")

    def _revoke(self, ended: Any) -> None:
        for socket in self.sockets:
            self._pass_time(socket)
            if socket.state == "user" and ended(socket):
                self._fail(socket)

    def _end(self, sessions: list[Session]) -> None:
        for session in sessions:
            session.ended = True
        self._revoke(lambda socket: socket.session is not None and socket.session in sessions)

    # What HTTP gives

    async def _get(self, person: Person | None, path: str) -> tuple[int, Any]:
        token = None if person is None else self._minted(person, int(self.now) + 60)
        return await self.project.ask("GET", path, token=token)

    async def _rows(self, person: Person | None, collection: str) -> Any:
        """Everything that they may read, or the code of the refusal."""
        status, answer = await self._get(person, f"/items/{collection}?fields={FIELDS[collection]}")
        return answer["data"] if status == 200 else answer["errors"][0]["extensions"]["code"]

    async def _row(self, person: Person | None, collection: str, key: int) -> Any:
        status, answer = await self._get(person, f"/items/{collection}/{key}?fields={FIELDS[collection]}")
        return answer["data"] if status == 200 else None

    @invariant()
    def everything_is_as_it_must_be(self) -> None:
        if hasattr(self, "people"):
            self.run(self._compare())

    async def _compare(self) -> None:
        given = {
            (person, collection): await self._rows(person, collection)
            for person in (None, *(person for person in self.people if person.active))
            for collection in FIELDS
        }
        assert given[None, "hidden_things"] == "FORBIDDEN"
        for socket in tuple(self.sockets):
            self._pass_time(socket)
            if socket.state == "waiting":
                continue
            said, events, reads = await self._probe(socket)
            assert said == socket.said, f"said {said}, not {socket.said}"
            assert events == socket.events, f"heard {events}, not {socket.events}"
            socket.said, socket.events = [], []
            if socket.state == "closed":
                self.sockets.remove(socket)
                await socket.client.__aexit__()
            else:
                assert reads == {collection: given[socket.user, collection] for collection in FIELDS}

    async def _probe(self, socket: Socket) -> tuple[list[str], list[tuple[str, str, Any]], dict[str, Any]]:
        """Read each collection; all that came until then and, where more events are foreseen, until those came."""
        said: list[str] = []
        events: list[tuple[str, str, Any]] = []
        reads: dict[str, Any] = {}
        probe = f"probe {next(self.probes)}"
        for collection, fields in FIELDS.items():
            query = {"fields": fields.split(",")}
            await socket.client.send(
                type="items", action="read", collection=collection, query=query, uid=f"{probe} {collection}"
            )
        while len(reads) < len(FIELDS) or len(events) < len(socket.events):
            message = await socket.client.receive()
            if message is None:
                assert socket.state == "closed", "closed without a reason"
                assert socket.client.close_code == 1000
                break
            match message:
                case {"type": "auth", "status": "ok"}:
                    said.append("ok")
                case {"type": "auth", "error": error}:
                    said.append(error["code"])
                case {"type": "items", "uid": uid}:
                    name, _, collection = uid.rpartition(" ")
                    assert name == probe
                    reads[collection] = message["data"] if "data" in message else message["error"]["code"]
                case {"type": "subscription", "event": event}:
                    events.append((message["uid"], event, message["data"]))
                case _:
                    raise AssertionError(f"not foreseen: {message}")
        return said, events, reads


def test_every_identity_reads_and_hears_what_http_gives_it(world: World) -> None:
    class LivesHere(Lives):
        pass

    LivesHere.world = world
    run_state_machine_as_test(
        LivesHere,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
