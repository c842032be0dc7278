"""The bodies of requests that are not items, checked into frozen values. Pure.

Each fault has its own sentence, with the key it is about in quotes (PROTOCOL section 3.5, INVALID_PAYLOAD).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from tidegate.access.authenticator import Mode
from tidegate.errors import InvalidPayload

_MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True)
class LoginBody:
    email: str
    password: str
    otp: str | None
    mode: Mode


@dataclass(frozen=True, slots=True)
class RefreshBody:
    """Also the body of a logout. What is left out is to be found in the cookies."""

    refresh_token: str | None
    mode: Mode | None


def login_body(body: object) -> LoginBody:
    entries = as_object(body)
    return LoginBody(
        required_text(entries, "email"),
        required_text(entries, "password"),
        optional_text(entries, "otp"),
        _mode(entries) or "json",
    )


def refresh_body(body: object) -> RefreshBody:
    entries = {} if body is None else as_object(body)
    return RefreshBody(optional_text(entries, "refresh_token"), _mode(entries))


def as_object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidPayload("The body has to be an object")
    return body


def as_objects(body: list[Any]) -> list[dict[str, Any]]:
    if not all(isinstance(entry, dict) for entry in body):
        raise InvalidPayload("Every entry of the body has to be an object")
    return body


def as_keys(value: object) -> list[int | str]:
    if not isinstance(value, list) or not all(isinstance(k, int | str) and not isinstance(k, bool) for k in value):
        raise InvalidPayload('"keys" must be an array of primary keys')
    return value


def required_text(entries: Mapping[str, Any], name: str) -> str:
    text = optional_text(entries, name)
    if text is None:
        raise InvalidPayload(f'"{name}" is required')
    if not text:
        raise InvalidPayload(f'"{name}" is not allowed to be empty')
    return text


def optional_text(entries: Mapping[str, Any], name: str) -> str | None:
    value = entries.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidPayload(f'"{name}" must be a string')
    return value


def _mode(entries: Mapping[str, Any]) -> Mode | None:
    value = entries.get("mode")
    for mode in _MODES:
        if value == mode:
            return mode
    if value is not None:
        raise InvalidPayload(f'"mode" must be one of [{", ".join(_MODES)}]')
    return None
