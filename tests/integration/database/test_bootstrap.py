"""An empty database is given the system tables once; any other is left as it is."""

import asyncio
import re
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.ddl import run_ddl
from tests.support.schemas import settings_of
from tidegate.database.bootstrap import AdminAccount, bootstrap
from tidegate.database.engine import Database, create_database
from tidegate.database.system import PUBLIC_POLICY_NAME, system_tables
from tidegate.errors import TidegateError
from tidegate.schema import RelationKind

ADMIN = AdminAccount("admin@example.com", "$argon2id$hash", "admin-static-token")


async def rows(database: Database, table: str) -> list[dict[str, Any]]:
    return [row._asdict() for row in await database.fetch(sa.select(database.tables[table]))]


async def test_empty_database_is_given_every_table_as_described(database: Database) -> None:
    assert await bootstrap(database, ADMIN)
    for name, described in system_tables().fields.items():
        fields = database.schema.collections[name].fields
        assert list(fields) == [
            *(f for f in described if not described[f].alias),
            *(f for f in described if described[f].alias),
        ]
        for field in described.values():
            made = fields[field.name]
            assert (made.type, made.special, made.primary_key) == (field.type, field.special, field.primary_key), made
            if not field.alias:
                assert made.nullable is not field.required, made
                assert made.unique is (field.unique or field.primary_key), made
                assert made.auto_increment is field.auto_increment, made
                assert made.has_default is (field.default is not None or field.auto_increment), made
                if field.default not in (None, "CURRENT_TIMESTAMP"):
                    assert made.default == field.default, made
                if field.length is not None:
                    assert made.max_length == field.length, made


async def test_foreign_keys_are_real_and_relations_complete(database: Database) -> None:
    await bootstrap(database, ADMIN)
    rules = {(key.table, key.column): (key.target, key.on_delete) for key in (await database.catalog()).foreign_keys}
    for name, described in system_tables().fields.items():
        for field in described.values():
            if field.references is not None:
                target, rule = rules.pop((name, field.name))
                # MySQL has no difference between the two.
                assert (target, rule.replace("restrict", "no action")) == (field.references[0], field.on_delete)
    assert not rules
    view = database.schema.relation("directus_roles", "children")
    assert view is not None
    assert (view.kind, view.target) == (RelationKind.O2M, "directus_roles")


async def test_first_rows_make_a_public_policy_and_an_administrator(database: Database) -> None:
    await bootstrap(database, ADMIN)
    policies = {row["name"]: row for row in await rows(database, "directus_policies")}
    (role,) = await rows(database, "directus_roles")
    (user,) = await rows(database, "directus_users")
    (project,) = await rows(database, "directus_settings")
    access = [(row["role"], row["user"], row["policy"]) for row in await rows(database, "directus_access")]
    assert set(policies) == {PUBLIC_POLICY_NAME, "Administrator"}
    assert not policies[PUBLIC_POLICY_NAME]["admin_access"]
    assert policies["Administrator"]["admin_access"]
    assert (None, None, policies[PUBLIC_POLICY_NAME]["id"]) in access
    assert (role["id"], None, policies["Administrator"]["id"]) in access
    assert (user["email"], user["password"], user["token"]) == (ADMIN.email, ADMIN.password_hash, ADMIN.token)
    assert (user["role"], user["status"], user["provider"]) == (role["id"], "active", "default")
    assert project["project_name"] == "Directus"
    assert user["id"] not in str(system_tables().first_rows)


async def test_ids_are_random_except_for_the_public_policys(database: Database) -> None:
    await bootstrap(database, None)
    described = system_tables().first_rows
    known = set(re.findall(r"[0-9a-f-]{36}", str(described)))
    found = {
        row["id"]
        for table in ("directus_policies", "directus_roles", "directus_access")
        for row in await rows(database, table)
    }
    public = next(row["id"] for row in described["directus_policies"] if row["name"] == PUBLIC_POLICY_NAME)
    assert found & known == {public}
    assert await rows(database, "directus_users") == []


async def test_timestamps_have_the_moment_as_default(database: Database) -> None:
    await bootstrap(database, None)
    activity = database.tables["directus_activity"]
    async with database.transaction() as transaction:
        await transaction.execute(sa.insert(activity).values(action="create", collection="x", item="1"))
    (row,) = await rows(database, "directus_activity")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ", row["timestamp"])


async def test_second_start_changes_nothing(database: Database) -> None:
    await bootstrap(database, ADMIN)
    before = await rows(database, "directus_policies")
    assert not await bootstrap(database, AdminAccount("other@example.com", "x"))
    assert await rows(database, "directus_policies") == before
    assert [row["email"] for row in await rows(database, "directus_users")] == [ADMIN.email]


async def test_existing_project_that_cannot_be_served_is_left_as_it_is(database: Database) -> None:
    tables = {
        "directus_users": "CREATE TABLE directus_users (id char(36) NOT NULL PRIMARY KEY, email varchar(128))",
        "directus_settings": "CREATE TABLE directus_settings (id integer NOT NULL PRIMARY KEY, project_name text)",
    }
    with pytest.raises(TidegateError):
        await run_ddl(database, *tables.values())
    with pytest.raises(TidegateError) as refused:
        await bootstrap(database, ADMIN)
    assert "directus_collections" in str(refused.value.__cause__)
    assert {column.table for column in (await database.catalog()).columns} == set(tables)


async def test_tables_of_another_program_stay_and_are_served(database: Database) -> None:
    await run_ddl(database, "CREATE TABLE products (id integer NOT NULL PRIMARY KEY, name varchar(50))")
    assert await bootstrap(database, ADMIN)
    products = database.schema.collections["products"]
    assert list(products.fields) == ["id", "name"]


async def test_processes_that_start_at_once_bootstrap_once(database_url: str) -> None:
    processes = [create_database(settings_of(database_url)) for _ in range(4)]
    try:
        for process in processes:
            await process.start()
        made = await asyncio.gather(*(bootstrap(process, ADMIN) for process in processes))
        assert sorted(made) == [False, False, False, True]
        for process in processes:
            assert len(await rows(process, "directus_users")) == 1
    finally:
        for process in processes:
            await process.stop()


async def test_bootstrap_that_broke_off_is_finished_by_the_next(database: Database) -> None:
    await bootstrap(database, ADMIN)
    await run_ddl(database, "DROP TABLE directus_settings")
    assert await bootstrap(database, AdminAccount("other@example.com", "x"))
    assert len(await rows(database, "directus_settings")) == 1
    assert [row["email"] for row in await rows(database, "directus_users")] == [ADMIN.email]


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
async def test_text_compares_exactly_in_the_tables_made(database: Database) -> None:
    await bootstrap(database, ADMIN)
    users = database.tables["directus_users"]
    assert await database.fetch(sa.select(users).where(users.c.email == ADMIN.email.upper())) == []
    assert database.capabilities.exact_text_comparison
    await run_ddl(database, "CREATE TABLE other (id varchar(20) PRIMARY KEY) COLLATE utf8mb4_general_ci")
    assert not database.capabilities.exact_text_comparison
