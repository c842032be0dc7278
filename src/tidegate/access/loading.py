"""Reads roles, policies, bindings and permissions.

Directus before 11 had no policies: flags and addresses stood in the role, and permissions belonged to a role or, with
none, to those who have no role. Such a database is read as if each role had one policy of the same id.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tidegate.access.network import Addresses
from tidegate.access.policies import Binding, Permission, Policies, Policy, rule_of
from tidegate.database.engine import Database
from tidegate.schema.values import csv_list

EVERYBODYS = "public"
"""The policy for whoever has no role in a database that has no policies."""

_LOG = logging.getLogger(__name__)
_FLAGS = ("admin_access", "app_access", "enforce_tfa", "ip_access")
_RULE = ("fields", "permissions", "validation", "presets")


async def load_policies(database: Database) -> Policies:
    """Everything that rights are made of, in four statements. Raises SERVICE_UNAVAILABLE."""
    tables = database.tables
    roles, permissions = tables["directus_roles"], tables["directus_permissions"]
    parent = roles.c.get("parent")
    parents = {
        row.id: row.parent
        for row in await database.fetch(
            sa.select(roles.c.id, (sa.null() if parent is None else parent).label("parent"))
        )
    }
    has_policies = "directus_policies" in tables
    if has_policies:
        policies, access = tables["directus_policies"], tables["directus_access"]
        found = [_policy(row) for row in await database.fetch(_select(policies, "id", *_FLAGS))]
        bound = await database.fetch(_select(access, "policy", "role", "user"))
        bindings = [Binding(row.policy, row.role, row.user) for row in bound]
        owner = permissions.c.policy
    else:
        found = [_policy(row) for row in await database.fetch(_select(roles, "id", *_FLAGS))]
        bindings = [Binding(policy.id, role=policy.id) for policy in found]
        found.append(Policy(EVERYBODYS))
        bindings.append(Binding(EVERYBODYS))
        owner = permissions.c.role
    columns = (permissions.c[name] for name in ("id", "collection", "action", *_RULE))
    rows = await database.fetch(sa.select(owner.label("owner"), *columns))
    return Policies(parents, found, bindings, _permissions(rows), roles_inherit=has_policies)


def _select(table: sa.Table, *names: str) -> sa.Select[Any]:
    return sa.select(*(table.c[name] for name in names))


def _policy(row: sa.Row[Any]) -> Policy:
    listed = row.ip_access or ()  # a text where the column is not the one of `directus_policies`
    entries = [entry for entry in (csv_list(listed) if isinstance(listed, str) else listed) if entry.strip()]
    return Policy(
        row.id,
        admin_access=bool(row.admin_access),
        app_access=bool(row.app_access),
        enforce_tfa=bool(row.enforce_tfa),
        addresses=Addresses(entries) if entries else None,
    )


def _permissions(rows: Sequence[sa.Row[Any]]) -> Iterator[Permission]:
    for row in rows:
        rule = rule_of(row.fields, row.permissions, row.validation, row.presets)
        if rule is None:
            _LOG.warning("Permission %s allows nothing: its rules are no JSON objects", row.id)
        else:
            yield Permission(row.id, row.owner or EVERYBODYS, row.collection, row.action, rule)
