"""Random projects: two related collections with their rows, rules for whoever asks, and questions about them.

Everything is plain data. A question names only what its rules show, unless it is a `forbidden` one: then one name in it
is hidden or does not exist, and every database has to refuse it.
"""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

ONE, MANY = "one", "many"
PARENT, CHILDREN = "parent", "children"
"""`many.parent` leads to a row of `one`, `one.children` back."""

Filter = dict[str, Any]
Row = dict[str, Any]

TEXTS = ["", " ", "a", "A", "b", "a ", "aB", "é", "É", "%", "_", "a_b", "/", "\\", "'", '"', "1", "\U0001f600"]
MOMENTS = ["1969-12-31T23:59:59", "1970-01-01T00:00:00", "2020-02-29T12:30:00", "2021-01-01T00:00:00"]
POOLS: dict[str, list[Any]] = {
    "string": TEXTS,
    "text": TEXTS,
    "integer": [-3, 0, 1, 2, 10, 2147483647],
    "bigInteger": ["-9223372036854775808", "-1", "0", "9", "10", "9007199254740992", "9007199254740993"],
    "float": [-2.25, 0, 0.1, 1.5, 2, 10000000000],
    "decimal": ["-1.00", "0.00", "0.10", "0.20", "0.30", "9.00", "10.00"],
    "boolean": [True, False],
    "date": ["1969-12-31", "2020-02-29", "2020-12-31", "2021-01-03"],
    "time": ["00:00:00", "04:05:06", "12:30:00", "23:59:59"],
    "dateTime": MOMENTS,
    "timestamp": ["1970-01-02T00:00:00.000Z", *(f"{moment}.000Z" for moment in MOMENTS[2:])],
    "json": [{"a": [1, None]}, [1, 2], [], "text", 5, True],
    "csv": [[], ["x"], ["x", "y"], ["a b", "A"]],
    "uuid": ["0a0a0a0a-0000-4000-8000-000000000001", "0a0a0a0a-0000-4000-8000-000000000002"],
}
"""API values that are next to one another in some order, or alike in some collation.

A `timestamp` of MySQL lies between 1970 and 2038; others refuse no year.
"""
KEYS: dict[str, list[Any]] = {
    "integer": [1, 2, 3, 10],
    "bigInteger": ["1", "2", "9007199254740993", "10"],
    "string": ["a", "A", "b c", "é"],
    "uuid": [f"0a0a0a0a-0000-4000-8000-00000000000{digit}" for digit in "1239"],
}
_PRESENCE = ["_null", "_nnull", "_empty", "_nempty"]
_SAME = ["_eq", "_neq"]
_LISTS = ["_in", "_nin"]
_ORDER = ["_lt", "_lte", "_gt", "_gte"]
_BETWEEN = ["_between", "_nbetween"]
_EXACT_PATTERNS = ["_contains", "_ncontains", "_starts_with", "_nstarts_with", "_ends_with", "_nends_with"]
_CASELESS_PATTERNS = ["_icontains", "_nicontains", "_istarts_with", "_nistarts_with", "_iends_with", "_niends_with"]
_DAY_PARTS = ["year", "month", "week", "day", "weekday"]
_CLOCK_PARTS = ["hour", "minute", "second"]
PARTS = {
    "date": _DAY_PARTS,
    "time": _CLOCK_PARTS,
    **dict.fromkeys(("dateTime", "timestamp"), _DAY_PARTS + _CLOCK_PARTS),
}
NUMBERS = ("integer", "bigInteger", "float", "decimal")
SUMMABLE = ("integer", "decimal")
"""Numbers whose sums are the same in whatever order they are added."""
DISTINCT = (*NUMBERS, "string", "text", "date", "time", "dateTime", "timestamp", "boolean", "uuid")


@dataclass(frozen=True)
class Shape:
    """The fields of one collection, by name, with their types; relations aside."""

    key_type: str
    fields: dict[str, str]

    @property
    def columns(self) -> dict[str, str]:
        return {"id": self.key_type, **self.fields}


@dataclass(frozen=True)
class Rule:
    """The rows and fields that one permission shows."""

    filter: Filter
    fields: list[str]


