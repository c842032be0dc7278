"""Bad input of every kind by every way in, on every engine: an error code, nothing shown, nothing written in part."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import pytest_asyncio

from tests.integration.refusals import table
from tests.integration.refusals.world import Refusals, World, world_on
from tests.support.engines import DATABASE_ENGINES

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = {"must": "x"}
PAYLOAD_LIMIT = 1024 * 1024
URL_LENGTH = 60_000
"""Characters; the server and the client take little more."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DATABASE_ENGINES)
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with world_on(request.param, tmp_path_factory.mktemp("project")) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def refusals(world: World) -> AsyncIterator[Refusals]:
    """What is refused here must leave no trace: not in the tables, and not with the witness."""
    before = await world.rows()
    found = Refusals()
    yield found
    assert await world.rows() == before
    assert await world.told() == []


def items(action: str, **parts: Any) -> dict[str, Any]:
    return {"type": "items", "action": action, "collection": "things", **parts}


def brackets(name: str, value: Any) -> list[tuple[str, str]]:
    """The value as parameters of a URL."""
    if isinstance(value, dict):
        return [pair for key, part in value.items() for pair in brackets(f"{name}[{key}]", part)]
    if isinstance(value, list):
        return [pair for at, part in enumerate(value) for pair in brackets(f"{name}[{at}]", part)]
    return [(name, value if isinstance(value, str) else json.dumps(value))]


async def check_read(world: World, refusals: Refusals, query: dict[str, Any], *codes: str) -> None:
    refusals.check(("SEARCH", query), await world.http("SEARCH", "/items/things", {"query": query}), *codes)
    subscribe = {"type": "subscribe", "collection": "things", "uid": "bad", "query": query}
    refusals.check(("subscribe", query), await world.say(subscribe), *codes)


async def check_query(world: World, refusals: Refusals, query: dict[str, Any], *codes: str) -> None:
    """As a search, a JSON message and a subscription; a filter also as a condition of writes."""
    await check_read(world, refusals, query, *codes)
    refusals.check(("read", query), await world.say(items("read", query=query)), *codes)
    if "filter" in query:
        written = {"query": query, "data": {"string": "y"}}
        refusals.check(("PATCH", query), await world.http("PATCH", "/items/things", written), *codes)
        refusals.check(("DELETE", query), await world.http("DELETE", "/items/things", {"query": query}), *codes)
        refusals.check(("update", query), await world.say(items("update", **written)), *codes)
        refusals.check(("delete", query), await world.say(items("delete", query=query)), *codes)
        deep = {"fields": ["things.id"], "deep": {"things": {"_filter": query["filter"]}}}
        refusals.check(("deep", query), await world.http("SEARCH", "/items/owners", {"query": deep}), *codes)


async def check_url(world: World, refusals: Refusals, pairs: list[tuple[str, str]], *codes: str) -> None:
    asked = urlencode(pairs)
    if asked and len(asked) < URL_LENGTH:  # an empty list or object cannot be said in brackets
        refusals.check(("GET", pairs), await world.http("GET", f"/items/things?{asked}"), *codes)


@pytest.mark.parametrize("field", table.WRITES)
async def test_wrong_values_are_not_written(world: World, refusals: Refusals, field: str) -> None:
    for value, code in table.WRITES[field]:
        bad = {**GOOD, field: value}
        asked = (field, value)
        refusals.check(("POST", *asked), await world.http("POST", "/items/things", bad), code)
        refusals.check(("POST some", *asked), await world.http("POST", "/items/things", [GOOD, bad, GOOD]), code)
        refusals.check(("PATCH", *asked), await world.http("PATCH", "/items/things/2", bad), code)
        rows = [{"id": 3, "string": "y"}, {"id": 2, **bad}]
        refusals.check(("PATCH some", *asked), await world.http("PATCH", "/items/things", rows), code)
        refusals.check(("create", *asked), await world.say(items("create", data=[GOOD, bad])), code)
        refusals.check(("update", *asked), await world.say(items("update", ids=[3, 2], data=bad)), code)
        if field == "owner":
            continue  # inside the owner's things it is set to the owner
        nested = {"name": "y", "things": {"create": [GOOD, bad], "update": [{"id": 3, "string": "y"}]}}
        refusals.check(("nested", *asked), await world.http("PATCH", "/items/owners/ada", nested), code)
    refusals.result(6 * len(table.WRITES[field]))


