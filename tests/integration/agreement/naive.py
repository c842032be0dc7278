"""What a question has to be answered with, worked out row by row in plain Python from PROTOCOL section 7 alone.

It shares no code with the server: values are compared as Python's own numbers and texts, whose order is that of code
points, which is what all databases are to agree with.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import Any

from tests.integration.agreement.worlds import CHILDREN, MANY, ONE, PARENT, Filter, Question, Row, Rule, World, names_of

Answer = list[dict[str, Any]]
DEFAULT_LIMIT = 100
_TEXTS = ("string", "text", "csv")
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, operand: bool(value == operand),
    "lt": lambda value, operand: bool(value < operand),
    "lte": lambda value, operand: bool(value <= operand),
    "gt": lambda value, operand: bool(value > operand),
    "gte": lambda value, operand: bool(value >= operand),
    "in": lambda value, operand: value in operand,
    "between": lambda value, operand: bool(operand[0] <= value <= operand[1]),
    "contains": lambda value, operand: operand in value,
    "starts_with": lambda value, operand: value.startswith(operand),
    "ends_with": lambda value, operand: value.endswith(operand),
    "icontains": lambda value, operand: operand.lower() in value.lower(),
    "istarts_with": lambda value, operand: value.lower().startswith(operand.lower()),
    "iends_with": lambda value, operand: value.lower().endswith(operand.lower()),
}


def answer(world: World, question: Question) -> tuple[Answer, dict[str, int]]:
    """The items in order, and `total_count` and `filter_count`."""
    asker = _Asker(world, question.rules)
    return asker.answer(question.collection, question.query)


def comparable(kind: str, value: Any) -> Any:
    """A value that Python puts in the order of its type."""
    if value is None:
        return None
    if kind == "bigInteger":
        return int(value)
    if kind == "decimal":
        return Decimal(value)
    return ",".join(value) if isinstance(value, list) else value


class _Asker:
    """Somebody, before the rows of the world; `rules` is None for who sees everything."""

    def __init__(self, world: World, rules: dict[str, list[Rule]] | None) -> None:
        self._world = world
        self._rules = rules
        self._everybody = self if rules is None else _Asker(world, None)

    def answer(self, collection: str, query: dict[str, Any]) -> tuple[Answer, dict[str, int]]:
        visible = [row for row in self._world.rows[collection] if self.sees(collection, row)]
        found = [row for row in visible if self.matches(collection, row, query["filter"])]
        if "search" in query:
            found = [row for row in found if self._has(collection, row, query["search"])]
        counts = {"total_count": len(visible), "filter_count": len(found)}
        if "aggregate" in query:
            return self._numbers(collection, found, query), counts
        ordered = self._ordered(collection, found, query.get("sort", []))
        cut = _cut(ordered, query.get("limit", DEFAULT_LIMIT), query.get("offset", 0))
        return [self._item(collection, row, query) for row in cut], counts

    # What there is to be seen.

    def sees(self, collection: str, row: Row) -> bool:
        return self._rules is None or any(self._allows(rule, collection, row) for rule in self._rules[collection])

    def _allows(self, rule: Rule, collection: str, row: Row) -> bool:
        return self._everybody.matches(collection, row, rule.filter)

    def _shows(self, collection: str, row: Row, name: str) -> bool:
        return self._rules is None or any(
            {"*", name} & {*rule.fields} and self._allows(rule, collection, row) for rule in self._rules[collection]
        )

    def _names(self, collection: str) -> list[str]:
        names = names_of(self._world.shapes, collection)
        if self._rules is None:
            return names
        given = self._rules.get(collection, [])
        return [name for name in names if any({"*", name} & {*rule.fields} for rule in given)]

    def _kind(self, collection: str, name: str) -> str:
        return self._world.shapes[ONE].key_type if name == PARENT else self._world.shapes[collection].columns[name]

    def _value(self, collection: str, row: Row | None, name: str) -> Any:
        """The value of a field or of `function(field)`; None where it is hidden, and of a row that is not there."""
        if row is None:
            return None
        if name.endswith(")"):
            function, _, inner = name.removesuffix(")").partition("(")
            if inner == CHILDREN:
                children = self._children(row)
                return None if children is None else len(children)
            return _applied(function, self._kind(collection, inner), self._value(collection, row, inner))
        return row[name] if self._shows(collection, row, name) else None

    def _parent(self, row: Row | None) -> Row | None:
        key = self._value(MANY, row, PARENT)
        found = [one for one in self._world.rows[ONE] if one["id"] == key]
        return found[0] if key is not None and self.sees(ONE, found[0]) else None

    def _children(self, row: Row | None) -> list[Row] | None:
        """Those that can be seen; None where the relation itself cannot."""
        if row is None or not self._shows(ONE, row, CHILDREN):
            return None
        return [many for many in self._world.rows[MANY] if many[PARENT] == row["id"] and self.sees(MANY, many)]

    # Filters.

    def matches(self, collection: str, row: Row | None, filter_: Filter) -> bool:
        return all(self._passes(collection, row, key, part) for key, part in filter_.items())

    def _passes(self, collection: str, row: Row | None, key: str, part: Any) -> bool:
        if key == "_and":
            return all(self.matches(collection, row, each) for each in part)
        if key == "_or":
            return any(self.matches(collection, row, each) for each in part)
        if key == CHILDREN:
            return self._some_child(row, part)
        if key == PARENT and not _is_check(part):
            return self.matches(ONE, self._parent(row), part)
        kind = "integer" if key.endswith(")") else self._kind(collection, key)
        return _check(kind, self._value(collection, row, key), part)

    def _some_child(self, row: Row | None, part: Filter) -> bool:
        quantifier, inner = next(iter(part.items())) if part.keys() & {"_some", "_none"} else ("_some", part)
        found = any(self.matches(MANY, child, inner) for child in self._children(row) or [])
        return found is (quantifier == "_some")

    def _has(self, collection: str, row: Row, text: str) -> bool:
        names = [name for name in self._names(collection) if name != CHILDREN]
        return any(_found(self._kind(collection, name), self._value(collection, row, name), text) for name in names)

    # Order.

    def _ordered(self, collection: str, rows: list[Row], sort: list[str]) -> list[Row]:
        ordered = sorted(rows, key=lambda row: comparable(self._kind(collection, "id"), row["id"]))
        for each in reversed(sort):
            rank = partial(self._rank, collection, name=each.removeprefix("-"))
            ordered.sort(key=rank, reverse=each.startswith("-"))
        return ordered

    def _rank(self, collection: str, row: Row | None, name: str) -> tuple[bool, Any]:
        """Nothing comes after every value."""
        if name.startswith(f"{PARENT}."):
            return self._rank(ONE, self._parent(row), name.removeprefix(f"{PARENT}."))
        value = self._value(collection, row, name)
        if not name.endswith(")"):
            value = comparable(self._kind(collection, name), value)
        return (value is None, 0 if value is None else value)

    # Items.

    def _item(self, collection: str, row: Row, query: dict[str, Any]) -> dict[str, Any]:
        item: dict[str, Any] = {}
        via = PARENT if collection == MANY else CHILDREN
        below = [name.removeprefix(f"{via}.") for name in query["fields"] if name.startswith(f"{via}.")]
        for name in query["fields"]:
            for each in self._names(collection) if name == "*" else [name.partition(".")[0]]:
                if each == via and below:
                    item[via] = self._related(row, below, query.get("deep", {}).get(via, {}))
                elif each == CHILDREN:
                    item[each] = self._keys_of_children(row)
                elif each.endswith(")"):
                    function, _, inner = each.removesuffix(")").partition("(")
                    value = self._value(collection, row, each)
                    item[f"{inner}_{function}"] = None if value is None else str(value)
                else:
                    item[each] = self._value(collection, row, each)
        return item

    def _related(self, row: Row, below: list[str], deep: dict[str, Any]) -> Any:
        if PARENT in row:
            parent = self._parent(row)
            return None if parent is None else {name: self._value(ONE, parent, name) for name in below}
        children = self._children(row)
        if children is None:
            return None
        found = [child for child in children if self.matches(MANY, child, deep.get("_filter", {}))]
        ordered = _cut(self._ordered(MANY, found, deep.get("_sort", [])), deep.get("_limit", DEFAULT_LIMIT), 0)
        return [{name: self._value(MANY, child, name) for name in below} for child in ordered]

    def _keys_of_children(self, row: Row) -> list[Any] | None:
        if not self._shows(ONE, row, CHILDREN):
            return None
        if "id" not in self._names(MANY):
            return []
        keys = [self._value(MANY, child, "id") for child in self._ordered(MANY, self._children(row) or [], [])]
        return [key for key in keys if key is not None]

    # Numbers.

    def _numbers(self, collection: str, rows: list[Row], query: dict[str, Any]) -> Answer:
        names = query.get("groupBy", [])
        groups: dict[tuple[Any, ...], list[Row]] = {} if names else {(): []}
        for row in rows:
            groups.setdefault(tuple(self._rank(collection, row, name) for name in names), []).append(row)
        return [
            self._group(collection, members, names, query["aggregate"])
            for _, members in sorted(groups.items(), key=itemgetter(0))
        ][:DEFAULT_LIMIT]

    def _group(
        self, collection: str, rows: list[Row], names: list[str], aggregate: dict[str, list[str]]
    ) -> dict[str, Any]:
        item: dict[str, Any] = {}
        for name in names:
            value = self._value(collection, rows[0], name)
            if name.endswith(")"):
                function, _, inner = name.removesuffix(")").partition("(")
                item[f"{inner}_{function}"] = None if value is None else str(value)
            else:
                item[name] = value
        for function, (name,) in aggregate.items():
            if name == "*":
                item[function] = str(len(rows))
                continue
            kind = self._kind(collection, name)
            present = [value for row in rows if (value := self._value(collection, row, name)) is not None]
            item[function] = {name: _measure(function, kind, present)}
        return item


def _is_check(part: Filter) -> bool:
    return all(key.startswith("_") and key not in ("_and", "_or") for key in part)


def _cut(rows: list[Row], limit: int, offset: int) -> list[Row]:
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


def _check(kind: str, value: Any, check: Filter) -> bool:
    return all(_test(kind, value, operator.removeprefix("_"), operand) for operator, operand in check.items())


def _test(kind: str, value: Any, operator: str, operand: Any) -> bool:
    if operator in ("null", "nnull", "empty", "nempty"):
        missing = value is None or (operator.endswith("empty") and kind in _TEXTS and value in ("", []))
        return missing is (operand if operator in ("null", "empty") else not operand)
    negated = operator.startswith("n")
    operator = "eq" if operator == "neq" else operator[1:] if negated else operator
    if operator == "in" and not operand:
        return negated
    if value is None:
        return False
    many = isinstance(operand, list) and operator in ("in", "between")
    expected = [comparable(kind, each) for each in operand] if many else comparable(kind, operand)
    return _TESTS[operator](comparable(kind, value), expected) is not negated


def _found(kind: str, value: Any, text: str) -> bool:
    if value is None:
        return False
    if kind in ("string", "text"):
        return text.lower() in value.lower()
    if kind in ("integer", "bigInteger"):
        return text.isdigit() and int(value) == int(text)
    if kind in ("float", "decimal"):
        return text[0].isdigit() and Decimal(str(value)) == Decimal(text)
    return False


def _measure(function: str, kind: str, values: list[Any]) -> Any:
    """Numbers are answered as texts; the least and greatest as values of the field."""
    if function == "count":
        return str(len(values))
    by_rank = {comparable(kind, value): value for value in values}
    if function == "countDistinct":
        return str(len(by_rank))
    if not values:
        return None
    if function in ("min", "max"):
        return by_rank[min(by_rank) if function == "min" else max(by_rank)]
    numbers = list(by_rank) if function == "sumDistinct" else [comparable(kind, value) for value in values]
    if function == "avg":
        average = sum(numbers) / len(numbers)
        return str(int(average) if average.is_integer() else average)
    return str(sum(numbers))
