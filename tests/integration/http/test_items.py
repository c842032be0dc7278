"""`/items`: every form of reading and writing."""

from typing import Any

import pytest

from tests.integration.http.project import MEMBER, NO_ROLE, SENIOR, Project

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def made(project: Project, *texts: str) -> list[int]:
    """The keys of new messages."""
    _, body = await project.ask("POST", "/items/messages?fields=id", [{"text": text} for text in texts])
    return [row["id"] for row in body["data"]]


async def texts(project: Project, *keys: int) -> list[Any]:
    listed = ",".join(map(str, keys))
    _, body = await project.ask("GET", f"/items/messages?filter[id][_in]={listed}&fields=text&sort=id&limit=-1")
    return [row["text"] for row in body["data"]]


async def test_reader_shapes_list_by_parameters(project: Project) -> None:
    await made(project, "p1", "p2", "p3")
    path = "/items/messages?fields[]=text&filter[text][_starts_with]=p&sort=-text&limit=2&meta=filter_count"
    assert await project.ask("GET", path) == (
        200,
        {"meta": {"filter_count": 3}, "data": [{"text": "p3"}, {"text": "p2"}]},
    )


async def test_search_takes_query_from_body(project: Project) -> None:
    await made(project, "s1")
    query = {"filter": {"text": {"_eq": "s1"}}, "fields": ["text"], "meta": "filter_count"}
    expected = (200, {"meta": {"filter_count": 1}, "data": [{"text": "s1"}]})
    assert await project.ask("SEARCH", "/items/messages", {"query": query}) == expected


async def test_head_is_answered_as_get(project: Project) -> None:
    answer = await project.client.head("/items/messages")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


async def test_writer_gets_what_parameters_ask_for(project: Project) -> None:
    status, one = await project.ask("POST", "/items/messages?fields=text", {"text": "a"}, MEMBER)
    assert (status, one) == (200, {"data": {"text": "a"}})
    status, several = await project.ask("POST", "/items/messages?fields=text", [{"text": "b"}, {"text": "c"}], MEMBER)
    assert (status, several) == (200, {"data": [{"text": "b"}, {"text": "c"}]})


async def test_writer_who_may_not_read_gets_no_content(project: Project) -> None:
    permission = {"policy": project.ids["senior_policy"], "collection": "hidden_things", "action": "create"}
    await project.ask("POST", "/permissions", {**permission, "permissions": {}, "fields": ["*"]})
    assert await project.ask("POST", "/items/hidden_things", {"name": "x"}, SENIOR) == (204, "")
    assert await project.ask("POST", "/items/hidden_things", [{"name": "x"}], SENIOR) == (204, "")
    assert await project.code("POST", "/items/hidden_things", {"name": "x"}, NO_ROLE) == (403, "FORBIDDEN")


async def test_update_takes_each_form(project: Project) -> None:
    a, b, c, d, e = await made(project, "ua", "ub", "uc", "ud", "ue")
    path = "/items/messages?fields=id,text&sort=id"
    assert await project.ask("PATCH", f"/items/messages/{a}?fields=text", {"text": "1"}) == (
        200,
        {"data": {"text": "1"}},
    )
    assert await project.ask("PATCH", path, {"keys": [b], "data": {"text": "2"}}) == (
        200,
        {"data": [{"id": b, "text": "2"}]},
    )
    assert await project.ask("PATCH", path, [{"id": c, "text": "3"}, {"id": d, "text": "4"}]) == (
        200,
        {"data": [{"id": c, "text": "3"}, {"id": d, "text": "4"}]},
    )
    query = {"filter": {"text": {"_eq": "ue"}}}
    assert await project.ask("PATCH", path, {"query": query, "data": {"text": "5"}}) == (
        200,
        {"data": [{"id": e, "text": "5"}]},
    )
    assert await texts(project, a, b, c, d, e) == ["1", "2", "3", "4", "5"]


