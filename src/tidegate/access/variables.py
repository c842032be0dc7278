"""The variables that filters, presets and validations may use in place of a value (PROTOCOL section 6).

`$CURRENT_USER`, `$CURRENT_ROLE`, `$CURRENT_ROLES` and `$CURRENT_POLICIES` stand for who asks, with a dotted path for a
field of theirs (`$CURRENT_USER.department`); `$NOW` and `$NOW(-1 day)` for the time.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from tidegate.clock import utc
from tidegate.schema.values import timestamp_text

_WHO = re.compile(r"\$CURRENT_(USER|ROLE|ROLES|POLICIES)(\.\w+)*")
_NOW = re.compile(r"\$NOW(?:\(\s*(?P<amount>[+-]?\s*\d{1,9})\s*(?P<unit>[a-zA-Z]+)\s*\))?", re.ASCII)


def is_variable(value: object) -> TypeGuard[str]:
    """Whether the JSON value stands for something else; an unknown `$NAME` or unit is an ordinary string."""
    if not isinstance(value, str) or not value.startswith("$"):
        return False
    if _WHO.fullmatch(value):
        return True
    now = _NOW.fullmatch(value)
    return now is not None and (now["unit"] is None or _unit(now["unit"]) in _ADD)


def is_time(name: str) -> bool:
    """Whether what the variable stands for changes with time."""
    return name.startswith("$NOW")


def resolve(name: str, variables: Mapping[str, Any], now: float) -> Any:
    """What the variable stands for, as an API value; times as a `timestamp`. None where nothing is known.

    `variables` are those of `Rights`, `now` is in seconds since the epoch.
    """
    if not is_time(name):
        return variables.get(name)
    adjusted = _NOW.fullmatch(name)
    assert adjusted is not None, "only for what is_variable accepts"
    moment = utc(now)
    if adjusted["unit"] is not None:
        try:
            moment = _ADD[_unit(adjusted["unit"])](moment, int(adjusted["amount"].replace(" ", "")))
        except (OverflowError, ValueError):  # outside of the years that a date can have
            return None
    return timestamp_text(moment)


def substitute(value: Any, variables: Mapping[str, Any], now: float) -> Any:
    """The JSON value with every variable in it resolved. The given value is not changed."""
    if is_variable(value):
        return resolve(value, variables, now)
    if isinstance(value, Mapping):
        return {key: substitute(part, variables, now) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [substitute(part, variables, now) for part in value]
    return value


def _unit(spelled: str) -> str:
    return spelled.lower().removesuffix("s")


def _add_months(moment: datetime, count: int) -> datetime:
    """The same day of another month, or that month's last day where it is shorter."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + count, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(year)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


def _add(unit: timedelta) -> Callable[[datetime, int], datetime]:
    return lambda moment, count: moment + unit * count


_ADD: Mapping[str, Callable[[datetime, int], datetime]] = {
    "year": lambda moment, count: _add_months(moment, 12 * count),
    "month": _add_months,
    "week": _add(timedelta(weeks=1)),
    "day": _add(timedelta(days=1)),
    "hour": _add(timedelta(hours=1)),
    "minute": _add(timedelta(minutes=1)),
    "second": _add(timedelta(seconds=1)),
}
