"""System collections under their own paths, and what belongs to whoever asks."""

from typing import Any

import pytest

from tests.integration.http.project import ADMIN, MEMBER, NO_ROLE, SENIOR, Project
from tidegate.http.system import READABLE, WRITABLE

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", [*WRITABLE, *READABLE])
async def test_administrator_reads_system_collection(project: Project, path: str) -> None:
    status, body = await project.ask("GET", f"/{path}?limit=1")
    assert (status, type(body["data"])) == (200, dict if path == "settings" else list)


@pytest.mark.parametrize("path", [*WRITABLE, *READABLE])
async def test_stranger_reads_no_system_collection(project: Project, path: str) -> None:
    assert await project.code("GET", f"/{path}", None, NO_ROLE) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/users?fields=email,role.name&filter[role][name][_eq]=Member&sort=email&limit=1",
         [{"email": "member@example.com", "role": {"name": "Member"}}]),
        ("/users?filter[email][_starts_with]=senior&fields=role.parent.name",
         [{"role": {"parent": {"name": "Member"}}}]),
        ("/roles?filter[name][_eq]=Senior&fields=users.email&deep[users][_limit]=1",
         [{"users": [{"email": "senior@example.com"}]}]),
        ("/policies?search=administrator&fields=name", [{"name": "Administrator"}]),
        ("/policies?filter[users][_some][user][email][_eq]=nobody@example.com", []),
        ("/users?aggregate[count]=id&filter[status][_eq]=suspended", [{"count": {"id": "1"}}]),
        ("/users?groupBy=status&aggregate[countDistinct]=id&filter[status][_neq]=active",
         [{"status": "suspended", "countDistinct": {"id": "1"}}]),
        ("/permissions?alias[who]=policy&fields=who.name&filter[collection][_eq]=notes&limit=1",
         [{"who": {"name": "Member policy"}}]),
    ],
)  # fmt: skip
async def test_system_collections_take_the_same_query_language(project: Project, path: str, expected: Any) -> None:
    assert await project.ask("GET", path) == (200, {"data": expected})


async def test_administrator_keeps_users(project: Project) -> None:
    body = {"email": "New@example.com", "password": "pw", "role": project.ids["member_role"], "token": "new-token"}
    status, created = await project.ask("POST", "/users", body)
    key = created["data"]["id"]
    assert (status, created["data"]["password"], created["data"]["token"]) == (200, "**********", "**********")
    assert (await project.ask("GET", "/users/me", None, "new-token"))[1]["data"]["id"] == key
    status, updated = await project.ask("PATCH", f"/users/{key}?fields=first_name", {"first_name": "N"})
    assert (status, updated) == (200, {"data": {"first_name": "N"}})
    assert await project.ask("GET", f"/users?filter[id][_eq]={key}&fields=role.name") == (
        200,
        {"data": [{"role": {"name": "Member"}}]},
    )
    assert (await project.ask("DELETE", f"/users/{key}"))[0] == 204
    assert await project.code("GET", "/users/me", None, "new-token") == (401, "INVALID_CREDENTIALS")


async def test_permission_is_in_force_at_once(project: Project) -> None:
    assert await project.code("GET", "/folders", None, MEMBER) == (403, "FORBIDDEN")
    permission = {"policy": project.ids["member_policy"], "collection": "directus_folders", "action": "read"}
    _, body = await project.ask("POST", "/permissions", {**permission, "permissions": {}, "fields": ["*"]})
    assert await project.ask("GET", "/folders", None, MEMBER) == (200, {"data": []})
    await project.ask("DELETE", f"/permissions/{body['data']['id']}")
    assert await project.code("GET", "/folders", None, MEMBER) == (403, "FORBIDDEN")


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("path", "column", "owner"),
    [("/users", "user", {"email": "keeper@example.com"}), ("/roles", "role", {"name": "Keepers"})],
)
async def test_policy_that_is_taken_from_somebody_becomes_nobodys(
    project: Project, path: str, column: str, owner: dict[str, str], whole: bool
) -> None:
    """A row of `directus_access` with neither user nor role gives its policy to everybody."""
    key = (await project.ask("POST", path, owner))[1]["data"]["id"]
    permission = {"collection": "hidden_things", "action": "read", "permissions": {}, "fields": ["*"]}
    _, policy = await project.ask("POST", "/policies", {"name": "Keeper", "permissions": [permission]})
    access = {column: key, "policy": policy["data"]["id"]}
    given = (await project.ask("POST", "/access", access))[1]["data"]["id"]

    taken: object = [] if whole else {"create": [], "update": [], "delete": [given]}
    assert await project.ask("PATCH", f"{path}/{key}?fields=policies", {"policies": taken}) == (
        200,
        {"data": {"policies": []}},
    )

    assert await project.code("GET", "/items/hidden_things", None, None) == (403, "FORBIDDEN")
    assert await project.ask("GET", f"/access?filter[policy][_eq]={policy['data']['id']}") == (200, {"data": []})
    await project.ask("DELETE", f"{path}/{key}")
    await project.ask("DELETE", f"/policies/{policy['data']['id']}")


