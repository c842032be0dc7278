"""Rights of identities, from real databases."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from tests.integration.access.project import Project
from tests.support.errors import error_code
from tidegate.access import directory as directory_module
from tidegate.access.accounts import hash_token
from tidegate.access.identity import Public, System, User
from tidegate.access.rights import Rights
from tidegate.items.changes import Change

HERE = "10.99.1.1"


async def test_rights_add_up_self_roles_and_everybody(project: Project) -> None:
    everybodys = await project.everybodys_policy()
    member_role = await project.role("Member")
    senior_role = await project.role("Senior", parent=member_role)
    member = await project.policy("member", role=member_role)
    senior = await project.policy("senior", role=senior_role, app_access=True)
    office = await project.policy("office", role=member_role, ip_access=["10.99.0.0/16", "nonsense"])
    user = await project.user(role=senior_role)
    own = await project.policy("own", user=user)
    await project.permission(everybodys, "messages", fields=["id", "text"])
    await project.permission(member, permissions={"owner": {"_eq": "$CURRENT_USER"}}, fields=["id", "title"])
    await project.permission(senior, fields=["*"], permissions={"views": {"_gte": 100}})
    await project.permission(office, "hidden_things")
    await project.permission(
        own,
        action="create",
        fields=["title"],
        validation={"title": {"_nnull": True}},
        presets={"owner": "$CURRENT_USER"},
    )
    await project.permission(own, action="delete", fields=None)

    rights = await project.directory.rights(User(user, HERE))

    assert (rights.admin, rights.app, rights.enforce_tfa) == (False, True, False)
    assert (rights.user, rights.role, rights.roles) == (user, senior_role, (senior_role, member_role))
    assert set(rights.policies) == {own, senior, member, office, everybodys}
    assert [(rule.filter, set(rule.fields)) for rule in rights.rules_for("notes", "read")] == [
        ({"owner": {"_eq": "$CURRENT_USER"}}, {"id", "title"}),
        ({"views": {"_gte": 100}}, {"*"}),
    ]
    (create,) = rights.rules_for("notes", "create")
    assert (create.validation, create.presets) == ({"title": {"_nnull": True}}, {"owner": "$CURRENT_USER"})
    (delete,) = rights.rules_for("notes", "delete")
    assert (delete.filter, delete.fields) == ({}, frozenset())
    assert rights.may("hidden_things", "read")
    assert not rights.may("hidden_things", "update")
    assert rights.variables == {
        "$CURRENT_USER": user,
        "$CURRENT_ROLE": senior_role,
        "$CURRENT_ROLES": [senior_role, member_role],
        "$CURRENT_POLICIES": list(rights.policies),
    }

    elsewhere = await project.directory.rights(User(user, "10.98.1.1"))
    assert not elsewhere.may("hidden_things", "read")
    assert elsewhere.may("notes", "read")


async def test_user_without_role_has_the_rights_of_everybody(project: Project) -> None:
    await project.permission(await project.everybodys_policy(), "messages", fields=["id", "text"])
    rights = await project.directory.rights(User(await project.user()))
    nobody = await project.directory.rights(Public("10.0.0.1"))
    assert rights.rules is nobody.rules
    assert nobody.may("messages", "read")
    assert not nobody.may("messages", "update")
    assert nobody.user is None
    assert (nobody.admin, nobody.app, nobody.role, nobody.roles) == (False, False, None, ())


async def test_administrators_share_their_rules(sqlite_project: Project) -> None:
    project = sqlite_project
    role = await project.role("Admin")
    policy = await project.policy("admin", role=role, admin_access=True)
    await project.permission(policy)
    users = [await project.user(f"{number}@example.com", role=role) for number in range(2)]
    first, second = [await project.directory.rights(User(user)) for user in users]
    assert first.admin
    assert first.rules is second.rules
    server = await project.directory.rights(System())
    assert server.admin
    assert server.user is None


async def test_users_with_the_same_policies_share_their_rules(sqlite_project: Project) -> None:
    project = sqlite_project
    roles = [await project.role(name) for name in ("A", "B")]
    policy = await project.policy("shared", role=roles[0])
    await project.add("access", role=roles[1], policy=policy)
    await project.permission(policy)
    users = [await project.user(f"{number}@example.com", role=role) for number, role in enumerate(roles)]
    first, second = [await project.directory.rights(User(user)) for user in users]
    assert first.rules is second.rules
    assert first.user != second.user


@pytest.mark.parametrize("status", ["draft", "invited", "unverified", "suspended", "archived", "Active", ""])
async def test_user_who_is_not_active_has_no_rights(sqlite_project: Project, status: str) -> None:
    user = await sqlite_project.user(status=status)
    with error_code("INVALID_CREDENTIALS"):
        await sqlite_project.directory.rights(User(user))


async def test_user_who_is_not_there_has_no_rights(project: Project) -> None:
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(User("6b1f0f4c-6d1e-4b7f-9d55-0a3a4f5c2d11"))


@pytest.mark.parametrize("secret", [None, "", "GEZDGNBVGY3TQOJQ"])
async def test_policy_that_enforces_two_factors_waits_for_the_second(
    sqlite_project: Project, secret: str | None
) -> None:
    user = await sqlite_project.user(tfa_secret=secret)
    await sqlite_project.policy("strict", user=user, enforce_tfa=True, admin_access=True)
    assert (await sqlite_project.directory.rights(User(user))).admin is bool(secret)
    assert (await sqlite_project.directory.rights(User(user, static=True))).admin


async def test_permission_that_is_no_object_allows_nothing(
    sqlite_project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    broken = await sqlite_project.permission(await sqlite_project.everybodys_policy(), permissions=[{"id": 1}])
    with caplog.at_level(logging.WARNING):
        rights = await sqlite_project.directory.rights(Public())
    assert not rights.may("notes", "read")
    assert f"Permission {broken} allows nothing" in caplog.text


# What is kept in memory, and what empties it.


async def test_rights_are_read_once(project: Project) -> None:
    identity = User(await project.user())
    rights = await project.directory.rights(identity)
    project.statements.clear()
    assert await project.directory.rights(identity) is rights
    assert (await project.directory.rights(User(identity.id, "10.0.0.1"))).rules is rights.rules
    assert project.statements == []


async def test_user_with_a_static_token_costs_one_statement(project: Project) -> None:
    user = await project.user(token="static")
    await project.directory.rights(Public())
    project.statements.clear()
    found, token_hash = await project.directory.user_of_token("static")
    assert found == user
    assert await project.directory.rights(User(user, static=True, token_hash=token_hash))
    assert await project.directory.user_of_token("static") == (user, token_hash)
    assert len(project.statements) == 1


async def test_token_is_read_again_when_it_is_no_longer_trusted(sqlite_project: Project) -> None:
    project = sqlite_project
    user = await project.user(token="static")
    await project.directory.user_of_token("static")
    rights = await project.directory.rights(User(user))
    project.statements.clear()
    project.clock.advance(directory_module.TRUSTED_FOR)
    await project.directory.user_of_token("static")
    assert len(project.statements) == 1
    assert await project.directory.rights(User(user)) is rights, "nothing had changed"
    await project.set("users", user, status="suspended")
    project.clock.advance(directory_module.TRUSTED_FOR)
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.user_of_token("static")
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(User(user))


async def suspend(project: Project, user: str, _: str) -> Change:
    return await project.set("users", user, status="suspended")


async def delete(project: Project, user: str, _: str) -> Change:
    return await project.remove("users", user)


async def spell_the_key_in_capitals(project: Project, user: str, _: str) -> Change:
    await project.set("users", user, status="suspended")
    return Change("directus_users", "update", (user.upper(),))


@pytest.mark.parametrize("change", [suspend, delete, spell_the_key_in_capitals])
async def test_change_of_a_user_takes_the_rights_at_once(
    sqlite_project: Project, change: Callable[[Project, str, str], Awaitable[Change]]
) -> None:
    project = sqlite_project
    user, other = await project.user(), User(await project.user("other@example.com"))
    await project.directory.rights(User(user))
    others = await project.directory.rights(other)
    generation = project.directory.generation
    project.directory.changed([await change(project, user, "")])
    assert project.directory.generation > generation
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(User(user))
    assert await project.directory.rights(other) is others


async def drop_permission(project: Project, _: str, policy: str) -> Change:
    (permission,) = [row["id"] for row in await project.rows("permissions") if row["policy"] == policy]
    return await project.remove("permissions", permission)


async def drop_binding(project: Project, _: str, policy: str) -> Change:
    (access,) = [row["id"] for row in await project.rows("access") if row["policy"] == policy]
    return await project.remove("access", access)


async def drop_policy(project: Project, _: str, policy: str) -> Change:
    return await project.remove("policies", policy)


async def bind_to_an_address(project: Project, _: str, policy: str) -> Change:
    return await project.set("policies", policy, ip_access=["10.99.0.0/16"])


async def take_the_parent(project: Project, user: str, _: str) -> Change:
    (role,) = [row["role"] for row in await project.rows("users") if row["id"] == user]
    return await project.set("roles", role, parent=None)


async def take_the_role(project: Project, user: str, _: str) -> Change:
    return await project.set("users", user, role=None)


@pytest.mark.parametrize(
    "change", [drop_permission, drop_binding, drop_policy, bind_to_an_address, take_the_parent, take_the_role]
)
async def test_change_of_policies_takes_the_rights_at_once(
    sqlite_project: Project, change: Callable[[Project, str, str], Awaitable[Change]]
) -> None:
    project = sqlite_project
    parent = await project.role("Parent")
    policy = await project.policy("policy", role=parent)
    await project.permission(policy)
    user = await project.user(role=await project.role("Child", parent=parent))
    before = await project.directory.rights(User(user))
    assert before.may("notes", "read")
    generation = project.directory.generation
    project.directory.changed([await change(project, user, policy)])
    assert project.directory.generation > generation
    after = await project.directory.rights(User(user))
    assert not after.may("notes", "read")
    assert after.rules is not before.rules


async def test_change_of_anything_else_is_ignored(sqlite_project: Project) -> None:
    project = sqlite_project
    rights = await project.directory.rights(User(await project.user()))
    generation = project.directory.generation
    project.directory.changed([Change("notes", "update", (1,)), Change("directus_files", "create", ("x",))])
    assert project.directory.generation == generation
    assert await project.directory.rights(rights.identity) is rights


async def test_new_schema_empties_everything(sqlite_project: Project) -> None:
    project = sqlite_project
    rights = await project.directory.rights(User(await project.user()))
    generation = project.directory.generation
    await project.database.reload()
    assert project.directory.generation > generation
    assert await project.directory.rights(rights.identity) is not rights


async def test_new_policies_are_read_once_for_all_and_no_user_again(sqlite_project: Project) -> None:
    """Thousands of open connections are told within a second what a changed permission means for them."""
    project = sqlite_project
    policy = await project.everybodys_policy()
    users = [User(await project.user(f"{number}@example.com")) for number in range(5)]
    for user in users:
        await project.directory.rights(user)
    await project.permission(policy)
    project.directory.changed([Change("directus_permissions", "create", (1,))])
    project.statements.clear()
    rights = [await project.directory.rights(user) for user in users]
    assert all(each.may("notes", "read") and each.rules is rights[0].rules for each in rights)
    assert len(project.statements) == 4


async def test_new_path_has_users_read_again(sqlite_project: Project) -> None:
    project = sqlite_project
    user = User(await project.user(title="Dr"))
    await project.directory.rights(user)
    permission = await project.permission(
        await project.everybodys_policy(), permissions={"title": {"_eq": "$CURRENT_USER.title"}}
    )
    project.directory.changed([Change("directus_permissions", "create", (permission,))])
    assert (await project.directory.rights(user)).variables["$CURRENT_USER.title"] == "Dr"
    await project.set("users", user.id, title="Prof")
    await project.database.reload()
    assert (await project.directory.rights(user)).variables["$CURRENT_USER.title"] == "Prof", "a column may be another"


async def test_role_that_is_deleted_goes_from_its_users(project: Project) -> None:
    role = await project.role("Member")
    policy = await project.policy("member", role=role)
    await project.permission(policy)
    user = User(await project.user(role=role))
    assert (await project.directory.rights(user)).role == role
    project.directory.changed([await project.remove("roles", role)])
    rights = await project.directory.rights(user)
    assert (rights.role, rights.roles, rights.may("notes", "read")) == (None, (), False)


async def test_user_with_another_static_token_is_nobody_by_the_old_one(sqlite_project: Project) -> None:
    project = sqlite_project
    user = await project.user(token="old")
    _, token_hash = await project.directory.user_of_token("old")
    identity = User(user, static=True, token_hash=token_hash)
    assert await project.directory.rights(identity)
    project.directory.changed([await project.set("users", user, token="new")])
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(identity)
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.user_of_token("old")
    assert await project.directory.user_of_token("new") == (user, hash_token("new"))


async def test_least_recently_used_user_is_forgotten_first(
    sqlite_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "MEMBERS", 2)
    project = sqlite_project
    project.renew()
    users = [User(await project.user(f"{number}@example.com")) for number in range(3)]
    kept = [await project.directory.rights(user) for user in users]
    project.statements.clear()
    assert await project.directory.rights(users[2]) is kept[2]
    assert await project.directory.rights(users[1]) is kept[1]
    assert project.statements == []
    assert await project.directory.rights(users[0]) is not kept[0]
    assert len(project.statements) == 1


async def test_one_user_cannot_fill_the_memory(sqlite_project: Project) -> None:
    project = sqlite_project
    user = await project.user()
    first = await project.directory.rights(User(user, expires=0.0))
    for expires in range(1, directory_module.RIGHTS_OF_A_MEMBER + 1):
        await project.directory.rights(User(user, expires=float(expires)))
    project.statements.clear()
    again = await project.directory.rights(User(user, expires=0.0))
    assert again is not first
    assert again.rules is first.rules
    assert project.statements == []


# Races: what was being read when it changed.


async def reading_during(project: Project, user: str, held: str, change: Awaitable[Change]) -> "asyncio.Future[Rights]":
    """The rights of a user, whose reading was at the statement with the text `held` when the change came."""
    project.database.hold(held)
    reading = asyncio.ensure_future(project.directory.rights(User(user)))
    await project.database.until_held()
    project.directory.changed([await change])
    project.database.let_go()
    return reading


async def test_rights_read_during_a_change_of_the_user_are_read_again(sqlite_project: Project) -> None:
    project = sqlite_project
    user = await project.user()
    reading = await reading_during(project, user, "tfa_secret", project.set("users", user, status="suspended"))
    with error_code("INVALID_CREDENTIALS"):
        await reading
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(User(user))


@pytest.mark.parametrize("table", ["directus_roles", "directus_policies", "directus_access", "directus_permissions"])
async def test_rights_read_during_a_change_of_policies_are_read_again(sqlite_project: Project, table: str) -> None:
    project = sqlite_project
    user = await project.user()
    policy = await project.policy("policy", user=user)
    permission = await project.permission(policy)
    reading = await reading_during(project, user, f'FROM "{table}"', project.remove("permissions", permission))
    assert not (await reading).may("notes", "read")
    assert not (await project.directory.rights(User(user))).may("notes", "read")


async def test_policies_that_change_while_the_user_is_read_are_read_again(sqlite_project: Project) -> None:
    project = sqlite_project
    user = await project.user()
    permission = await project.permission(await project.policy("policy", user=user))
    reading = await reading_during(project, user, "tfa_secret", project.remove("permissions", permission))
    assert not (await reading).may("notes", "read")


async def test_change_where_paths_of_roles_lead_is_seen_while_they_are_read(sqlite_project: Project) -> None:
    project = sqlite_project
    parent = await project.role("Before")
    user = await project.user(role=await project.role("Child", parent=parent))
    await project.permission(await project.everybodys_policy(), presets={"x": "$CURRENT_ROLE.parent.name"})
    reading = await reading_during(project, user, "LEFT OUTER JOIN", project.set("roles", parent, name="After"))
    assert (await reading).variables["$CURRENT_ROLE.parent.name"] == "After"


async def test_change_where_paths_lead_is_seen_while_the_policies_are_read(sqlite_project: Project) -> None:
    project = sqlite_project
    picture = await project.add("files", title="Before", storage="local", filename_download="me.png")
    async with project.database.transaction() as transaction:
        await transaction.execute(sa.text("ALTER TABLE directus_roles ADD COLUMN picture char(36)"))
        relation = {"many_collection": "directus_roles", "many_field": "picture", "one_collection": "directus_files"}
        await transaction.execute(sa.insert(project.table("relations")).values(relation))
    await project.database.reload()
    role = await project.role("Role")
    await project.set("roles", role, picture=picture)
    user = await project.user(role=role)
    await project.permission(await project.everybodys_policy(), presets={"x": "$CURRENT_ROLE.picture.title"})
    reading = await reading_during(project, user, "LEFT OUTER JOIN", project.set("files", picture, title="After"))
    assert (await reading).variables["$CURRENT_ROLE.picture.title"] == "After"


async def test_changes_of_others_do_not_delay_a_user(sqlite_project: Project) -> None:
    project = sqlite_project
    user = await project.user()
    project.database.hold("tfa_secret")
    reading = asyncio.ensure_future(project.directory.rights(User(user)))
    await project.database.until_held()
    project.directory.changed([Change("directus_users", "update", ("somebody else",))])
    project.statements.clear()
    project.database.let_go()
    assert (await reading).user == user
    assert project.statements == []


async def test_more_changes_than_can_be_remembered_count_as_changes_of_all(
    sqlite_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "JOURNAL", 3)
    project = sqlite_project
    user = await project.user()
    project.database.hold("tfa_secret")
    reading = asyncio.ensure_future(project.directory.rights(User(user)))
    await project.database.until_held()
    project.directory.changed([await project.set("users", user, status="suspended")])
    for number in range(4):
        project.directory.changed([Change("directus_users", "update", (str(number),))])
    project.database.let_go()
    with error_code("INVALID_CREDENTIALS"):
        await reading


async def test_many_who_ask_at_once_have_the_policies_read_once(sqlite_project: Project) -> None:
    project = sqlite_project
    users = [User(await project.user(f"{number}@example.com")) for number in range(10)]
    project.statements.clear()
    await asyncio.gather(*(project.directory.rights(user) for user in users))
    assert sum("directus_permissions" in statement for statement in project.statements) == 1
    assert len(project.statements) == 4 + len(users)


# Variables with a path.


async def variables(project: Project, user: str, *names: str) -> dict[str, Any]:
    rights = await project.directory.rights(User(user))
    return {name: rights.variables[name] for name in names}


async def test_paths_follow_relations_and_cost_no_statement_of_their_own(project: Project) -> None:
    parent = await project.role("Parent")
    role = await project.role("Child", parent=parent)
    picture = await project.add("files", title="Me", storage="local", filename_download="me.png")
    user = await project.user(role=role, title="Dr", language="de", avatar=picture, tags=["a", "b"])
    expected = {
        "$CURRENT_USER.title": "Dr",
        "$CURRENT_USER.tags": ["a", "b"],
        "$CURRENT_USER.avatar": picture,
        "$CURRENT_USER.avatar.title": "Me",
        "$CURRENT_USER.role.parent.name": "Parent",
        "$CURRENT_ROLE.name": "Child",
        "$CURRENT_ROLE.parent.name": "Parent",
        "$CURRENT_USER.password": None,
        "$CURRENT_USER.nothing": None,
        "$CURRENT_USER.policies.name": None,
    }
    policy = await project.policy("policy", role=parent)
    await project.permission(policy, permissions={"_or": [{"x": {"_eq": name}} for name in expected]})
    project.statements.clear()
    assert await variables(project, user, *expected) == expected
    assert len(project.statements) == 6, "four for the policies, one for the roles' paths, one for the user"
    project.statements.clear()
    stranger = await project.user("stranger@example.com")
    assert "$CURRENT_USER.title" not in (await project.directory.rights(User(stranger))).variables
    assert len(project.statements) == 1


async def test_nobody_has_null_at_the_end_of_paths(sqlite_project: Project) -> None:
    await sqlite_project.permission(
        await sqlite_project.everybodys_policy(),
        permissions={"x": {"_in": ["$CURRENT_USER.title", "$CURRENT_ROLE.name"]}},
    )
    rights = await sqlite_project.directory.rights(Public())
    assert rights.variables["$CURRENT_USER.title"] is None
    user = await sqlite_project.user(title="Dr")
    expected = {"$CURRENT_USER.title": "Dr", "$CURRENT_ROLE.name": None}
    assert await variables(sqlite_project, user, *expected) == expected


async def test_change_where_a_path_leads_is_seen_at_once(sqlite_project: Project) -> None:
    project = sqlite_project
    picture = await project.add("files", title="Before", storage="local", filename_download="me.png")
    user = await project.user(avatar=picture)
    await project.permission(
        await project.everybodys_policy(),
        presets={"signed": "$CURRENT_USER.avatar.title", "also": "$CURRENT_USER.title"},
    )
    assert await variables(project, user, "$CURRENT_USER.avatar.title") == {"$CURRENT_USER.avatar.title": "Before"}
    project.directory.changed([await project.set("files", picture, title="After")])
    assert await variables(project, user, "$CURRENT_USER.avatar.title") == {"$CURRENT_USER.avatar.title": "After"}
    project.directory.changed([Change("directus_policies", "update", ("x",))])
    project.directory.changed([await project.set("files", picture, title="Later")])
    assert await variables(project, user, "$CURRENT_USER.avatar.title") == {"$CURRENT_USER.avatar.title": "Later"}
    project.directory.changed([await project.set("users", user, title="Dr")])
    assert await variables(project, user, "$CURRENT_USER.title") == {"$CURRENT_USER.title": "Dr"}


# Databases of Directus before there were policies.


async def test_roles_of_an_older_database_are_read_as_policies(sqlite_project: Project) -> None:
    project = sqlite_project
    async with project.database.transaction() as transaction:
        for statement in (
            "DROP TABLE directus_permissions",
            "DROP TABLE directus_access",
            "DROP TABLE directus_policies",
            "DROP TABLE directus_roles",
            "CREATE TABLE directus_roles (id char(36) PRIMARY KEY, name varchar(100) NOT NULL, ip_access text,"
            " enforce_tfa boolean NOT NULL DEFAULT false, admin_access boolean NOT NULL DEFAULT false,"
            " app_access boolean NOT NULL DEFAULT true)",
            "CREATE TABLE directus_permissions (id integer PRIMARY KEY, role char(36), collection varchar(64),"
            " action varchar(10), permissions json, validation json, presets json, fields text)",
        ):
            await transaction.execute(sa.text(statement))
    await project.database.reload()
    office = await project.add("roles", name="Office", ip_access="10.98.7.7,10.99.0.0/16")
    admin = await project.add("roles", name="Admin", admin_access=True)
    for number, (role, collection) in enumerate([(None, "messages"), (office, "notes")]):
        columns = {"fields": ["*"], "permissions": {}, "role": role, "collection": collection, "action": "read"}
        async with project.database.transaction() as transaction:
            await transaction.execute(sa.insert(project.table("permissions")).values(id=number, **columns))
    users = {role: await project.user(f"{role}@example.com", role=role) for role in (office, admin, None)}

    async def rights(user: str, ip: str) -> Rights:
        return await project.directory.rights(User(user, ip))

    here, elsewhere = await rights(users[office], HERE), await rights(users[office], "10.98.0.1")
    assert (here.may("notes", "read"), here.may("messages", "read")) == (True, False)
    assert (elsewhere.may("notes", "read"), elsewhere.may("messages", "read")) == (False, False)
    without_role = await rights(users[None], HERE)
    assert (without_role.may("notes", "read"), without_role.may("messages", "read")) == (False, True)
    assert (here.app, here.admin, here.role) == (True, False, office)
    assert (await rights(users[admin], HERE)).admin
    nobody = await project.directory.rights(Public())
    assert (nobody.may("notes", "read"), nobody.may("messages", "read")) == (False, True)


async def test_many_users_and_sessions_are_read_ahead_by_two_statements(project: Project) -> None:
    role = await project.role("Member")
    await project.policy("member", role=role)
    addresses = [f"m{number}@example.com" for number in range(5)]
    for address in addresses:
        await project.user(address, role=role)
    sockets = [(await project.login(address)).user for address in addresses]
    nobody = User(str(uuid4()), session="x" * 64)
    project.renew()
    await project.directory.rights(Public())
    project.statements.clear()
    await project.directory.read_ahead([*sockets, nobody, Public()])
    assert len(project.statements) == 2
    assert [(await project.directory.rights(socket)).role for socket in sockets] == [role] * 5
    assert len(project.statements) == 2
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(nobody)


async def test_what_was_read_ahead_before_a_change_is_not_kept(sqlite_project: Project) -> None:
    project = sqlite_project
    user = await project.user("m@example.com")
    project.renew()
    directory = project.directory
    await directory.rights(Public())
    change = await project.set("users", user, status="suspended")
    reading = asyncio.ensure_future(directory.read_ahead([User(user)]))
    await asyncio.sleep(0)
    directory.changed([change])
    await reading
    project.statements.clear()
    with error_code("INVALID_CREDENTIALS"):
        await directory.rights(User(user))
    assert project.statements
