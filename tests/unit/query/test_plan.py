"""Plans: what may be asked, by whom, and which plans are the same."""

from typing import Any

import orjson
import pytest

from tests.support.schemas import (
    ADMIN,
    MEMBER,
    MEMBER_RIGHTS,
    OTHER,
    SENIOR_RIGHTS,
    build_schema,
    rights_with,
    rule,
)
from tidegate.access.rights import Rights
from tidegate.errors import Forbidden, InvalidQuery
from tidegate.query.condition import (
    EVERY_ROW,
    NO_ROW,
    And,
    Column,
    Comparison,
    Condition,
    Operator,
    Or,
    Variable,
)
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import ReadPlan, bind, plan_read, plan_rows
from tidegate.query.selection import Related, Value

SCHEMA = build_schema()
LIMITS = Limits()
NOW = 1_700_000_000.0


def planned(rights: Rights, collection: str, query: object = None, limits: Limits = LIMITS) -> ReadPlan:
    return plan_read(parse_query(query, limits), collection, SCHEMA, rights, limits)


def column(collection: str, name: str, guard: Condition | None = None) -> Column:
    return Column(SCHEMA.collections[collection].fields[name], guard)


NOT_THERE = [
    ({"fields": ["secret"]}, "secret", "notes", "root"),
    ({"fields": ["id", "nope"]}, "nope", "notes", "root"),
    ({"fields": ["year(secret)"]}, "secret", "notes", "root"),
    ({"fields": ["title.text"]}, "text", "notes", '"title"'),
    ({"fields": ["title:notes"]}, "title:notes", "notes", "root"),
    ({"filter": {"title:notes": {"_eq": 1}}}, "title:notes", "notes", "root"),
    ({"filter": {"title": {"text": {"_eq": 1}}}}, "text", "notes", '"title"'),
    ({"alias": {"a": "secret"}, "fields": ["a"]}, "secret", "notes", "root"),
    ({"filter": {"secret": {"_eq": "s1"}}}, "secret", "notes", "root"),
    ({"filter": {"_or": [{"_and": [{"secret": {"_null": True}}]}]}}, "secret", "notes", "root"),
    ({"filter": {"year(secret)": {"_eq": 1}}}, "secret", "notes", "root"),
    ({"filter": {"bogus": {"_eq": 1}}}, "bogus", "notes", "root"),
    ({"filter": {"secret": {}}}, "secret", "notes", "root"),
    ({"sort": ["-secret"]}, "secret", "notes", "root"),
    ({"sort": ["a"], "alias": {"a": "secret"}}, "secret", "notes", "root"),
    ({"aggregate": {"max": ["secret"]}}, "secret", "notes", "root"),
    ({"aggregate": {"count": ["*"]}, "groupBy": ["secret"]}, "secret", "notes", "root"),
    ({"aggregate": {"count": ["*"]}, "groupBy": ["status"], "sort": ["secret"]}, "secret", "notes", "root"),
]


@pytest.mark.parametrize(("query", "field", "collection", "place"), NOT_THERE)
def test_forbidden_field_is_refused_wherever_it_is_used(query: object, field: str, collection: str, place: str) -> None:
    with pytest.raises(Forbidden) as refused:
        planned(MEMBER_RIGHTS, collection, query)
    assert refused.value.message == (
        f'You don\'t have permission to access field "{field}" in collection "{collection}" or it does not exist. '
        f"Queried in {place}."
    )


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"fields": ["author.age"]}, '"author"'),
        ({"fields": ["labels.articles_id.author.age"]}, '"labels.articles_id.author"'),
        ({"filter": {"author": {"age": {"_gt": 1}}}}, '"author"'),
        ({"filter": {"author": {"articles": {"author": {"age": {"_gt": 1}}}}}}, '"author.articles.author"'),
        (
            {"filter": {"labels": {"_none": {"articles_id": {"author": {"age": {"_gt": 1}}}}}}},
            '"labels.articles_id.author"',
        ),
        ({"sort": ["author.age"]}, '"author"'),
        ({"fields": ["author.name"], "deep": {"author": {"_filter": {"age": {"_gt": 1}}}}}, '"author"'),
        ({"fields": ["author.*"], "deep": {"author": {"_alias": {"x": "age"}, "_filter": {"age": {}}}}}, '"author"'),
    ],
)
def test_forbidden_field_of_a_relation_is_refused(query: object, place: str) -> None:
    with pytest.raises(Forbidden) as refused:
        planned(MEMBER_RIGHTS, "articles", query)
    assert refused.value.message == (
        'You don\'t have permission to access field "age" in collection "authors" or it does not exist. '
        f"Queried in {place}."
    )


