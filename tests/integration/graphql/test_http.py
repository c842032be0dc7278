"""GraphQL over HTTP: what documents give, what they write, and how they fail."""

import pytest

from tests.integration.graphql.client import data, run
from tests.integration.http.project import ADMIN, MEMBER, NO_ROLE, Project

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_relations_take_arguments_and_are_asked_for_twice(project: Project) -> None:
    query = """{ articles(sort: ["id"], limit: 1) {
        one: labels(limit: 1, sort: ["id"]) { labels_code { code } }
        all: labels(sort: ["-id"]) { ...label }
        labels_func { count }
        author { name __typename }
    } } fragment label on articles_labels { id labels_code { code } }"""
    assert await data(project, query) == {
        "articles": [
            {
                "one": [{"labels_code": {"code": "red"}}],
                "all": [{"id": "2", "labels_code": {"code": "blue"}}, {"id": "1", "labels_code": {"code": "red"}}],
                "labels_func": {"count": 2},
                "author": {"name": "Ada", "__typename": "authors"},
            }
        ]
    }


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("filter: {published_on_func: {year: {_eq: 2021}}}", ["1"]),
        ('filter: {author: {name: {_eq: "Ada"}}, views: {_gt: 100}}', ["2"]),
        ('filter: {labels: {_some: {labels_code: {code: {_eq: "red"}}}}}', ["1"]),
        ('filter: {_or: [{views: {_gt: 400}}, {big: {_eq: "9007199254740993"}}]}', ["1", "3"]),
        ("filter: {labels_func: {count: {_gte: 2}}}", ["1"]),
        ('filter: {views: {_in: ["250", 99]}}', ["2", "5"]),
        ('search: "light"', ["1"]),
        ("limit: 2, offset: 1", ["2", "3"]),
        ("limit: 2, page: 3", ["5"]),
    ],
)
async def test_arguments_choose_items(project: Project, asked: str, expected: list[str]) -> None:
    found = await data(project, f'{{ articles({asked}, sort: ["id"]) {{ id }} }}')
    assert [item["id"] for item in found["articles"]] == expected


@pytest.mark.parametrize(
    ("type_", "value", "asked", "expected"),
    [
        ("GraphQLStringOrFloat", 2, "filter: {id: {_eq: $value}}", ["2"]),
        ("GraphQLStringOrFloat", "4", "filter: {id: {_gte: $value}}", ["4", "5"]),
        ("[GraphQLStringOrFloat]", [1, "3"], "filter: {id: {_between: $value}}", ["1", "2", "3"]),
        ("GraphQLStringOrFloat", 2, "filter: {author: {id: {_eq: $value}}}", ["3"]),
        ("String", "red", "filter: {labels: {_some: {labels_code: {code: {_eq: $value}}}}}", ["1"]),
        ("ID", "7f1b4e6a-6c3a-4a57-9b5e-0d9be1c6a001", "filter: {ref: {_eq: $value}}", ["1"]),
        ("String", "2021-01-01", "filter: {published_on: {_gt: $value}}", ["1"]),
        ("[String]", ["2021-02-03"], "filter: {day: {_in: $value}}", ["1"]),
        ("[GraphQLStringOrFloat]", ["2020-01-01", "2021-01-01"], "filter: {day: {_between: $value}}", ["2"]),
        ("number_filter_operators", {"_lt": 3}, "filter: {id: $value}", ["1", "2"]),
        ("GraphQLStringOrFloat", 0, "filter: {meta_data_func: {count: {_eq: $value}}}", ["1", "2"]),
    ],
)
async def test_variables_of_filters_have_the_types_that_clients_of_directus_declare(
    project: Project, type_: str, value: object, asked: str, expected: list[str]
) -> None:
    query = f'query Q($value: {type_}) {{ articles({asked}, sort: ["id"]) {{ id }} }}'
    found = await data(project, query, variables={"value": value})
    assert [item["id"] for item in found["articles"]] == expected


