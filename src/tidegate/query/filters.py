"""From a filter to the condition that it puts on rows, for whoever asks.

Related rows count only as far as they can be seen, so that nobody learns anything about the others. A many-to-one
relation that leads to no visible row counts as a row without any values, as in a LEFT JOIN: `{author: {name: {_null:
true}}}` matches rows without an author.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from tidegate.errors import Forbidden, InvalidQuery
from tidegate.query.condition import (
    NO_ROW,
    And,
    Comparison,
    Condition,
    Constant,
    Link,
    Or,
    Relational,
    Remote,
    all_of,
    any_of,
)
from tidegate.query.model import AllOf, AnyOf, Check, Filter, Quantified, Under
from tidegate.query.operands import operand, parse_reference
from tidegate.query.operators import comparison
from tidegate.query.sight import Path, Sight, Visibility
from tidegate.schema import RelationKind

Resolve = Callable[[Filter], Condition]


def resolve_filter(sight: Sight, node: Filter, visibility: Visibility, path: Path = ()) -> Condition:
    """Raises Forbidden for what cannot be seen, `InvalidQuery` for what makes no sense."""
    match node:
        case AllOf() | AnyOf():
            return _combined(node, lambda part: resolve_filter(sight, part, visibility, path))
        case Under(key, part):
            return _under(sight, key, part, visibility, path)
        case Check(operator=operator):
            raise InvalidQuery(f'"{operator}" has to stand inside a field')
        case Quantified(quantifier):
            raise InvalidQuery(f'"_{quantifier}" has to stand inside a relation to many')


def _combined(node: AllOf | AnyOf, resolve: Resolve) -> Condition:
    join: Callable[[Iterable[Condition]], Condition] = all_of if isinstance(node, AllOf) else any_of
    return join([resolve(part) for part in node.parts])


def _under(sight: Sight, key: str, part: Filter, visibility: Visibility, path: Path) -> Condition:
    reference = parse_reference(key)
    if reference.function is not None:
        return _tests(sight, key, part, visibility, path)
    field = visibility.field(reference.field, path)
    view = sight.relation(field)
    if reference.collection is not None and (view is None or view.kind is not RelationKind.A2O):
        raise Forbidden.field(key, field.collection, ".".join(path))
    if view is None or (view.kind is RelationKind.A2O and reference.collection is None):
        return _tests(sight, key, part, visibility, path)
    if view.kind is RelationKind.O2M:
        below = sight.deeper(path, key)
        target = sight.of(view.target, below)
        link = sight.link(visibility, view, field.name, view.target)
        return _many(part, link, target, lambda inner: resolve_filter(sight, inner, target, below))
    name = view.target if view.kind is RelationKind.M2O else reference.collection or ""
    if name not in sight.targets(view):
        raise Forbidden.collection(name, ".".join((*path, key)))
    link = sight.link(visibility, view, field.name, name)
    return _one(part, link, lambda inner: _related_row(sight, inner, link, sight.deeper(path, key)))


def _tests(sight: Sight, key: str, part: Filter, visibility: Visibility, path: Path) -> Condition:
    """What stands under a plain field or a function: operators, however combined."""
    found, field = operand(sight, visibility, parse_reference(key), path)

    def resolve(inner: Filter) -> Condition:
        match inner:
            case AllOf() | AnyOf():
                return _combined(inner, resolve)
            case Check():
                return comparison(found, field, inner)
            case Under(name):
                raise Forbidden.field(name, visibility.collection.name, ".".join((*path, key)))
            case Quantified(quantifier):
                raise InvalidQuery(f'"_{quantifier}" has to stand inside a relation to many')

    return resolve(part)


def _many(part: Filter, link: Link, target: Visibility, resolve: Resolve) -> Condition:
    """What stands under a relation to many. Without a quantifier, some row must match all of it."""
    match part:
        case Quantified(quantifier, inner):
            return Relational(link, quantifier, all_of([target.rows, resolve(inner)]))
        case AllOf(parts) if any(map(_quantified, parts)):
            apart = [_many(each, link, target, resolve) for each in parts if _quantified(each)]
            together = tuple(each for each in parts if not _quantified(each))
            return all_of([*apart, *([_many(AllOf(together), link, target, resolve)] if together else [])])
        case AnyOf(parts) if any(map(_quantified, parts)):
            return any_of([_many(each, link, target, resolve) for each in parts])
        case Check(operator=operator):
            raise InvalidQuery(f'"alias" field type does not contain the "{operator}" filter operator')
        case _:
            return Relational(link, "some", all_of([target.rows, resolve(part)]))


def _quantified(part: Filter) -> bool:
    match part:
        case Quantified():
            return True
        case AllOf(parts) | AnyOf(parts):
            return any(map(_quantified, parts))
        case _:
            return False


def _one(part: Filter, link: Link, resolve: Resolve) -> Condition:
    """What stands under a relation to one row: operators on the key itself, and filters on the row."""
    match part:
        case Check() if link.kind is RelationKind.A2O:
            return resolve(Under(link.far.name, part))
        case Check():
            return comparison(link.near, link.near.field, part)
        case AllOf(parts):
            on_row = tuple(each for each in parts if isinstance(each, Under))
            conditions = [_one(each, link, resolve) for each in parts if not isinstance(each, Under)]
            return all_of([*conditions, *([resolve(AllOf(on_row))] if on_row else [])])
        case AnyOf(parts):
            return any_of([_one(each, link, resolve) for each in parts])
        case _:
            return resolve(part)


def _related_row(sight: Sight, part: Filter, link: Link, path: Path) -> Condition:
    target = sight.of(link.target, path)
    condition = resolve_filter(sight, part, target, path)
    found = Relational(link, "some", all_of([target.rows, condition]))
    on_no_row = _without_values(condition, link)
    if on_no_row == NO_ROW:
        return found
    return any_of([found, all_of([Relational(link, "none", target.rows), on_no_row])])


def _without_values(condition: Condition, link: Link) -> Condition:
    """What the condition is of a row that has no values at all, where `link` should have led."""
    match condition:
        case Constant():
            return condition
        case And(parts):
            return all_of([_without_values(part, link) for part in parts])
        case Or(parts):
            return any_of([_without_values(part, link) for part in parts])
        case Comparison():
            if condition.may_match_null and not condition.null_matches:  # the variables will say
                return replace(condition, operand=Remote(link, NO_ROW, condition.operand))
            return Constant(condition.null_matches)
        case Relational(quantifier=quantifier):
            return Constant(quantifier == "none")
