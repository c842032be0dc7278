"""The files of `deploy/`, as far as they can be proven without the machines that they are for."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from tests.support.nginx import nginx_command
from tidegate.settings import load_settings, read_environment, variables

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
KNOWN = {variable.name for variable in variables()}
UPSTREAMS = {"upstream-host.conf": 1, "upstream-compose.conf": 2}
"""How many processes each names."""


def env_file(name: str) -> dict[str, str]:
    return {key: value or "" for key, value in dotenv_values(DEPLOY / name, interpolate=False).items()}


@pytest.fixture
def compose() -> Mapping[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: compose.yaml is not read")
    read: Mapping[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return read


def test_compose_file_has_two_processes_behind_a_proxy(compose: Mapping[str, Any]) -> None:
    services = compose["services"]
    assert services.keys() == {"app-1", "app-2", "database", "bus", "proxy"}
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        assert ("image" in service) != ("build" in service)
    for name in ("app-1", "app-2"):
        build = services[name]["build"]
        assert (DEPLOY / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).is_file()
    mounted = [volume.split(":")[0] for volume in services["proxy"]["volumes"]]
    assert all((DEPLOY / path).is_file() for path in mounted)
    assert {name for service in services.values() for name in named_volumes(service)} == compose["volumes"].keys()


def named_volumes(service: Mapping[str, Any]) -> list[str]:
    names = (volume.split(":")[0] for volume in service.get("volumes", ()))
    return [name for name in names if not name.startswith((".", "/"))]


def test_compose_file_is_what_compose_reads(tmp_path: Path, compose: Mapping[str, Any]) -> None:
    command = compose_command()
    if command is None:
        pytest.skip("docker compose is not installed: compose.yaml is not read by it")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    for name in ("secrets.env", "database.env"):
        shutil.copy(DEPLOY / f"{name}.example", tmp_path / "deploy" / name)
    file = str(tmp_path / "deploy" / "compose.yaml")
    read = subprocess.run([*command, "-f", file, "config", "--services"], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")
    assert set(read.stdout.split()) == compose["services"].keys()


def compose_command() -> list[str] | None:
    """The plugin of docker, or the program that it was before."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is not None:
            asked = subprocess.run([*command, "version"], capture_output=True, check=False)
            if asked.returncode == 0:
                return command
    return None


def test_container_drains_before_it_is_killed(compose: Mapping[str, Any]) -> None:
    for name in ("app-1", "app-2"):
        service = compose["services"][name]
        settings = load_settings({**service["environment"], **env_file("secrets.env.example")})
        assert service["stop_signal"] == "SIGHUP"
        assert int(service["stop_grace_period"].removesuffix("s")) > settings.websockets_drain_time


def test_settings_of_the_compose_file_are_good_ones(compose: Mapping[str, Any]) -> None:
    database = compose["services"]["database"]["environment"]
    for name in ("app-1", "app-2"):
        given = compose["services"][name]["environment"]
        secrets = env_file("secrets.env.example")
        assert given.keys() | secrets.keys() <= KNOWN
        settings = load_settings({**given, **secrets})
        assert (settings.db_user, settings.db_database) == (database["POSTGRES_USER"], database["POSTGRES_DB"])
        assert settings.db_host in compose["services"]
        assert settings.redis_url is not None
        assert settings.redis_url.split("/")[2].split(":")[0] in compose["services"]


def test_containers_are_given_their_own_secrets(compose: Mapping[str, Any]) -> None:
    files = {name: service.get("env_file") for name, service in compose["services"].items()}
    given = dict.fromkeys(("app-1", "app-2"), "secrets.env") | {"database": "database.env", "bus": None, "proxy": None}
    assert files == given
    assert env_file("database.env.example") == {"POSTGRES_PASSWORD": env_file("secrets.env.example")["DB_PASSWORD"]}


def test_settings_of_the_unit_are_good_ones() -> None:
    given = env_file("tidegate.env.example")
    assert given.keys() <= KNOWN
    reading = read_environment(given)
    assert (list(reading.problems), list(reading.warnings)) == ([], [])
    assert load_settings(given).redis_url is not None, "several workers need it"


def test_unit_runs_a_command_that_there_is_and_verifies(tmp_path: Path) -> None:
    text = (DEPLOY / "tidegate.service").read_text(encoding="utf-8")
    command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert command is not None
    program, *arguments = shlex.split(command[1])
    here = str(Path(sys.executable).with_name(Path(program).name))
    helped = subprocess.run([here, *arguments, "--help"], capture_output=True, text=True, check=True)
    assert "--workers" in helped.stdout
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: the unit is not verified")
    unit = tmp_path / "tidegate.service"
    local = "\n".join(line for line in text.splitlines() if not line.startswith("Documentation="))
    unit.write_text(local.replace(program, here))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    ours = [line for line in verified.stderr.splitlines() if "tidegate" in line]
    assert (verified.returncode, ours) == (0, []), verified.stderr


@pytest.mark.parametrize(("upstream", "processes"), UPSTREAMS.items())
def test_site_is_what_nginx_reads(tmp_path: Path, upstream: str, processes: int) -> None:
    command = nginx_command(tmp_path, upstream, 8080, [8055] * processes)
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr


@pytest.mark.parametrize("name", ["tidegate.conf", *UPSTREAMS])
def test_site_is_made_of_whole_directives(name: str) -> None:
    text = (DEPLOY / "nginx" / name).read_text(encoding="utf-8")
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    depth = 0
    for line in lines:
        if line and not line.startswith("#"):
            assert line.endswith((";", "{", "}")), line
            depth += line.count("{") - line.count("}")
            assert depth >= 0
    assert depth == 0


def test_site_passes_sockets_on_and_logs_no_tokens(compose: Mapping[str, Any]) -> None:
    site = (DEPLOY / "nginx" / "tidegate.conf").read_text(encoding="utf-8")
    directives = [line.strip() for line in site.splitlines() if not line.strip().startswith("#")]
    assert "proxy_set_header Upgrade $http_upgrade;" in directives
    assert "proxy_set_header Host $http_host;" in directives, "the origin of a page is compared with it"
    assert not any(name in line for line in directives for name in ("$request ", '$request"', "$args", "$request_uri"))
    processes = re.findall(r"server (app-\d):8055;", (DEPLOY / "nginx" / "upstream-compose.conf").read_text())
    assert set(processes) == {name for name in compose["services"] if name.startswith("app-")}


def test_image_is_made_of_what_is_sent_to_the_builder() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names == sent
    assert all((ROOT / name).exists() for name in names)
