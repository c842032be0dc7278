"""`make serve` in a terminal: Ctrl-C ends the server and make both, and both say that all is well."""

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.integration.cli.test_first_session import SECONDS, Demo, line_of

IN_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
CTRL_C = b"\x03"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is missing")
async def test_ctrl_c_in_a_terminal_ends_make_well(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    (tmp_path / "Makefile").write_text("serve:\n\t@.venv/bin/tidegate demo\n")
    terminal = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IN_A_TERMINAL, "make", "serve",
        cwd=tmp_path, env=demo.environ, stdin=PIPE, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert terminal.stdin is not None
    while (await line_of(terminal)).rstrip() != "Ctrl-C ends.":
        pass
    async with connect(demo.url.replace("http", "ws", 1) + "/websocket", proxy=None) as socket:
        terminal.stdin.write(CTRL_C)
        assert await asyncio.wait_for(terminal.wait(), SECONDS) == 0
        await socket.wait_closed()
        assert socket.close_code == 1001
