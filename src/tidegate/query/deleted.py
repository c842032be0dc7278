"""What of a condition can be told of a row that is not any more, or not as it was, from its image.

`of_deleted` looks at the related rows that are left. With the row go those that led to it, or they lead nowhere now. So
a condition that wants few of them, or none, may match a row that it hid while the row was there. Such a condition
counts as not met: of a row that may never have been visible nothing is said.
"""

from dataclasses import replace

from tidegate.query.condition import (
    NO_ROW,
    And,
    Column,
    Comparison,
    Condition,
    Count,
    Length,
    Operand,
    Or,
    Part,
    Relational,
    Remote,
    all_of,
    any_of,
)
from tidegate.schema import RelationKind


def of_deleted(condition: Condition) -> Condition:
    """The condition without what may have come true by the deletion; it matches no row more."""
    match condition:
        case And(parts):
            return all_of([of_deleted(part) for part in parts])
        case Or(parts):
            return any_of([of_deleted(part) for part in parts])
        case Relational(link=link, quantifier="some", condition=inner) if not _looks_at_many(link.near):
            return replace(condition, condition=of_deleted(inner))
        case _:
            return NO_ROW if _looks_at_many(condition) else condition


def looks_at_related(part: Condition | Operand | None) -> bool:
    """Whether anything in it depends on related rows."""
    match part:
        case And(parts) | Or(parts):
            return any(looks_at_related(each) for each in parts)
        case Comparison(operand=operand):
            return looks_at_related(operand)
        case Column(guard=guard):
            return looks_at_related(guard)
        case Part(column=column) | Length(column=column):
            return looks_at_related(column)
        case Relational() | Count() | Remote():
            return True
        case _:
            return False


def _looks_at_many(part: Condition | Operand | None) -> bool:
    """Whether anything in it depends on which rows lead to another."""
    match part:
        case And(parts) | Or(parts):
            return any(_looks_at_many(each) for each in parts)
        case Comparison(operand=operand):
            return _looks_at_many(operand)
        case Relational(link=link, condition=inner):
            return link.kind is RelationKind.O2M or _looks_at_many(link.near) or _looks_at_many(inner)
        case Column(guard=guard):
            return _looks_at_many(guard)
        case Part(column=column) | Length(column=column):
            return _looks_at_many(column)
        case Count():
            return True
        case Remote(link=link, condition=inner, operand=operand):
            return _looks_at_many(link.near) or _looks_at_many(inner) or _looks_at_many(operand)
        case _:
            return False
