"""Secrets in system collections: shown to nobody, not to administrators either, and nothing can be asked about them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from tests.integration.graphql.client import Socket, run
from tests.integration.http.project import ADMIN, MEMBER, Project
from tests.integration.websocket.client import Client
from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.database.system import system_tables
from tidegate.schema import CONCEALED

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRETS: dict[tuple[str, str], Any] = {
    ("directus_users", "password"): "$argon2id$secret-password",
    ("directus_users", "token"): "secret-static-token",
    ("directus_users", "tfa_secret"): "SECRETTOTP",
    ("directus_users", "auth_data"): {"refreshToken": "secret-of-a-provider"},
    ("directus_sessions", "token"): "secret-session",
    ("directus_sessions", "next_token"): "secret-next-session",
    ("directus_shares", "password"): "$argon2id$secret-share",
    ("directus_settings", "ai_openai_api_key"): "secret-of-an-ai",
}
"""By field, what is written there, and found nowhere afterwards."""
READ = {"directus_users": "/users", "directus_shares": "/shares", "directus_settings": "/settings"}
ME = "5ec1e700-0000-4000-8000-000000000001"
FIELDS = sorted(SECRETS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secret(project: Project) -> AsyncIterator[Project]:
    """A user, a session, a share and settings with every secret."""
    database = project.app.running.items._database
    rows: dict[str, dict[str, Any]] = {
        "directus_users": {"id": ME, "email": "secret@example.com", "status": "active", "provider": "default"},
        "directus_sessions": {"user": ME, "expires": "2099-01-01T00:00:00.000Z"},
        "directus_shares": {"id": ME, "collection": "articles", "item": "1"},
        "directus_settings": {},
    }
    for (table, field), value in SECRETS.items():
        rows[table][field] = value
    async with database.transaction() as transaction:
        await transaction.execute(sa.update(database.tables["directus_settings"]).values(rows.pop("directus_settings")))
        for table, row in rows.items():
            await transaction.execute(sa.insert(database.tables[table]).values(row))
    yield project


def tells_nothing(answer: object) -> None:
    text = json.dumps(answer)
    for value in SECRETS.values():
        assert (value["refreshToken"] if isinstance(value, dict) else value) not in text


@pytest.mark.parametrize(("collection", "field"), FIELDS)
async def test_secret_is_answered_as_asterisks(secret: Project, collection: str, field: str) -> None:
    query = {"fields": ["*", field], "limit": -1, "filter": {field: {"_nnull": True}}}
    async with Client(secret.app, f"/websocket?access_token={ADMIN}") as client:
        told = await client.ask(type="subscribe", collection=collection, query=query)
    tells_nothing(told)
    assert {row[field] for row in told["data"]} == {CONCEALED}
    if collection in READ:
        for asked in (query, {"fields": ["x"], "alias": {"x": field}, "limit": -1}, {"fields": ["*.*.*"], "limit": -1}):
            status, answer = await secret.ask("SEARCH", READ[collection], {"query": asked})
            assert status == 200, answer
            tells_nothing(answer)


@pytest.mark.parametrize(("collection", "field"), FIELDS)
@pytest.mark.parametrize(
    "query",
    [
        {"filter": {"secret": {"_eq": "x"}}},
        {"filter": {"_or": [{"secret": {"_starts_with": "s"}}]}},
        {"filter": {"secret": {"_gt": "s"}}},
        {"filter": {"secret": {"_in": ["x"]}}},
        {"sort": ["secret"]},
        {"groupBy": ["secret"], "aggregate": {"count": "*"}},
        {"aggregate": {"min": "secret"}},
        {"aggregate": {"countDistinct": "secret"}},
        {"fields": ["count(secret)"]},
        {"alias": {"x": "secret"}, "sort": ["x"]},
    ],
    ids=lambda query: json.dumps(query).replace(" ", ""),
)
async def test_nothing_can_be_asked_about_a_secret(
    secret: Project, collection: str, field: str, query: dict[str, Any]
) -> None:
    asked = json.loads(json.dumps(query).replace("secret", field))
    async with Client(secret.app, f"/websocket?access_token={ADMIN}") as client:
        told = await client.ask(type="subscribe", collection=collection, query=asked)
    assert told["error"]["code"] in ("INVALID_QUERY", "FORBIDDEN"), told
    if collection in READ:
        assert (await secret.code("SEARCH", READ[collection], {"query": asked}))[1] in ("INVALID_QUERY", "FORBIDDEN")


async def test_search_finds_no_secret(secret: Project) -> None:
    for value in SECRETS.values():
        text = value["refreshToken"] if isinstance(value, dict) else value
        assert await secret.ask("SEARCH", "/users", {"query": {"search": text}}) == (200, {"data": []})


async def test_secret_is_no_oracle_through_a_relation(secret: Project) -> None:
    for path, query in (
        ("/access", {"filter": {"user": {"token": {"_starts_with": "secret"}}}}),
        ("/access", {"sort": ["user.token"]}),
        ("/roles", {"filter": {"users": {"password": {"_eq": "x"}}}}),
        ("/roles", {"fields": ["users.id"], "deep": {"users": {"_sort": ["token"]}}}),
        ("/roles", {"fields": ["users.id"], "deep": {"users": {"_filter": {"auth_data": {"_eq": "x"}}}}}),
    ):
        assert await secret.code("SEARCH", path, {"query": query}) == (400, "INVALID_QUERY")
    status, answer = await secret.ask("SEARCH", "/roles", {"query": {"fields": ["users.*"], "limit": -1}})
    assert status == 200
    tells_nothing(answer)


async def test_events_carry_no_secret(secret: Project) -> None:
    async with Client(secret.app, f"/websocket?access_token={ADMIN}") as client:
        assert (await client.ask(type="subscribe", collection="directus_users", event="update"))["event"] == "init"
        changed = {"password": "secret-password", "token": "secret-static-token", "auth_data": {"refreshToken": "x"}}
        status, answer = await secret.ask("PATCH", f"/users/{ME}", changed)
        assert status == 200
        told = await client.receive()
        tells_nothing([answer, told])
        (row,) = told["data"]
        assert {row[name] for name in ("password", "token", "tfa_secret", "auth_data")} == {CONCEALED}


async def test_graphql_shows_no_secret(secret: Project) -> None:
    document = f'{{ users_by_id(id: "{ME}") {{ password token tfa_secret auth_data }} }}'
    answer = await run(secret, document, path="/graphql/system")
    assert set(answer["data"]["users_by_id"].values()) == {CONCEALED}


# Writing them.


def flagged(*flags: str) -> list[tuple[str, str]]:
    """Fields of system collections with one of the flags."""
    tables = system_tables().fields
    return [
        (table, name)
        for table, fields in tables.items()
        for name, field in fields.items()
        if not set(flags).isdisjoint(field.special)
    ]


async def stored(project: Project, collection: str, field: str) -> list[Any]:
    database = project.app.running.items._database
    return [row[0] for row in await database.fetch(sa.select(database.tables[collection].c[field]))]


async def test_every_flagged_field_is_concealed(secret: Project) -> None:
    collections = secret.app.running.items._database.schema.collections
    found = flagged("conceal", "encrypt", "hash")
    assert len(found) > 8
    assert [place for place in found if not collections[place[0]].fields[place[1]].concealed] == []


@pytest.mark.parametrize(("collection", "field"), flagged("encrypt"))
async def test_value_that_directus_encrypts_is_not_stored_in_clear(
    secret: Project, collection: str, field: str
) -> None:
    assert collection == "directus_settings"
    database = secret.app.running.items._database
    async with database.transaction() as transaction:
        await transaction.execute(sa.update(database.tables[collection]).values({field: "encrypted"}))
    refused = {"project_name": "Renamed", field: "sk-in-clear"}
    status, answer = await secret.ask("PATCH", "/settings", refused)
    assert (status, answer["errors"][0]["extensions"]["code"]) == (400, "INVALID_PAYLOAD")
    assert "encrypted by Directus" in answer["errors"][0]["message"]
    tells_nothing(answer)
    status, answer = await secret.ask("PATCH", "/settings", {field: CONCEALED, "project_name": "Kept"})
    assert (status, answer["data"][field], answer["data"]["project_name"]) == (200, CONCEALED, "Kept")
    assert await stored(secret, collection, field) == ["encrypted"]
    status, answer = await secret.ask("PATCH", "/settings", {field: None})
    assert (status, answer["data"][field]) == (200, None)
    assert await stored(secret, collection, field) == [None]


@pytest.mark.parametrize(("collection", "field"), flagged("hash"))
async def test_value_that_is_hashed_is_not_stored_in_clear(secret: Project, collection: str, field: str) -> None:
    administrator = Rights(Public(), admin=True)
    written = await secret.app.running.items.update_one(administrator, collection, ME, {field: "in clear"})
    assert written.image is None or written.image[field] == CONCEALED
    values = [value for value in await stored(secret, collection, field) if value]
    assert values
    assert all(value.startswith("$argon2id$") for value in values)


# Subscriptions of somebody who may read only its own row.


async def test_user_hears_of_its_own_row_alone(secret: Project) -> None:
    me = secret.ids["member"]
    async with Client(secret.app, f"/websocket?access_token={MEMBER}") as client:
        told = await client.ask(type="subscribe", collection="directus_users", uid="u", query={"fields": ["*"]})
        assert [row["id"] for row in told["data"]] == [me]
        assert not {"password", "token", "auth_data"} & told["data"][0].keys()
        await secret.ask("PATCH", f"/users/{ME}", {"first_name": "Other"})
        await secret.ask("PATCH", f"/users/{me}", {"first_name": "Own"})
        heard = await client.receive()
        assert (heard["event"], [row["first_name"] for row in heard["data"]]) == ("update", ["Own"])
        for query in ({"fields": ["token"]}, {"filter": {"password": {"_nnull": True}}}, {"sort": ["token"]}):
            refused = await client.ask(type="subscribe", collection="directus_users", query=query)
            assert refused["error"]["code"] == "FORBIDDEN", query
        other = await client.ask(type="subscribe", collection="directus_users", item=ME)
        assert other["error"]["code"] == "FORBIDDEN"
        for collection in ("directus_roles", "directus_sessions", "directus_permissions", "directus_settings"):
            refused = await client.ask(type="subscribe", collection=collection)
            assert refused["error"]["code"] == "FORBIDDEN", collection
        await secret.ask("PATCH", f"/users/{me}", {"first_name": "Mem"})
        assert (await client.receive())["data"][0]["first_name"] == "Mem"


async def test_graphql_subscriber_hears_of_its_own_row_alone(secret: Project) -> None:
    me = secret.ids["member"]
    async with Socket(secret.app) as socket:
        await socket.begin(MEMBER)
        await socket.subscribe("subscription { directus_users_mutated { key data { first_name } } }")
        await secret.ask("PATCH", f"/users/{ME}", {"first_name": "Other"})
        for name in ("Own", "Mem"):
            await secret.ask("PATCH", f"/users/{me}", {"first_name": name})
            assert await socket.next() == {"directus_users_mutated": {"key": me, "data": {"first_name": name}}}
        for document in ("directus_users_mutated { data { token } }", "directus_sessions_mutated { key }"):
            await socket.send(type="subscribe", id="2", payload={"query": f"subscription {{ {document} }}"})
            assert "Cannot query field" in (await socket.errors("2"))[0]["message"]