async def test_variables_of_writes_have_the_types_that_clients_of_directus_declare(project: Project) -> None:
    ref = "7f1b4e6a-6c3a-4a57-9b5e-0d9be1c6a002"
    created = await data(
        project,
        """mutation M($price: Float, $ref: ID, $day: Date, $big: GraphQLBigInt, $any: JSON, $key: ID) {
            create_articles_item(data: {price: $price, ref: $ref, day: $day, big: $big, meta_data: $any,
                author: {id: $key}}) { id price ref day big meta_data meta_data_func { count } author { name } } }""",
        variables={"price": 1.25, "ref": ref, "day": "2021-02-03", "big": "7", "any": [1, 2], "key": "1"},
    )
    item = created["create_articles_item"]
    await data(project, f"mutation {{ delete_articles_item(id: {item.pop('id')}) {{ id }} }}")
    assert item == {
        "price": 1.25,
        "ref": ref,
        "day": "2021-02-03",
        "big": "7",
        "meta_data": [1, 2],
        "meta_data_func": {"count": 2},
        "author": {"name": "Ada"},
    }


async def test_relation_to_one_item_takes_the_arguments_of_its_collection(project: Project) -> None:
    query = """{ articles(sort: ["id"], limit: 2) {
        author(sort: ["name"], limit: 1, offset: 0, page: 1, search: "a") { name }
        bo: author(filter: {name: {_eq: "Bo"}}) { name } } }"""
    assert await data(project, query) == {"articles": [{"author": {"name": "Ada"}, "bo": None}] * 2}


async def test_aggregates_that_fail_leave_no_data(project: Project) -> None:
    body = await run(project, '{ articles_aggregated(groupBy: ["nope"]) { countAll } }')
    assert body["data"] is None
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_aggregates_are_grouped(project: Project) -> None:
    query = """{ articles_aggregated(groupBy: ["status"], sort: ["status"]) {
        group countAll count { id } countDistinct { status } sum { views } avg { rating } min { views } max { views }
    } day: articles_aggregated(groupBy: ["day_func.year"], filter: {day: {_nnull: true}}) { group countAll } }"""
    found = await data(project, query)
    assert found["articles_aggregated"][2] == {
        "group": {"status": "published"},
        "countAll": 3,
        "count": {"id": 3},
        "countDistinct": {"status": 1},
        "sum": {"views": 260},
        "avg": {"rating": 3.75},
        "min": {"views": 0},
        "max": {"views": 250},
    }
    assert found["day"] == [
        {"group": {"day_year": "2020"}, "countAll": 1},
        {"group": {"day_year": "2021"}, "countAll": 1},
    ]


async def test_directives_leave_out_what_is_not_read(project: Project) -> None:
    query = """query Q($yes: Boolean!) { messages(limit: 1, sort: ["id"]) {
        id @skip(if: $yes) ... @include(if: $yes) { text } room @include(if: false) } }"""
    assert await data(project, query, variables={"yes": True}) == {"messages": [{"text": "hello"}]}


async def test_mutations_write_relations_with_the_item(project: Project) -> None:
    created = await data(
        project,
        """mutation ($data: create_articles_input!) {
            create_articles_item(data: $data) { id author { name } labels { labels_code { code color } } } }""",
        variables={
            "data": {
                "title": "n",
                "author": {"name": "New"},
                "labels": [{"labels_code": {"code": "gql", "color": "#000"}}],
            }
        },
    )
    item = created["create_articles_item"]
    assert item["author"] == {"name": "New"}
    assert item["labels"] == [{"labels_code": {"code": "gql", "color": "#000"}}]
    deleted = f"mutation {{ delete_articles_item(id: {item['id']}) {{ id }} }}"
    assert await data(project, deleted) == {"delete_articles_item": {"id": item["id"]}}


async def test_members_update_a_batch_by_keys_that_they_may_not_change(project: Project) -> None:
    ids = await data(project, 'mutation { create_messages_items(data: [{text: "a"}, {text: "b"}]) { id } }', MEMBER)
    keys = [item["id"] for item in ids["create_messages_items"]]
    rows = ", ".join(f'{{id: {key}, text: "batch {key}"}}' for key in keys)
    updated = await data(project, f"mutation {{ update_messages_batch(data: [{rows}]) {{ text }} }}", MEMBER)
    assert updated == {"update_messages_batch": [{"text": f"batch {key}"} for key in keys]}
    listed = ", ".join(keys)
    deleted = await data(project, f"mutation {{ delete_messages_items(ids: [{listed}]) {{ ids }} }}", ADMIN)
    assert deleted == {"delete_messages_items": {"ids": keys}}


