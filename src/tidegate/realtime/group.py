"""Everybody who gets the same answer to a change: asked the same, may see the same.

Groups that differ only in the values of variables form a family. Where the family's plan demands `field = variable`, a
change concerns only the groups whose value its rows have; they are found by it, so that a rule such as
`owner = $CURRENT_USER` costs the same for one user and for 10,000.

What a change means to a group is decided from the row images where that gives exactly the database's answer.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

from tidegate.errors import TidegateError
from tidegate.items.changes import Action, Change, Key
from tidegate.query.condition import EVERY_ROW, And, Column, Comparison, Operator, Variable
from tidegate.query.deleted import looks_at_related
from tidegate.query.evaluate import Predicate, Projector, projector, row_predicate
from tidegate.query.plan import ReadPlan, bind
from tidegate.realtime.snapshot import State
from tidegate.realtime.subscription import Encode, EncodeLeave, Subscription
from tidegate.schema import Field
from tidegate.schema.values import parse

SEEN_LIMIT: Final = 100_000
"""Rows that one group remembers to have seen; what it saw first is forgotten."""
Values = tuple[Any, ...]
"""Of a family's variables, those of time left out."""


def key_text(field: Field, key: Key) -> str:
    """A key in its one spelling: clients and URLs spell keys in several ways."""
    try:
        return str(parse(field, key))
    except TidegateError:
        return str(key)


class Entry(NamedTuple):
    """A change that waits for its turn in a group."""

    number: int
    """Changes are numbered as they arrive."""
    change: Change
    only: Subscription | None = None
    """Whom alone it concerns; None for all members."""


class FamilyKey(NamedTuple):
    plan: ReadPlan
    """With variables in place, and so the same for everybody under the same rules."""
    event: Action | None
    """The one kind of change to hear of; None for all."""
    item: str | None
    """The one row to hear of, by `key_text`; None for all."""
    encode: Encode
    leave: EncodeLeave | None = None
    """How to tell of rows that an update takes out of sight; None for not at all."""


class Group:
    """The members of one family for whom its variables have the same values."""

    __slots__ = ("_means", "_plan", "_variables", "family", "members", "queue", "seen", "told_up_to", "values")

    def __init__(self, family: "Family", bound: ReadPlan, variables: Mapping[str, Any]) -> None:
        """`bound` is the family's plan, bound to `variables`."""
        self.family = family
        self.values = family.values(bound)
        self.members: dict[Subscription, None] = {}
        self.queue: deque[Entry] | None = None
        """Changes that wait for the database, first to last; None while there are none."""
        self.told_up_to = 0
        """The number of the last change that was told or put in the queue."""
        self.seen: dict[str, None] | None = {} if family.remembers else None
        """By `key_text`, rows that could be seen; None where their images tell that."""
        self._plan = bound
        self._variables = variables if family.timed else None
        self._means: tuple[Predicate | None, Projector | None] | None = None

    @property
    def encode(self) -> Encode:
        return self.family.key.encode

    @property
    def leave(self) -> EncodeLeave | None:
        return self.family.key.leave

    @property
    def key_field(self) -> Field:
        return self.family.key.plan.selection.key

    def plan(self, now: float) -> ReadPlan:
        """What the members may see and asked for, at this moment."""
        if self._variables is not None:
            self._plan = bind(self.family.key.plan, self._variables, now)
            self._means = None
        return self._plan

    def see(self, keys: Iterable[str]) -> None:
        """Remember, where that is needed, that the rows can be seen."""
        if self.seen is not None:
            self.seen.update(dict.fromkeys(keys))
            for key in tuple(islice(self.seen, max(0, len(self.seen) - SEEN_LIMIT))):
                del self.seen[key]

    def is_at(self, key: FamilyKey, bound: ReadPlan) -> bool:
        """Whether this is where a subscription with the key's plan, bound like this, belongs."""
        return self.family.key == key and self.values == self.family.values(bound)

    def owed(self, member: Subscription) -> list[Change]:
        """The changes in the queue that the member has not heard of."""
        return [
            entry.change
            for entry in self.queue or ()
            if entry.only is member or (entry.only is None and entry.number >= member.live_from)
        ]

    def decide(self, change: Change, now: float) -> list[bytes] | None:
        """What to tell the members, from the images alone; None where the database has to be asked."""
        try:
            return self._decide(change, now)
        except KeyError:
            return None  # the images are of another schema than the plan, and lack a field of it

    def _decide(self, change: Change, now: float) -> list[bytes] | None:
        images = change.before if change.action == "delete" else change.after
        if not images:
            return self._decide_blindly(change)
        predicate, project = self._decided_by(now)
        if predicate is None:
            return None
        at = [number for number in self.positions(change) if predicate(images[number])]
        bodies: list[bytes] = []
        if at:
            keys = [change.keys[number] for number in at]
            if change.action == "delete":
                return self.encode("delete", keys, ())
            if project is None:
                return None
            bodies = self.encode(change.action, keys, [project(images[number]) for number in at])
        return bodies + self._leaves(change, predicate)

    def states(self, change: Change, now: float) -> dict[str, State] | None:
        """By `key_text`, how the members see the rows after the change; None where the database has to be asked."""
        at = self.positions(change)
        keys = [key_text(self.key_field, change.keys[number]) for number in at]
        if change.action == "delete":
            return dict.fromkeys(keys)
        predicate, project = self._decided_by(now)
        if predicate is None or project is None or not change.after:
            return None
        images = [change.after[number] for number in at]
        try:
            return {key: project(image) if predicate(image) else None for key, image in zip(keys, images, strict=True)}
        except KeyError:
            return None  # as in `decide`

    def positions(self, change: Change) -> Sequence[int]:
        """Which of the change's rows are asked for."""
        item = self.family.key.item
        if item is None:
            return range(len(change.keys))
        return [number for number, key in enumerate(change.keys) if key_text(self.key_field, key) == item]

    def leavable(self, change: Change) -> Sequence[int]:
        """Which of the change's rows may leave the members' sight and would be told of.

        Of a row whose past is not known nothing is said: its key alone would tell that it is there.
        """
        told = self.leave is not None and change.action == "update" and change.before
        return self.positions(change) if told else ()

    def _leaves(self, change: Change, predicate: Predicate) -> list[bytes]:
        if self.leave is None:
            return []
        at = [number for number in self.leavable(change) if predicate(change.before[number])]
        keys = [change.keys[number] for number in at if not predicate(change.after[number])]
        return self.leave(keys) if keys else []

    def _decide_blindly(self, change: Change) -> list[bytes] | None:
        """Of a deleted row that nobody remembers only those hear who would hear of any row."""
        if change.action != "delete":
            return None
        if self.family.key.plan.selection.condition != EVERY_ROW:
            return []
        keys = [change.keys[number] for number in self.positions(change)]
        return self.encode("delete", keys, ()) if keys else []

    def _decided_by(self, now: float) -> tuple[Predicate | None, Projector | None]:
        plan = self.plan(now)
        if self._means is None:
            self._means = row_predicate(plan.condition), projector(plan)
        return self._means


