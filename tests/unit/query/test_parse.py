"""From requests to queries: what is understood, and what is refused with which sentence."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import InvalidQuery
from tidegate.query.model import AllOf, AnyOf, Check, Limits, Quantified, Query, Under
from tidegate.query.parse import parse_filter, parse_query, query_from_params

LIMITS = Limits()


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        (None, Query()),
        ({}, Query()),
        ({"fields": ["id", " text "]}, Query(fields=("id", "text"))),
        ({"fields": "id,text,,author.name"}, Query(fields=("id", "text", "author.name"))),
        ({"fields": []}, Query()),
        ({"sort": ["-id"], "limit": 1, "offset": 2}, Query(sort=("-id",), limit=1, offset=2)),
        ({"sort": "a,-b", "limit": "-1", "page": "3"}, Query(sort=("a", "-b"), limit=-1, page=3)),
        ({"limit": 0}, Query(limit=0)),
        ({"search": "x"}, Query(search="x")),
        ({"search": 5}, Query(search="5")),
        ({"search": ""}, Query()),
        ({"meta": "*"}, Query(meta=("total_count", "filter_count"))),
        ({"meta": ["filter_count", "other"]}, Query(meta=("filter_count",))),
        ({"alias": {"a": "b"}}, Query(alias=(("a", "b"),))),
        ({"aggregate": {"count": "*", "sum": ["a", "b"]}}, Query(aggregate=(("count", ("*",)), ("sum", ("a", "b"))))),
        ({"aggregate": {"count": []}}, Query()),
        ({"groupBy": ["a"]}, Query(group=("a",))),
        ({"group": "a,b"}, Query(group=("a", "b"))),
        (
            {"deep": {"articles": {"_limit": 1, "_sort": ["-id"]}}},
            Query(deep=(("articles", Query(limit=1, sort=("-id",))),)),
        ),
        (
            {"deep": {"articles": {"labels": {"_filter": {"a": {"_eq": 1}}}}}},
            Query(deep=(("articles", Query(deep=(("labels", Query(filter=Under("a", Check("_eq", 1)))),))),)),
        ),
        ({"deep": {"articles": {}}}, Query()),
        ({"deep": '{"articles": {"_limit": 1}}'}, Query(deep=(("articles", Query(limit=1)),))),
        ({"filter": '{"a": {"_eq": 1}}'}, Query(filter=Under("a", Check("_eq", 1)))),
        ({"filter": {}}, Query()),
        ({"filter": ""}, Query()),
        ({"version": "x", "export": "csv"}, Query()),
    ],
)
def test_query_is_parsed(raw: object, query: Query) -> None:
    assert parse_query(raw, LIMITS) == query


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        ({"a": {"_eq": 1}}, Under("a", Check("_eq", 1))),
        ({"a": {"_gt": 1, "_lt": 5}}, Under("a", AllOf((Check("_gt", 1), Check("_lt", 5))))),
        (
            {"a": {"_eq": 1}, "b": {"_null": True}},
            AllOf((Under("a", Check("_eq", 1)), Under("b", Check("_null", True)))),
        ),
        (
            {"_or": [{"a": {"_eq": 1}}, {"b": {"_eq": 2}}]},
            AnyOf((Under("a", Check("_eq", 1)), Under("b", Check("_eq", 2)))),
        ),
        ({"_and": []}, AllOf(())),
        ({"a": {"_in": [1, "x", None]}}, Under("a", Check("_in", (1, "x", None)))),
        ({"a": {"b": {"_eq": 1}}}, Under("a", Under("b", Check("_eq", 1)))),
        ({"a": {"_some": {"b": {"_eq": 1}}}}, Under("a", Quantified("some", Under("b", Check("_eq", 1))))),
        ({"a": {"_or": [{"_eq": 1}, {"_eq": 2}]}}, Under("a", AnyOf((Check("_eq", 1), Check("_eq", 2))))),
        ({"a": {}}, Under("a", AllOf(()))),
        ({"_bogus": 1}, Check("_bogus", 1)),
        ({"a": "x"}, Under("a", Check("_eq", "x"))),
        ({"a": {"b": False}}, Under("a", Under("b", Check("_eq", False)))),
    ],
)
def test_filter_is_parsed(raw: object, parsed: object) -> None:
    assert parse_filter(raw, LIMITS) == parsed


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ([], '"query" has to be an object'),
        ("[]", '"query" has to be an object'),
        ({"fields": 5}, '"fields" has to be a list of names'),
        ({"fields": [["id"]]}, '"fields" has to be a list of names'),
        ({"limit": -2}, '"limit" has to be a whole number from -1'),
        ({"limit": "x"}, '"limit" has to be a whole number from -1'),
        ({"limit": 1.5}, '"limit" has to be a whole number from -1'),
        ({"limit": True}, '"limit" has to be a whole number from -1'),
        ({"limit": "²"}, '"limit" has to be a whole number from -1'),
        ({"limit": 10**15}, '"limit" has to be a whole number from -1'),
        ({"limit": "9" * 5_000}, '"limit" has to be a whole number from -1'),
        ({"page": 0}, '"page" has to be a whole number from 1'),
        ({"offset": -1}, '"offset" has to be a whole number from 0'),
        ({"search": ["x"]}, '"search" has to be a text'),
        ({"search": True}, '"search" has to be a text'),
        ({"aggregate": {"median": "a"}}, '"median" is not an aggregate function'),
        ({"alias": {"a.b": "c"}}, '"alias" has to be an object of new names and field names'),
        ({"alias": {"a": ["c"]}}, '"alias" has to be an object of new names and field names'),
        ({"alias": {"a": "b.c"}}, 'The alias "a" may not follow a relation'),
        ({"deep": {"a": 5}}, '"deep" has to be an object'),
        ({"filter": "{"}, '"filter" is not valid JSON'),
        ({"filter": [1]}, '"filter" has to be an object'),
        ({"filter": "null"}, '"filter" has to be an object'),
        ({"filter": {"a": None}}, 'The filter of "a" has to be a value or an object of operators'),
        ({"filter": {"a": []}}, 'The filter of "a" has to be a value or an object of operators'),
        ({"filter": {"_or": {"a": {"_eq": 1}}}}, '"_or" has to be an array of filters'),
        ({"filter": {"_and": [5]}}, '"_and" has to be an object'),
        ({"filter": {"a": {"_in": [{"x": 1}]}}}, '"_in" cannot be compared with an array or object inside its value'),
        ({"filter": {"a": {"_some": 1}}}, '"_some" has to be an object'),
    ],
)
def test_nonsense_is_refused(raw: object, reason: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_query(raw, LIMITS)
    assert refused.value.extensions["reason"] == reason


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"a": {"_eq": 1}}
    for _ in range(depth):
        inner = {"_and": [inner]}
    return inner


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"filter": nested(60)}, "The filter is nested too deep"),
        ({"filter": nested(100_000)}, "The filter is nested too deep"),
        ({"filter": '{"a":' * 100_000}, '"filter" is not valid JSON'),
        ({"deep": {"a": {"a": {"a": {"a": {"_limit": 1}}}}}}, "Max relational depth exceeded"),
        ({"filter": {"a": {"_in": list(range(101))}}}, "The query has too many parts"),
        ({"filter": {"_or": [{"a": {"_eq": 1}}] * 101}}, "The query has too many parts"),
        ({"fields": ["id"] * 101}, "The query has too many parts"),
        ({"alias": {f"a{n}": "b" for n in range(101)}}, "The query has too many parts"),
        ({"limit": 51}, '"limit" must be less than or equal to 50'),
    ],
)
def test_limits_are_kept(raw: object, reason: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_query(raw, Limits(max_limit=50, max_relational_depth=3, max_tokens=100))
    assert refused.value.extensions["reason"] == reason


@pytest.mark.parametrize(
    ("pairs", "query"),
    [
        ([("fields", "id,text"), ("sort", "-id")], Query(fields=("id", "text"), sort=("-id",))),
        (
            [("filter[room][_eq]", "1"), ("fields[]", "id")],
            Query(fields=("id",), filter=Under("room", Check("_eq", "1"))),
        ),
        ([("filter", '{"room":{"_eq":1}}')], Query(filter=Under("room", Check("_eq", 1)))),
        ([("aggregate[count]", "*"), ("groupBy[]", "a")], Query(aggregate=(("count", ("*",)),), group=("a",))),
        ([("aggregate[sum][]", "a"), ("aggregate[sum][]", "b")], Query(aggregate=(("sum", ("a", "b")),))),
        ([("deep[a][_limit]", "1"), ("deep[a][_sort]", "-id")], Query(deep=(("a", Query(limit=1, sort=("-id",))),))),
        ([("alias[x]", "y"), ("limit", "5"), ("page", "2")], Query(alias=(("x", "y"),), limit=5, page=2)),
        ([("meta", "*")], Query(meta=("total_count", "filter_count"))),
        ([("access_token", "secret")], Query()),
    ],
)
def test_parameters_of_a_url_are_parsed(pairs: list[tuple[str, str]], query: Query) -> None:
    assert query_from_params(pairs, LIMITS) == query


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": {"_eq": 1}}, {"a": {"_eq": True}}),
        ({"a": {"_eq": 1}}, {"a": {"_eq": "1"}}),
        ({"a": {"_in": [0]}}, {"a": {"_in": [False]}}),
        ({"a": {"_eq": 1}}, {"a": {"_neq": 1}}),
    ],
)
def test_queries_with_other_values_are_not_equal(one: object, other: object) -> None:
    assert parse_query({"filter": one}, LIMITS) != parse_query({"filter": other}, LIMITS)


def test_equal_queries_hash_alike() -> None:
    raw = {"filter": {"a": {"_in": [1, 2]}}, "deep": {"b": {"_limit": 1}}, "alias": {"x": "y"}}
    assert hash(parse_query(raw, LIMITS)) == hash(parse_query(dict(raw), LIMITS))


def test_only_keeps_which_items_are_meant() -> None:
    query = parse_query(
        {"fields": ["a"], "filter": {"a": {"_eq": 1}}, "limit": 2, "meta": "*", "deep": {"b": {"_limit": 1}}}, LIMITS
    )
    assert query.only("id") == Query(fields=("id",), filter=Under("a", Check("_eq", 1)), limit=2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "b.c", "_and", "_or", "_eq", "_in", "_some", "count(a)", ""]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Query.__dataclass_fields__, "groupBy", "_limit"]), json_values) | json_values)
def test_any_json_gives_a_query_or_invalid_query(raw: object) -> None:
    with contextlib.suppress(InvalidQuery):
        hash(parse_query(raw, LIMITS))


@given(st.lists(st.tuples(st.text("ab[]0_", max_size=8), st.text(max_size=3)), max_size=6))
def test_any_parameters_give_a_query_or_invalid_query(pairs: list[tuple[str, str]]) -> None:
    with contextlib.suppress(InvalidQuery):
        query_from_params([(f"filter{name}", value) for name, value in pairs], LIMITS)