async def test_singleton_is_one_object_before_and_after_it_is_written(project: Project) -> None:
    assert await data(project, "{ site { id name } }") == {"site": {"id": None, "name": None}}
    written = await data(project, 'mutation { update_site(data: {name: "s"}) { id name } }')
    assert written == {"update_site": {"id": "1", "name": "s"}}
    assert await data(project, "{ site { name } }") == {"site": {"name": "s"}}


async def test_failure_of_one_field_has_its_code_and_leaves_the_others(project: Project) -> None:
    body = await run(project, "{ messages_by_id(id: 99999) { id } notes(limit: 1) { id } }", MEMBER)
    assert body["data"]["messages_by_id"] is None
    assert body["data"]["notes"]
    [error] = body["errors"]
    assert error["path"] == ["messages_by_id"]
    assert error["extensions"]["code"] == "FORBIDDEN"


async def test_row_that_may_not_be_seen_fails_as_one_that_is_not_there(project: Project) -> None:
    hidden = await data(project, "{ notes(filter: {secret: {_nnull: true}}, limit: -1) { id owner } }")
    theirs = next(note["id"] for note in hidden["notes"] if note["owner"] != project.ids["member"])
    unseen, absent = [await run(project, f"{{ notes_by_id(id: {key}) {{ id }} }}", MEMBER) for key in (theirs, 99999)]
    assert unseen == absent
    assert unseen["errors"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "INVALID_PAYLOAD"),
        ({}, "INVALID_PAYLOAD"),
        ({"query": 1}, "INVALID_PAYLOAD"),
        ({"query": "{ messages { id } }", "variables": []}, "INVALID_PAYLOAD"),
        ({"query": ""}, "GRAPHQL_VALIDATION"),
        ({"query": "{ messages { id } }", "operationName": "Other"}, "GRAPHQL_VALIDATION"),
        ({"query": "query A { messages { id } } query B { messages { id } }"}, "GRAPHQL_VALIDATION"),
        ({"query": "subscription { messages_mutated { key } }"}, "GRAPHQL_VALIDATION"),
        ({"query": "query ($a: Int!) { messages(limit: $a) { id } }"}, "GRAPHQL_VALIDATION"),
        ({"query": "query ($a: Int) { messages(limit: $a) { id } }", "variables": {"a": "x"}}, "GRAPHQL_VALIDATION"),
    ],
)
async def test_request_that_cannot_be_run_is_refused(project: Project, body: object, code: str) -> None:
    assert await project.code("POST", "/graphql", body, MEMBER) == (400, code)


async def test_get_takes_queries_and_nothing_that_writes(project: Project) -> None:
    status, body = await project.ask("GET", "/graphql?query={messages(limit:1){id}}&variables={}", None, MEMBER)
    assert (status, body) == (200, {"data": {"messages": [{"id": "1"}]}})
    writing = "/graphql?query=mutation{delete_messages_item(id:1){id}}"
    assert await project.code("GET", writing, None, ADMIN) == (405, "METHOD_NOT_ALLOWED")
    assert await data(project, "{ messages_by_id(id: 1) { id } }") == {"messages_by_id": {"id": "1"}}
    assert await project.code("GET", "/graphql?query={a}&variables=[", None, MEMBER) == (400, "INVALID_PAYLOAD")


async def test_bad_token_is_refused_before_the_document_is_looked_at(project: Project) -> None:
    assert await project.code("POST", "/graphql", {"query": "{"}, "nope") == (401, "INVALID_CREDENTIALS")


async def test_nobody_and_users_without_rights_see_nothing_of_what_they_may_not_read(project: Project) -> None:
    for token in (None, NO_ROLE):
        status, body = await project.ask("POST", "/graphql", {"query": "{ notes { id } }"}, token)
        assert status == 400
        [error] = body["errors"][0]["extensions"]["errors"]
        assert "notes" in error["message"]
    status, unknown = await project.ask("POST", "/graphql", {"query": "{ noone { id } }"}, None)
    assert body["errors"][0]["extensions"]["code"] == unknown["errors"][0]["extensions"]["code"]


