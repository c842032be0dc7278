"""What a write may contain: field rights, presets, validation, and the values that fields fill by themselves. Pure.

Rules add up (PROTOCOL section 6): a payload is accepted through those rules whose `validation` it passes; each of its
fields has to be named by one of them, and for an update by one that shows the row. Presets of all rules fill what the
payload leaves out.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from tidegate.access.rights import Action, Rights, Rule
from tidegate.access.variables import substitute
from tidegate.clock import utc
from tidegate.errors import Forbidden, TidegateError
from tidegate.query.validation import matches
from tidegate.schema import CONCEALED, Collection, Field, FieldType

Payload = Mapping[str, Any]

_TIME_FORMATS = {
    FieldType.TIMESTAMP: "%Y-%m-%dT%H:%M:%S.%fZ",
    FieldType.DATE_TIME: "%Y-%m-%dT%H:%M:%S",
    FieldType.DATE: "%Y-%m-%d",
    FieldType.TIME: "%H:%M:%S",
}


def permitted(
    collection: Collection, rights: Rights, action: Action, payload: Payload, now: float
) -> tuple[dict[str, Any], tuple[Rule, ...]]:
    """The payload with presets filled in, and the rules that accept it; an administrator needs none.

    Fields that do not exist are left out. Raises Forbidden for a collection or field that may not be written,
    FAILED_VALIDATION for values that no rule takes.
    """
    if rights.admin:
        return {name: value for name, value in payload.items() if name in collection.fields}, ()
    rules = rights.rules_for(collection.name, action)
    if not rules:
        raise Forbidden.collection(collection.name)
    for name in payload:
        if name not in collection.fields or not any(rule.names(name) for rule in rules):
            raise Forbidden.field(name, collection.name)
    filled: dict[str, Any] = {}
    for rule in rules:
        presets = {name: value for name, value in rule.presets.items() if name in collection.fields}
        filled |= substitute(presets, rights.variables, now)
    filled |= payload
    return filled, _accepting(rules, payload, _as_stored(collection, action, filled), rights, now)


def _accepting(rules: tuple[Rule, ...], written: Payload, row: Payload, rights: Rights, now: float) -> tuple[Rule, ...]:
    passing: list[Rule] = []
    failures: list[tuple[str, str]] = []
    for rule in rules:
        failed = matches(rule.validation, row, rights.variables, now) if rule.validation else []
        if failed:
            failures.extend(failed)
        else:
            passing.append(rule)
    if not passing or not all(any(rule.names(name) for rule in passing) for name in written):
        raise failed_validation(*failures[0])
    return tuple(passing)


def validate_fields(collection: Collection, action: Action, payload: Payload, rights: Rights, now: float) -> None:
    """Hold the payload to the collection's own `required` and `validation`. Raises FAILED_VALIDATION."""
    row = _as_stored(collection, action, payload)
    for field in collection.fields.values():
        if field.name not in row:
            continue
        if field.required and row[field.name] is None and not _filled_later(field):
            raise failed_validation(field.name, "required")
        if field.validation and field.name in payload:
            failed = matches(field.validation, row, rights.variables, now)
            if failed:
                raise failed_validation(failed[0][0], failed[0][1], field.validation_message)


def _as_stored(collection: Collection, action: Action, payload: Payload) -> Payload:
    """For a create, what is left out counts as its default; for an update it is not looked at."""
    if action != "create":
        return payload
    missing = {f.name: f.default for f in collection.fields.values() if not (f.alias or _filled_later(f))}
    return missing | dict(payload)


def _filled_later(field: Field) -> bool:
    """Whether the database or a special gives the value when a create leaves it out."""
    by_database = field.auto_increment or field.read_only or (field.has_default and field.default is None)
    return by_database or bool(_CREATED & set(field.special))


def failed_validation(field: str, kind: str, message: str | None = None) -> TidegateError:
    sentence = message or f'Validation failed for field "{field}". Rule "{kind}" is not met.'
    return TidegateError("FAILED_VALIDATION", sentence, field=field, type=kind)


_CREATED = {"uuid", "user-created", "role-created", "date-created"}


def fill_specials(collection: Collection, action: Action, payload: dict[str, Any], rights: Rights, now: float) -> None:
    """Put in what fields with specials give by themselves, and drop masked secrets that came back unchanged."""
    suffix = "created" if action == "create" else "updated"
    for field in collection.fields.values():
        if field.concealed and payload.get(field.name) == CONCEALED:
            del payload[field.name]
        for special in field.special:
            if special == "uuid" and action == "create" and payload.get(field.name) is None:
                payload[field.name] = str(uuid.uuid4())
            elif special == f"date-{suffix}":
                payload[field.name] = _time_value(field.type, now)
            elif special == f"user-{suffix}":
                payload[field.name] = rights.user
            elif special == f"role-{suffix}":
                payload[field.name] = rights.role


def _time_value(field_type: FieldType, now: float) -> str:
    text = utc(now).strftime(_TIME_FORMATS.get(field_type, _TIME_FORMATS[FieldType.TIMESTAMP]))
    return text[:-4] + "Z" if text.endswith("Z") else text


def mask(collection: Collection, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with concealed values replaced, fit to leave the transaction."""
    fields = collection.fields
    return {
        name: CONCEALED if value is not None and name in fields and fields[name].concealed else value
        for name, value in row.items()
    }
