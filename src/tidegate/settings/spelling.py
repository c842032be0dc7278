"""How the value of an environment variable is spelled, and what it means: text in, typed value out.

Durations are spelled as the `ms` package of npm reads them and sizes as the `bytes` package does, because that is how
Directus documents them. A value that is not text is already typed (a default, a test) and passes as it is.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

UNLIMITED = frozenset({"infinity", "-1"})
"""How Directus spells the absence of a limit."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+) *([a-z]*)", re.IGNORECASE)
_DURATION_UNITS = {
    unit: seconds
    for seconds, units in (
        (0.001, "ms msec msecs millisecond milliseconds"),
        (1.0, "s sec secs second seconds"),
        (60.0, "m min mins minute minutes"),
        (3_600.0, "h hr hrs hour hours"),
        (86_400.0, "d day days"),
        (604_800.0, "w week weeks"),
        (31_557_600.0, "y yr yrs year years"),
    )
    for unit in units.split()
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([kmgt]?b)?", re.IGNORECASE)
_SIZE_UNITS = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Spelling:
    """Annotates a field of `Settings`: how to read its text, and what a person is told that is allowed."""

    allowed: str
    read: Callable[[str], Any]
    """Raises ValueError for anything that is not `allowed`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._validate, handler(source))

    def _validate(self, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except ValueError:
            raise PydanticCustomError("spelling", "{allowed}", {"allowed": self.allowed}) from None


def boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def integer(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers from `minimum` to `maximum`, both included."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise ValueError(text)
        number = int(text)
        if number < minimum or (maximum is not None and number > maximum):
            raise ValueError(text)
        return number

    return read


def limit(minimum: int) -> Callable[[str], int | None]:
    """A reader of whole numbers from `minimum` on, or None for no limit."""
    number = integer(minimum)

    def read(text: str) -> int | None:
        return None if text.lower() in UNLIMITED else number(text)

    return read


def duration(bare_unit: str, *, zero: bool = False) -> Callable[[str], float]:
    """A reader of durations in seconds; a number without a unit counts `bare_unit`s."""

    def read(text: str) -> float:
        match = _DURATION.fullmatch(text)
        scale = _DURATION_UNITS.get((match[2] or bare_unit).lower()) if match else None
        if match is None or scale is None:
            raise ValueError(text)
        seconds = float(match[1]) * scale
        if seconds == 0 and not zero:
            raise ValueError(text)
        return seconds

    return read


def size(text: str) -> int:
    """A size in bytes; `kb` and the like are powers of 1024."""
    match = _SIZE.fullmatch(text)
    if match is None or (number := int(float(match[1]) * _SIZE_UNITS[(match[2] or "b").lower()])) < 1:
        raise ValueError(text)
    return number


def words(text: str) -> tuple[str, ...]:
    """A comma-separated list, without empty members."""
    return tuple(word for part in text.split(",") if (word := part.strip()))


def origins(text: str) -> bool | tuple[str | re.Pattern[str], ...]:
    """`true` for every origin, `false` for none, or a list of origins in which `regex:` begins a pattern."""
    if text.lower() in _BOOLEANS:
        return boolean(text)
    return tuple(_origin(word) for word in words(text))


def _origin(word: str) -> str | re.Pattern[str]:
    if not word.startswith("regex:"):
        return word.removeprefix("string:")
    try:
        return re.compile(word.removeprefix("regex:"))
    except re.error:
        raise ValueError(word) from None


def proxies(text: str) -> bool | int | tuple[str, ...]:
    """Express's `trust proxy`: `true`/`false`, a number of hops, or a list of addresses, networks and their names."""
    if text.lower() in ("true", "false"):
        return boolean(text)
    return int(text) if text.isdecimal() else tuple(_network(word) for word in words(text))


def _network(word: str) -> str:
    if word not in ("loopback", "linklocal", "uniquelocal"):
        ipaddress.ip_network(word, strict=False)
    return word


def path(text: str) -> str:
    if not re.fullmatch(r"/[^\s?#]*", text):
        raise ValueError(text)
    return text if text == "/" else text.rstrip("/")


def url(*schemes: str) -> Callable[[str], str]:
    """A reader of absolute URLs with one of the schemes and a host."""
    pattern = re.compile(rf"({'|'.join(schemes)})://[^\s/?#]+[^\s]*")

    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(text)
        return text

    return read


def public_url(text: str) -> str:
    return text if text == "/" else url("http", "https")(text).rstrip("/")
