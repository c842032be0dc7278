"""The sessions and programs that the documentation prints, pasted into real shells and files."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.conformance.conformance import ADMIN_TOKEN, BASE_ENV
from tests.node.clients import HERE, NODE, install
from tests.support.private_servers import free_port
from tests.support.server import ADMIN, TIDEGATE, running_server
from tidegate.client import Client, Event, Token

ROOT = Path(__file__).parents[3]
PACKAGES = HERE / "node_modules"
DEMO_URL = "http://127.0.0.1:8055"
SECONDS = 30.0


def code_blocks(page: str, heading: str, language: str = "") -> list[str]:
    """The code blocks of one section of a page."""
    section = (ROOT / page).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


class Demo:
    """`tidegate demo` in a folder that has `.venv/bin/tidegate`, as after `make serve`, but on a free port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.environ = {"PATH": os.environ["PATH"], "TIDEGATE_URL": self.url, "PORT": self.url.rpartition(":")[2]}
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / ".venv" / "bin" / "tidegate").symlink_to(TIDEGATE)

    async def run(self, command: str) -> Process:
        """A command as typed into a shell in the folder; it is the process itself that gets our signals."""
        typed = command.strip().replace(DEMO_URL, self.url)
        return await asyncio.create_subprocess_shell(
            f"exec {typed}", cwd=self.folder, env=self.environ, stdout=PIPE, stderr=PIPE
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """What it prints for a person, once it serves. Interrupted at the end, and must end well."""
        process = await self.run(".venv/bin/tidegate demo")
        try:
            greeting = [await line_of(process)]
            while greeting[-1] != "Ctrl-C ends.":
                greeting.append(await line_of(process))
            yield "\n".join(greeting)
        finally:
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), SECONDS) == 0


async def line_of(process: Process) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    line = await asyncio.wait_for(process.stdout.readline(), SECONDS)
    assert line, (await process.stderr.read()).decode()
    return line.decode().rstrip("\n")


async def interrupt(process: Process) -> int:
    process.send_signal(signal.SIGINT)
    return await asyncio.wait_for(process.wait(), SECONDS)


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's session needs curl")
async def test_first_session_of_the_readme_works_as_printed(demo: Demo) -> None:
    listen, create = code_blocks("README.md", "A first session")
    async with demo.serving():
        listener = await demo.run(listen)
        assert await line_of(listener) == "init   (no items yet)"
        creator = await demo.run(create)
        answer, _ = await asyncio.wait_for(creator.communicate(), SECONDS)
        assert b'"text":"hello"' in answer
        assert (await line_of(listener)).startswith('create {"id":1,"text":"hello"')
        assert await interrupt(listener) == 0


async def test_demo_prints_the_commands_of_the_readme(demo: Demo) -> None:
    async with demo.serving() as greeting:
        shown = re.sub(r" --url \S+", "", greeting).replace(demo.url, DEMO_URL)
        plain = " ".join(shown.split())
        for command in code_blocks("README.md", "A first session"):
            assert " ".join(command.split()) in plain


async def test_demo_serves_the_same_data_again_and_shows_the_password_once(demo: Demo) -> None:
    async with demo.serving() as greeting:
        token = (demo.folder / "data" / "member-token").read_text()
        assert token in greeting
        assert re.search(r"password, shown this once: \S{16}\n", greeting)
    (database,) = (demo.folder / "data").glob("*.db")
    size = database.stat().st_size
    async with demo.serving() as greeting:
        assert token in greeting
        assert "password" not in greeting
    assert database.stat().st_size == size


async def test_demo_keeps_its_secrets_to_the_owner(demo: Demo) -> None:
    async with demo.serving():
        modes = {file.name: file.stat().st_mode & 0o777 for file in (demo.folder / "data").iterdir()}
    assert modes["member-token"] == 0o600
    assert modes["tidegate.db.secret"] == 0o600


async def test_demo_leaves_another_project_alone(demo: Demo) -> None:
    (demo.folder / "data").mkdir()
    (demo.folder / "data" / "tidegate.db").write_text("somebody's")
    process = await demo.run(".venv/bin/tidegate demo")
    _, complaint = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode != 0
    assert complaint.decode().startswith("tidegate: data/ holds something else")
    assert (demo.folder / "data" / "tidegate.db").read_text() == "somebody's"