@dataclass(frozen=True)
class Question:
    """A query as somebody: `rules` by collection, None for an administrator."""

    collection: str
    query: dict[str, Any]
    rules: dict[str, list[Rule]] | None
    forbidden: bool = False


@dataclass(frozen=True)
class World:
    """A project and what is asked of it."""

    shapes: dict[str, Shape]
    rows: dict[str, list[Row]]
    questions: list[Question] = field(default_factory=list)


def names_of(shapes: dict[str, Shape], collection: str) -> list[str]:
    """Every field, relations included."""
    return [*shapes[collection].columns, PARENT if collection == MANY else CHILDREN]


@dataclass(frozen=True)
class Seen:
    """What can be named in a question: the fields of each collection, or nothing of it."""

    shapes: dict[str, Shape]
    names: dict[str, list[str]]

    def columns(self, collection: str) -> list[tuple[str, str]]:
        columns = self.shapes[collection].columns
        return [(name, columns[name]) for name in self.names[collection] if name in columns]

    def leads_on(self, collection: str) -> str | None:
        """The other collection, where its relation can be followed and there is something to see."""
        via, other = (PARENT, ONE) if collection == MANY else (CHILDREN, MANY)
        return other if via in self.names[collection] and self.names[other] else None

    def __call__(self, collection: str, kinds: tuple[str, ...]) -> list[str]:
        return [name for name, kind in self.columns(collection) if kind in kinds]


def _value_of(kind: str) -> st.SearchStrategy[Any]:
    values = st.sampled_from(POOLS[kind])
    return values.map(",".join) if kind == "csv" else values


def checks(kind: str) -> st.SearchStrategy[Filter]:
    """One operator with its operand, for a field of that type."""
    presence = st.tuples(st.sampled_from(_PRESENCE), st.booleans())
    if kind == "json":
        return presence.map(lambda pair: dict([pair]))
    value = _value_of(kind)
    kinds = [
        st.tuples(st.sampled_from(_SAME), value),
        st.tuples(st.sampled_from(_LISTS), st.lists(value, max_size=3)),
        presence,
    ]
    if kind != "boolean":
        kinds.append(st.tuples(st.sampled_from(_ORDER), value))
        kinds.append(st.tuples(st.sampled_from(_BETWEEN), st.lists(value, min_size=2, max_size=2)))
    if kind in ("string", "text", "csv"):
        kinds.append(st.tuples(st.sampled_from(_EXACT_PATTERNS), value))
        plain = [text for text in TEXTS if text.isascii()]
        kinds.append(st.tuples(st.sampled_from(_CASELESS_PATTERNS), st.sampled_from(plain)))
    return st.one_of(kinds).map(lambda pair: dict([pair]))


def _whole_number_checks() -> st.SearchStrategy[Filter]:
    number = st.integers(0, 3) | st.sampled_from([12, 31, 53, 1969, 2020, 2021])
    return st.tuples(st.sampled_from(_SAME + _ORDER), number).map(lambda pair: dict([pair]))


def _leaf(seen: Seen, collection: str, depth: int) -> st.SearchStrategy[Filter]:
    kinds: list[st.SearchStrategy[Filter]] = []
    for name, kind in seen.columns(collection):
        kinds.append(st.tuples(st.just(name), checks(kind)).map(lambda pair: dict([pair])))
        functions = [f"{part}({name})" for part in PARTS.get(kind, [])] + ([f"count({name})"] if kind == "json" else [])
        if functions:
            kinds.append(st.tuples(st.sampled_from(functions), _whole_number_checks()).map(lambda pair: dict([pair])))
    if collection == MANY and PARENT in seen.names[MANY]:
        kinds.append(checks(seen.shapes[ONE].key_type).map(lambda check: {PARENT: check}))
    other = seen.leads_on(collection)
    if other is not None and depth and seen.columns(other):
        inner = filters(seen, other, depth - 1).filter(bool)
        if collection == MANY:
            kinds.append(inner.map(lambda found: {PARENT: found}))
        else:
            quantified = st.tuples(st.sampled_from(["_some", "_none"]), inner).map(lambda pair: dict([pair]))
            kinds.append((inner | quantified).map(lambda found: {CHILDREN: found}))
            kinds.append(_whole_number_checks().map(lambda check: {f"count({CHILDREN})": check}))
    return st.one_of(kinds) if kinds else st.just({})


