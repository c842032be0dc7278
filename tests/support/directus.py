"""A project as Directus leaves it in a database, made with plain SQL and without any code of Tidegate.

The system tables are those of `system-tables.json`; their types are spelled as each engine has them there: on SQLite
moments are whole milliseconds and booleans numbers, on MariaDB a uuid is `char(36)` and a boolean `tinyint(1)`. Version
10 has no policies, its roles hold `admin_access` and permissions belong to roles; version 12 has tables and columns
that the description does not know.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import argon2
import asyncmy
import asyncpg

from tests.support.probes import DatabaseEngine

Version = Literal["10", "11", "12"]
Row = Mapping[str, Any]


class World(NamedTuple):
    """What a project has beside that of everyone: columns by table and name, and rows by table."""

    tables: Mapping[str, Mapping[str, Row]]
    rows: Mapping[str, Sequence[Row]]


PASSWORD = "correct horse battery staple"
ADMIN_ID = "5f6c0fd1-7a43-4d6c-9d09-3f2a6a3cbe01"
EDITOR_ID = "5f6c0fd1-7a43-4d6c-9d09-3f2a6a3cbe02"
CAREFUL_ID = "5f6c0fd1-7a43-4d6c-9d09-3f2a6a3cbe03"
ADMIN_ROLE = "6cc8ea1b-a866-4e5f-be29-19381b920f9c"
EDITOR_ROLE = "6cc8ea1b-a866-4e5f-be29-19381b920f9d"
EDITOR_POLICY = "fa18af97-91f0-40e3-9924-f40d106caddc"
ADMIN_TOKEN = "static-token-of-the-administrator"
EDITOR_TOKEN = "static-token-of-the-editor"
SESSION_TOKEN = "S" * 64
TFA_SECRET = "JBSWY3DPEHPK3PXP"
"""Of the user `CAREFUL_ID`, who has no role."""
AUTHOR_ID = "9d1f7a52-0c5e-4a07-8b3a-5a3f4f8b6a01"

_DOCUMENT: Mapping[str, Any] = json.loads(
    files("tidegate.database").joinpath("system-tables.json").read_text(encoding="utf-8")
)
HASHER = argon2.PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4, hash_len=32, salt_len=16)
"""The parameters that Node's argon2 has by default."""


def _column(engine: DatabaseEngine, name: str, described: Row, *, unsigned: bool) -> str:
    if described.get("auto_increment"):
        return f"{quoted(engine, name)} {_COUNTERS[engine]}"
    parts = [quoted(engine, name), _spelling(engine, described, unsigned=unsigned)]
    parts.append("NOT NULL" if described.get("required") else "NULL")
    default = described.get("default")
    if default is not None:
        parts.append(f"DEFAULT {default if default == 'CURRENT_TIMESTAMP' else literal(engine, default)}")
    if described.get("primary_key"):
        parts.append("PRIMARY KEY")
    elif described.get("unique"):
        parts.append("UNIQUE")
    return " ".join(parts)


_COUNTERS: Mapping[DatabaseEngine, str] = {
    "sqlite": "integer not null primary key autoincrement",
    "postgresql": "serial primary key",
    "mariadb": "int unsigned not null auto_increment primary key",
}
_SPELLINGS: Mapping[DatabaseEngine, Mapping[str, str]] = {
    "sqlite": {
        "uuid": "char(36)",
        "character varying": "varchar",
        "timestamp with time zone": "datetime",
        "timestamp without time zone": "datetime",
        "numeric": "float",
        "real": "float",
    },
    "postgresql": {},
    "mariadb": {
        "uuid": "char(36)",
        "character varying": "varchar",
        "boolean": "tinyint(1)",
        "integer": "int",
        "timestamp with time zone": "timestamp",
        "timestamp without time zone": "datetime",
        "numeric": "decimal",
        "real": "float(8, 2)",
    },
}


def _spelling(engine: DatabaseEngine, described: Row, *, unsigned: bool) -> str:
    told: str = described["database_type"]
    spelled = _SPELLINGS[engine].get(told, told)
    if "length" in described and told == "character varying":
        spelled = f"{spelled}({described['length']})"
    if told == "numeric" and engine != "sqlite":
        spelled = f"{spelled}(10, 2)"
    return f"{spelled} unsigned" if unsigned and engine == "mariadb" else spelled


