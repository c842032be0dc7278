"""An empty database is given Directus's own tables and the first rows (PROTOCOL section 6).

Two processes may do so at once: `Database.restructuring` lets one in at a time, and the other finds the work done.
`LAST_TABLE` is made last. Where DDL cannot be rolled back, its absence tells that an earlier attempt broke off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from tidegate.database.catalog import ForeignKey, read_catalog
from tidegate.database.ddl import create_table, run
from tidegate.database.engine import Database
from tidegate.database.introspection import take_snapshot
from tidegate.database.system import LAST_TABLE, PUBLIC_POLICY_NAME, SystemField, system_tables
from tidegate.database.tables import build_tables
from tidegate.schema.model import Field


@dataclass(frozen=True, slots=True)
class AdminAccount:
    """The first administrator."""

    email: str
    password_hash: str
    """As `directus_users.password` keeps it (Argon2id)."""
    token: str | None = None
    """A static token."""


async def bootstrap(database: Database, admin: AdminAccount | None) -> bool:
    """Make the system tables and the first rows, unless they are there. Returns whether it did; reloads then."""
    if LAST_TABLE in database.schema.collections:
        return False
    async with database.restructuring() as transaction:
        made = await transaction.run(lambda connection: _bootstrap(connection, admin))
    await database.reload()
    return made


def _bootstrap(connection: sa.Connection, admin: AdminAccount | None) -> bool:
    present = {column.table for column in read_catalog(connection).columns}
    if LAST_TABLE in present:
        return False
    tables = [name for name in _in_order() if name not in present]
    _create(connection, [name for name in tables if name != LAST_TABLE])
    _insert_first_rows(connection, admin)
    _create(connection, [LAST_TABLE])
    _insert(connection, LAST_TABLE, [{"project_id": str(uuid4())}])
    return True


def _in_order() -> list[str]:
    """The system tables, each after those it references."""
    waiting = {
        table: {field.references[0] for field in fields.values() if field.references} - {table}
        for table, fields in system_tables().fields.items()
    }
    ordered: list[str] = []
    while waiting:
        ready = [table for table, needed in waiting.items() if needed.issubset(ordered)]
        ordered += ready
        for table in ready:
            del waiting[table]
    return ordered


def _create(connection: sa.Connection, names: Sequence[str]) -> None:
    for name in names:
        system_fields = system_tables().fields[name].values()
        fields = [_field(name, field) for field in system_fields if not field.alias]
        keys = [
            ForeignKey(name, field.name, *field.references, on_delete=field.on_delete, on_update="no action", name=None)
            for field in system_fields
            if field.references
        ]
        for statement in create_table(name, fields, keys, connection.dialect):
            run(connection, statement)


def _field(table: str, system: SystemField) -> Field:
    return Field(
        table,
        system.name,
        system.type,
        system.special,
        nullable=not system.required,
        primary_key=system.primary_key,
        auto_increment=system.auto_increment,
        unique=system.unique,
        max_length=system.length,
        default=system.default,
    )


def _insert_first_rows(connection: sa.Connection, admin: AdminAccount | None) -> None:
    rows = system_tables().first_rows
    if connection.scalar(sa.text("SELECT count(*) FROM directus_policies")):
        return  # an earlier attempt came this far
    renamed = {
        row["id"]: row["id"] if row["name"] == PUBLIC_POLICY_NAME else str(uuid4())
        for row in (*rows["directus_policies"], *rows["directus_roles"])
    }
    for table in ("directus_policies", "directus_roles", "directus_access"):
        fresh = [{name: renamed.get(value, value) for name, value in row.items()} for row in rows[table]]
        if table == "directus_access":
            fresh = [{**row, "id": str(uuid4())} for row in fresh]
        _insert(connection, table, fresh)
    if admin is not None:
        role = renamed[rows["directus_roles"][0]["id"]]
        account = {"email": admin.email, "password": admin.password_hash, "token": admin.token}
        _insert(connection, "directus_users", [{"id": str(uuid4()), "role": role, **account}])


def _insert(connection: sa.Connection, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    snapshot = take_snapshot(connection)
    table = build_tables(snapshot.schema, snapshot.capabilities)[name]
    for row in rows:
        connection.execute(sa.insert(table).values(**row))