def filters(seen: Seen, collection: str, depth: int = 1) -> st.SearchStrategy[Filter]:
    leaf = _leaf(seen, collection, depth)
    several = st.tuples(st.sampled_from(["_and", "_or"]), st.lists(leaf, min_size=1, max_size=3))
    return leaf | several.map(lambda pair: dict([pair])) | st.just({})


def rules(shapes: dict[str, Shape], collection: str) -> st.SearchStrategy[list[Rule]]:
    """One to three rules. Their filters may use everything, seen or not."""
    everything = Seen(shapes, {name: names_of(shapes, name) for name in shapes})
    fields = st.lists(st.sampled_from(names_of(shapes, collection)), min_size=1, max_size=6, unique=True)
    rule = st.builds(Rule, filters(everything, collection), fields | st.just(["*"]))
    return st.lists(rule, min_size=1, max_size=3)


def _named(shapes: dict[str, Shape], collection: str, given: list[Rule]) -> list[str]:
    return [name for name in names_of(shapes, collection) if any({"*", name} & {*rule.fields} for rule in given)]


def _orders(seen: Seen, collection: str) -> list[str]:
    """What rows can be put in order by."""
    orders = [name for name, kind in seen.columns(collection) if kind != "json"]
    orders += [f"{part}({name})" for name, kind in seen.columns(collection) for part in PARTS.get(kind, [])[:2]]
    if collection == MANY and seen.leads_on(MANY):
        orders += [f"{PARENT}.{name}" for name, kind in seen.columns(ONE) if kind != "json"]
    return orders


@st.composite
def _reads(draw: st.DrawFn, seen: Seen, collection: str) -> dict[str, Any]:
    """A query for items."""
    names = [name for name, _ in seen.columns(collection)]
    names += [f"{part}({name})" for name, kind in seen.columns(collection) for part in PARTS.get(kind, [])]
    other, via = seen.leads_on(collection), PARENT if collection == MANY else CHILDREN
    if via in seen.names[collection]:
        names.append(via)
    if other is not None:
        names += [f"{via}.{name}" for name, _ in seen.columns(other)]
    query: dict[str, Any] = {"fields": draw(st.lists(st.sampled_from([*names, "*"]), min_size=1, max_size=6))}
    if via in query["fields"]:  # the key alone, unless something below it is asked for too
        query["fields"] = [name for name in query["fields"] if not name.startswith(f"{via}.")]
    query["filter"] = draw(filters(seen, collection))
    if orders := _orders(seen, collection):
        signed = st.tuples(st.sampled_from(["", "-"]), st.sampled_from(orders)).map("".join)
        query["sort"] = draw(st.lists(signed, max_size=3))
    if draw(st.booleans()):
        query |= {"limit": draw(st.integers(-1, 4)), "offset": draw(st.integers(0, 3))}
    if draw(st.integers(0, 4)) == 0:
        query["search"] = draw(st.sampled_from(["a", "B", "1", "0.10", "%", "10", "zz"]))
    if other == MANY and any(name.startswith(f"{CHILDREN}.") for name in query["fields"]):
        deep: dict[str, Any] = {"_filter": draw(filters(seen, MANY, 0)), "_limit": draw(st.integers(-1, 2))}
        if orders := _orders(seen, MANY):
            deep["_sort"] = [draw(st.sampled_from(orders))]
        query["deep"] = {CHILDREN: deep}
    return query


