"""Which subscriptions there are, found by what a change touches: its collection, then families, items and values."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tidegate.items.changes import Change
from tidegate.query.plan import ReadPlan
from tidegate.realtime.group import Family, FamilyKey, Group, key_text
from tidegate.realtime.subscription import Subscription


class _Shelf:
    """The subscriptions of one collection."""

    __slots__ = ("families", "held", "items")

    def __init__(self) -> None:
        self.families: dict[FamilyKey, Family] = {}
        """Those that ask for every row."""
        self.items: dict[str, dict[FamilyKey, Family]] = {}
        """Those that ask for one row, by its key."""
        self.held: dict[Subscription, None] = {}

    def families_of(self, item: str | None) -> dict[FamilyKey, Family]:
        return self.families if item is None else self.items.setdefault(item, {})


class Registry:
    """Every subscription of one process. A silent one is not in it."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}

    def __len__(self) -> int:
        """Subscriptions that are live or held."""
        return len(self.all())

    def __contains__(self, collection: str) -> bool:
        """Whether anybody subscribes to the collection."""
        return collection in self._shelves

    def hold(self, subscription: Subscription) -> None:
        """Have it collect changes; `held` is a list already."""
        self._shelves.setdefault(subscription.collection, _Shelf()).held[subscription] = None

    def held(self, collection: str) -> Iterable[Subscription]:
        shelf = self._shelves.get(collection)
        return () if shelf is None else shelf.held

    def all(self) -> list[Subscription]:
        return [subscription for collection in self._shelves for subscription in self.of(collection)]

    def of(self, collection: str) -> list[Subscription]:
        """Everybody who subscribes to the collection."""
        shelf = self._shelves.get(collection)
        if shelf is None:
            return []
        groups = (group for family in _families(shelf) for group in family.groups.values())
        return [*shelf.held, *(member for group in groups for member in group.members)]

    def join(self, subscription: Subscription, key: FamilyKey, bound: ReadPlan, variables: Mapping[str, Any]) -> Group:
        """Go live in the group of `key` with these variables. `bound` is the key's plan, bound to them."""
        shelf = self._shelves.setdefault(subscription.collection, _Shelf())
        shelf.held.pop(subscription, None)
        families = shelf.families_of(key.item)
        family = families.get(key)
        if family is None:
            family = families[key] = Family(key)
        values = family.values(bound)
        group = family.groups.get(values)
        if group is None:
            group = Group(family, bound, variables)
            family.add(group)
        subscription.group = group
        group.members[subscription] = None
        return group

    def remove(self, subscription: Subscription) -> None:
        """Forget it, in whichever condition it is, and whatever stood only for it."""
        shelf = self._shelves.get(subscription.collection)
        if shelf is None:
            return
        shelf.held.pop(subscription, None)
        group, subscription.group = subscription.group, None
        if group is not None:
            del group.members[subscription]
            if not group.members:
                self._remove_group(shelf, group)
        if not shelf.held and not shelf.families and not shelf.items:
            del self._shelves[subscription.collection]

    def touched(self, change: Change) -> Iterator[Group]:
        """The groups that the change may concern, each once."""
        shelf = self._shelves.get(change.collection)
        if shelf is None:
            return
        families = [shelf.families.values()]
        if shelf.items:
            families += [shelf.items[key].values() for key in self._keys(shelf, change) if key in shelf.items]
        for some in families:
            for family in some:
                if family.key.event in (None, change.action):
                    yield from family.touched(change)

    def _keys(self, shelf: _Shelf, change: Change) -> set[str]:
        """The change's keys as text. Any family knows the key's type."""
        some = next(iter(next(iter(shelf.items.values())).values()))
        field = some.key.plan.selection.key
        return {key_text(field, key) for key in change.keys}

    def _remove_group(self, shelf: _Shelf, group: Group) -> None:
        family = group.family
        family.remove(group)
        if not family.groups:
            families = shelf.families_of(family.key.item)
            del families[family.key]
            if family.key.item is not None and not families:
                del shelf.items[family.key.item]


def _families(shelf: _Shelf) -> Iterator[Family]:
    yield from shelf.families.values()
    for families in shelf.items.values():
        yield from families.values()