NO_AUTHORS = rights_with({"articles": [rule()]})


@pytest.mark.parametrize(
    "query",
    [
        {"fields": ["author.id"]},
        {"fields": ["author.*"]},
        {"filter": {"author": {"id": {"_eq": 1}}}},
        {"filter": {"author": {"id": {"_null": True}}}},
        {"sort": ["author.id"]},
    ],
)
def test_collection_that_cannot_be_read_cannot_be_reached(query: object) -> None:
    with pytest.raises(Forbidden) as refused:
        planned(NO_AUTHORS, "articles", query)
    assert refused.value.message == (
        'You don\'t have permission to access collection "authors" or it does not exist. Queried in "author".'
    )


def test_field_that_no_target_of_a_many_to_any_relation_has_is_refused() -> None:
    with pytest.raises(Forbidden) as refused:
        planned(ADMIN, "pages", {"fields": ["blocks.item.title", "blocks.item.bogus"]})
    assert refused.value.message == (
        'You don\'t have permission to access field "bogus" in collection "pages_blocks" or it does not exist. '
        'Queried in "blocks.item".'
    )


@pytest.mark.parametrize("target", ["authors", "bogus"])
@pytest.mark.parametrize("query", ['{"fields": ["item:%s.id"]}', '{"filter": {"item:%s": {"id": {"_eq": 1}}}}'])
def test_collection_that_a_many_to_any_relation_does_not_allow_is_refused(target: str, query: str) -> None:
    with pytest.raises(Forbidden) as refused:
        planned(ADMIN, "pages_blocks", orjson.loads(query % target))
    assert f'collection "{target}"' in refused.value.message


@pytest.mark.parametrize("collection", ["hidden_things", "bogus"])
@pytest.mark.parametrize("query", [{}, {"fields": ["id"]}, {"aggregate": {"count": "*"}}])
def test_unreadable_and_unknown_collections_are_refused_alike(collection: str, query: object) -> None:
    with pytest.raises(Forbidden) as refused:
        planned(MEMBER_RIGHTS, collection, query)
    assert refused.value.message == (
        f'You don\'t have permission to access collection "{collection}" or it does not exist. Queried in root.'
    )


def test_collection_that_does_not_exist_is_refused_to_administrators_too() -> None:
    with pytest.raises(Forbidden):
        planned(ADMIN, "bogus")


def test_rules_for_another_action_show_nothing() -> None:
    with pytest.raises(Forbidden):
        planned(rights_with({"notes": [rule()]}, action="update"), "notes")


def test_rules_for_a_collection_that_is_gone_show_nothing() -> None:
    with pytest.raises(Forbidden):
        planned(rights_with({"gone": [rule()]}), "gone")