@st.composite
def _aggregations(draw: st.DrawFn, seen: Seen, collection: str) -> dict[str, Any]:
    """A query for numbers about groups of items."""
    applies = {
        "count": seen(collection, tuple(POOLS)),
        "countDistinct": seen(collection, DISTINCT),
        "sum": seen(collection, SUMMABLE),
        "sumDistinct": seen(collection, SUMMABLE),
        "avg": seen(collection, ("integer",)),
        "min": [name for name in seen(collection, DISTINCT) if name not in seen(collection, ("boolean", "uuid"))],
        "max": [name for name in seen(collection, DISTINCT) if name not in seen(collection, ("boolean", "uuid"))],
    }
    functions = [function for function, names in applies.items() if names]
    chosen = draw(st.lists(st.sampled_from(functions), max_size=3, unique=True)) if functions else []
    aggregate: dict[str, Any] = {name: [draw(st.sampled_from(applies[name]))] for name in chosen}
    query: dict[str, Any] = {"aggregate": {"count": ["*"]} | aggregate, "filter": draw(filters(seen, collection))}
    groups = seen(collection, DISTINCT)
    groups += [f"{part}({name})" for name, kind in seen.columns(collection) for part in PARTS.get(kind, [])[:2]]
    if draw(st.booleans()) and groups:
        query["groupBy"] = draw(st.lists(st.sampled_from(groups), min_size=1, max_size=2, unique=True))
    return query


def _spoiled(query: dict[str, Any], place: str, name: str) -> dict[str, Any]:
    """The query with a name in it that must not be used."""
    items = {**query, "aggregate": {}, "groupBy": []}
    match place:
        case "filter":
            return {**query, "filter": {"_and": [query["filter"], {name: {"_nnull": True}}]}}
        case "sort":
            return {**items, "sort": [name]}
        case "aggregate":
            return {**query, "aggregate": {"count": [name]}, "groupBy": []}
        case "groupBy":
            return {**query, "aggregate": {"count": ["*"]}, "groupBy": [name]}
        case "alias":
            return {**items, "alias": {"other": name}, "fields": ["other"]}
        case _:
            return {**items, "fields": [name]}


@st.composite
def questions(draw: st.DrawFn, shapes: dict[str, Shape]) -> Question:
    collection = draw(st.sampled_from([ONE, MANY]))
    if draw(st.integers(0, 4)) == 0:
        everything = Seen(shapes, {name: names_of(shapes, name) for name in shapes})
        return Question(collection, draw(_reads(everything, collection) | _aggregations(everything, collection)), None)
    given = {collection: draw(rules(shapes, collection))}
    other = MANY if collection == ONE else ONE
    if draw(st.integers(0, 3)):
        given[other] = draw(rules(shapes, other))
    seen = Seen(shapes, {name: _named(shapes, name, given.get(name, [])) for name in shapes})
    query = draw(_reads(seen, collection) | _aggregations(seen, collection))
    hidden = [name for name in shapes[collection].columns if name not in seen.names[collection]]
    if draw(st.integers(0, 7)) == 0:
        place = draw(st.sampled_from(["filter", "sort", "aggregate", "groupBy", "alias", "fields"]))
        return Question(collection, _spoiled(query, place, draw(st.sampled_from([*hidden, "unheard_of"]))), given, True)
    return Question(collection, query, given)


def _shape(key_types: list[str], letter: str) -> st.SearchStrategy[Shape]:
    kinds = st.lists(st.sampled_from(list(POOLS)), min_size=1, max_size=5)
    named = kinds.map(lambda found: {f"{letter}{at}": kind for at, kind in enumerate(found)})
    return st.builds(Shape, st.sampled_from(key_types), named)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    shapes = {ONE: draw(_shape(list(KEYS), "o")), MANY: draw(_shape(["integer"], "m"))}
    keys = draw(st.lists(st.sampled_from(KEYS[shapes[ONE].key_type]), max_size=4, unique=True))
    rows: dict[str, list[Row]] = {ONE: [], MANY: []}
    for key in keys:
        rows[ONE].append({"id": key, **draw(_values(shapes[ONE]))})
    for number in range(1, draw(st.integers(0, 7)) + 1):
        parent = draw(st.none() | st.sampled_from(keys)) if keys else None
        rows[MANY].append({"id": number, PARENT: parent, **draw(_values(shapes[MANY]))})
    return World(shapes, rows, draw(st.lists(questions(shapes), min_size=6, max_size=12)))


def _values(shape: Shape) -> st.SearchStrategy[Row]:
    return st.fixed_dictionaries(
        {name: st.none() | st.sampled_from(POOLS[kind]) for name, kind in shape.fields.items()}
    )