async def test_delete_takes_each_form(project: Project) -> None:
    a, b, c, d, e = await made(project, "da", "db", "dc", "dd", "stays")
    assert await project.ask("DELETE", f"/items/messages/{a}") == (204, "")
    assert await project.ask("DELETE", "/items/messages", [b]) == (204, "")
    assert await project.ask("DELETE", "/items/messages", {"keys": [c]}) == (204, "")
    assert await project.ask("DELETE", "/items/messages", {"query": {"filter": {"text": {"_eq": "dd"}}}}) == (204, "")
    assert await texts(project, a, b, c, d, e) == ["stays"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/items/messages/999", None), ("/items/messages", [999]), ("/items/messages", {"keys": [999]})],
)
async def test_item_that_is_not_there_is_deleted_for_administrators_only(
    project: Project, path: str, body: object
) -> None:
    assert await project.ask("DELETE", path, body) == (204, "")
    assert await project.code("DELETE", path, body, MEMBER) == (403, "FORBIDDEN")


@pytest.mark.parametrize("collection", ["hidden_things", "site"])
@pytest.mark.parametrize("method", ["GET", "SEARCH", "POST", "PATCH", "DELETE"])
async def test_collection_without_rights_is_one_that_is_not_there(
    project: Project, collection: str, method: str
) -> None:
    key, keys, query = {"id": 1}, {"keys": [1]}, {"query": {"filter": {"x": {"_eq": 1}}}}
    bodies: list[object] = [
        None,
        [],
        {},
        5,
        [1],
        [{}],
        [key],
        [{"x": 1}],
        key,
        keys,
        {**keys, "data": {}},
        {**query, "data": {}},
        query,
    ]
    for path in ("", "/1", "/abc", "?fields=x", "?limit=x"):
        for body in bodies:
            there, absent = [
                await project.ask(method, f"/items/{name}{path}", body, NO_ROLE) for name in (collection, "absent")
            ]
            assert str(there).replace(collection, "absent") == str(absent)
            assert there[0] in (400, 403, 404)


async def test_faulty_query_writes_nothing(project: Project) -> None:
    assert await project.code("POST", "/items/messages?limit=x", {"text": "unwritten"}) == (400, "INVALID_QUERY")
    _, found = await project.ask("GET", "/items/messages?filter[text][_eq]=unwritten")
    assert found == {"data": []}


async def test_singleton_is_one_object(project: Project) -> None:
    assert await project.ask("GET", "/items/site") == (200, {"data": {"id": None}})
    status, body = await project.ask("PATCH", "/items/site?fields=name", {"name": "N"})
    assert (status, body) == (200, {"data": {"name": "N"}})
    status, body = await project.ask("PATCH", "/items/site", {"footer": "F"})
    assert (status, body["data"]["name"], body["data"]["footer"]) == (200, "N", "F")


async def test_key_may_be_text_with_odd_characters(project: Project) -> None:
    code = "é %20?#"
    assert (await project.ask("POST", "/items/labels", {"code": code}))[0] == 200
    status, body = await project.ask("GET", "/items/labels/%C3%A9%20%2520%3F%23?fields=code")
    assert (status, body) == (200, {"data": {"code": code}})


async def test_key_with_a_slash_is_reached_by_path(project: Project) -> None:
    status, body = await project.ask("POST", "/items/labels", {"code": "a/b", "color": "#abc"})
    assert (status, body["data"]["code"]) == (200, "a/b")
    assert (await project.ask("PATCH", "/items/labels/a%2Fb", {"color": "#def"}))[0] == 200
    status, body = await project.ask("GET", "/items/labels/a%2Fb?fields=color")
    assert (status, body["data"]) == (200, {"color": "#def"})
    assert (await project.ask("DELETE", "/items/labels/a%2Fb"))[0] == 204
    assert await project.code("GET", "/items/labels/a%2Fb") == (403, "FORBIDDEN")


async def test_slash_at_the_end_of_a_path_names_no_item(project: Project) -> None:
    answer = await project.client.get("/items/labels/")
    assert (answer.status_code, answer.headers["location"]) == (307, "http://tidegate.test/items/labels")