def quoted(engine: DatabaseEngine, name: str) -> str:
    return f"`{name}`" if engine == "mariadb" else f'"{name}"'


def literal(engine: DatabaseEngine, value: object) -> str:
    """The value in SQL, as Directus would have written it on this engine."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower() if engine == "postgresql" else str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        if engine == "sqlite":
            return str(round(value.timestamp() * 1000))
        zone = "+00" if engine == "postgresql" else ""
        return f"'{value:%Y-%m-%d %H:%M:%S}{zone}'"
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return "'" + text.replace("'", "''").replace("\\", "\\\\" if engine == "mariadb" else "\\") + "'"


def system_tables(version: Version) -> dict[str, dict[str, Row]]:
    """The columns of every system table of that version, by table and name."""
    tables: dict[str, dict[str, Row]] = {
        table: {name: row for name, row in fields.items() if not row.get("alias")}
        for table, fields in _DOCUMENT["tables"].items()
    }
    flag = {"database_type": "boolean", "default": False, "required": True}
    if version == "10":
        for table in ("directus_policies", "directus_access", "directus_comments"):
            del tables[table]
        del tables["directus_fields"]["searchable"]
        del tables["directus_sessions"]["next_token"]
        del tables["directus_roles"]["parent"]
        del tables["directus_users"]["text_direction"]
        for name in [name for name in tables["directus_settings"] if name.startswith(("ai_", "mcp_", "project_i"))]:
            del tables["directus_settings"][name]
        tables["directus_roles"] |= {"admin_access": flag, "app_access": flag, "enforce_tfa": flag}
        tables["directus_roles"]["ip_access"] = {"database_type": "text"}
        permissions = tables["directus_permissions"]
        permissions["role"] = {**permissions.pop("policy"), "references": "directus_roles.id", "required": False}
    if version == "12":
        key = {"database_type": "uuid", "required": True, "primary_key": True}
        tables["directus_flows"] = {"id": key, "name": {"database_type": "text", "required": True}}
        tables["directus_of_the_future"] = {"id": key}
        tables["directus_fields"]["of_the_future"] = {"database_type": "json"}
        tables["directus_users"]["of_the_future"] = {"database_type": "text", "default": "later"}
        tables["directus_policies"]["of_the_future"] = flag
    return tables


def user_tables() -> dict[str, dict[str, Row]]:
    """Two collections with metadata, and three tables without."""
    key = {"database_type": "integer", "required": True, "primary_key": True, "auto_increment": True}
    text, moment = {"database_type": "character varying", "length": 255}, {"database_type": "timestamp with time zone"}
    uuid = {"database_type": "uuid"}
    return {
        "authors": {"id": {**uuid, "required": True, "primary_key": True}, "name": text},
        "articles": {
            "id": key,
            "title": text,
            "status": {**text, "default": "draft", "required": True},
            "published": {"database_type": "boolean", "default": False},
            "published_on": moment,
            "starts": {"database_type": "timestamp without time zone"},
            "price": {"database_type": "numeric"},
            "views": {"database_type": "bigint"},
            "details": {"database_type": "json"},
            "tags": {"database_type": "text"},
            "author": {**uuid, "references": "authors.id", "on_delete": "set null"},
            "user_created": {**uuid, "references": "directus_users.id", "on_delete": "no action"},
            "date_created": moment,
        },
        "unlisted": {"id": key, "name": text, "article": {"database_type": "integer", "references": "articles.id"}},
        "keyless": {"name": text},
    }


def _metadata() -> dict[str, list[Row]]:
    def field(collection: str, name: str, special: str | None = None, **more: object) -> Row:
        return {"collection": collection, "field": name, "special": special, **more}

    return {
        "directus_collections": [{"collection": "authors"}, {"collection": "articles", "sort_field": None}],
        "directus_fields": [
            field("authors", "id", "uuid"),
            field("authors", "articles", "o2m", interface="list-o2m"),
            field("articles", "published", "cast-boolean"),
            field("articles", "published_on", "cast-timestamp"),
            field("articles", "starts", "cast-datetime"),
            field("articles", "details", "cast-json"),
            field("articles", "tags", "cast-csv"),
            field("articles", "author", "m2o"),
            field("articles", "user_created", "user-created"),
            field("articles", "date_created", "date-created,cast-timestamp"),
            field("articles", "status", None, required=True, options={"choices": [{"text": "It's", "value": "draft"}]}),
        ],
        "directus_relations": [
            {
                "many_collection": "articles",
                "many_field": "author",
                "one_collection": "authors",
                "one_field": "articles",
                "one_deselect_action": "nullify",
            }
        ],
        "directus_migrations": [{"version": "20240806A", "name": "Permissions Policies"}],
        "directus_settings": [{"project_name": "Left as it was"}],
    }


def _accounts(version: Version) -> dict[str, list[Row]]:
    """In the order in which foreign keys want them."""
    roles: list[dict[str, Any]] = [{"id": ADMIN_ROLE, "name": "Administrator"}, {"id": EDITOR_ROLE, "name": "Editor"}]
    permission = {"collection": "articles", "permissions": {"status": {"_eq": "published"}}, "fields": "*"}
    owner = {"role": EDITOR_ROLE} if version == "10" else {"policy": EDITOR_POLICY}
    permissions: list[Row] = [
        {**permission, **owner, "action": "read"},
        {**permission, **owner, "action": "create", "permissions": None, "presets": {"status": "published"}},
    ]
    if version == "10":
        roles[0] |= {"admin_access": True, "app_access": True}
        roles[1] |= {"app_access": True}
    users: list[Row] = [
        {"id": ADMIN_ID, "email": "Admin@Example.com", "role": ADMIN_ROLE, "token": ADMIN_TOKEN},
        {"id": EDITOR_ID, "email": "editor@example.com", "role": EDITOR_ROLE, "token": EDITOR_TOKEN},
        {"id": CAREFUL_ID, "email": "careful@example.com", "role": None, "tfa_secret": TFA_SECRET},
    ]
    rows: dict[str, list[Row]] = {"directus_roles": list(roles)}
    if version != "10":
        first = _DOCUMENT["first_rows"]
        policy = {"id": EDITOR_POLICY, "name": "Editor", "app_access": True}
        binding = {"id": "165bc2b8-68f4-463d-9089-26567ab3c2f4", "role": EDITOR_ROLE, "policy": EDITOR_POLICY}
        rows["directus_policies"] = [*first["directus_policies"], policy]
        rows["directus_access"] = [*first["directus_access"], binding]
    rows["directus_permissions"] = permissions
    password = HASHER.hash(PASSWORD)
    rows["directus_users"] = [{**user, "password": password, "status": "active"} for user in users]
    expires = datetime(2037, 1, 1, tzinfo=UTC)
    rows["directus_sessions"] = [{"token": SESSION_TOKEN, "user": EDITOR_ID, "expires": expires, "ip": "127.0.0.1"}]
    return rows


def _items() -> dict[str, list[Row]]:
    common = {"author": AUTHOR_ID, "user_created": EDITOR_ID, "date_created": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)}
    return {
        "authors": [{"id": AUTHOR_ID, "name": "Ada O'Hara"}],
        "articles": [
            {
                "title": "Old",
                "status": "published",
                "published": True,
                "published_on": datetime(2021, 2, 3, 4, 5, 6, tzinfo=UTC),
                "starts": datetime(2021, 2, 3, 4, 5, 6, tzinfo=UTC),
                "price": 12.5,
                "views": 9007199254740993,
                "details": {"a": [1, None]},
                "tags": "x,y",
                **common,
            },
            {"title": "New", "status": "published", "published_on": datetime(2024, 1, 1, tzinfo=UTC), **common},
            {"title": "Draft", "status": "draft", **common},
        ],
        "unlisted": [{"name": "row of a table that Directus does not know", "article": 1}],
    }


def statements(engine: DatabaseEngine, version: Version, more: World | None = None) -> Iterator[str]:
    """Everything that makes the project in an empty database."""
    tables = {**system_tables(version), **user_tables()}
    for table, columns in more.tables.items() if more else ():
        tables[table] = {**tables.get(table, {}), **columns}
    foreign_keys = []
    for table, columns in tables.items():
        parts = []
        for name, described in columns.items():
            referenced = described.get("references")
            counter = False
            if referenced:
                target, _, key = referenced.partition(".")
                counter = bool(tables[target][key].get("auto_increment"))
                rule = f"REFERENCES {quoted(engine, target)} ({quoted(engine, key)})"
                rule += f" ON DELETE {described.get('on_delete', 'no action')}"
                foreign_keys.append((table, name, rule))
            parts.append(_column(engine, name, described, unsigned=counter))
        if engine == "sqlite":
            own = [(name, rule) for of, name, rule in foreign_keys if of == table]
            parts += [f"FOREIGN KEY ({quoted(engine, name)}) {rule}" for name, rule in own]
        yield f"CREATE TABLE {quoted(engine, table)} ({', '.join(parts)})"
    if engine != "sqlite":
        for table, name, rule in foreign_keys:
            key = quoted(engine, f"{table}_{name}_foreign")
            column = quoted(engine, name)
            yield f"ALTER TABLE {quoted(engine, table)} ADD CONSTRAINT {key} FOREIGN KEY ({column}) {rule}"
    for rows in (_metadata(), _accounts(version), _items(), more.rows if more else {}):
        yield from _insertions(engine, rows)


def _insertions(engine: DatabaseEngine, rows: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    for table, several in rows.items():
        for row in several:
            names = ", ".join(quoted(engine, name) for name in row)
            values = ", ".join(literal(engine, value) for value in row.values())
            yield f"INSERT INTO {quoted(engine, table)} ({names}) VALUES ({values})"


async def make_project(engine: DatabaseEngine, url: str, version: Version = "11", more: World | None = None) -> None:
    """Make the project in the empty database at `url` (of `engines.temporary_database`)."""
    await ask(engine, url, [*statements(engine, version, more)])


async def ask(engine: DatabaseEngine, url: str, asked: Sequence[str]) -> list[tuple[Any, ...]]:
    """Run the statements on one connection; the rows of the last."""
    parts = urlsplit(url)
    rows: Sequence[Sequence[Any]] = ()
    if engine == "sqlite":
        with contextlib.closing(sqlite3.connect(parts.path)) as database, database:
            for statement in asked:
                rows = database.execute(statement).fetchall()
    elif engine == "postgresql":
        connection = await asyncpg.connect(url)
        try:
            for statement in asked:
                rows = [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()
    else:
        host, port, name = parts.hostname, parts.port, parts.path.removeprefix("/")
        session = await asyncmy.connect(
            host=host, port=port, user=parts.username, database=name, charset="utf8mb4", autocommit=True
        )
        try:
            async with session.cursor() as cursor:
                for statement in ("SET time_zone = '+00:00'", *asked):
                    await cursor.execute(statement)
                    rows = await cursor.fetchall() if cursor.description else ()
        finally:
            await session.ensure_closed()
    return [tuple(row) for row in rows]


_CATALOGUES: Mapping[DatabaseEngine, Sequence[str]] = {
    "sqlite": ["SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"],
    "postgresql": [
        "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default,"
        " character_maximum_length FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    ],
    "mariadb": [
        "SELECT TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, COLLATION_NAME,"
        " EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, 3",
        "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, NON_UNIQUE FROM information_schema.STATISTICS"
        " WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, 2, SEQ_IN_INDEX",
        "SELECT TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS"
        " WHERE CONSTRAINT_SCHEMA = DATABASE() ORDER BY 1, 2",
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1",
    ],
}
_UNTOUCHED = (
    "directus_collections",
    "directus_fields",
    "directus_relations",
    "directus_migrations",
    "directus_settings",
    "directus_roles",
    "directus_permissions",
)


async def catalogue(engine: DatabaseEngine, url: str) -> list[list[tuple[Any, ...]]]:
    """Every table, column, key, index and trigger as the engine tells them."""
    return [await ask(engine, url, [query]) for query in _CATALOGUES[engine]]


async def metadata_rows(engine: DatabaseEngine, url: str) -> list[list[tuple[Any, ...]]]:
    """The rows that serving must never change."""
    return [await ask(engine, url, [f"SELECT * FROM {table} ORDER BY 1"]) for table in _UNTOUCHED]