class Family:
    """The groups of one `FamilyKey`, by the values of its variables and by what they demand."""

    __slots__ = ("_by_demand", "_demand", "_field", "_lasting", "groups", "key", "remembers", "timed")

    def __init__(self, key: FamilyKey) -> None:
        self.key = key
        self.groups: dict[Values, Group] = {}
        variables = enumerate(key.plan.variables)
        self._lasting = [number for number, variable in variables if not variable.name.startswith("$NOW")]
        self.timed = len(self._lasting) < len(key.plan.variables)
        """Whether the plan means something else from moment to moment."""
        self.remembers = key.leave is not None and looks_at_related(key.plan.visible)
        """Whether related rows decide what may be seen, which may have changed with a row that leaves, or since."""
        self._field, self._demand = _demanded(key.plan, self._lasting)
        self._by_demand: dict[Any, list[Group]] = {}

    def values(self, bound: ReadPlan) -> Values:
        """What tells the groups of the family apart."""
        assert bound.arguments is not None, "the plan has to be bound"
        return tuple(bound.arguments[number] for number in self._lasting)

    def add(self, group: Group) -> None:
        self.groups[group.values] = group
        if self._field is not None:
            self._by_demand.setdefault(group.values[self._demand], []).append(group)

    def remove(self, group: Group) -> None:
        del self.groups[group.values]
        if self._field is not None:
            demand = group.values[self._demand]
            self._by_demand[demand].remove(group)
            if not self._by_demand[demand]:
                del self._by_demand[demand]

    def touched(self, change: Change) -> Iterable[Group]:
        """The groups that the change may concern; one without images may concern all."""
        images = change.before if change.action == "delete" else change.after
        if self.key.leave is not None and change.action == "update" and images:
            images = (*images, *change.before)
        if self._field is None or not images:
            return tuple(self.groups.values())
        if any(self._field not in image for image in images):  # which are of another schema than the plan
            return tuple(self.groups.values())
        # No row meets `= NULL`.
        values = {image[self._field] for image in images} - {None}
        return [group for value in values for group in self._by_demand.get(value, ())]


def _demanded(plan: ReadPlan, lasting: list[int]) -> tuple[str | None, int]:
    """The field of the first demand `field = variable` that each row has to meet, and the place of its value."""
    condition = plan.selection.condition
    for part in condition.parts if isinstance(condition, And) else (condition,):
        match part:
            case Comparison(Column(field, None), Operator.EQ, Variable(many=False) as variable, False):
                number = plan.variables.index(variable)
                exact = row_predicate(replace(part, value=None)) is not None
                if exact and number in lasting:
                    return field.name, lasting.index(number)
    return None, 0
