"""`tidegate bootstrap` and `tidegate users`."""

import secrets

from tidegate.access.rights import Rights
from tidegate.app.configured import query_limits
from tidegate.app.server import Running
from tidegate.cli.administrator import introduction, with_password
from tidegate.cli.output import CommandError, say
from tidegate.cli.system import perform
from tidegate.errors import TidegateError
from tidegate.items.changes import Key
from tidegate.query.parse import parse_query
from tidegate.settings import Settings, load_settings

TOKEN_BYTES = 24
"""Random bytes of a static token: 32 characters."""


def bootstrap() -> None:
    """Make the first tables and rows, and say who the administrator is."""
    given = load_settings()
    settings = with_password(given)
    if perform(settings, _was_bootstrapped):
        say(introduction(given, settings))
    else:
        say("The database has its system tables already; nothing was done.")


def create_user(email: str, password: str, role: str | None) -> None:
    """Make an active user and print the id. Raises `CommandError`."""
    settings = load_settings()

    async def work(server: Running, rights: Rights) -> Key:
        role_id = None if role is None else await _role_id(server, rights, settings, role)
        user = {"email": email, "password": password, "role": role_id, "status": "active"}
        try:
            (key,) = await server.items.create(rights, "directus_users", [user])
        except TidegateError as error:
            if error.code == "RECORD_NOT_UNIQUE":
                raise CommandError(f"There is a user {email} already.") from None
            raise
        return key

    say(str(perform(settings, work)))


def create_token(email: str) -> None:
    """Give the user a new static token and print it. Raises `CommandError`."""
    settings = load_settings()
    token = secrets.token_urlsafe(TOKEN_BYTES)

    async def work(server: Running, rights: Rights) -> None:
        query = parse_query({"filter": {"email": {"_eq": email}}, "fields": ["id"]}, query_limits(settings))
        found = await server.items.read(rights, "directus_users", query)
        if not found:
            raise CommandError(f"There is no user {email}.")
        await server.items.update(rights, "directus_users", [found[0]["id"]], {"token": token})

    perform(settings, work)
    say(token)


async def _was_bootstrapped(server: Running, _rights: Rights) -> bool:
    return server.bootstrapped


async def _role_id(server: Running, rights: Rights, settings: Settings, role: str) -> str:
    """The id of the role of that id or name."""
    query = parse_query({"fields": ["id", "name"], "sort": ["name", "id"], "limit": -1}, query_limits(settings))
    roles = await server.items.read(rights, "directus_roles", query)
    ids: list[str] = [found["id"] for found in roles if role in (found["id"], found["name"])]
    if len(ids) > 1:
        raise CommandError(f"There are {len(ids)} roles {role}: give the id of one, {' or '.join(ids)}.")
    if not ids:
        names = ", ".join(found["name"] for found in roles)
        raise CommandError(f"There is no role {role}; there are: {names or 'none'}.")
    return ids[0]
