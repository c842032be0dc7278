"""What tests ask a database server or a Redis directly: who it is, and to make or drop a database."""

from typing import Literal, assert_never
from urllib.parse import urlsplit

import asyncmy
import asyncpg
import redis.exceptions
from asyncmy.errors import MySQLError
from redis.asyncio import Redis

DatabaseEngine = Literal["sqlite", "postgresql", "mariadb"]
ServerEngine = Literal["postgresql", "mariadb", "redis"]

CONNECT_SECONDS = 5


class UnreachableError(Exception):
    """The server of an engine does not answer or cannot be started; the text says why."""


async def version(engine: ServerEngine, url: str) -> str:
    """The version that the server states of itself, as `15.20`. Raises `UnreachableError`."""
    try:
        match engine:
            case "postgresql":
                stated = await _ask_postgresql(url, "SHOW server_version")
            case "mariadb":
                stated = await _ask_mariadb(url, "SELECT VERSION()")
            case "redis":
                async with Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS) as client:
                    stated = (await client.info("server"))["redis_version"]
            case _:
                assert_never(engine)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, MySQLError, redis.exceptions.RedisError) as fault:
        raise UnreachableError(f"{url} does not answer ({type(fault).__name__})") from fault
    return stated.split()[0].split("-")[0]


async def execute(engine: DatabaseEngine, url: str, statement: str) -> None:
    """Run one statement of the administrator, outside any transaction. Raises what the driver raises."""
    if engine == "postgresql":
        await _ask_postgresql(url, statement)
    else:
        await _ask_mariadb(url, statement)


async def _ask_postgresql(url: str, statement: str) -> str:
    parts = urlsplit(url)
    connection = await asyncpg.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        database=parts.path.removeprefix("/") or "postgres",
        timeout=CONNECT_SECONDS,
    )
    try:
        return str(await connection.fetchval(statement))
    finally:
        await connection.close()


async def _ask_mariadb(url: str, statement: str) -> str:
    parts = urlsplit(url)
    connection = await asyncmy.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        database=parts.path.removeprefix("/") or None,
        connect_timeout=CONNECT_SECONDS,
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(statement)
            row = await cursor.fetchone() if cursor.description else None
            return str(row[0]) if row else ""
    finally:
        await connection.ensure_closed()