async def test_items_nested_too_deep_or_wrongly_are_not_written(world: World, refusals: Refusals) -> None:
    for name, data, code in table.NESTED:
        refusals.check(("POST", name), await world.http("POST", "/items/things", data), code)
        refusals.check(
            ("PATCH", name), await world.http("PATCH", "/items/things/2", {**data, "id": 2}), code, "INVALID_PAYLOAD"
        )
        refusals.check(("create", name), await world.say(items("create", data=[GOOD, data])), code)
    refusals.result(3 * len(table.NESTED))


async def test_wrong_operands_are_refused(world: World, refusals: Refusals) -> None:
    for field, tests in table.OPERANDS.items():
        for operator, value in (*tests, *(table.EVERYWHERE if field in ("text", "integer", "year(date)") else ())):
            await check_query(
                world, refusals, {"filter": {field: {operator: value}}, "fields": ["id"]}, "INVALID_QUERY"
            )
            await check_url(world, refusals, brackets("filter", {field: {operator: value}}), "INVALID_QUERY")
    refusals.result(1_000)


async def test_queries_that_make_no_sense_are_refused(world: World, refusals: Refusals) -> None:
    for query, code in table.QUERIES:
        await check_query(world, refusals, query, code)
        as_json = [(name, json.dumps(value)) for name, value in query.items()]
        if not {"search", "fields", "sort", "groupBy"} & query.keys():  # those are texts in a URL, not JSON
            await check_url(world, refusals, as_json, code)
    refusals.result(350)


async def test_names_that_are_not_there_are_refused_wherever_they_stand(world: World, refusals: Refusals) -> None:
    codes = ("FORBIDDEN", "INVALID_QUERY")
    for name in table.NAMES:
        await check_query(world, refusals, {"filter": {name: {"_eq": 1}}}, *codes)
        await check_query(world, refusals, {"filter": {"owner": {name: {"_eq": 1}}}}, *codes)
        if "," in name or not name.strip() or name != name.strip():
            continue  # a list of names may have blanks in it
        queries: list[dict[str, Any]] = [
            {"fields": [name]},
            *([] if name == "things.string" else [{"fields": [f"owner.{name}"]}]),
            {"sort": [name]},
            {"sort": [f"-owner.{name}"]},
            {"aggregate": {"max": [name]}},
            {"aggregate": {name: ["id"]}},
            {"groupBy": [name]},
            {"alias": {"a": name}, "fields": ["a"]},
            {"alias": {"a": name}, "sort": ["a"]},
        ]
        for query in queries:
            await check_read(world, refusals, query, *codes)
    refusals.result(1_000)


async def test_unknown_collections_are_refused(world: World, refusals: Refusals) -> None:
    for name in table.COLLECTIONS:
        path = f"/items/{quote(name, safe='')}"
        for method, body in (("GET", None), ("POST", GOOD), ("SEARCH", {"query": {}}), ("DELETE", [1]), ("PATCH", [])):
            codes = ("FORBIDDEN", "INVALID_PAYLOAD") if method == "PATCH" else ("FORBIDDEN",)
            refusals.check((method, name), await world.http(method, path, body), *codes)
        for action, parts in (("read", {}), ("create", {"data": GOOD}), ("delete", {"ids": [1]})):
            outcome = await world.say({**items(action, **parts), "collection": name})
            refusals.check((action, name), outcome, "INVALID_COLLECTION")
        if not name.startswith("directus_"):
            outcome = await world.say({"type": "subscribe", "collection": name})
            refusals.check(("subscribe", name), outcome, "INVALID_COLLECTION", "FORBIDDEN")
    refusals.result(8 * len(table.COLLECTIONS))