async def test_demo_with_a_wrong_setting_makes_nothing(demo: Demo) -> None:
    demo.environ["WEBSOCKETS_REST_AUTH"] = "perhaps"
    process = await demo.run(".venv/bin/tidegate demo")
    _, complaint = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode != 0
    assert complaint.decode().startswith("tidegate: WEBSOCKETS_REST_AUTH is 'perhaps'")
    assert [file.name for file in demo.folder.iterdir()] == [".venv"]


async def test_python_session_works_as_printed(demo: Demo) -> None:
    (script,) = code_blocks("docs/getting-started.md", "From Python", "python")
    (demo.folder / "chat.py").write_text(script.replace(DEMO_URL, demo.url))
    async with demo.serving():
        printed = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "chat.py"],
            cwd=demo.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert printed.stderr == ""
    first, second = printed.stdout.splitlines()
    assert first == "Event(name='init', data=[])"
    assert second == "Event(name='create', data=[{'id': 1, 'text': 'hello from Python'}])"


@pytest.mark.parametrize("sdk", ["sdk18", "sdk26"])
async def test_javascript_session_works_as_printed(demo: Demo, sdk: str) -> None:
    install()
    (demo.folder / "node_modules" / "@directus").mkdir(parents=True)
    (demo.folder / "node_modules" / "@directus" / "sdk").symlink_to(PACKAGES / sdk)
    (script,) = code_blocks("docs/getting-started.md", "From JavaScript", "js")
    (demo.folder / "chat.mjs").write_text(script.replace(DEMO_URL, demo.url))
    async with demo.serving():
        chat = await demo.run(f"{NODE} chat.mjs")
        assert re.fullmatch(r"{ type: 'subscription', event: 'init', data: \[\], uid: '\d' }", await line_of(chat))
        chat.kill()
        await chat.wait()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the requests need curl")
async def test_requests_for_a_project_of_your_own_make_what_they_say(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "TOKEN": ADMIN_TOKEN}
    async with running_server({}, folder=tmp_path) as server, httpx.AsyncClient(base_url=server.url) as http:
        for request in code_blocks("docs/getting-started.md", "A project of your own"):
            typed = request.replace(DEMO_URL, server.url)
            answer = await asyncio.to_thread(
                subprocess.run, typed, shell=True, env=environ, capture_output=True, timeout=SECONDS, check=True
            )
            assert b'"data"' in answer.stdout
        roles = (await http.get("/roles", headers=ADMIN)).json()["data"]
        (member,) = [role["id"] for role in roles if role["name"] == "Member"]
        users = [{"email": f"{name}@example.com", "role": member, "token": name} for name in ("ada", "bob")]
        assert (await http.post("/users", headers=ADMIN, json=users)).is_success
        ada, bob = ({"Authorization": f"Bearer {user['token']}"} for user in users)
        assert (await http.post("/items/notes", headers=ada, json={"text": "mine"})).is_success
        read = [(await http.get("/items/notes?fields=text", headers=who)).json()["data"] for who in (ada, bob)]
    assert read == [[{"text": "mine"}], []]


async def test_program_that_mounts_tidegate_works_as_printed(tmp_path: Path) -> None:
    (program,) = code_blocks("docs/deployment.md", "In a program of your own", "python")
    (tmp_path / "own.py").write_text(program)
    port, server = free_port(), "tidegate.realtime.uvicorn_protocol:UvicornProtocol"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "own:host", "--ws", server, "--port", str(port)),
        cwd=tmp_path,
        env={**BASE_ENV, "PATH": os.environ["PATH"]},
        stderr=PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            while b"Uvicorn running" not in (line := await process.stderr.readline()):
                assert line
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/realtime", headers=ADMIN) as http:
                fields = [{"field": "id", "type": "integer", "schema": {"is_primary_key": True}}]
                made = await http.post("/collections", json={"collection": "notes", "schema": {}, "fields": fields})
                assert made.is_success
                url = f"ws://127.0.0.1:{port}/realtime/websocket"
                async with Client(url, Token(ADMIN_TOKEN)) as client, client.subscribe("notes") as events:
                    assert (await anext(events)).data == []
                    assert (await http.post("/items/notes", json={"id": 7})).is_success
                    assert await anext(events) == Event("create", [{"id": 7}])
    finally:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), SECONDS)
