"""Random projects: three related collections with their rows, permissions of whoever asks, and questions.

Everything is plain data. A question names only what its permissions show, unless it is a `forbidden` one: then one name
in it is hidden or does not exist, and every database has to refuse it.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st

ONE, MANY, LINKS = "one", "many", "links"
Filter = dict[str, Any]
Row = dict[str, Any]


class Way(NamedTuple):
    """Where the field of a relation leads."""

    kind: Literal["m2o", "o2m", "a2o"]
    targets: tuple[str, ...]
    far: str = "id"
    """The field that is compared on the other side."""
    named: str | None = None
    """Many-to-any: the field beside the key that names the collection."""
    sort: str | None = None


WAYS = {
    (MANY, "parent"): Way("m2o", (ONE,)),
    (ONE, "children"): Way("o2m", (MANY,), "parent"),
    (ONE, "boss"): Way("m2o", (ONE,)),
    (ONE, "staff"): Way("o2m", (ONE,), "boss"),
    (LINKS, "one"): Way("m2o", (ONE,)),
    (ONE, "links"): Way("o2m", (LINKS,), "one", sort="rank"),
    (LINKS, "many"): Way("m2o", (MANY,)),
    (MANY, "links"): Way("o2m", (LINKS,), "many"),
    (LINKS, "item"): Way("a2o", (ONE, MANY), named="kind"),
    (ONE, "uses"): Way("o2m", (LINKS,), "item", named="kind"),
    (MANY, "uses"): Way("o2m", (LINKS,), "item", named="kind"),
}
"""One-to-many, many-to-many (through `links`), many-to-any, and a collection that is related to itself."""

LONG = "x" * 1_100
TEXTS = [
    *("", " ", "a", "A", "b", "a ", "A ", "aB", "Z", "é", "É", "e\u0301", "ß", "ss", "ä", "%", "_", "a_b", "/", "\\"),
    *("'", '"', "1", "\t", "\uffff", "\U0001f600", "\U0001f600a", "0a0a0a0a-0000-4000-8000-000000000001"),
]
NOW = 1_700_000_000.0
MOMENTS = {
    "$NOW": "2023-11-14T22:13:20",
    "$NOW(-1 day)": "2023-11-13T22:13:20",
    "$NOW(+1 month)": "2023-12-14T22:13:20",
    "$NOW(-3 years)": "2020-11-14T22:13:20",
}
_TIMES = ["1970-01-02T00:00:00", "2020-02-29T12:30:00", "2020-12-31T23:59:59", "2021-01-03T00:00:00", *MOMENTS.values()]
_UUIDS = [f"0a0a0a0a-0000-4000-8000-00000000000{digit}" for digit in "1239"]
POOLS: dict[str, list[Any]] = {
    "string": TEXTS,
    "text": [*TEXTS, LONG + "a", LONG + "b"],
    "integer": [-3, 0, 1, 2, 10, 2147483647, -2147483648],
    "bigInteger": [
        *("-9223372036854775808", "-1", "0", "2", "9", "10", "9007199254740992", "9007199254740993"),
        "9223372036854775807",
    ],
    "float": [-2.25, 0, 0.125, 1.5, 2, 10000000000, 2.0**1000],
    "decimal": ["-1.00", "0.00", "0.10", "0.20", "0.30", "2.00", "9.00", "10.00", "99999999.99"],
    "boolean": [True, False],
    "date": ["0001-01-01", "1969-12-31", "2020-02-29", "2020-12-31", "2021-01-03", "2023-11-14", "9999-12-31"],
    "time": ["00:00:00", "04:05:06", "12:30:00", "22:13:20", "23:59:59"],
    "dateTime": ["1000-01-01T00:00:00", "1969-12-31T23:59:59", *_TIMES, "9999-12-31T23:59:59"],
    "timestamp": [*(f"{moment}.000Z" for moment in _TIMES), "2020-12-31T23:59:59.999Z", "2021-01-03T00:00:00.001Z"],
    "json": [{"a": [1, None]}, [1, 2], [], "text", 5, True, [[1, 2, 3]]],
    "csv": [[], ["x"], ["x", "y"], ["a b", "A"], ["X"]],
    "uuid": _UUIDS[:2],
    "hash": ["$argon2id$v=19$a", "", "b"],
    "binary": ["", "AAEC", "/w=="],
    "concealed": ["secret", ""],
}
"""API values that are next to one another in some order, or alike in some collation.