async def test_keys_of_nothing_are_refused(world: World, refusals: Refusals) -> None:
    for key in (*table.KEYS, *table.ABSENT_KEYS):
        path = f"/items/things/{quote(str(key), safe='')}"
        if "/" not in str(key) and str(key):
            for method, body in (("GET", None), ("PATCH", {"string": "y"})):
                refusals.check((method, key), await world.http(method, path, body), "FORBIDDEN")
            if key not in table.ABSENT_KEYS:
                refusals.check(("DELETE", key), await world.http("DELETE", path), "FORBIDDEN")
        if isinstance(key, float):
            continue
        changed = {"keys": [1, key], "data": {"string": "y"}}
        refusals.check(("PATCH", key), await world.http("PATCH", "/items/things", changed), "FORBIDDEN")
        rows = [{"id": 1, "string": "y"}, {"id": key, "string": "y"}]
        refusals.check(("PATCH rows", key), await world.http("PATCH", "/items/things", rows), "FORBIDDEN")
        refusals.check(("read", key), await world.say(items("read", id=key)), "FORBIDDEN")
        refusals.check(("update", key), await world.say(items("update", id=key, data={"string": "y"})), "FORBIDDEN")
        subscribe = {"type": "subscribe", "collection": "things", "item": key}
        refusals.check(("subscribe", key), await world.say(subscribe), "FORBIDDEN")
        if key in table.ABSENT_KEYS:
            assert (await world.http("DELETE", "/items/things", [key])).code == "done", key
            assert (await world.say(items("delete", ids=[key]))).code == "done", key
        else:
            refusals.check(("DELETE", key), await world.http("DELETE", "/items/things", [1, key]), "FORBIDDEN")
            refusals.check(("delete", key), await world.say(items("delete", ids=[1, key])), "FORBIDDEN")
    for key in table.NO_KEYS:
        refusals.check(("DELETE", key), await world.http("DELETE", "/items/things", [1, key]), "INVALID_PAYLOAD")
        refusals.check(("delete", key), await world.say(items("delete", ids=[1, key])), "INVALID_PAYLOAD")
        rows = [{"id": 1, "string": "y"}, {"id": key, "string": "y"}]
        refusals.check(("PATCH", key), await world.http("PATCH", "/items/things", rows), "FORBIDDEN")
    refusals.result(9 * len(table.KEYS))


@pytest.mark.parametrize("number", [10_001, 40_000, 150_000])
async def test_more_keys_than_a_request_may_name_are_refused(world: World, refusals: Refusals, number: int) -> None:
    for keys in ([1] * number, list(range(1, number + 1))):
        codes = ("CONTENT_TOO_LARGE" if len(json.dumps(keys)) > PAYLOAD_LIMIT - 100 else "INVALID_PAYLOAD",)
        refusals.check(("DELETE", number), await world.http("DELETE", "/items/things", keys), *codes)
        changed = {"keys": keys, "data": {"string": "y"}}
        refusals.check(("PATCH", number), await world.http("PATCH", "/items/things", changed), *codes)
        refusals.check(("read", number), await world.say(items("read", ids=keys)), "INVALID_PAYLOAD")
        refusals.check(("delete", number), await world.say(items("delete", ids=keys)), "INVALID_PAYLOAD")
        refusals.check(("create", number), await world.say(items("create", data=[{}] * number)), "INVALID_PAYLOAD")
        rows = [{"id": 1}] * min(number, 80_000)
        refusals.check(("PATCH rows", number), await world.http("PATCH", "/items/things", rows), "INVALID_PAYLOAD")
    refusals.result(12)


@pytest.mark.parametrize("name", table.DEEP_FILTERS)
async def test_deep_filters_are_refused(world: World, refusals: Refusals, name: str) -> None:
    text = table.DEEP_FILTERS[name]
    codes = ("INVALID_QUERY", "INVALID_PAYLOAD", "CONTENT_TOO_LARGE")
    for before, after in (('{"filter":', "}"), ('{"deep":{"children":{"_filter":', "}}}")):
        query = before + text + after
        body = f'{{"query":{query}}}'
        refusals.check(("SEARCH", name), await world.http("SEARCH", "/items/things", body), *codes)
        refusals.check(("DELETE", name), await world.http("DELETE", "/items/things", body), *codes)
        for action in ("read", "delete"):
            sent = f'{{"type":"items","action":"{action}","collection":"things","query":{query}}}'
            if len(sent) < PAYLOAD_LIMIT:
                refusals.check((action, name), await world.say(sent), *codes)
    shorter = text if len(text) < URL_LENGTH // 3 else text[: URL_LENGTH // 3]
    refusals.check(("GET", name), await world.http("GET", f"/items/things?filter={quote(shorter)}"), *codes)
    refusals.result(5)