def along(path: list[str]) -> dict[str, Any]:
    """A filter on the primary key of what the relations lead to."""
    inner: dict[str, Any] = {"id": {"_eq": 1}}
    for step in reversed(path):
        inner = {step: inner}
    return inner


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"filter": {"views": {"_bogus": 1}}}, '"integer" field type does not contain the "_bogus" filter operator'),
        ({"filter": {"id": {"_contains": 1}}}, '"integer" field type does not contain the "_contains" filter operator'),
        ({"filter": {"title": {"_regex": "x"}}}, '"string" field type does not contain the "_regex" filter operator'),
        ({"filter": {"meta_data": {"_eq": 1}}}, '"json" field type does not contain the "_eq" filter operator'),
        ({"filter": {"labels": {"_eq": 1}}}, '"alias" field type does not contain the "_eq" filter operator'),
        ({"filter": {"divider": {"_null": True}}}, '"alias" field type does not contain the "_null" filter operator'),
        ({"filter": {"year(day)": {"_some": {}}}}, '"_some" has to stand inside a relation to many'),
        ({"filter": {"_eq": 1}}, '"_eq" has to stand inside a field'),
        ({"filter": {"_some": {"id": {"_eq": 1}}}}, '"_some" has to stand inside a relation to many'),
        ({"filter": {"title": {"_none": {"id": {"_eq": 1}}}}}, '"_none" has to stand inside a relation to many'),
        ({"filter": {"author": {"_some": {"id": {"_eq": 1}}}}}, '"_some" has to stand inside a relation to many'),
        ({"filter": {"views": {"_eq": "abc"}}}, 'Invalid integer in field "views"'),
        ({"filter": {"views": {"_eq": [1]}}}, '"_eq" has to be one value'),
        ({"filter": {"views": {"_in": [1, "x"]}}}, 'Invalid integer in field "views"'),
        ({"filter": {"views": {"_between": [1]}}}, '"_between" has to be a list of two values'),
        ({"filter": {"views": {"_null": "maybe"}}}, '"_null" has to be true or false'),
        ({"filter": {"ref": {"_eq": "x"}}}, 'Invalid uuid in field "ref"'),
        ({"filter": {"published_on": {"_lt": "soon"}}}, 'Invalid DateTime format in field "published_on"'),
        ({"filter": {"year(day)": {"_eq": "x"}}}, "The result of a function is compared with whole numbers"),
        ({"filter": {"views": {"_eq": 10**30}}}, 'Value for field "views" in collection "articles" is out of range'),
        ({"filter": {"title": {"_contains": "x" * 5_001}}}, 'The value of "_contains" is too long'),
        ({"search": "x" * 5_001}, '"search" is too long'),
        ({"fields": ["year(title)"]}, '"year" cannot be applied to field "title"'),
        ({"fields": ["hour(day)"]}, '"hour" cannot be applied to field "day"'),
        ({"fields": ["count(title)"]}, '"count" cannot be applied to field "title"'),
        ({"fields": ["exec(title)"]}, '"exec" cannot be applied to field "title"'),
        ({"sort": ["labels"]}, 'Items cannot be put in order by field "labels"'),
        ({"sort": ["meta_data"]}, 'Items cannot be put in order by field "meta_data"'),
        ({"sort": ["labels.id"]}, 'Items cannot be put in order through field "labels"'),
        ({"sort": ["title.x"]}, 'Items cannot be put in order through field "title"'),
        ({"aggregate": {"sum": ["title"]}}, '"sum" cannot be applied to field "title"'),
        ({"aggregate": {"sum": ["*"]}}, '"sum" cannot be applied to "*"'),
        ({"aggregate": {"count": ["labels"]}}, '"count" cannot be applied to field "labels"'),
        ({"aggregate": {"max": ["published"]}}, '"max" cannot be applied to field "published"'),
        ({"groupBy": ["meta_data"]}, 'Items cannot be grouped by field "meta_data"'),
        ({"groupBy": ["status"], "sort": ["title"]}, '"title" is neither grouped by nor aggregated'),
        ({"fields": [".".join(["author", "articles"] * 6)]}, "Max relational depth exceeded"),
        ({"filter": along(["author", "articles"] * 6)}, "Max relational depth exceeded"),
        ({"sort": [".".join(["author", "articles"] * 6)]}, 'Items cannot be put in order through field "articles"'),
        ({"fields": [".".join("*" * 12)]}, "Max relational depth exceeded"),
    ],
)  # fmt: skip
def test_query_without_sense_is_refused(query: object, reason: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        planned(ADMIN, "articles", query)
    assert refused.value.extensions["reason"] == reason


@pytest.mark.parametrize(
    "query",
    [
        {"filter": {"token": {"_starts_with": "t"}}},
        {"filter": {"password": {"_eq": "x"}}},
        {"sort": ["token"]},
        {"sort": ["password"]},
        {"groupBy": ["token"]},
        {"aggregate": {"max": ["token"]}},
        {"fields": ["count(token)"]},
        {"filter": {"year(joined)": {"_eq": 2024}, "count(token)": {"_eq": 1}}},
        {"aggregate": {"countDistinct": ["token"]}},
    ],
)
def test_concealed_value_cannot_be_found_out(query: object) -> None:
    with pytest.raises(InvalidQuery):
        planned(ADMIN, "people", query)


@pytest.mark.parametrize("query", [{"filter": {"token": {"_nnull": True}}}, {"aggregate": {"count": ["token"]}}])
def test_presence_of_a_concealed_value_may_be_asked(query: object) -> None:
    assert planned(ADMIN, "people", query)


def test_search_looks_at_no_concealed_value() -> None:
    condition = planned(ADMIN, "people", {"search": "t0ken"}).condition
    assert condition == Comparison(column("people", "name"), Operator.ICONTAINS, "t0ken")


def test_search_looks_at_what_can_be_read_only() -> None:
    condition = planned(rights_with({"notes": [rule(fields=["id", "title"])]}), "notes", {"search": "s1"}).condition
    assert condition == Comparison(column("notes", "title"), Operator.ICONTAINS, "s1")


def test_search_that_nothing_can_match_matches_nothing() -> None:
    rights = rights_with({"notes": [rule(fields=["id"])]})
    assert planned(rights, "notes", {"search": "s1"}).condition == NO_ROW
    assert planned(rights, "notes", {"search": "1"}).condition == Comparison(column("notes", "id"), Operator.EQ, 1)


def keys(plan: ReadPlan) -> list[str]:
    return [output.key for output in plan.selection.outputs]


@pytest.mark.parametrize(
    ("rights", "collection", "query", "names"),
    [
        (MEMBER_RIGHTS, "notes", {}, ["id", "title", "owner", "status"]),
        (MEMBER_RIGHTS, "authors", {"fields": ["*", "articles.id"]}, ["id", "name", "articles"]),
        (ADMIN, "authors", {"fields": ["articles.id", "*"]}, ["articles", "id", "name", "age"]),
        (ADMIN, "pages", {}, ["id", "name", "parent", "blocks", "children"]),
        (ADMIN, "articles", {"fields": ["divider"]}, []),
        (ADMIN, "articles", {"fields": ["id", "id", "title"]}, ["id", "title"]),
        (ADMIN, "articles", {"fields": ["year(day)", "count(labels)"]}, ["day_year", "labels_count"]),
        (ADMIN, "articles", {"fields": ["a", "title"], "alias": {"a": "title"}}, ["a", "title"]),
        (ADMIN, "articles", {"fields": ["y"], "alias": {"y": "year(day)"}}, ["y"]),
    ],
)
def test_answer_has_what_was_asked_in_its_order(
    rights: Rights, collection: str, query: object, names: list[str]
) -> None:
    assert keys(planned(rights, collection, query)) == names


def test_wildcards_skip_what_cannot_be_read() -> None:
    [*_, author, _] = planned(NO_AUTHORS, "articles", {"fields": ["*.*"]}).selection.outputs
    assert author == Value("author", column("articles", "author"))


def test_keys_of_rows_that_cannot_be_read_are_left_out() -> None:
    [*_, labels] = planned(NO_AUTHORS, "articles", {}).selection.outputs
    assert isinstance(labels, Related)
    assert labels.selection.condition == NO_ROW


def test_wildcards_cannot_grow_without_bound() -> None:
    with pytest.raises(InvalidQuery) as refused:
        planned(ADMIN, "pages", {"fields": [".".join("*" * 9)]}, Limits(max_tokens=1_000))
    assert refused.value.extensions["reason"] == "The query asks for too many fields"


VISIBLE = Comparison(column("articles", "status"), Operator.EQ, "published")
POPULAR = Comparison(column("articles", "views"), Operator.GTE, 100)


def test_fields_that_only_some_rules_name_are_guarded() -> None:
    plan = planned(SENIOR_RIGHTS, "articles", {"fields": ["title", "status"]})
    assert plan.selection.outputs == (
        Value("title", column("articles", "title")),
        Value("status", column("articles", "status", VISIBLE)),
    )


@pytest.mark.parametrize(
    "query",
    [
        {"filter": {"status": {"_eq": "draft"}}, "fields": ["id"]},
        {"search": "draft", "fields": ["id"]},
        {"sort": ["status"], "fields": ["id"]},
        {"aggregate": {"max": ["status"]}},
        {"groupBy": ["status"]},
        {"fields": ["year(day)"]},
        {"fields": ["count(labels)"]},
        {"fields": ["labels.id"]},
        {"fields": ["author.name"]},
        {"sort": ["author.name"], "fields": ["id"]},
        {"filter": {"author": {"name": {"_eq": "Bo"}}}, "fields": ["id"]},
    ],
)
def test_guarded_field_is_guarded_wherever_it_is_used(query: object) -> None:
    plan = planned(SENIOR_RIGHTS, "articles", query)
    everything = rights_with({name: [rule()] for name in ("articles", "authors", "articles_labels")})
    unguarded = planned(everything, "articles", query)
    mentions = repr(plan.selection).count("guard=Comparison")
    assert mentions >= 1
    assert "guard=Comparison" not in repr(unguarded.selection)


def test_broken_rule_shows_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    rights = rights_with({"notes": [rule({"dropped": {"_eq": 1}}), rule({"status": {"_eq": "done"}}, ["id"])]})
    plan = planned(rights, "notes", {"fields": ["id"]})
    assert plan.condition == Comparison(column("notes", "status"), Operator.EQ, "done")
    assert "a read rule of notes shows nothing" in caplog.text


def test_rule_may_use_fields_that_the_user_may_not() -> None:
    rights = rights_with({"notes": [rule({"secret": {"_eq": "s1"}}, ["id"])]})
    assert planned(rights, "notes").condition == Comparison(column("notes", "secret"), Operator.EQ, "s1")


def test_plan_keeps_variables_until_it_is_bound() -> None:
    plan = planned(MEMBER_RIGHTS, "notes")
    variable = Variable("$CURRENT_USER", SCHEMA.collections["notes"].fields["owner"])
    assert plan.variables == (variable,)
    assert plan.arguments is None
    assert plan.condition == Comparison(column("notes", "owner"), Operator.EQ, variable)
    bound = bind(plan, {"$CURRENT_USER": MEMBER.upper()}, NOW)
    assert bound.condition == Comparison(column("notes", "owner"), Operator.EQ, MEMBER)


def test_plan_without_variables_is_bound_already() -> None:
    plan = planned(MEMBER_RIGHTS, "messages")
    assert bind(plan, {"$CURRENT_USER": MEMBER}, NOW) is plan


def test_variables_of_the_query_are_bound_too() -> None:
    query = {
        "fields": ["id", "articles.id"],
        "filter": {"articles": {"published_on": {"_lt": "$NOW(-1 day)"}}},
        "sort": ["-age"],
        "deep": {"articles": {"_filter": {"ref": {"_in": ["$CURRENT_USER", "$CURRENT_ROLES"]}}}},
    }
    plan = planned(ADMIN, "authors", query)
    assert [variable.name for variable in plan.variables] == ["$NOW(-1 day)", "$CURRENT_USER", "$CURRENT_ROLES"]
    bound = bind(plan, {"$CURRENT_USER": MEMBER, "$CURRENT_ROLES": [OTHER, "no uuid"]}, NOW)
    assert bound.arguments == ("2023-11-13T22:13:20", (MEMBER,), (OTHER, None))


@pytest.mark.parametrize("variables", [{}, {"$CURRENT_USER": None}, {"$CURRENT_USER": "no uuid"}, {"$CURRENT_USER": 5}])
def test_value_that_the_field_cannot_have_is_null(variables: dict[str, Any]) -> None:
    assert bind(planned(MEMBER_RIGHTS, "notes"), variables, NOW).arguments == (None,)


def test_plans_are_equal_by_value() -> None:
    query = {"fields": ["*", "author.name"], "filter": {"views": {"_gt": 1}}, "sort": ["-views"], "meta": "*"}
    one, other = planned(MEMBER_RIGHTS, "articles", query), planned(MEMBER_RIGHTS, "articles", query)
    assert one == other
    assert hash(one) == hash(other)
    same_rules = Rights(MEMBER_RIGHTS.identity, rules=MEMBER_RIGHTS.rules, variables={"$CURRENT_USER": OTHER})
    assert planned(same_rules, "articles", query) == one


@pytest.mark.parametrize(
    "query",
    [
        {"filter": {"views": {"_gt": 2}}},
        {"filter": {"views": {"_gte": 1}}},
        {"fields": ["id"]},
        {"sort": ["views"]},
        {"limit": 5},
        {"offset": 1},
        {"meta": "*"},
        {"deep": {"labels": {"_limit": 1}}},
    ],
)
def test_plans_that_read_otherwise_differ(query: object) -> None:
    assert planned(MEMBER_RIGHTS, "articles", query) != planned(
        MEMBER_RIGHTS, "articles", {"filter": {"views": {"_gt": 1}}}
    )


def test_plans_of_other_users_differ_once_bound() -> None:
    plan = planned(MEMBER_RIGHTS, "notes")
    assert bind(plan, {"$CURRENT_USER": MEMBER}, NOW) == bind(plan, {"$CURRENT_USER": MEMBER}, NOW)
    assert bind(plan, {"$CURRENT_USER": MEMBER}, NOW) != bind(plan, {"$CURRENT_USER": OTHER}, NOW)


def test_keys_are_canonical_and_impossible_ones_left_out() -> None:
    assert planned(ADMIN, "messages").with_keys(["1", 2, "x", "9" * 40]).keys == (1, 2)
    assert planned(ADMIN, "tokens").with_keys([MEMBER.upper(), "x"]).keys == (MEMBER,)


@pytest.mark.parametrize(
    ("limits", "query", "limit", "offset"),
    [
        (LIMITS, {}, 100, 0),
        (LIMITS, {"limit": -1}, None, 0),
        (LIMITS, {"limit": 0}, 0, 0),
        (LIMITS, {"limit": 10, "page": 3}, 10, 20),
        (LIMITS, {"limit": 10, "page": 3, "offset": 5}, 10, 20),
        (LIMITS, {"limit": -1, "page": 3}, None, 0),
        (LIMITS, {"limit": 10**14, "page": 10**14}, 10**14, 2**53),
        (Limits(default_limit=None), {}, None, 0),
        (Limits(max_limit=50), {}, 50, 0),
        (Limits(max_limit=50), {"limit": -1}, 50, 0),
        (Limits(max_limit=50), {"limit": 7}, 7, 0),
    ],
)
def test_limit_and_offset(limits: Limits, query: object, limit: int | None, offset: int) -> None:
    selection = planned(ADMIN, "messages", query, limits).selection
    assert (selection.limit, selection.offset) == (limit, offset)


def test_every_order_ends_in_the_primary_key() -> None:
    orders = planned(ADMIN, "messages", {"sort": ["-room"]}).selection.order
    assert [(order.operand, order.descending) for order in orders] == [
        (column("messages", "room"), True),
        (column("messages", "id"), False),
    ]
    [only] = planned(ADMIN, "messages", {"sort": ["-id"]}).selection.order
    assert only.descending


def test_default_order_is_that_of_the_sort_field_where_it_can_be_seen() -> None:
    fields = {"fields": ["blocks.item"]}
    for rights, names in (
        (ADMIN, ["sort", "id"]),
        (rights_with({"pages": [rule()], "pages_blocks": [rule(fields=["item", "sort"])]}), ["sort", "id"]),
        (rights_with({"pages": [rule()], "pages_blocks": [rule(fields=["item"])]}), ["id"]),
    ):
        [blocks] = planned(rights, "pages", fields).selection.outputs
        assert isinstance(blocks, Related)
        assert [order.operand for order in blocks.selection.order] == [column("pages_blocks", name) for name in names]


def test_rows_for_an_action_need_a_rule_for_every_field() -> None:
    rules = [rule({"status": {"_eq": "published"}}), rule({"views": {"_gte": 100}}, ["id", "title"])]
    rights = rights_with({"articles": rules}, action="update")
    either = Or((VISIBLE, POPULAR))
    assert plan_rows("articles", "update", ["title"], SCHEMA, rights, LIMITS).condition == either
    assert plan_rows("articles", "update", ["views"], SCHEMA, rights, LIMITS).condition == And((either, VISIBLE))
    assert plan_rows("articles", "update", ["title", "views"], SCHEMA, ADMIN, LIMITS).condition == EVERY_ROW


@pytest.mark.parametrize(("collection", "action"), [("notes", "update"), ("bogus", "read")])
def test_rows_for_an_action_without_rules_are_refused(collection: str, action: Any) -> None:
    with pytest.raises(Forbidden):
        plan_rows(collection, action, [], SCHEMA, MEMBER_RIGHTS, LIMITS)


def test_rows_for_a_field_that_no_rule_names_are_refused() -> None:
    with pytest.raises(Forbidden):
        plan_rows("notes", "read", ["secret"], SCHEMA, MEMBER_RIGHTS, LIMITS)
