"""The forms in which a write may name related items, as plain values. Pure.

A one-to-many field takes either the whole new set, as a list of keys and objects, or a change of it, as an object with
`create`, `update` and `delete` (the forms that `@directus/sdk` takes). A many-to-one field takes a key or an object.
"""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from tidegate.errors import InvalidPayload
from tidegate.items.changes import Key

MAX_ITEMS = 10_000
"""How many items one list of a request may name: fewer than any engine takes as bound values."""


@dataclass(frozen=True, slots=True)
class RelatedSet:
    """What a write says about the items of a one-to-many field."""

    items: tuple[Mapping[str, Any] | Key, ...] = ()
    """Items to create, update or take over, in order."""
    removed: tuple[Key, ...] = ()
    """Keys to let go."""
    whole: bool = False
    """Whether `items` is the whole new set: what is related now and not among them is let go too."""


def check_number(entries: Sized, most: int | None = None) -> None:
    """Raises InvalidPayload for more items than a request may name: `MAX_ITEMS`, or `most` if that is less."""
    limit = MAX_ITEMS if most is None else min(most, MAX_ITEMS)
    if len(entries) > limit:
        raise InvalidPayload(f"A request may name {limit} items at most")


def related_set(field: str, value: object) -> RelatedSet:
    """Read the value of a one-to-many field. Raises InvalidPayload for any other form."""
    if value is None:
        return RelatedSet(whole=True)
    if isinstance(value, list):
        check_number(value)
        return RelatedSet(items=tuple(_item(field, entry) for entry in value), whole=True)
    if isinstance(value, Mapping) and value.keys() <= {"create", "update", "delete"}:
        changed = [*_list(field, value.get("create")), *_list(field, value.get("update"))]
        if not all(isinstance(entry, Mapping) for entry in changed):
            raise InvalidPayload(f'"create" and "update" of field "{field}" have to be lists of objects')
        return RelatedSet(
            items=tuple(changed), removed=tuple(_key(field, entry) for entry in _list(field, value.get("delete")))
        )
    raise InvalidPayload(f'Field "{field}" has to be a list or an object with "create", "update" and "delete"')


def _list(field: str, value: object) -> Sequence[Any]:
    if value is None:
        return []
    if isinstance(value, list):
        check_number(value)
        return value
    raise InvalidPayload(f'"create", "update" and "delete" of field "{field}" have to be lists')


def _item(field: str, value: object) -> Mapping[str, Any] | Key:
    return value if isinstance(value, Mapping) else _key(field, value)


def _key(field: str, value: object) -> Key:
    if isinstance(value, int | str) and not isinstance(value, bool):
        return value
    raise InvalidPayload(f'Field "{field}" has to name items by key or as objects')