A `timestamp` of MySQL lies between 1970 and 2038; others refuse no year. Sums of the floats are the same in whatever
order they are added.
"""
KEYS: dict[str, list[Any]] = {
    "integer": [1, 2, 3, 10],
    "bigInteger": ["1", "2", "9007199254740993", "10"],
    "string": ["a", "A", "b c", "é"],
    "uuid": _UUIDS,
}
VARIABLES: dict[str, Any] = {
    "$CURRENT_USER": _UUIDS[0],
    "$CURRENT_ROLE": None,
    "$CURRENT_ROLES": [_UUIDS[1], _UUIDS[0]],
    "$CURRENT_POLICIES": [],
    "$CURRENT_USER.number": 2,
    "$CURRENT_USER.text": "a ",
}
"""Of everybody who asks. They have no role, but a list of roles, so that both are covered."""
ADDRESS = "10.0.0.5"
ADDRESSES: list[tuple[list[str] | None, bool]] = [
    (None, True),
    (["10.0.0.0/8"], True),
    (["192.168.0.1", "10.0.0.1-10.0.0.9"], True),
    (["::ffff:10.0.0.5"], True),
    (["10.0.0.1-10.0.0.4"], False),
    (["nonsense", "11.0.0.0/8"], False),
]
"""`ip_access`, and whether it holds `ADDRESS`."""
BOUND_TO = ("user", "role", "parent role", "everybody")
_DAY_PARTS = ["year", "month", "week", "day", "weekday"]
_CLOCK_PARTS = ["hour", "minute", "second"]
PARTS = {
    "date": _DAY_PARTS,
    "time": _CLOCK_PARTS,
    **dict.fromkeys(("dateTime", "timestamp"), _DAY_PARTS + _CLOCK_PARTS),
    "json": ["count"],
}
NUMBERS = ("integer", "bigInteger", "float", "decimal")
PLAIN_TEXTS = ("string", "text")
TIMES = ("date", "time", "dateTime", "timestamp")
DISTINCT = (*NUMBERS, *PLAIN_TEXTS, *TIMES, "boolean", "uuid")
MEASURES: dict[str, tuple[str, ...]] = {
    "count": tuple(POOLS),
    "countDistinct": DISTINCT,
    **dict.fromkeys(("sum", "sumDistinct", "avg", "avgDistinct"), NUMBERS),
    **dict.fromkeys(("min", "max"), (*NUMBERS, *PLAIN_TEXTS, *TIMES)),
}
_PRESENCE = ("_null", "_nnull", "_empty", "_nempty")
_ONLY_PRESENCE = ("json", "hash", "binary", "concealed")
_PATTERNS = ["_contains", "_ncontains", "_starts_with", "_nstarts_with", "_ends_with", "_nends_with"]
_CASELESS = ["_icontains", "_nicontains", "_istarts_with", "_nistarts_with", "_iends_with", "_niends_with"]


@dataclass(frozen=True)
class Shape:
    """The columns of one collection with their types."""

    columns: dict[str, str]


@dataclass(frozen=True)
class Permission:
    """The rows and fields that one policy shows, whom it is bound to and at which addresses it is in force."""

    collection: str
    filter: Filter
    fields: list[str]
    bound_to: str
    addresses: list[str] | None
    in_force: bool


@dataclass(frozen=True)
class Question:
    """A query as somebody: with these permissions, or as an administrator where there are none."""

    collection: str
    query: dict[str, Any]
    permissions: list[Permission] | None
    forbidden: bool = False


@dataclass(frozen=True)
class World:
    """A project and what is asked of it."""

    shapes: dict[str, Shape]
    rows: dict[str, list[Row]]
    questions: list[Question] = field(default_factory=list)


def names_of(shapes: dict[str, Shape], collection: str) -> list[str]:
    """Every field, relations included."""
    lists = [name for (owner, name), way in WAYS.items() if owner == collection and way.kind == "o2m"]
    return [*shapes[collection].columns, *lists]


def worlds() -> st.SearchStrategy[World]:
    return st.randoms(use_true_random=False).map(lambda random: _Maker(random).world())


class _Maker:
    """Makes a world out of chance."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._choice = random.choice
        self._shapes: dict[str, Shape] = {}
        self._seen: dict[str, list[str]] = {}
        """What can be named at the moment: fields by collection."""

    def world(self) -> World:
        key = self._choice(list(KEYS))
        self._shapes = {
            ONE: Shape({"id": key, **self._fields("o", 5), "boss": key}),
            MANY: Shape({"id": "integer", **self._fields("m", 5), "parent": key}),
            LINKS: Shape(
                {"id": "integer", **self._fields("l", 1), "one": key, "many": "integer"}
                | {"item": "string", "kind": "string", "rank": "integer"}
            ),
        }
        rows = self._rows()
        return World(self._shapes, rows, [self._question() for _ in range(self._random.randint(10, 16))])

    def _chance(self, percent: int) -> bool:
        return self._random.randrange(100) >= 100 - percent

    def _some(self, among: list[Any], least: int, most: int) -> list[Any]:
        return self._random.sample(among, min(len(among), self._random.randint(least, most)))

    def _fields(self, letter: str, most: int) -> dict[str, str]:
        kinds = [self._choice(list(POOLS)) for _ in range(self._random.randint(1, most))]
        return {f"{letter}{at}": kind for at, kind in enumerate(kinds)}

    def _rows(self) -> dict[str, list[Row]]:
        rows: dict[str, list[Row]] = {ONE: [], MANY: [], LINKS: []}
        keys = self._some(KEYS[self._shapes[ONE].columns["id"]], 0, 4)
        for key in keys:
            boss = self._choice([None, *(row["id"] for row in rows[ONE]), key])
            rows[ONE].append({**self._values(ONE), "id": key, "boss": boss})
        numbers = list(range(1, self._random.randint(0, 7) + 1))
        for number in numbers:
            rows[MANY].append({**self._values(MANY), "id": number, "parent": self._choice([None, *keys])})
        for number in range(1, self._random.randint(0, 6) + 1):
            kind = self._choice([ONE, MANY, None])
            item = self._choice(["404", "no number", None, *map(str, keys), *map(str, numbers)])
            link = {"one": self._choice([None, *keys]), "many": self._choice([None, *numbers])}
            link |= {"item": item, "kind": kind, "rank": self._choice([None, 1, 2])}
            rows[LINKS].append({**self._values(LINKS), "id": number, **link})
        return rows

    def _values(self, collection: str) -> Row:
        columns = self._shapes[collection].columns.items()
        return {name: None if self._chance(20) else self._choice(POOLS[kind]) for name, kind in columns}

    # What can be named.

    def _columns(self, collection: str, kinds: tuple[str, ...] = tuple(POOLS)) -> list[str]:
        columns = self._shapes[collection].columns
        return [name for name in self._seen[collection] if columns.get(name) in kinds]

    def _functions(self, collection: str) -> list[str]:
        columns = self._shapes[collection].columns
        found = [f"{part}({name})" for name in self._columns(collection) for part in PARTS.get(columns[name], [])]
        return found + [
            f"count({name})" for name, way in self._ways(collection) if way.kind == "o2m" and self._seen[way.targets[0]]
        ]

    def _ways(self, collection: str) -> list[tuple[str, Way]]:
        return [(name, WAYS[collection, name]) for name in self._seen[collection] if (collection, name) in WAYS]

    def _orders(self, collection: str, hops: int = 2) -> list[str]:
        orders = [*self._columns(collection, tuple(kind for kind in POOLS if kind not in _ONLY_PRESENCE))]
        orders += self._functions(collection)
        for name, way in self._ways(collection):
            if way.kind == "m2o" and hops and self._seen[way.targets[0]]:
                orders += [_prefixed(name, each) for each in self._orders(way.targets[0], hops - 1)]
        return orders

    # Filters.

    def filter(self, collection: str, depth: int) -> Filter:
        shape = self._random.randrange(10)
        if shape == 0:
            return {}
        if shape <= 2:
            key = self._choice(["_and", "_or"])
            return {key: [self.filter(collection, depth) for _ in range(self._random.randint(0, 3))]}
        if shape == 3:
            return self._leaf(collection, depth) | self._leaf(collection, depth)
        return self._leaf(collection, depth)

    def _leaf(self, collection: str, depth: int) -> Filter:
        columns = self._columns(collection)
        kinds = self._shapes[collection].columns
        ways = [(name, way) for name, way in self._ways(collection) if self._leads_on(way)]
        if ways and depth and self._chance(45):
            return self._through(*self._choice(ways), depth)
        functions = self._functions(collection)
        if functions and self._chance(25):
            return {self._choice(functions): self._number_check()}
        if not columns:
            return {}
        name = self._choice(columns)
        return {name: self.check(kinds[name])}

    def _leads_on(self, way: Way) -> bool:
        return all(self._columns(target) for target in way.targets)

    def _through(self, name: str, way: Way, depth: int) -> Filter:
        target = self._choice(way.targets)
        inner = self.filter(target, depth - 1) or self._leaf(target, 0)
        if way.kind != "o2m":
            return {f"{name}:{target}" if way.kind == "a2o" else name: inner}
        quantifier = self._choice(["_some", "_none", None])
        return {name: inner if quantifier is None else {quantifier: inner}}

    def _number_check(self) -> Filter:
        number = self._choice([0, 1, 2, 3, 12, 31, 53, 1969, 2020, 2021, "$CURRENT_USER.number"])
        return self._choice(
            [{self._choice(["_eq", "_neq", "_lt", "_lte", "_gt", "_gte"]): number}, {"_in": [number, 11]}]
        )

    def _operand(self, kind: str) -> Any:
        """A value of the type, in some places a variable that stands for one, or null."""
        if self._chance(3):
            return None
        if self._chance(20):
            if kind in NUMBERS:
                return "$CURRENT_USER.number"
            if kind in TIMES:
                return self._choice(list(MOMENTS))
            if kind in PLAIN_TEXTS:
                return self._choice(["$CURRENT_USER", "$CURRENT_USER.text", "$CURRENT_ROLE"])
            if kind == "uuid":
                return self._choice(["$CURRENT_USER", "$CURRENT_ROLE"])
        value = self._choice(POOLS[kind])
        return ",".join(value) if kind == "csv" else value

    def _value(self, kind: str) -> Any:
        value = self._choice(POOLS[kind])
        return ",".join(value) if kind == "csv" else value

    def check(self, kind: str) -> Filter:
        """One operator with its operand, for a field of that type; sometimes two."""
        if kind in _ONLY_PRESENCE or self._chance(15):
            return {self._choice(_PRESENCE): self._chance(50)}
        kinds = ["same", "list"] + ([] if kind == "boolean" else ["order", "between"])
        match self._choice([*kinds, "pattern"] if kind in (*PLAIN_TEXTS, "csv") else kinds):
            case "same":
                return {self._choice(["_eq", "_neq"]): self._operand(kind)}
            case "list":
                values: Any = [self._operand(kind) for _ in range(self._random.randint(0, 3))]
                if kind in ("uuid", "string") and self._chance(30):
                    several = self._choice(["$CURRENT_ROLES", "$CURRENT_POLICIES"])
                    values = self._choice([several, [several], [*values, several]])
                return {self._choice(["_in", "_nin"]): values}
            case "order":
                low, high = self._choice(["_lt", "_lte"]), self._choice(["_gt", "_gte"])
                one = {self._choice([low, high]): self._operand(kind)}
                return one if self._chance(70) else {low: self._value(kind), high: self._value(kind)}
            case "between":
                return {self._choice(["_between", "_nbetween"]): [self._operand(kind), self._operand(kind)]}
            case _:
                return {self._choice(_PATTERNS + _CASELESS): self._operand("string")}

    # Queries.

    def _sorted(self, orders: list[str], most: int) -> list[str]:
        return [self._choice(["", "-"]) + each for each in self._some(orders, 0, most)]

    def _pages(self) -> dict[str, int]:
        match self._random.randrange(4):
            case 0:
                return {"limit": self._random.randint(-1, 4), "offset": self._random.randint(0, 3)}
            case 1:
                return {"limit": self._choice([-1, 1, 2]), "page": self._random.randint(1, 3), "offset": 1}
            case 2:
                return {"limit": self._random.randint(-1, 3)}
        return {}

    def read(self, collection: str, depth: int = 2) -> dict[str, Any]:
        """A query for items; the part of `deep` that belongs to a relation is such a query too."""
        query: dict[str, Any] = {"fields": [], "deep": {}, "alias": {}, "filter": self.filter(collection, depth)}
        fields: list[str] = query["fields"]
        fields += self._some([*self._columns(collection), *self._functions(collection)], 0, 4)
        for name, way in self._some(self._ways(collection), 0, 2):
            key = name
            if way.kind != "a2o" and self._chance(25):
                key = f"alias_{name}"
                query["alias"][key] = name
            self._follow(query, key, way, depth)
        if self._chance(25) or not fields:
            fields.append("*")
        if plain := self._some([*self._columns(collection), *self._functions(collection)], 0, 1):
            query["alias"]["other"] = plain[0]
            fields += ["other"] if self._chance(60) else []
        orders = self._orders(collection)
        if query["alias"].get("other") in orders:
            orders.append("other")
        query |= {"sort": self._sorted(orders, 3), **self._pages()}
        if self._chance(12):
            query["search"] = self._choice(["a", "B", "1", "0.10", "%", "10", "zz", "2", "É", "e\u0301", _UUIDS[0]])
        return query

    def _follow(self, query: dict[str, Any], key: str, way: Way, depth: int) -> None:
        """Ask for what is related, with all that can be said of it under `deep`."""
        fields: list[str] = query["fields"]
        target = self._choice(way.targets)
        if way.kind == "o2m" and self._seen[target] and self._chance(20):
            fields.append(f"{key}.*")
            query["deep"][key] = {f"_{name}": part for name, part in self.aggregate(target).items()}
            return
        if not depth or not self._seen[target] or self._chance(25):
            fields.append(key)
            if way.kind == "o2m" and "id" in self._seen[target] and self._chance(40):
                below = self.read(target, 0)
                query["deep"][key] = {f"_{name}": below[name] for name in ("filter", "sort", "alias")}
            return
        if way.kind != "a2o" and self._chance(20):
            fields.append(f"{key}.*")
            return
        key = f"{key}:{target}" if way.kind == "a2o" else key
        below = self.read(target, depth - 1)
        fields += [f"{key}.{each}" for each in below.pop("fields")]
        deep = below.pop("deep")
        kept = below if way.kind == "o2m" else {"filter": below["filter"], "alias": below["alias"]}
        query["deep"][key] = {f"_{name}": part for name, part in kept.items()} | deep

    def aggregate(self, collection: str) -> dict[str, Any]:
        """A query for numbers about groups of items."""
        functions = self._functions(collection)
        chosen: dict[str, list[str]] = {}
        for measure in self._some(list(MEASURES), 0, 4):
            if names := self._columns(collection, MEASURES[measure]):
                chosen[measure] = self._some(names, 1, 2)
        chosen |= self._choice([{"count": ["*"]}, {"countAll": ["*"]}, {}] if chosen else [{"count": ["*"]}])
        query: dict[str, Any] = {"aggregate": chosen, "filter": self.filter(collection, 2)}
        groups = [*self._columns(collection, DISTINCT), *functions]
        if groups and self._chance(60):
            query["groupBy"] = self._some(groups, 1, 2)
            if self._chance(25):
                query["alias"] = {"other": query["groupBy"][0]}
                query["groupBy"][0] = "other"
            measured = [f"{measure}.{name}" for measure, names in chosen.items() for name in names if name != "*"]
            whole = [measure for measure, names in chosen.items() if names == ["*"]]
            query |= {"sort": self._sorted([*query["groupBy"], *measured, *whole], 2), **self._pages()}
        if self._chance(10):
            query["search"] = self._choice(["a", "1", "10"])
        return query

    # Questions.

    def _permission(self, collection: str, in_force: bool) -> Permission:
        """Its filter may use everything, seen or not."""
        self._seen = {name: names_of(self._shapes, name) for name in self._shapes}
        fields = self._some(self._seen[collection], 1, 8) if self._chance(70) else ["*"]
        addresses = self._choice([entry for entry, holds in ADDRESSES if holds is in_force])
        filter_ = self.filter(collection, self._random.randint(0, 2))
        return Permission(collection, filter_, fields, self._choice(BOUND_TO), addresses, in_force)

    def _question(self) -> Question:
        collection = self._choice([ONE, MANY, LINKS])
        permissions = None
        if self._chance(80):
            permissions = [self._permission(collection, True) for _ in range(self._random.randint(1, 3))]
            for other in self._shapes:
                if other != collection and self._chance(75):
                    permissions += [self._permission(other, True) for _ in range(self._random.randint(1, 2))]
                if self._chance(25):
                    permissions.append(self._permission(other, False))
        self._seen = {name: visible_names(self._shapes, name, permissions) for name in self._shapes}
        query = self.read(collection) if self._chance(65) else self.aggregate(collection)
        if permissions is not None and self._chance(12):
            hidden = [name for name in names_of(self._shapes, collection) if name not in self._seen[collection]]
            return Question(collection, self._spoiled(query, self._choice([*hidden, "unheard_of"])), permissions, True)
        return Question(collection, query, permissions)

    def _spoiled(self, query: dict[str, Any], name: str) -> dict[str, Any]:
        """The query with a name in it that must not be used."""
        items = {part: query[part] for part in query if part not in ("aggregate", "groupBy", "alias", "sort")}
        match self._random.randrange(8):
            case 0:
                return {**query, "filter": {"_and": [query["filter"], {name: {"_nnull": True}}]}}
            case 1:
                return {**items, "sort": [name]}
            case 2:
                return {**query, "aggregate": {"count": [name]}, "groupBy": [], "sort": []}
            case 3:
                return {**query, "aggregate": {"count": ["*"]}, "groupBy": [name], "sort": []}
            case 4:
                return {**items, "alias": {"another": name}, "fields": ["another"]}
            case 5:
                return {**items, "fields": [f"count({name})"]}
            case 6:
                return {**items, "fields": ["*", f"{name}.id"]}
            case _:
                return {**items, "fields": [name]}


def visible_names(shapes: dict[str, Shape], collection: str, permissions: list[Permission] | None) -> list[str]:
    """The fields that some permission in force shows."""
    names = names_of(shapes, collection)
    if permissions is None:
        return names
    given = [each for each in permissions if each.collection == collection and each.in_force]
    return [name for name in names if any({"*", name} & {*each.fields} for each in given)]


def _prefixed(relation: str, order: str) -> str:
    """`year(born)` of `author` is spelled `year(author.born)`."""
    if not order.endswith(")"):
        return f"{relation}.{order}"
    function, _, inner = order.partition("(")
    return f"{function}({relation}.{inner}"
