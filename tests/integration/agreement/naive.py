"""What a question has to be answered with, worked out row by row in plain Python from PROTOCOL section 7 alone.

It shares no code with the server: values are compared as Python's own numbers and texts, whose order is that of code
points, which is what all databases are to agree with.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from operator import itemgetter
from typing import Any

from tests.integration.agreement.worlds import (
    MOMENTS,
    NUMBERS,
    VARIABLES,
    WAYS,
    Filter,
    Permission,
    Question,
    Row,
    Way,
    World,
    visible_names,
)

Item = dict[str, Any]
DEFAULT_LIMIT = 100
CONCEALED = "**********"
_TEXTS = ("string", "text", "csv", "hash", "concealed")
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, operand: bool(value == operand),
    "lt": lambda value, operand: bool(value < operand),
    "lte": lambda value, operand: bool(value <= operand),
    "gt": lambda value, operand: bool(value > operand),
    "gte": lambda value, operand: bool(value >= operand),
    "between": lambda value, operand: bool(operand[0] <= value <= operand[1]),
    "contains": lambda value, operand: operand in value,
    "starts_with": lambda value, operand: value.startswith(operand),
    "ends_with": lambda value, operand: value.endswith(operand),
    "icontains": lambda value, operand: operand.lower() in value.lower(),
    "istarts_with": lambda value, operand: value.lower().startswith(operand.lower()),
    "iends_with": lambda value, operand: value.lower().endswith(operand.lower()),
}


def answer(world: World, question: Question) -> tuple[list[Any], dict[str, int]]:
    """The items in order, and `total_count` and `filter_count`."""
    return _Asker(world, question.permissions).answer(question.collection, question.query)


def found(world: World, question: Question) -> list[Any]:
    """The keys of all rows that are found, before they are cut to pages or put in groups."""
    asker = _Asker(world, question.permissions)
    return [row["id"] for row in asker.found(question.collection, asker.visible(question.collection), question.query)]


def comparable(kind: str, value: Any) -> Any:
    """A value that Python puts in the order of its type."""
    if value is None:
        return None
    if kind == "bigInteger":
        return int(value)
    if kind == "decimal":
        return Decimal(value)
    return ",".join(value) if kind == "csv" and isinstance(value, list) else value


class _Asker:
    """Somebody, before the rows of the world; who has no `permissions` sees everything."""

    def __init__(self, world: World, permissions: list[Permission] | None) -> None:
        self._world = world
        self._permissions = permissions
        self._everybody = self if permissions is None else _Asker(world, None)

    def answer(self, collection: str, query: dict[str, Any]) -> tuple[list[Any], dict[str, int]]:
        visible = self.visible(collection)
        rows = self.found(collection, visible, query)
        counts = {"total_count": len(visible), "filter_count": len(rows)}
        if "aggregate" in query:
            return self._numbers(collection, rows, query), counts
        return [
            self._item(collection, row, query["fields"], query) for row in self._page(collection, rows, query)
        ], counts

    # What there is to be seen.

    def visible(self, collection: str) -> list[Row]:
        return [row for row in self._world.rows[collection] if self._sees(collection, row)]

    def found(self, collection: str, rows: list[Row], query: dict[str, Any]) -> list[Row]:
        rows = [row for row in rows if self._matches(collection, row, query.get("filter", {}))]
        return [row for row in rows if "search" not in query or self._has(collection, row, query["search"])]

    def _given(self, collection: str) -> list[Permission]:
        return [each for each in self._permissions or [] if each.collection == collection and each.in_force]

    def _allows(self, permission: Permission, row: Row) -> bool:
        return self._everybody._matches(permission.collection, row, permission.filter)

    def _sees(self, collection: str, row: Row) -> bool:
        return self._permissions is None or any(self._allows(each, row) for each in self._given(collection))

    def _shows(self, collection: str, row: Row, name: str) -> bool:
        return self._permissions is None or any(
            {"*", name} & {*each.fields} and self._allows(each, row) for each in self._given(collection)
        )

    def _names(self, collection: str) -> list[str]:
        return visible_names(self._world.shapes, collection, self._permissions)

    def _kind(self, collection: str, name: str) -> str:
        return "integer" if name.endswith(")") else self._world.shapes[collection].columns[name]

    def _value(self, collection: str, row: Row | None, name: str) -> Any:
        """The value of a field or of `function(field)`; None where it is hidden, and of a row that is not there."""
        if row is None:
            return None
        if name.endswith(")"):
            function, _, inner = name.removesuffix(")").partition("(")
            if (collection, inner) in WAYS:
                rows = self._many(collection, row, inner)
                return None if rows is None else len(rows)
            return _applied(function, self._kind(collection, inner), self._value(collection, row, inner))
        return row[name] if self._shows(collection, row, name) else None

    def _one(self, collection: str, row: Row | None, name: str, target: str) -> Row | None:
        """The visible row of `target` that a relation to one leads to."""
        way, key = WAYS[collection, name], self._value(collection, row, name)
        if row is None or key is None or (way.named is not None and row[way.named] != target):
            return None
        rows = [one for one in self.visible(target) if str(one["id"]) == str(key)]
        return rows[0] if rows else None

    def _many(self, collection: str, row: Row | None, name: str) -> list[Row] | None:
        """The visible rows that a relation to many leads to; None where the relation itself cannot be seen."""
        if row is None or not self._shows(collection, row, name):
            return None
        way = WAYS[collection, name]
        rows = [each for each in self.visible(way.targets[0]) if str(each[way.far]) == str(row["id"])]
        return [each for each in rows if way.named is None or each[way.named] == collection]

    # Filters.

    def _matches(self, collection: str, row: Row | None, filter_: Filter) -> bool:
        return all(self._passes(collection, row, key, part) for key, part in filter_.items())

    def _passes(self, collection: str, row: Row | None, key: str, part: Any) -> bool:
        if key == "_and":
            return all(self._matches(collection, row, each) for each in part)
        if key == "_or":
            return any(self._matches(collection, row, each) for each in part)
        name, _, target = key.partition(":")
        way = WAYS.get((collection, name))
        if way is not None and way.kind == "o2m":
            return self._some(collection, row, name, part)
        if way is not None and not _is_check(part):
            target = target or way.targets[0]
            return self._matches(target, self._one(collection, row, name, target), part)
        return _check(self._kind(collection, key), self._value(collection, row, key), part)

    def _some(self, collection: str, row: Row | None, name: str, part: Filter) -> bool:
        quantifier, inner = next(iter(part.items())) if part.keys() & {"_some", "_none"} else ("_some", part)
        target = WAYS[collection, name].targets[0]
        some = any(self._matches(target, each, inner) for each in self._many(collection, row, name) or [])
        return some is (quantifier == "_some")

    def _has(self, collection: str, row: Row, text: str) -> bool:
        names = [name for name in self._names(collection) if name in self._world.shapes[collection].columns]
        return any(_is_found(self._kind(collection, name), self._value(collection, row, name), text) for name in names)

    # Order.

    def _page(self, collection: str, rows: list[Row], query: dict[str, Any], sort: str | None = None) -> list[Row]:
        ordered = sorted(rows, key=lambda row: comparable(self._kind(collection, "id"), row["id"]))
        order = query.get("sort") or ([sort] if sort is not None and sort in self._names(collection) else [])
        for each in reversed(order):
            name = each.removeprefix("-")
            rank = partial(self._rank, collection, name=_unaliased(name, query))
            ordered.sort(key=rank, reverse=each.startswith("-"))
        return _cut(ordered, query)

    def _rank(self, collection: str, row: Row | None, name: str) -> tuple[bool, Any]:
        """Nothing comes after every value."""
        function, _, inner = name.removesuffix(")").rpartition("(")
        step, dot, rest = inner.partition(".")
        if dot:
            target = WAYS[collection, step].targets[0]
            rest = f"{function}({rest})" if function else rest
            return self._rank(target, self._one(collection, row, step, target), rest)
        value = comparable(self._kind(collection, name), self._value(collection, row, name))
        return (value is None, 0 if value is None else value)

    # Items.

    def _item(self, collection: str, row: Row, fields: list[str], query: dict[str, Any]) -> Item:
        """`query` says what the names of `fields` stand for, and what is asked of the rows that they lead to."""
        below: dict[str, list[str]] = {}
        for path in fields:
            head, _, tail = path.partition(".")
            for key in self._names(collection) if head == "*" else [head]:
                below.setdefault(key, []).extend([tail] if tail else [])
        for key in [key for key in below if ":" in key]:
            below.pop(key.partition(":")[0], None)
        item: Item = {}
        for key, rest in below.items():
            scoped, _, target = key.partition(":")
            name = _unaliased(scoped, query)
            way, deep = WAYS.get((collection, name)), query.get("deep", {}).get(key, {})
            if rest and way is not None and self._names(target or way.targets[0]):
                item[scoped] = self._related(collection, row, name, target or way.targets[0], rest, _level(deep))
            elif way is not None and way.kind == "o2m":
                item[key] = self._keys(collection, row, name, _level(deep))
            else:
                item |= self._plain(collection, row, key, name)
        return item

    def _plain(self, collection: str, row: Row, key: str, name: str) -> Item:
        value = self._value(collection, row, name)
        if name.endswith(")"):
            function, _, inner = name.removesuffix(")").partition("(")
            return {f"{inner}_{function}" if key == name else key: None if value is None else str(value)}
        concealed = self._kind(collection, name) == "concealed" and value is not None
        return {key: CONCEALED if concealed else value}

    def _related(
        self, collection: str, row: Row, name: str, target: str, fields: list[str], query: dict[str, Any]
    ) -> Any:
        way = WAYS[collection, name]
        if way.kind == "o2m":
            rows = self._many(collection, row, name)
            if rows is None:
                return None
            rows = self.found(target, rows, query)
            if "aggregate" in query:
                return self._numbers(target, rows, query) if rows else []
            return [self._item(target, each, fields, query) for each in self._page(target, rows, query, way.sort)]
        one = self._one(collection, row, name, target)
        if one is None or not self.found(target, [one], query):
            return None
        return self._item(target, one, fields, query)

    def _keys(self, collection: str, row: Row, name: str, query: dict[str, Any]) -> list[Any] | None:
        way: Way = WAYS[collection, name]
        rows = self._many(collection, row, name)
        if rows is None:
            return None
        target = way.targets[0]
        if "id" not in self._names(target):
            return []
        page = self._page(target, self.found(target, rows, query), query, way.sort)
        return [key for each in page if (key := self._value(target, each, "id")) is not None]

    # Numbers.

    def _numbers(self, collection: str, rows: list[Row], query: dict[str, Any]) -> list[Item]:
        names = {name: _unaliased(name, query) for name in query.get("groupBy", [])}
        groups: dict[tuple[Any, ...], list[Row]] = {} if names else {(): []}
        for row in rows:
            groups.setdefault(tuple(self._rank(collection, row, name) for name in names.values()), []).append(row)
        ordered = [members for _, members in sorted(groups.items(), key=itemgetter(0))]
        for each in reversed(query.get("sort", [])):
            ordered.sort(
                key=partial(self._group_rank, collection, each.removeprefix("-"), names), reverse=each[0] == "-"
            )
        return _cut([self._group(collection, members, names, query["aggregate"]) for members in ordered], query)

    def _group_rank(self, collection: str, name: str, names: dict[str, str], rows: list[Row]) -> tuple[bool, Any]:
        if name in names:
            return self._rank(collection, rows[0], names[name])
        function, _, measured = name.partition(".")
        value = len(rows) if not measured else self._measured(collection, function, measured, rows)
        return (value is None, 0 if value is None else value)

    def _group(self, collection: str, rows: list[Row], names: dict[str, str], aggregate: dict[str, list[str]]) -> Item:
        item: Item = {}
        for key, name in names.items():
            item |= self._plain(collection, rows[0], key, name)
        for function, measured in aggregate.items():
            if measured == ["*"]:
                item[function] = str(len(rows))
            else:
                item[function] = {name: self._measure(collection, function, name, rows) for name in measured}
        return item

    def _measured(self, collection: str, function: str, name: str, rows: list[Row]) -> Any:
        kind = self._kind(collection, name)
        present = [comparable(kind, value) for row in rows if (value := self._value(collection, row, name)) is not None]
        if function == "count":
            return len(present)
        if function.endswith("Distinct"):
            present = list(dict.fromkeys(present))
        if function == "countDistinct":
            return len(present)
        if not present:
            return None
        if function in ("min", "max"):
            return min(present) if function == "min" else max(present)
        total = sum((Fraction(value) for value in present), Fraction(0))
        return float(total) / len(present) if function.startswith("avg") else total

    def _measure(self, collection: str, function: str, name: str, rows: list[Row]) -> Any:
        """Numbers are answered as texts; the least and greatest as values of the field."""
        kind, value = self._kind(collection, name), self._measured(collection, function, name, rows)
        if value is None:
            return None
        if function in ("min", "max"):
            same = (row[name] for row in rows if comparable(kind, row[name]) == value)
            return next(same)
        if function.startswith("count"):
            return str(value)
        if kind == "decimal" and function.startswith("sum"):
            return f"{Decimal(value.numerator) / value.denominator:.2f}"
        if kind == "float" or function.startswith("avg"):
            number = float(value)
            return str(int(number) if number.is_integer() and abs(number) <= 2**53 else number)
        return str(value)


def _level(deep: dict[str, Any]) -> dict[str, Any]:
    """A part of `deep` as a query: what begins with an underscore is of this level, the rest lies deeper."""
    query = {name.removeprefix("_"): part for name, part in deep.items() if name.startswith("_")}
    return query | {"deep": {name: part for name, part in deep.items() if not name.startswith("_")}}


def _unaliased(name: str, query: dict[str, Any]) -> str:
    real: str = query.get("alias", {}).get(name, name)
    return real


def _is_check(part: Filter) -> bool:
    return all(key.startswith("_") and key not in ("_and", "_or") for key in part)


def _cut(rows: list[Any], query: dict[str, Any]) -> list[Any]:
    """`page` is worth more than `offset`; without a limit there is one page."""
    limit, offset = query.get("limit", DEFAULT_LIMIT), query.get("offset", 0)
    if "page" in query:
        offset = (query["page"] - 1) * max(limit, 0)
    return rows[offset:] if limit < 0 else rows[offset : offset + limit]


def _applied(function: str, kind: str, value: Any) -> int | None:
    if value is None:
        return None
    if kind == "json":
        return len(value) if isinstance(value, list) else 0
    moment = datetime.fromisoformat(f"1970-01-01T{value}" if kind == "time" else value)
    if function == "week":
        return moment.isocalendar().week
    if function == "weekday":
        return moment.isoweekday() % 7
    part: int = getattr(moment, function)
    return part


def _resolved(kind: str, operand: Any) -> Any:
    """What an operand stands for, as a value of the type."""
    if operand in MOMENTS:
        day, _, clock = MOMENTS[operand].partition("T")
        return {"date": day, "time": clock, "dateTime": f"{day}T{clock}"}.get(kind, f"{day}T{clock}.000Z")
    return VARIABLES[operand] if isinstance(operand, str) and operand in VARIABLES else operand


def _check(kind: str, value: Any, check: Filter) -> bool:
    return all(_test(kind, value, operator.removeprefix("_"), operand) for operator, operand in check.items())


def _test(kind: str, value: Any, operator: str, operand: Any) -> bool:
    if operator in ("null", "nnull", "empty", "nempty"):
        missing = value is None or (operator.endswith("empty") and kind in _TEXTS and value in ("", []))
        return missing is (operand if operator in ("null", "empty") else not operand)
    negated = operator.startswith("n")
    operator = "eq" if operator == "neq" else operator[1:] if negated else operator
    if operator == "in":
        return _among(kind, value, operand, negated)
    if operator == "between":
        expected: Any = [comparable(kind, _typed(kind, _resolved(kind, each))) for each in operand]
        expected = None if None in expected else expected
    else:
        expected = comparable(kind, _typed(kind, _resolved(kind, operand)))
    if value is None or expected is None:
        return False
    return _TESTS[operator](comparable(kind, value), expected) is not negated


def _among(kind: str, value: Any, operand: Any, negated: bool) -> bool:
    """A list may hold variables that stand for lists; what is no value is like nothing and makes `nin` fail."""
    expected: list[Any] = []
    for each in operand if isinstance(operand, list) else [operand]:
        resolved = _resolved(kind, each)
        expected += resolved if isinstance(resolved, list) else [resolved]
    if not expected:
        return negated
    if value is None or (negated and None in expected):
        return False
    return (comparable(kind, value) in [comparable(kind, _typed(kind, each)) for each in expected]) is not negated


def _typed(kind: str, value: Any) -> Any:
    """A number that a variable stands for, spelled as the type is."""
    return str(value) if kind in NUMBERS and kind in ("bigInteger", "decimal") and value is not None else value


def _is_found(kind: str, value: Any, text: str) -> bool:
    if value is None:
        return False
    if kind in ("string", "text"):
        return text.lower() in value.lower()
    if kind == "uuid":
        return bool(value == text)
    if kind in NUMBERS and text.replace(".", "", 1).isdigit():
        return Decimal(str(value)) == Decimal(text)
    return False
