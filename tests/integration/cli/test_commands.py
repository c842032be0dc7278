"""The commands as a person runs them: real processes, real files."""

import asyncio
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.private_servers import free_port
from tests.support.server import TIDEGATE, running_server


def tidegate(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the folder, with nothing else in its environment."""
    return subprocess.run(
        [TIDEGATE, *arguments],
        cwd=folder,
        env={"PATH": "", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def said(completed: subprocess.CompletedProcess[str]) -> str:
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_help_names_every_command(tmp_path: Path) -> None:
    help_text = said(tidegate("--help", folder=tmp_path))
    for command in ("start", "bootstrap", "users", "settings", "doctor", "listen", "demo"):
        assert f"\n  {command} " in help_text
    assert "│" not in help_text


def test_version_is_printed(tmp_path: Path) -> None:
    assert said(tidegate("--version", folder=tmp_path)).startswith("tidegate 0.")


def shown_settings(folder: Path, **environ: str) -> Mapping[str, Mapping[str, str]]:
    rows = json.loads(said(tidegate("settings", "--json", folder=folder, **environ)))
    return {row["variable"]: row for row in rows}


def test_settings_show_values_and_where_they_came_from(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=debug\nPORT=1\n")
    (tmp_path / "password").write_text("hush")
    rows = shown_settings(tmp_path, PORT="9000", ADMIN_PASSWORD_FILE="password", ADMIN_EMAIL="a@example.com")
    assert (rows["PORT"]["value"], rows["PORT"]["source"]) == ("9000", "environment")
    assert (rows["LOG_LEVEL"]["value"], rows["LOG_LEVEL"]["source"]) == ("debug", ".env")
    assert (rows["ADMIN_PASSWORD"]["value"], rows["ADMIN_PASSWORD"]["source"]) == ("***", "password")
    assert (rows["ACCESS_TOKEN_TTL"]["value"], rows["ACCESS_TOKEN_TTL"]["source"]) == ("15m", "default")
    assert rows["RATE_LIMITER_WEBSOCKETS_POINTS"]["value"] == "50"


def test_settings_show_no_secret(tmp_path: Path) -> None:
    hidden = {"SECRET": "hush1", "ADMIN_TOKEN": "hush2", "DB_PASSWORD": "hush3", "REDIS": "redis://:hush4@cache"}
    text = said(tidegate("settings", folder=tmp_path, **hidden))
    assert "hush" not in text
    assert "\x1b" not in text


def test_wrong_settings_are_named_after_the_table(tmp_path: Path) -> None:
    wrong = tidegate("settings", folder=tmp_path, PORT="http", LOG_STYLE="loud")
    assert wrong.returncode != 0
    assert wrong.stdout.startswith("variable")
    assert [line.split(" is ")[0] for line in wrong.stderr.splitlines()] == ["tidegate: PORT", "tidegate: LOG_STYLE"]


def test_settings_write_nothing(tmp_path: Path) -> None:
    said(tidegate("settings", folder=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("listen",), ("users", "create"), ("dance",)])
def test_wrong_usage_is_explained(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    wrong = tidegate(*arguments, folder=tmp_path)
    assert wrong.returncode != 0
    assert "Usage: tidegate" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_listening_to_nobody_is_one_sentence(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    failed = tidegate("listen", "messages", "--url", url, folder=tmp_path)
    assert failed.returncode != 0
    (line,) = failed.stderr.splitlines()
    assert line.startswith(f"tidegate: {url} cannot be reached: ")


def test_listening_at_what_is_no_url_is_one_sentence(tmp_path: Path) -> None:
    failed = tidegate("listen", "messages", "--url", "127.0.0.1:8055", folder=tmp_path)
    assert failed.returncode != 0
    assert failed.stderr == "tidegate: 127.0.0.1:8055 is not an http, https, ws or wss URL.\n"


async def test_listening_without_saying_who_one_is_names_the_options(tmp_path: Path) -> None:
    async with running_server({"WEBSOCKETS_REST_AUTH_TIMEOUT": "0.2"}) as server:
        failed = await asyncio.to_thread(tidegate, "listen", "notes", "--url", server.url, folder=tmp_path)
    assert failed.returncode != 0
    assert failed.stderr == f"tidegate: {server.url} refuses: Authentication failed. Give --token or --email.\n"
