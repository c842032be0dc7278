"""Bad input as data: what is sent, and the code that every engine and every transport must answer with.

Where two codes stand, the transports differ on purpose: a socket names an unknown collection INVALID_COLLECTION, and
some bodies are refused by their depth before anybody looks at the query in them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

PAYLOAD, QUERY, FORBIDDEN, RANGE, LONG = (
    "INVALID_PAYLOAD",
    "INVALID_QUERY",
    "FORBIDDEN",
    "VALUE_OUT_OF_RANGE",
    "VALUE_TOO_LONG",
)
COLLECTION, VALIDATION, UNIQUE = "INVALID_COLLECTION", "FAILED_VALIDATION", "RECORD_NOT_UNIQUE"
FOREIGN, NOT_NULL, DOCUMENT = "INVALID_FOREIGN_KEY", "NOT_NULL_VIOLATION", "GRAPHQL_VALIDATION"

ABSENT = 2_000_000_000
"""A key that no counter reaches, though what is refused takes numbers from it."""

STRUCTURES: Sequence[Any] = [[], {}, [1], [[1]], {"a": 1}, {"$ne": 1}, {"__proto__": {"admin": True}}, {"create": []}]
INJECTIONS: Sequence[str] = [
    "'; DROP TABLE things; --",
    '" OR 1=1 --',
    "`; DELETE FROM things; #",
    "1) UNION SELECT token FROM directus_users --",
    "\\",
    "\\'",
    "%",
    "_",
    "%%%_",
    "/%",
    "$.a[0]",
    '$."a"',
    "'||(SELECT 1)||'",
    "${jndi:ldap://x}",
    "{{7*7}}",
    ":name",
    "%s",
    "%(name)s",
    "?",
    "$1",
    "\u02bc OR 1",
    "\uff07 OR 1",
]
NAMES: Sequence[str] = [
    "nothing",
    "",
    " ",
    "*x",
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "__class__",
    "hasOwnProperty",
    "string ",
    "STRING",
    "string\0",
    "things.string",
    "string:owners",
    "owner:things",
    "year(string)",
    "count(string)",
    "bogus(string)",
    "year(year(date))",
    "count()",
    "string->a",
    "json->a",
    "json.a",
    "json[0]",
    "rowid",
    "_rowid_",
    "oid",
    "ctid",
    "xmin",
    "tableoid",
    "\U0001f600",
    "x" * 10_000,
    *INJECTIONS,
]
"""Fields that are not there. Beside them, what only seems to be a field: each is FORBIDDEN or INVALID_QUERY."""

_NO_NUMBER = ["", " ", "x", "NaN", "Infinity", "-Infinity", "0x10", "1_000", "\u0967", "1;2", "\0", True, "2021-02-03"]
_NO_TEXT = ["\0", "a\0b", *STRUCTURES]
_NO_MOMENT = [
    0,
    1.5,
    True,
    "",
    "now",
    "0000-00-00",
    "2021-02-30",
    "2021-13-01",
    "10000-01-01",
    "-000001-01-01",
    "2021-W05-3",
    "20210203",
    "2021-02-03T23:59:60Z",
    "2021-02-03T24:00:00Z",
    "2021-02-03T04:05:06+99:00",
    "2021-02-03T04:05:06[Europe/Paris]",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2021-02-03\0",
]


def _all(code: str, values: Sequence[Any]) -> list[tuple[Any, str]]:
    return [(value, code) for value in values]


WRITES: Mapping[str, Sequence[tuple[Any, str]]] = {
    "string": [*_all(PAYLOAD, _NO_TEXT), *_all(LONG, ["x" * 21, "\U0001f600" * 21, "x" * 500_000])],
    "text": _all(PAYLOAD, _NO_TEXT),
    "hash": [*_all(PAYLOAD, _NO_TEXT), *_all(LONG, ["x" * 300])],
    "csv": _all(PAYLOAD, ["\0", ["\0"], [None], [[1]], [{}], {}, {"a": 1}]),
    "integer": [
        *_all(PAYLOAD, [*_NO_NUMBER, 1.5, "1.5", "1e2", "9" * 50, *STRUCTURES]),
        *_all(RANGE, [2**31, -(2**31) - 1, 2**63, -(2**63) - 1, 2**64, 2**70, 1e300, "99999999999"]),
    ],
    "big": [
        *_all(PAYLOAD, [*_NO_NUMBER, 1.5, "1.5", "1e2", "9" * 50, *STRUCTURES]),
        *_all(RANGE, [2**63, -(2**63) - 1, 2**64, 2**70, -1e300, "9223372036854775808", "-9223372036854775809"]),
    ],
    "float": [*_all(PAYLOAD, [*_NO_NUMBER, *STRUCTURES]), *_all(RANGE, ["1e400", "-1e999", "9" * 5_000])],
    "decimal": [
        *_all(PAYLOAD, [*_NO_NUMBER, "1e99999", *STRUCTURES]),
        *_all(RANGE, ["100000000", 1e300, "99999999.995", -(2**31), 2**63, "1e1000", "9" * 5_000]),
    ],
    "long": [*_all(PAYLOAD, ["x", *STRUCTURES]), *_all(RANGE, ["1e28", "9" * 29, -1e300])],
    "boolean": _all(PAYLOAD, ["", "yes", "TRUE", 2, -1, 1.5, *STRUCTURES]),
    "date": _all(PAYLOAD, [*_NO_MOMENT, "04:05:06", *STRUCTURES]),
    "time": _all(PAYLOAD, [*_NO_MOMENT, "24:00:00", "23:59:60", "-01:00:00", "838:59:59", "04:05:06Z", *STRUCTURES]),
    "moment": _all(PAYLOAD, [*_NO_MOMENT, "04:05:06", *STRUCTURES]),
    "stamp": _all(PAYLOAD, [*_NO_MOMENT, "04:05:06", *STRUCTURES]),
    "uuid": _all(PAYLOAD, ["", "x", 0, True, "7f1b4e6a-6c3a", "{7f1b4e6a-6c3a-4a57-9b5e-0d9be1c6a001}", *STRUCTURES]),
    "binary": _all(PAYLOAD, ["!!!!", "AAA", "AA==\n", "\0", 1234, True, *STRUCTURES]),
    "code": [("one", UNIQUE)],
    "must": [(None, VALIDATION)],
    "filled": [(None, NOT_NULL)],
    "score": [(101, VALIDATION), ("x", VALIDATION)],
    "parent": [(ABSENT, FOREIGN), ("x", PAYLOAD), ([1], PAYLOAD), (2**31, RANGE)],
    "owner": [("nobody", FOREIGN), (["ada"], PAYLOAD), ("x" * 31, LONG), ("a\0", PAYLOAD)],
    "children": [
        ("x", PAYLOAD),
        (1, PAYLOAD),
        ([[1]], PAYLOAD),
        ([True], PAYLOAD),
        ([None], PAYLOAD),
        ({"create": {}}, PAYLOAD),
        ({"create": [1]}, PAYLOAD),
        ({"delete": [{}]}, PAYLOAD),
        ({"bogus": []}, PAYLOAD),
        ({"__proto__": []}, PAYLOAD),
        ([{"must": "x", "integer": "x"}], PAYLOAD),
        ([{"must": "x", "code": "one"}], UNIQUE),
        ([{"code": "without what it must have"}], VALIDATION),
        ([ABSENT], FORBIDDEN),
        ({"delete": ["x"]}, FORBIDDEN),
        ([{"id": "x", "must": "x"}], PAYLOAD),
        ([{"id": 2**40, "must": "x"}], RANGE),
        ([{"id": {}, "must": "x"}], PAYLOAD),
        (list(range(1, 10_002)), PAYLOAD),
        ([{}] * 10_001, PAYLOAD),
        ({"delete": list(range(1, 10_002))}, PAYLOAD),
    ],
    "blocks": [
        ([{"item": {"code": "new"}, "collection": "nothing"}], PAYLOAD),
        ([{"item": {"code": "new"}, "collection": "directus_users"}], PAYLOAD),
        ([{"item": {"code": "new"}}], PAYLOAD),
        ([{"item": {"code": "new"}, "collection": ["owners"]}], PAYLOAD),
        ([{"item": {"code": "new"}, "collection": "'; DROP TABLE things; --"}], PAYLOAD),
        ([{"item": {"must": None}, "collection": "things"}], VALIDATION),
        ([{"item": ["ada"], "collection": "owners"}], PAYLOAD),
    ],
}
"""By field of `things`: values that cannot be written to it."""


def deep_data(levels: int, field: str, many: bool) -> dict[str, Any]:
    """Related items inside one another."""
    data: dict[str, Any] = {"must": "x"}
    for _ in range(levels):
        data = {"must": "x", field: [data] if many else data}
    return data


NESTED: Sequence[tuple[str, dict[str, Any], str]] = [
    ("eleven parents", deep_data(11, "parent", many=False), PAYLOAD),
    ("eleven children", deep_data(11, "children", many=True), PAYLOAD),
    ("a hundred parents", deep_data(100, "parent", many=False), PAYLOAD),
    ("a bad one above good ones", {"must": "x", "parent": {"must": "x", "parent": {"must": None}}}, VALIDATION),
    (
        "itself as its own parent",
        {"id": 500, "must": "x", "parent": {"id": 500, "must": "x", "parent": {"id": 500, "must": "x"}}},
        UNIQUE,
    ),
]

OPERANDS: Mapping[str, Sequence[tuple[str, Any]]] = {
    "string": [("_eq", "\0"), ("_contains", "a\0"), ("_contains", "x" * 5_001), ("_between", ["a"]), ("_between", "a")],
    "text": [("_eq", "\0"), ("_starts_with", "\0"), ("_nends_with", "x" * 5_001), ("_eq", ["a"])],
    "csv": [("_eq", "\0"), ("_contains", "\0"), ("_contains", "x" * 5_001)],
    "hash": [("_eq", "x"), ("_contains", "x"), ("_in", ["x"]), ("_lt", "x")],
    "json": [("_eq", "x"), ("_contains", "x"), ("_eq", 1), ("_in", [1]), ("_gt", 1)],
    "binary": [("_eq", "AAAA"), ("_contains", "A"), ("_in", ["AAAA"])],
    "integer": [
        ("_eq", "x"),
        ("_eq", True),
        ("_lt", 1.5),
        ("_gt", "NaN"),
        ("_in", [1, "x"]),
        ("_in", "1,x"),
        ("_between", [1, 2, 3]),
        ("_contains", "1"),
        ("_eq", 2**63),
        ("_eq", -(2**63) - 1),
        ("_lt", 1e300),
        ("_eq", "\u0967"),
    ],
    "big": [("_eq", "x"), ("_eq", "9223372036854775808"), ("_lt", 2**70), ("_contains", "1"), ("_eq", 1.5)],
    "float": [("_eq", "x"), ("_eq", "1e400"), ("_lt", "Infinity"), ("_gt", "nan"), ("_starts_with", "1")],
    "decimal": [("_eq", "x"), ("_lt", "1e99999"), ("_gt", "NaN"), ("_in", ["1", ""]), ("_contains", "1")],
    "boolean": [("_eq", "yes"), ("_eq", 2), ("_lt", True), ("_contains", "t"), ("_between", [True, False])],
    "date": [("_eq", "2021-02-30"), ("_lt", 1), ("_gt", "10000-01-01"), ("_contains", "20"), ("_eq", "$NOW(x")],
    "time": [("_eq", "24:00:00"), ("_lt", "23:59:60"), ("_gt", 1), ("_contains", "0")],
    "moment": [("_eq", "0000-00-00"), ("_lt", "2021-02-03T24:00:00"), ("_gt", ""), ("_contains", "20")],
    "stamp": [("_eq", "9999-12-31T23:59:59-14:00"), ("_lt", "2021-02-03T23:59:60Z"), ("_gt", True)],
    "uuid": [("_eq", "x"), ("_in", ["x"]), ("_eq", 1), ("_lt", ""), ("_contains", "7")],
    "year(date)": [("_eq", "x"), ("_eq", 1.5), ("_lt", 2**63), ("_contains", "2"), ("_in", [None, "x"])],
    "count(children)": [("_eq", "x"), ("_gt", True), ("_lt", 1e300), ("_starts_with", "1")],
    "children": [("_eq", 1), ("_in", [1]), ("_null", True), ("_bogus", 1)],
}
"""By field of `things`: operators that it has not, and operands that it cannot be compared with: INVALID_QUERY."""
EVERYWHERE: Sequence[tuple[str, Any]] = [
    ("_bogus", 1),
    ("_regex", ".*"),
    ("__proto__", 1),
    ("_", 1),
    ("_eq", [[1]]),
    ("_in", [[1]]),
    ("_in", [{}]),
    ("_eq", [{"a": 1}]),
    ("_null", "x"),
    ("_null", [True]),
    ("_empty", 2),
    ("_and", 1),
    ("_or", {}),
    ("_some", {"id": {"_eq": 1}}),
    ("_none", 1),
    ("_and", [1]),
    ("_eq' OR 1=1", 1),
]
"""Operators and operands that no field takes."""


def _asked(parameter: str, values: Sequence[Any]) -> list[tuple[dict[str, Any], str]]:
    return [({parameter: value}, QUERY) for value in values]


QUERIES: Sequence[tuple[dict[str, Any], str]] = [
    *_asked("limit", ["x", -2, 1.5, True, [], {}, "1;2", 10**15, 2**63, "9" * 30, "1 OR 1"]),
    *_asked("offset", ["x", -1, 1.5, False, [1], {}, 10**15, 2**64]),
    *_asked("page", ["x", 0, -1, 1.5, [1], {}, 2**64]),
    *_asked("search", [True, [], {"a": 1}, [1], "x" * 5_001]),
    *_asked("fields", [1, True, {}, [1], [None], [["id"]]]),
    *_asked("sort", [1, {}, [1], [["id"]], "json", "hash", "binary", "children", "owner.things"]),
    *(
        ({"sort": [value]}, FORBIDDEN)
        for value in ("nothing", "--id", "id asc", "id;", "id,(select 1)", "owner.nothing")
    ),
    *_asked("aggregate", [1, [], ["count"], {"bogus": "*"}, {"count": 1}, {"__proto__": "*"}]),
    *(({"aggregate": {function: "string"}}, QUERY) for function in ("sum", "avg", "sumDistinct", "avgDistinct")),
    *(({"aggregate": {"min": name}}, QUERY) for name in ("json", "hash", "binary", "boolean", "uuid", "csv", "*")),
    *(({"aggregate": {"count": name}}, FORBIDDEN) for name in ("nothing", "string;", "owner.name", "(select 1)")),
    *(({"aggregate": {"count": "*"}, "groupBy": [name]}, QUERY) for name in ("json", "hash", "binary", "year(string)")),
    *_asked("groupBy", [1, {}, [1], [["id"]]]),
    *(({"groupBy": [name]}, FORBIDDEN) for name in ("nothing", "id;", "owner.name", "(select 1)")),
    ({"aggregate": {"count": "*"}, "groupBy": ["id"], "sort": ["string"]}, QUERY),
    ({"aggregate": {"count": "*"}, "groupBy": ["id"], "sort": ["nothing"]}, FORBIDDEN),
    *_asked("alias", [1, [], "x", {"a": 1}, {"": "id"}, {"a.b": "id"}, {"a": "owner.name"}]),
    ({"alias": {"a": "nothing"}, "fields": ["a"]}, FORBIDDEN),
    ({"alias": {"a": "id; DROP TABLE things"}, "fields": ["a"]}, FORBIDDEN),
    *_asked("deep", [1, [], "x", {"children": 1}, {"children": []}]),
    ({"deep": {"children": {"_limit": "x"}}}, QUERY),
    ({"deep": {"children": {"_sort": "json"}}, "fields": ["children.id"]}, QUERY),
    ({"deep": {"children": {"_sort": "nothing"}}, "fields": ["children.id"]}, FORBIDDEN),
    ({"deep": {"children": {"_filter": {"nothing": {"_eq": 1}}}}, "fields": ["children.id"]}, FORBIDDEN),
    ({"deep": {"children": {"_filter": {"id": {"_bogus": 1}}}}, "fields": ["children.id"]}, QUERY),
    *_asked("filter", [1, True, [], [1], "x", {"_eq": 1}, {"_and": 1}, {"_or": [1]}, {"id": "x"}]),
    *_asked("filter", [{"_some": {"id": {"_eq": 1}}}, {"id": {"_some": {"id": {"_eq": 1}}}}]),
    ({"filter": {"owner": {"nothing": {"_eq": 1}}}}, FORBIDDEN),
    ({"filter": {"blocks": {"item:nothing": {"id": {"_eq": 1}}}}}, FORBIDDEN),
    ({"filter": {"blocks": {"item:directus_users": {"id": {"_eq": 1}}}}}, FORBIDDEN),
    ({"fields": ["blocks.item:nothing.id"]}, FORBIDDEN),
    ({"fields": ["blocks.item:directus_users.email"]}, FORBIDDEN),
    ({"fields": [".".join(["parent"] * 12)]}, QUERY),
    ({"fields": [".".join(["*"] * 12)]}, QUERY),
    ({"sort": [".".join(["parent"] * 12)]}, QUERY),
    ({"filter": {"id": {"_in": list(range(10_000))}}}, QUERY),
    ({"filter": {"id": {"_nin": ["x"] * 10_000}}}, QUERY),
    ({"filter": {"_or": [{"id": {"_eq": n}} for n in range(5_001)]}}, QUERY),
    ({"fields": [f"f{n}" for n in range(100_000)]}, QUERY),
    ({"fields": ["id"] * 100_000}, QUERY),
    ({"sort": ["id"] * 100_000}, QUERY),
    ({"groupBy": ["id"] * 100_000}, QUERY),
    ({"aggregate": {"count": ["id"] * 100_000}}, QUERY),
    ({"aggregate": {"count": [f"f{n}" for n in range(9_000)]}}, FORBIDDEN),
    ({"alias": {f"a{n}": "id" for n in range(50_000)}}, QUERY),
]
"""Queries on `things`, in their JSON form."""

LEVELS = 100_000
DEEP_FILTERS: Mapping[str, str] = {
    "and": '{"_and":[' * LEVELS + "{}" + "]}" * LEVELS,
    "or": '{"_or":[' * LEVELS + '{"id":{"_eq":1}}' + "]}" * LEVELS,
    "relation": '{"parent":' * LEVELS + '{"id":{"_eq":1}}' + "}" * LEVELS,
    "some": '{"_some":' * LEVELS + "{}" + "}" * LEVELS,
    "field": '{"id":' + '{"_and":[' * LEVELS + "{}" + "]}" * LEVELS + "}",
    "operand": '{"id":{"_in":' + "[" * LEVELS + "]" * LEVELS + "}}",
    "51 levels": '{"_and":[' * 51 + '{"id":{"_eq":1}}' + "]}" * 51,
}
"""Filters as JSON text."""

KEYS: Sequence[Any] = [
    "x",
    "",
    " 1",
    "1 OR 1=1",
    "1e0",
    "0x1",
    1.5,
    2**31,
    2**63,
    "9" * 400,
    "\0",
    "__proto__",
    "\U0001f600",
    "\u0967",
    *INJECTIONS,
]
"""What no item of `things` can have as its key: FORBIDDEN."""
ABSENT_KEYS: Sequence[int] = [0, -1, ABSENT]
"""Keys that an item of `things` might have: FORBIDDEN too, but to an administrator they are deleted already."""
NO_KEYS: Sequence[Any] = [True, [], [1], {}, {"id": 1}, 1.5]
"""What cannot be a key of anything: INVALID_PAYLOAD."""

COLLECTIONS: Sequence[str] = [
    "nothing",
    "THINGS",
    "things ",
    "things;",
    "sqlite_master",
    "pg_class",
    "information_schema.tables",
    "directus_users",
    "directus_settings",
    "__proto__",
    "constructor",
    "x" * 5_000,
    *(text for text in INJECTIONS if "/" not in text),
]

DOCUMENTS: Sequence[tuple[str, str]] = [
    ("{ nothing { id } }", DOCUMENT),
    ("{ things { nothing } }", DOCUMENT),
    ("{ things(filter: {integer: {_bogus: 1}}) { id } }", DOCUMENT),
    ("{ things(filter: {nothing: {_eq: 1}}) { id } }", DOCUMENT),
    ('{ things(filter: {integer: {_eq: "x"}}) { id } }', QUERY),
    ('{ things(filter: {big: {_eq: "9223372036854775808"}}) { id } }', QUERY),
    ('{ things(filter: {date: {_eq: "2021-02-30"}}) { id } }', QUERY),
    ('{ things(filter: {string: {_eq: "\\u0000"}}) { id } }', QUERY),
    ('{ things(filter: {string: {_eq: "\\ud800"}}) { id } }', DOCUMENT),
    ('{ things(filter: {uuid: {_eq: "\' OR 1=1 --"}}) { id } }', QUERY),
    ('{ things(sort: ["nothing"]) { id } }', FORBIDDEN),
    ('{ things(sort: ["id; DROP TABLE things"]) { id } }', FORBIDDEN),
    ("{ things(limit: -2) { id } }", QUERY),
    ("{ things(limit: 99999999999) { id } }", DOCUMENT),
    ('{ things_by_id(id: "x") { id } }', FORBIDDEN),
    ('{ things_by_id(id: "1 OR 1=1") { id } }', FORBIDDEN),
    ('{ things_aggregated(groupBy: ["nothing"]) { group } }', FORBIDDEN),
    ('mutation { create_things_item(data: {must: "x", nothing: 1}) { id } }', DOCUMENT),
    ('mutation { create_things_item(data: {must: "x", integer: "x"}) { id } }', DOCUMENT),
    ('mutation { create_things_item(data: {must: "x", integer: 3000000000}) { id } }', DOCUMENT),
    ('mutation { create_things_item(data: {must: "x", big: "9223372036854775808"}) { id } }', RANGE),
    ('mutation { create_things_item(data: {must: "x", decimal: 1e300}) { id } }', RANGE),
    ('mutation { create_things_item(data: {must: "x", date: "0000-00-00"}) { id } }', PAYLOAD),
    ('mutation { create_things_item(data: {must: "x", string: "\\u0000"}) { id } }', PAYLOAD),
    ('mutation { create_things_item(data: {code: "y"}) { id } }', VALIDATION),
    ('mutation { create_things_item(data: {must: "x", code: "one"}) { id } }', UNIQUE),
    ('mutation { create_things_items(data: [{must: "x"}, {must: "x", code: "one"}]) { id } }', UNIQUE),
    (
        'mutation { create_things_item(data: {must: "x", owner: {code: "new"}, children: [{code: "z"}]}) { id } }',
        VALIDATION,
    ),
    ('mutation { update_things_item(id: "x", data: {string: "y"}) { id } }', FORBIDDEN),
    (f'mutation {{ update_things_items(ids: [1, {ABSENT}], data: {{string: "y"}}) {{ id }} }}', FORBIDDEN),
    ("mutation { update_things_item(id: 1, data: {score: 101}) { id } }", VALIDATION),
    ('mutation { update_things_batch(data: [{id: 1, string: "y"}, {id: 2, code: "one"}]) { id } }', UNIQUE),
    ('mutation { delete_things_items(ids: [1, "x"]) { ids } }', FORBIDDEN),
]
"""GraphQL documents, each with the code of its first error."""

STORED: Mapping[str, Sequence[tuple[Any, Any]]] = {
    "string": [("\U0001f600" * 20, "\U0001f600" * 20), (-0.0, "0"), (1e300, "1e+300"), (True, "true")],
    "text": [(text, text) for text in INJECTIONS],
    "integer": [(2**31 - 1, 2**31 - 1), (-(2**31), -(2**31)), ("-0", 0), (1e2, 100)],
    "big": [(2**63 - 1, "9223372036854775807"), ("-9223372036854775808", "-9223372036854775808")],
    "float": [(-0.0, 0), (1.7976931348623157e308, 1.7976931348623157e308), ("1e-400", 0), (2**53 + 1, 2**53)],
    "decimal": [("99999999.994", "99999999.99"), ("-0.001", "0.00"), (0.005, "0.01"), ("1e7", "10000000.00")],
    "long": [("9" * 28 + "." + "9" * 10, "9" * 28 + "." + "9" * 10)],
    "date": [("9999-12-31", "9999-12-31"), ("0001-01-01", "0001-01-01"), ("2020-02-29T23:00:00-03:00", "2020-03-01")],
    "moment": [("0001-01-01", "0001-01-01T00:00:00"), ("2021-02-03T04:05:06.999Z", "2021-02-03T04:05:06")],
    "stamp": [("2021-02-03T04:05:06,1234567+14:00", "2021-02-02T14:05:06.123Z")],
    "json": [
        (2**63, 9.223372036854776e18),
        ({"n": [2**64]}, {"n": [1.8446744073709552e19]}),
        ("\0", "\0"),
        (["\0", {"__proto__": 1}], ["\0", {"__proto__": 1}]),
        ("1", "1"),
        ("[1", "[1"),
        (-0.0, 0),
    ],
    "csv": [("'; DROP TABLE things; --,%", ["'; DROP TABLE things; --", "%"])],
    "binary": [("AP/+", "AP/+")],
}
"""By field of `things`: what is unusual but right, and how it is answered."""

EXTREMES: Sequence[Mapping[str, Any]] = [
    {"big": 2**63 - 1, "long": "9" * 28 + "." + "9" * 10, "decimal": "99999999.99", "float": 1e308},
    {"big": 2**63 - 1, "long": "9" * 28 + "." + "9" * 10, "decimal": "99999999.99", "float": -1e300},
    {"big": -(2**63), "long": "-" + "9" * 28, "decimal": "-99999999.99", "float": 1e308},
]
SUMS: Sequence[tuple[int, str, str, str | int | float]] = [
    (2, "sum", "big", "18446744073709551614"),
    (3, "sum", "big", "9223372036854775806"),
    (3, "sumDistinct", "big", "-1"),
    (2, "avg", "big", "9.223372036854776e+18"),
    (3, "min", "big", "-9223372036854775808"),
    (3, "max", "big", "9223372036854775807"),
    (3, "count", "big", "3"),
    (3, "countDistinct", "big", "2"),
    (2, "sum", "long", "1" + "9" * 28 + "." + "9" * 9 + "8"),
    (3, "sumDistinct", "long", "0.9999999999"),
    (2, "avg", "long", "1e+28"),
    (3, "min", "long", "-" + "9" * 28 + "." + "0" * 10),
    (3, "max", "long", "9" * 28 + "." + "9" * 10),
    (2, "sum", "decimal", "199999999.98"),
    (3, "sum", "decimal", "99999999.99"),
    (2, "avg", "decimal", "99999999.99"),
    (1, "avg", "float", "1e+308"),
    (2, "avg", "float", "4.99999995e+307"),
    (3, "sum", "float", RANGE),
    (3, "avg", "float", RANGE),
    (3, "max", "float", 1e308),
]
"""How many of the rows above, a function, a field of them, and what it gives."""
