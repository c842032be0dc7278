"""From the fields of a query, with `deep` and `alias`, to the selections to read."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from tidegate.errors import Forbidden, InvalidQuery
from tidegate.query.aggregation import aggregation
from tidegate.query.condition import Column, Condition, Operand, all_of
from tidegate.query.filters import resolve_filter
from tidegate.query.model import Limits, Query
from tidegate.query.operands import Reference, operand, ordered_operand, parse_reference, split_path
from tidegate.query.search import search_condition
from tidegate.query.selection import Order, Output, Related, RelatedAny, Selection, Value
from tidegate.query.sight import Path, Sight, Visibility
from tidegate.schema import Field, RelationKind, RelationView

_NOTHING_DEEP: Final = Query()
_RELATION_COST: Final = 20
"""How many fields a relation counts for, as it takes a statement of its own."""
_LARGEST_OFFSET: Final = 2**53


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one path of `fields` asks for from here on."""

    steps: tuple[str, ...]
    lenient: bool = False
    """Whether it came from a wildcard, which takes what there is and complains about nothing."""
    collection: str | None = None
    """The one target that is meant, for many-to-any."""


@dataclass(slots=True)
class _Entry:
    """One name of the answer: what it refers to, and what is wanted of what is related."""

    reference: Reference
    below: list[_Wanted] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the query one is: what can be seen there, what is asked there, and how one came there."""

    visibility: Visibility
    query: Query
    path: Path = ()

    def deep(self, key: str) -> Query:
        return self.query.deep_by_field.get(key, _NOTHING_DEEP)


class Selector:
    """Works out the selections of one query, within `limits`."""

    def __init__(self, sight: Sight, limits: Limits) -> None:
        self._sight = sight
        self._limits = limits
        self._outputs_left = limits.max_tokens

    def root(self, visibility: Visibility, query: Query) -> Selection:
        """Raises Forbidden for what cannot be seen, wherever in the query it is used; `InvalidQuery`."""
        wanted = [_Wanted(tuple(split_path(name))) for name in query.fields or ("*",)]
        return self._rows(_Place(visibility, query), wanted, visibility.collection.sort_field)

    def _rows(self, place: _Place, wanted: Iterable[_Wanted], sort_field: str | None) -> Selection:
        """Any number of rows in order: the root's, or those of a relation to many."""
        query, limit = place.query, self._limit(place.query)
        self._count_outputs(_RELATION_COST)
        offset = query.offset if query.page is None else (query.page - 1) * (limit or 0)
        grouped = aggregation(self._sight, place.visibility, query, place.path)
        return Selection(
            key=place.visibility.collection.key_field,
            outputs=() if grouped else tuple(self._outputs(place, wanted)),
            condition=self._condition(place),
            order=() if grouped else self._order(place, sort_field),
            limit=limit,
            offset=min(offset, _LARGEST_OFFSET),
            aggregation=grouped,
        )

    def _row(self, place: _Place, wanted: Iterable[_Wanted]) -> Selection:
        """The one row that a key leads to."""
        self._count_outputs(_RELATION_COST)
        outputs = tuple(self._outputs(place, wanted))
        key = place.visibility.collection.key_field
        return Selection(key, outputs, self._condition(place), order=(), limit=None, offset=0)

    def _limit(self, query: Query) -> int | None:
        default, highest = self._limits.default_limit, self._limits.max_limit
        limit = default if query.limit is None else query.limit
        if limit is None or limit < 0:
            return highest
        return limit if highest is None else min(limit, highest)

    def _condition(self, place: _Place) -> Condition:
        query, parts = place.query, [place.visibility.rows]
        if query.filter is not None:
            parts.append(resolve_filter(self._sight, query.filter, place.visibility, place.path))
        if query.search is not None:
            parts.append(search_condition(place.visibility, query.search))
        return all_of(parts)

    def _order(self, place: _Place, sort_field: str | None) -> tuple[Order, ...]:
        """As asked, else by the sort field where it can be seen; rows that are equal in this by their keys."""
        collection, alias = place.visibility.collection, place.query.alias_by_name
        order: dict[Operand, Order] = {}
        for text in place.query.sort:
            name = text.removeprefix("-")
            steps = split_path(alias.get(name, name))
            found, field = ordered_operand(self._sight, place.visibility, steps, place.path)
            order.setdefault(found, Order(found, field, descending=text.startswith("-")))
        if not order and sort_field is not None and place.visibility.sees(sort_field):
            column = place.visibility.column(sort_field, place.path)
            order[column] = Order(column, column.field)
        key = Column(collection.key_field)
        order.setdefault(key, Order(key, key.field))
        return tuple(order.values())

    def _outputs(self, place: _Place, wanted: Iterable[_Wanted]) -> Iterator[Output]:
        for key, entry in self._entries(place, wanted).items():
            output = self._output(place, key, entry)
            if output is not None:
                yield output

    def _entries(self, place: _Place, wanted: Iterable[_Wanted]) -> dict[str, _Entry]:
        """What is asked for, by name in the answer, in the order in which it was first asked for."""
        alias, visibility = place.query.alias_by_name, place.visibility
        entries: dict[str, _Entry] = {}
        for each in wanted:
            head, rest = each.steps[0], each.steps[1:]
            if head == "*":
                for name in self._all_names(visibility):
                    entry = self._entry(entries, name, Reference(name))
                    if rest:
                        entry.below.append(_Wanted(rest, lenient=True))
                continue
            reference = parse_reference(alias.get(head, head))
            if each.lenient and not visibility.sees(reference.field):
                continue
            visibility.field(reference.field, place.path)
            entry = self._entry(entries, head if head in alias else reference.output, reference)
            if rest:
                entry.below.append(_Wanted(rest, each.lenient, reference.collection))
        return entries

    def _entry(self, entries: dict[str, _Entry], key: str, reference: Reference) -> _Entry:
        if key not in entries:
            self._count_outputs(1)
            entries[key] = _Entry(reference)
        return entries[key]

    def _count_outputs(self, number: int) -> None:
        self._outputs_left -= number
        if self._outputs_left < 0:
            raise InvalidQuery("The query asks for too many fields")

    def _all_names(self, visibility: Visibility) -> list[str]:
        """What `*` stands for: everything but the alias fields that are only there to be looked at."""
        return [each.name for each in visibility.fields() if not each.alias or self._sight.relation(each) is not None]

    def _output(self, place: _Place, key: str, entry: _Entry) -> Output | None:
        """None for an alias field that holds nothing."""
        visibility, path = place.visibility, place.path
        source = visibility.field(entry.reference.field, path)
        if entry.reference.function is not None:
            return Value(key, operand(self._sight, visibility, entry.reference, path)[0], as_text=True)
        view = self._sight.relation(source)
        if entry.reference.collection is not None and (view is None or view.kind is not RelationKind.A2O):
            raise Forbidden.field(f"{source.name}:{entry.reference.collection}", source.collection, ".".join(path))
        if view is None:
            for each in entry.below:
                if not each.lenient:
                    raise Forbidden.field(each.steps[0], source.collection, ".".join((*path, source.name)))
            if source.alias:
                return None
            return Value(key, visibility.column(source.name, path), concealed=source.concealed)
        related: Output | None
        if view.kind is RelationKind.A2O:
            related = self._any_row(place, key, source, view, entry.below)
        else:
            related = self._related(place, key, source, view, view.target, entry.below)
        if related is not None:
            return related
        if view.kind is RelationKind.O2M:
            return self._keys(place, key, source, view)
        return Value(key, visibility.column(source.name, path))

    def _related(
        self, place: _Place, key: str, source: Field, view: RelationView, target: str, below: list[_Wanted]
    ) -> Related | None:
        """Related rows with what is wanted of them, or None where nothing is."""
        if not below:
            return None
        scope = f":{target}" if view.kind is RelationKind.A2O else ""
        path = self._sight.deeper(place.path, source.name + scope)
        try:
            visibility = self._sight.of(target, path)
        except Forbidden:
            if all(each.lenient for each in below):
                return None
            raise
        there = _Place(visibility, place.deep(key + scope), path)
        many = view.kind is RelationKind.O2M
        selection = self._rows(there, below, view.relation.sort_field) if many else self._row(there, below)
        return Related(key, self._sight.link(place.visibility, view, source.name, target), selection)

    def _any_row(
        self, place: _Place, key: str, source: Field, view: RelationView, below: list[_Wanted]
    ) -> RelatedAny | None:
        """The one row of a many-to-any relation; a path that names no collection is tried on each of them."""
        targets = self._sight.targets(view)
        for each in below:
            if each.collection is not None and each.collection not in targets:
                raise Forbidden.collection(each.collection, ".".join((*place.path, source.name)))
            if each.collection is None and not each.lenient and not self._known_to_any(targets, each.steps[0]):
                raise Forbidden.field(each.steps[0], source.collection, ".".join((*place.path, source.name)))
        branches: list[Related] = []
        for target in targets:
            here = [
                each if each.collection == target else _Wanted(each.steps, lenient=True)
                for each in below
                if each.collection in (target, None)
            ]
            branch = self._related(place, key, source, view, target, here)
            if branch is not None and branch.selection.outputs:
                branches.append(branch)
        if not branches:
            return None
        link = branches[0].link
        assert link.discriminator is not None, "many-to-any has one"
        return RelatedAny(key, link.near, link.discriminator, tuple(branches))

    def _known_to_any(self, targets: Iterable[str], step: str) -> bool:
        for target in targets:
            with contextlib.suppress(Forbidden):
                if step == "*" or self._sight.of(target, ()).sees(parse_reference(step).field):
                    return True
        return False

    def _keys(self, place: _Place, key: str, source: Field, view: RelationView) -> Related:
        """The keys of the rows that point at this one, where no more was asked for: of those that can be seen."""
        path = (*place.path, source.name)
        try:
            visibility = self._sight.of(view.target, path)
        except Forbidden:
            visibility = self._sight.nothing_of(view.target)
        name = visibility.collection.primary_key
        if not visibility.sees(name):
            visibility = self._sight.nothing_of(view.target)
        wanted = [_Wanted((name,))] if visibility.sees(name) else []
        selection = self._rows(_Place(visibility, place.deep(key), path), wanted, view.relation.sort_field)
        link = self._sight.link(place.visibility, view, source.name, view.target)
        return Related(key, link, selection, keys_only=True)