async def test_many_to_any_is_a_union(project: Project) -> None:
    key = {"field": "id", "type": "integer", "schema": {"is_primary_key": True, "has_auto_increment": True}, "meta": {}}
    plain: list[dict[str, object]] = [
        {"field": name, "type": "string", "schema": {}, "meta": {}} for name in ("item", "collection")
    ]
    await project.ask(
        "POST", "/collections", {"collection": "blocks", "schema": {}, "meta": {}, "fields": [key, *plain]}
    )
    relation = {
        "collection": "blocks",
        "field": "item",
        "related_collection": None,
        "meta": {"one_collection_field": "collection", "one_allowed_collections": ["authors", "labels"]},
    }
    status, answer = await project.ask("POST", "/relations", relation)
    assert status == 200, answer
    rows = [{"item": "1", "collection": "authors"}, {"item": "red", "collection": "labels"}, {"item": None}]
    status, answer = await project.ask("POST", "/items/blocks", rows)
    assert status == 200, answer
    query = """{ blocks(sort: ["id"]) { item { __typename ... on authors { name first: articles(limit: 1, sort: ["id"])
        { id } } ... on labels { ...l } } } } fragment l on labels { code }"""
    assert await data(project, query) == {
        "blocks": [
            {"item": {"__typename": "authors", "name": "Ada", "first": [{"id": "1"}]}},
            {"item": {"__typename": "labels", "code": "red"}},
            {"item": None},
        ]
    }
    found = await data(project, '{ blocks(filter: {item__authors: {name: {_eq: "Ada"}}}) { id } }')
    assert found == {"blocks": [{"id": "1"}]}


async def test_system_endpoint_logs_in_out_and_tells_of_oneself(project: Project) -> None:
    login = """mutation ($mode: auth_mode) { auth_login(
        email: "member@example.com", password: "member-password", mode: $mode)
        { access_token refresh_token expires } }"""
    tokens = (await data(project, login, None, path="/graphql/system"))["auth_login"]
    assert tokens["expires"] == "900000"
    me = await data(
        project,
        "{ users_me { id } server_ping server_info { project version } }",
        tokens["access_token"],
        path="/graphql/system",
    )
    assert me["users_me"] == {"id": project.ids["member"]}
    assert me["server_ping"] == "pong"
    assert me["server_info"]["version"] is None
    refresh = "mutation ($token: String!) { auth_refresh(refresh_token: $token) { access_token refresh_token } }"
    new = await data(project, refresh, None, path="/graphql/system", variables={"token": tokens["refresh_token"]})
    again = await run(project, refresh, None, path="/graphql/system", variables={"token": tokens["refresh_token"]})
    assert again["errors"][0]["extensions"]["code"] == "INVALID_CREDENTIALS"
    logout = "mutation ($token: String!) { auth_logout(refresh_token: $token) }"
    token = new["auth_refresh"]["refresh_token"]
    assert await data(project, logout, None, path="/graphql/system", variables={"token": token}) == {
        "auth_logout": True
    }


async def test_cookie_login_keeps_the_tokens_out_of_the_answer(project: Project) -> None:
    login = """mutation { auth_login(email: "member@example.com", password: "member-password", mode: session)
        { access_token refresh_token expires } }"""
    answer = await project.client.post("/graphql/system", json={"query": login})
    project.client.cookies.clear()
    tokens = answer.json()["data"]["auth_login"]
    assert (tokens["access_token"], tokens["refresh_token"]) == (None, None)
    session = answer.cookies["directus_session_token"]
    assert await data(project, "{ messages(limit: 1) { id } }", session)


async def test_system_collections_lose_their_prefix_and_structure_has_no_mutations(project: Project) -> None:
    found = await data(
        project, '{ users(filter: {email: {_eq: "member@example.com"}}) { id } roles { id } }', path="/graphql/system"
    )
    assert found["users"] == [{"id": project.ids["member"]}]
    body = {"query": 'mutation { delete_collections_item(id: "messages") { id } }'}
    assert await project.code("POST", "/graphql/system", body) == (400, "GRAPHQL_VALIDATION")
