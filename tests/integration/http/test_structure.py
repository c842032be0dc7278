"""`/collections`, `/fields`, `/relations`: real tables, columns and foreign keys over HTTP."""

import pytest

from tests.integration.http.project import MEMBER, Project

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = {"field": "id", "type": "integer", "schema": {"is_primary_key": True, "has_auto_increment": True}, "meta": {}}


async def make(project: Project, *names: str) -> None:
    body = [{"collection": name, "schema": {}, "meta": {}, "fields": [KEY]} for name in names]
    status, answer = await project.ask("POST", "/collections", body)
    assert (status, [made["collection"] for made in answer["data"]]) == (200, list(names))


async def fields_of(project: Project, collection: str) -> list[str]:
    _, body = await project.ask("GET", f"/fields/{collection}")
    return [field["field"] for field in body["data"]]


async def test_administrator_keeps_collections(project: Project) -> None:
    await make(project, "boats", "harbours")
    assert (await project.ask("POST", "/items/boats", {}))[1] == {"data": {"id": 1}}
    status, body = await project.ask("PATCH", "/collections/boats", {"meta": {"note": "N"}})
    assert (status, body["data"]["collection"], body["data"]["meta"]["note"]) == (200, "boats", "N")
    _, body = await project.ask("GET", "/collections")
    assert {"boats", "harbours", "directus_users"} <= {entry["collection"] for entry in body["data"]}
    assert await project.ask("DELETE", "/collections/boats") == (204, "")
    assert await project.code("GET", "/collections/boats") == (403, "FORBIDDEN")
    assert await project.code("GET", "/items/boats") == (403, "FORBIDDEN")


async def test_administrator_keeps_fields(project: Project) -> None:
    await make(project, "crews")
    status, body = await project.ask("POST", "/fields/crews", {"field": "name", "type": "string", "schema": {}})
    assert (status, body["data"]["field"], body["data"]["type"]) == (200, "name", "string")
    assert (await project.ask("POST", "/items/crews", {"name": "A"}))[1] == {"data": {"id": 1, "name": "A"}}
    status, body = await project.ask("PATCH", "/fields/crews/name", {"meta": {"note": "N"}})
    assert (status, body["data"]["meta"]["note"]) == (200, "N")
    status, body = await project.ask("PATCH", "/fields/crews", [{"field": "name", "meta": {"note": "M"}}])
    assert (status, [row["meta"]["note"] for row in body["data"]]) == (200, ["M"])
    assert await project.code("PATCH", "/fields/crews", [{"meta": {}}]) == (400, "INVALID_PAYLOAD")
    assert (await project.ask("GET", "/fields/crews/name"))[1]["data"]["field"] == "name"
    assert await fields_of(project, "crews") == ["id", "name"]
    assert await project.ask("DELETE", "/fields/crews/name") == (204, "")
    assert await fields_of(project, "crews") == ["id"]
    _, body = await project.ask("GET", "/fields")
    assert {"crews", "messages", "directus_users"} <= {field["collection"] for field in body["data"]}


async def test_administrator_keeps_relations(project: Project) -> None:
    await make(project, "ports", "ships")
    await project.ask("POST", "/fields/ships", {"field": "port", "type": "integer", "schema": {}})
    relation = {"collection": "ships", "field": "port", "related_collection": "ports"}
    body = {**relation, "schema": {"on_delete": "SET NULL"}, "meta": {"one_field": "ships"}}
    status, made = await project.ask("POST", "/relations", body)
    assert (status, {name: made["data"][name] for name in relation}) == (200, relation)
    assert await project.code("POST", "/items/ships", {"port": 1}) == (400, "INVALID_FOREIGN_KEY")
    _, created = await project.ask("POST", "/items/ships?fields=port.id", {"port": {}})
    assert created == {"data": {"port": {"id": 1}}}
    status, changed = await project.ask("PATCH", "/relations/ships/port", {"meta": {"sort_field": None}})
    assert (status, changed["data"]["field"]) == (200, "port")
    assert (await project.ask("GET", "/relations/ships/port"))[1]["data"]["related_collection"] == "ports"
    assert [row["field"] for row in (await project.ask("GET", "/relations/ships"))[1]["data"]] == ["port"]
    assert ("ships", "port") in {
        (row["collection"], row["field"]) for row in (await project.ask("GET", "/relations"))[1]["data"]
    }
    assert await project.ask("DELETE", "/relations/ships/port") == (204, "")
    assert (await project.ask("POST", "/items/ships", {"port": 99}))[0] == 200


async def test_array_is_taken_whole_or_not_at_all(project: Project) -> None:
    await make(project, "cargoes")
    for name in ("weight", "owner"):
        await project.ask("POST", "/fields/cargoes", {"field": name, "type": "string", "schema": {}, "meta": {}})
    before = [(await project.ask("GET", path))[1] for path in ("/collections", "/fields", "/relations")]
    made = [{"collection": "crates", "schema": {}}, {"collection": "cargoes", "schema": {}}]
    assert await project.code("POST", "/collections", made) == (400, "INVALID_PAYLOAD")
    noted = [{"collection": "cargoes", "meta": {"note": "N"}}, {"collection": "nowhere", "meta": {"note": "N"}}]
    assert await project.code("PATCH", "/collections", noted) == (403, "FORBIDDEN")
    changed = [{"field": "weight", "schema": {"max_length": 9}, "meta": {"note": "N"}}, {"field": "nothing"}]
    assert await project.code("PATCH", "/fields/cargoes", changed) == (403, "FORBIDDEN")
    assert [(await project.ask("GET", path))[1] for path in ("/collections", "/fields", "/relations")] == before
    status, body = await project.ask("PATCH", "/collections", noted[:1])
    assert (status, [row["meta"]["note"] for row in body["data"]]) == (200, ["N"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/collections", None),
        ("GET", "/collections/messages", None),
        ("POST", "/collections", {"collection": "x", "schema": {}}),
        ("PATCH", "/collections/messages", {"meta": {}}),
        ("DELETE", "/collections/messages", None),
        ("GET", "/fields", None),
        ("GET", "/fields/messages", None),
        ("GET", "/fields/messages/text", None),
        ("POST", "/fields/messages", {"field": "x", "type": "string"}),
        ("PATCH", "/fields/messages", [{"field": "text", "meta": {}}]),
        ("PATCH", "/fields/messages/text", {"meta": {}}),
        ("DELETE", "/fields/messages/text", None),
        ("GET", "/relations", None),
        ("GET", "/relations/articles", None),
        ("GET", "/relations/articles/author", None),
        ("POST", "/relations", {"collection": "articles", "field": "author"}),
        ("PATCH", "/relations/articles/author", {"meta": {}}),
        ("DELETE", "/relations/articles/author", None),
    ],
)
@pytest.mark.parametrize("token", [MEMBER, None])
async def test_others_see_and_change_no_structure(
    project: Project, method: str, path: str, body: object, token: str | None
) -> None:
    assert await project.code(method, path, body, token) == (403, "FORBIDDEN")
