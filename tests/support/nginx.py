"""nginx with the site of `deploy/nginx`, on ports and in a folder of the tests' own."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "deploy" / "nginx"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_command(folder: Path, upstream: str, port: int, processes: Sequence[int]) -> list[str]:
    """nginx serving the site on this port of 127.0.0.1; its configuration and logs are in `folder`.

    `upstream` is a file of `deploy/nginx`; its servers become the `processes`, by their ports, in order.
    Skips the test where nginx is missing.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed: the site of deploy/nginx is not tested by it")
    ports = iter(processes)
    balanced = re.sub(
        r"(?<=server )[\w.-]+:\d+", lambda _: f"127.0.0.1:{next(ports)}", (SITE / upstream).read_text(encoding="utf-8")
    )
    assert next(ports, None) is None, f"{upstream} names fewer processes"
    (folder / "upstream.conf").write_text(balanced)
    site = (SITE / "tidegate.conf").read_text(encoding="utf-8")
    for given, ours in (
        ("/etc/nginx/tidegate-upstream.conf", str(folder / "upstream.conf")),
        ("/var/log/nginx", str(folder)),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
    ):
        assert given in site
        site = site.replace(given, ours)
    user = "user root;" if os.geteuid() == 0 else ""  # who may read the folder of a test
    paths = "".join(f"{name}_temp_path {folder / name};" for name in TEMPORARY)
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; events {{}} http {{ {paths} {site} }}"
    )
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors")]


@contextmanager
def running_nginx(folder: Path, upstream: str, port: int, processes: Sequence[int]) -> Iterator[None]:
    """Serve until the end; may not listen yet at the beginning."""
    with subprocess.Popen(nginx_command(folder, upstream, port, processes)) as process:
        try:
            yield
        finally:
            process.terminate()
