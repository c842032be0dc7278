"""Read plans, made once for all who ask the same with the same rules.

Emptied as a whole when the schema changes; bounded, least recently used out first. The key holds the rules object
itself, so that a new set of rules (after a change of permissions) never meets an old plan.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace

from tidegate.access.rights import Action, Rights, Rule
from tidegate.database.engine import Database
from tidegate.query.model import Limits, Query
from tidegate.query.plan import ReadPlan, bind, plan_read, plan_rows

CAPACITY = 4096
"""Plans kept: a few kilobytes each."""


class Plans:
    """What to read for a query, or which rows a write may touch, as unbound and bound plans."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self._cache: OrderedDict[Hashable, tuple[object, ReadPlan]] = OrderedDict()
        database.on_schema(lambda _: self._cache.clear())

    def shape(self, rights: Rights, collection: str, query: Query) -> ReadPlan:
        """The plan with variables in place: the same object for all who share it. Raises Forbidden, INVALID_QUERY."""
        return self._cached(
            rights,
            (collection, query),
            lambda: plan_read(query, collection, self._database.schema, rights, self._limits),
        )

    def bound(self, rights: Rights, collection: str, query: Query, now: float) -> ReadPlan:
        """The plan for this identity at this moment."""
        return bind(self.shape(rights, collection, query), rights.variables, now)

    def rows(
        self,
        rights: Rights,
        collection: str,
        action: Action,
        fields: tuple[str, ...],
        now: float,
        rules: tuple[Rule, ...] | None = None,
    ) -> ReadPlan:
        """Keys of the rows on which `action` may touch all of `fields`; by these rules alone where some are given."""

        def make() -> ReadPlan:
            by = rights if rules is None else replace(rights, rules={(collection, action): rules})
            return plan_rows(collection, action, fields, self._database.schema, by, self._limits)

        shape = self._cached(rights, (collection, action, fields, rules), make)
        return bind(shape, rights.variables, now)

    def _cached(self, rights: Rights, what: Hashable, make: Callable[[], ReadPlan]) -> ReadPlan:
        key = (rights.admin, id(rights.rules), what)
        hit = self._cache.get(key)
        if hit is not None:
            self._cache.move_to_end(key)
            return hit[1]
        plan = make()
        self._cache[key] = (rights.rules, plan)
        if len(self._cache) > CAPACITY:
            self._cache.popitem(last=False)
        return plan
