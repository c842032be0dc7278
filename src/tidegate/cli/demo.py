"""`tidegate demo`: a chat project in `data/`, made on first run, and served."""

import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate import logging as tidegate_logging
from tidegate.access.rights import Rights
from tidegate.app.server import Running
from tidegate.cli.accounts import TOKEN_BYTES
from tidegate.cli.address import LOCAL_URL, listening_socket
from tidegate.cli.administrator import PASSWORD_BYTES
from tidegate.cli.foreground import own_foreground
from tidegate.cli.output import CommandError, say
from tidegate.cli.serving import serve
from tidegate.cli.system import perform
from tidegate.settings import Settings, make_settings, read_environment

FOLDER = Path("data")
DATABASE = "tidegate.db"
TOKEN_FILE = "member-token"  # noqa: S105 - a file's name
ADMIN_EMAIL = "admin@example.com"
MEMBER_EMAIL = "member@example.com"
COLLECTION: Mapping[str, Any] = {
    "collection": "messages",
    "schema": {},
    "meta": {"note": "What is said in the demo"},
    "fields": [
        {"field": "id", "type": "integer", "schema": {"is_primary_key": True, "has_auto_increment": True}, "meta": {}},
        {"field": "text", "type": "text", "schema": {"is_nullable": False}, "meta": {"required": True}},
        {"field": "user_created", "type": "uuid", "schema": {}, "meta": {"special": ["user-created"]}},
        {"field": "date_created", "type": "timestamp", "schema": {}, "meta": {"special": ["date-created"]}},
    ],
}
PERMISSIONS: tuple[Mapping[str, Any], ...] = (
    {"collection": "messages", "action": "read", "permissions": {}, "fields": ["*"]},
    {"collection": "messages", "action": "create", "permissions": {}, "fields": ["text"]},
)


def demo() -> None:
    """Serve the project until told to stop. Raises `SettingsError` or `CommandError`."""
    if not (FOLDER / TOKEN_FILE).exists():
        make_project()
    settings = demo_settings(FOLDER)
    tidegate_logging.configure(settings.log_level, settings.log_style)
    with own_foreground(), listening_socket(settings.host, settings.port) as listener:
        serve(settings, listener, lambda url: say(greeting(url, (FOLDER / TOKEN_FILE).read_text())))


def demo_settings(folder: Path, **more: str) -> Settings:
    """The environment's, but for the database; and for this machine alone, unless HOST says otherwise."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
    database = {"DB_CLIENT": "sqlite3", "DB_FILENAME": str(folder / DATABASE)}
    return make_settings(read_environment({"HOST": "127.0.0.1", **kept, **database, **more}))


def make_project() -> None:
    """Make `data/` as a whole or not at all, and say the administrator's password."""
    if FOLDER.exists() and not (FOLDER.is_dir() and not any(FOLDER.iterdir())):
        raise CommandError(f"{FOLDER}/ holds something else than the demo: move it away, or use tidegate start.")
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    unfinished = FOLDER.with_name(f"{FOLDER.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(mode=0o700)
        fill_folder(unfinished, password)
        unfinished.rename(FOLDER)
    except OSError as error:
        raise CommandError(f"{Path.cwd() / FOLDER} cannot be made: {error.strerror}.") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    say(f"\nMade the demo project in {FOLDER}/. The administrator's password, shown this once: {password}")


def fill_folder(folder: Path, password: str) -> None:
    """The database with an administrator, and the member's token."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    file = folder / TOKEN_FILE
    file.touch(mode=0o600)
    file.write_text(token)

    async def work(server: Running, rights: Rights) -> None:
        await fill_project(server, rights, token)

    perform(demo_settings(folder, ADMIN_EMAIL=ADMIN_EMAIL, ADMIN_PASSWORD=password), work)


async def fill_project(server: Running, rights: Rights, token: str) -> None:
    """The collection, a role that may read it and add to it, and a member with that role."""
    await server.structure.collections.create_one(rights, COLLECTION)
    create = server.items.create
    (policy,) = await create(rights, "directus_policies", [{"name": "Member", "app_access": False}])
    await create(rights, "directus_permissions", [{**permission, "policy": policy} for permission in PERMISSIONS])
    (role,) = await create(rights, "directus_roles", [{"name": "Member"}])
    await create(rights, "directus_access", [{"role": role, "policy": policy}])
    member = {"email": MEMBER_EMAIL, "first_name": "Member", "role": role, "status": "active", "token": token}
    await create(rights, "directus_users", [member])


def greeting(url: str, token: str) -> str:
    """What a person reads when the server answers."""
    elsewhere = "" if url == LOCAL_URL else f" --url {url}"
    token_file = f'"$(cat {FOLDER / TOKEN_FILE})"'
    return "\n".join(
        (
            "",
            f"Tidegate serves the demo in {FOLDER}/ at {url}",
            "",
            f"  Administrator   {ADMIN_EMAIL}",
            f"  Member's token  {token}   (kept in {FOLDER / TOKEN_FILE})",
            "",
            "In a second terminal, follow the messages:",
            "",
            f"  {sys.argv[0]} listen messages{elsewhere} --token {token_file}",
            "",
            "In a third, write one:",
            "",
            f"  curl {url}/items/messages \\",
            f'    -H "Authorization: Bearer $(cat {FOLDER / TOKEN_FILE})" \\',
            '    -H "Content-Type: application/json" \\',
            """    -d '{"text": "hello"}'""",
            "",
            "Ctrl-C ends.",
        )
    )