@pytest.mark.parametrize("step", ["[_and][0]", "[_or][]", "[parent]", "[_some]", "[a]"])
async def test_deep_brackets_are_refused(world: World, refusals: Refusals, step: str) -> None:
    for name in ("filter", "deep", "alias", "aggregate"):
        path = f"/items/things?{name}{step * (URL_LENGTH // len(quote(step)))}=1"
        refusals.check((name, step), await world.http("GET", path), "INVALID_QUERY")
    refusals.result(4)


async def test_graphql_documents_are_refused(world: World, refusals: Refusals) -> None:
    for document, code in table.DOCUMENTS:
        outcome = await world.http("POST", "/graphql", {"query": document})
        if code != table.DOCUMENT:
            assert outcome.status == 200, document
            outcome = outcome._replace(status=None)
        refusals.check(document, outcome, code)
    refusals.result(len(table.DOCUMENTS))


async def test_unusual_values_are_stored_alike(world: World) -> None:
    before = await world.rows()
    await world.told()
    for field, pairs in table.STORED.items():
        for value, answered in pairs:
            ways = [await world.project.ask("POST", f"/items/things?fields=id,{field}", {**GOOD, field: value})]
            outcome = await world.say(items("create", data={**GOOD, field: value}, query={"fields": ["id", field]}))
            assert outcome.code == "done", outcome
            ways.append((200, json.loads(outcome.text)))
            for status, body in ways:
                assert (status, body.get("data", {}).get(field)) == (200, answered), (field, value)
                key = body["data"]["id"]
                assert (await world.project.ask("GET", f"/items/things/{key}?fields={field}"))[1] == {
                    "data": {field: answered}
                }
                if field in ("text", "string"):
                    query = {"filter": {field: {"_contains": answered}, "id": {"_eq": key}}, "fields": ["id"]}
                    found = await world.project.ask("SEARCH", "/items/things", {"query": query})
                    assert found[1] == {"data": [{"id": key}]}, value
    status, counted = await world.project.ask("GET", "/items/things?fields=count(json)&filter[count(json)][_eq]=2")
    assert (status, counted) == (200, {"data": [{"json_count": "2"}] * 2})
    made = {"filter": {"id": {"_gt": 3}}}
    assert (await world.project.ask("DELETE", "/items/things", {"query": made}))[0] == 204
    assert await world.rows() == before
    await world.told()


async def test_extreme_numbers_are_added_up_alike(world: World) -> None:
    rows = [{**GOOD, **row} for row in table.EXTREMES]
    status, made = await world.project.ask("POST", "/items/things?fields=id", rows)
    assert status == 200, made
    keys = [row["id"] for row in made["data"]]
    for number, function, field, answered in table.SUMS:
        query = {"aggregate": {function: [field]}, "filter": {"id": {"_in": keys[:number]}}}
        status, body = await world.project.ask("SEARCH", "/items/things", {"query": query})
        found = body["data"][0][function][field] if status == 200 else body["errors"][0]["extensions"]["code"]
        assert found == answered, (number, function, field)
    query = {"aggregate": {"sum": ["big"]}, "groupBy": ["id"], "sort": ["-sum.big"], "filter": {"id": {"_in": keys}}}
    status, body = await world.project.ask("SEARCH", "/items/things", {"query": query})
    assert [row["id"] for row in body["data"]] == [keys[0], keys[1], keys[2]]
    assert (await world.project.ask("DELETE", "/items/things", keys))[0] == 204
    await world.told()


async def test_key_that_is_named_again_counts_once(world: World) -> None:
    _, made = await world.project.ask("POST", "/items/things", GOOD)
    key = made["data"]["id"]
    await world.told()
    changed = {"keys": [key, str(key), key], "data": {"string": "y"}}
    assert (await world.project.ask("PATCH", "/items/things", changed))[0] == 200
    assert (await world.project.ask("DELETE", "/items/things", [key, str(key), key]))[0] == 204
    updated, deleted = await world.told()
    assert (updated["event"], updated["data"]) == ("update", [{"id": key}])
    assert (deleted["event"], [str(each) for each in deleted["data"]]) == ("delete", [str(key)])
