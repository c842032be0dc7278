"""What permissions show: the rules of a user's policies, added up (PROTOCOL section 6).

A row can be seen if any rule's filter matches it, and a field of it only through rules that match the row and name the
field. The filters of rules are the administrators' and may use every field; a rule whose filter cannot be understood
shows nothing.
"""

import logging

from tidegate.access.rights import Action, Rights, Rule
from tidegate.errors import Forbidden, TidegateError
from tidegate.query.condition import EVERY_ROW, NO_ROW, Condition, any_of
from tidegate.query.filters import resolve_filter
from tidegate.query.model import Limits
from tidegate.query.parse import parse_filter
from tidegate.query.sight import Path, Sight, Visibility
from tidegate.schema import Collection, Schema

logger = logging.getLogger(__name__)


def sight_of(schema: Schema, rights: Rights, limits: Limits, action: Action = "read") -> Sight:
    """What `rights` show to `action`."""
    return Sight(schema, limits) if rights.admin else RuledSight(schema, rights, limits, action)


class RuledSight(Sight):
    """Sees what the rules for one action show."""

    def __init__(self, schema: Schema, rights: Rights, limits: Limits, action: Action) -> None:
        super().__init__(schema, limits)
        self._rights = rights
        self._action = action
        self._everything = Sight(schema, limits)
        self._known: dict[str, Visibility] = {}

    def of(self, collection: str, path: Path) -> Visibility:
        known = self._known.get(collection)
        if known is None:
            rules = self._rights.rules_for(collection, self._action)
            if not rules or collection not in self._schema.collections:
                raise Forbidden.collection(collection, ".".join(path))
            known = self._known[collection] = self._add_up(self._schema.collections[collection], rules)
        return known

    def _add_up(self, collection: Collection, rules: tuple[Rule, ...]) -> Visibility:
        conditions = [(rule, self._condition(collection, rule)) for rule in rules]
        rows = any_of([condition for _, condition in conditions])
        guards: dict[str, Condition | None] = {}
        for name in collection.fields:
            naming = [condition for rule, condition in conditions if rule.names(name)]
            if naming:
                guard = any_of(naming)
                guards[name] = None if guard in (rows, EVERY_ROW) else guard
        return Visibility(collection, rows, guards)

    def _condition(self, collection: Collection, rule: Rule) -> Condition:
        try:
            parsed = parse_filter(rule.filter, self._limits)
            return EVERY_ROW if parsed is None else resolve_filter(self._everything, parsed, Visibility(collection))
        except TidegateError as error:
            logger.warning("a %s rule of %s shows nothing: %s", self._action, collection.name, error.message)
            return NO_ROW