async def test_permission_that_its_policy_lets_go_of_is_deleted(project: Project) -> None:
    permission = {"collection": "labels", "action": "read", "permissions": {}, "fields": ["*"]}
    _, body = await project.ask("POST", "/policies", {"name": "Reader", "permissions": [permission]})
    [key], policy = body["data"]["permissions"], body["data"]["id"]
    status, body = await project.ask("PATCH", f"/policies/{policy}", {"permissions": []})
    assert (status, body["data"]["permissions"]) == (200, [])
    assert await project.code("GET", f"/permissions/{key}") == (403, "FORBIDDEN")
    await project.ask("DELETE", f"/policies/{policy}")


async def test_settings_are_one_object(project: Project) -> None:
    status, body = await project.ask("PATCH", "/settings?fields=project_name", {"project_name": "P"})
    assert (status, body) == (200, {"data": {"project_name": "P"}})


async def test_user_sees_of_itself_what_it_may_read(project: Project) -> None:
    status, body = await project.ask("GET", "/users/me", None, MEMBER)
    expected = {"id": project.ids["member"], "email": "member@example.com", "first_name": "Mem"}
    assert (status, body["data"]) == (200, expected | {"role": project.ids["member_role"]})


@pytest.mark.parametrize("path", ["/users/me", "/users/me?fields=password,token"])
async def test_user_who_may_read_no_users_sees_its_key(project: Project, path: str) -> None:
    assert await project.ask("GET", path, None, NO_ROLE) == (200, {"data": {"id": project.ids["norole"]}})


async def test_user_changes_itself_as_far_as_it_may(project: Project) -> None:
    status, body = await project.ask("PATCH", "/users/me?fields=first_name", {"first_name": "Boss"}, ADMIN)
    assert (status, body) == (200, {"data": {"first_name": "Boss"}})
    assert await project.code("PATCH", "/users/me", {"first_name": "X"}, MEMBER) == (403, "FORBIDDEN")


@pytest.mark.parametrize("path", ["/users/me", "/roles/me"])
async def test_nobody_is_not_anybody(project: Project, path: str) -> None:
    assert await project.code("GET", path, None, None) == (401, "INVALID_CREDENTIALS")


async def test_user_sees_its_roles(project: Project) -> None:
    status, body = await project.ask("GET", "/roles/me", None, SENIOR)
    assert status == 200
    assert {row["id"] for row in body["data"]} == {project.ids["senior_role"], project.ids["member_role"]}


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (ADMIN, {"app_access": True, "admin_access": True, "enforce_tfa": False}),
        (MEMBER, {"app_access": False, "admin_access": False, "enforce_tfa": False}),
        (None, {"app_access": False, "admin_access": False, "enforce_tfa": False}),
    ],
)
async def test_user_sees_what_its_policies_give(project: Project, token: str | None, expected: dict[str, bool]) -> None:
    assert await project.ask("GET", "/policies/me/globals", None, token) == (200, {"data": expected})


async def test_user_sees_its_permissions(project: Project) -> None:
    _, body = await project.ask("GET", "/permissions/me", None, MEMBER)
    permissions: dict[str, Any] = body["data"]
    assert "hidden_things" not in permissions
    assert permissions["notes"]["read"] == {
        "access": "partial",
        "fields": ["id", "owner", "status", "title"],
        "presets": {},
    }
    assert permissions["notes"]["create"]["access"] == "full"
    assert permissions["labels"] == {
        "create": {"access": "none"},
        "read": {"access": "full", "fields": ["*"], "presets": {}},
        "update": {"access": "none"},
        "delete": {"access": "none"},
    }


async def test_administrator_sees_full_access_to_everything(project: Project) -> None:
    _, body = await project.ask("GET", "/permissions/me")
    assert {entry["access"] for actions in body["data"].values() for entry in actions.values()} == {"full"}
    assert {"hidden_things", "directus_users"} <= set(body["data"])
