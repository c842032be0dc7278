"""`tidegate bootstrap` and `tidegate users`, on real databases, seen through a real server afterwards."""

import re
from pathlib import Path

import httpx

from tests.integration.cli.test_commands import said, tidegate
from tests.support import directus
from tests.support.engines import environment
from tests.support.server import running_server

SECRET = "secret-of-these-tests-secret-of-these-tests"


def bootstrapped(folder: Path, **environ: str) -> str:
    return said(tidegate("bootstrap", folder=folder, SECRET=SECRET, **environ))


async def logs_in(folder: Path, email: str, password: str) -> bool:
    """Whether a server on the folder's database lets the user in."""
    variables = {"SECRET": SECRET, "DB_FILENAME": str(folder / "data" / "tidegate.db")}
    async with running_server(variables) as server, httpx.AsyncClient(base_url=server.url) as client:
        return (await client.post("/auth/login", json={"email": email, "password": password})).is_success


async def test_bootstrap_makes_the_administrator_with_a_generated_password(tmp_path: Path) -> None:
    printed = bootstrapped(tmp_path, ADMIN_EMAIL="root@example.com")
    password = re.search(r"Password \(shown this once\): (\S{16})\n", printed)
    assert password is not None
    assert await logs_in(tmp_path, "root@example.com", password[1])


async def test_bootstrap_does_not_print_a_password_that_was_given(tmp_path: Path) -> None:
    printed = bootstrapped(tmp_path, ADMIN_EMAIL="root@example.com", ADMIN_PASSWORD="given-password")
    assert printed == "Made the system tables and the administrator root@example.com.\n"
    assert await logs_in(tmp_path, "root@example.com", "given-password")


async def test_start_tells_of_the_administrator_that_it_made_once(tmp_path: Path) -> None:
    environ = {"ADMIN_EMAIL": "root@example.com", "ADMIN_PASSWORD": "", "ADMIN_TOKEN": ""}
    async with running_server(environ, folder=tmp_path) as server:
        password = re.search(r"Password \(shown this once\): (\S{16})\n", server.log)
        assert password is not None
        async with httpx.AsyncClient(base_url=server.url) as client:
            credentials = {"email": "root@example.com", "password": password[1]}
            assert (await client.post("/auth/login", json=credentials)).is_success
    async with running_server(environ, folder=tmp_path) as server:
        assert "Password" not in server.log


async def test_start_without_an_administrator_says_how_to_make_one(tmp_path: Path) -> None:
    environ = {"ADMIN_EMAIL": "", "ADMIN_PASSWORD": "", "ADMIN_TOKEN": ""}
    async with running_server(environ, folder=tmp_path) as server:
        assert "tidegate users create --role Administrator" in server.log


def test_bootstrap_leaves_a_bootstrapped_database_alone(tmp_path: Path) -> None:
    bootstrapped(tmp_path)
    assert bootstrapped(tmp_path, ADMIN_EMAIL="late@example.com") == (
        "The database has its system tables already; nothing was done.\n"
    )


async def test_users_are_made_with_their_role(tmp_path: Path) -> None:
    assert "tidegate users create --role Administrator" in bootstrapped(tmp_path)
    create = ("users", "create", "--email", "ada@example.com", "--password", "pw-of-ada", "--role", "Administrator")
    assert re.fullmatch(r"[0-9a-f-]{36}\n", said(tidegate(*create, folder=tmp_path, SECRET=SECRET)))
    assert await logs_in(tmp_path, "ada@example.com", "pw-of-ada")


def test_user_is_made_once(tmp_path: Path) -> None:
    create = ("users", "create", "--email", "ada@example.com", "--password", "pw-of-ada")
    said(tidegate(*create, folder=tmp_path, SECRET=SECRET))
    again = tidegate(*create, folder=tmp_path, SECRET=SECRET)
    assert again.returncode != 0
    assert again.stderr == "tidegate: There is a user ada@example.com already.\n"


def test_unknown_role_is_answered_with_those_there_are(tmp_path: Path) -> None:
    create = ("users", "create", "--email", "ada@example.com", "--password", "pw", "--role", "Boss")
    failed = tidegate(*create, folder=tmp_path, SECRET=SECRET)
    assert failed.returncode != 0
    assert failed.stderr == "tidegate: There is no role Boss; there are: Administrator.\n"


async def test_name_of_several_roles_is_answered_with_their_ids(tmp_path: Path) -> None:
    bootstrapped(tmp_path)
    ids = [f"{digit * 8}-0000-4000-8000-000000000000" for digit in "12"]
    rows = [f"INSERT INTO directus_roles (id, name) VALUES ('{one}', 'Editor')" for one in ids]
    await directus.ask("sqlite", f"sqlite://{tmp_path}/data/tidegate.db", rows)
    create = ("users", "create", "--email", "ada@example.com", "--password", "pw-of-ada", "--role")
    failed = tidegate(*create, "Editor", folder=tmp_path, SECRET=SECRET)
    assert failed.returncode != 0
    assert failed.stderr == f"tidegate: There are 2 roles Editor: give the id of one, {ids[0]} or {ids[1]}.\n"
    said(tidegate(*create, ids[1], folder=tmp_path, SECRET=SECRET))
    users = "SELECT role FROM directus_users WHERE email = 'ada@example.com'"
    assert await directus.ask("sqlite", f"sqlite://{tmp_path}/data/tidegate.db", [users]) == [(ids[1],)]


async def test_token_of_a_user_works_until_the_next(database_url: str, tmp_path: Path) -> None:
    environ = {"SECRET": SECRET, "ADMIN_EMAIL": "root@example.com", **environment(database_url)}
    tokens = [
        said(tidegate("users", "token", "--email", "root@example.com", folder=tmp_path, **environ)).strip()
        for _ in range(2)
    ]
    async with running_server(environ) as server, httpx.AsyncClient(base_url=server.url) as client:
        answers = [
            (await client.get("/users/me", headers={"Authorization": f"Bearer {token}"})).status_code
            for token in tokens
        ]
    assert answers == [401, 200]


def test_token_of_nobody_is_refused(tmp_path: Path) -> None:
    failed = tidegate("users", "token", "--email", "nobody@example.com", folder=tmp_path, SECRET=SECRET)
    assert failed.returncode != 0
    assert failed.stderr == "tidegate: There is no user nobody@example.com.\n"


def test_database_that_is_away_is_one_sentence(tmp_path: Path) -> None:
    away = {"DB_CLIENT": "pg", "DB_CONNECTION_STRING": "postgres://me:hush@127.0.0.1:1/app", "SECRET": SECRET}
    failed = tidegate("bootstrap", folder=tmp_path, **away)
    assert failed.returncode != 0
    (line,) = failed.stderr.splitlines()
    assert line.startswith("tidegate: The database 127.0.0.1:1/app cannot be used: ")
    assert "hush" not in line
