"""What the connections of the endpoint work with."""

import asyncio
from dataclasses import dataclass, field

from tidegate.query.model import Limits
from tidegate.realtime import shell
from tidegate.realtime.dispatch import Dispatcher
from tidegate.realtime.machine import Rules
from tidegate.websocket.items import ItemsPerformer

_RESUBSCRIBING = 4
"""Connections that begin anew together after changes were missed; the database serves others besides."""


@dataclass(frozen=True, slots=True)
class Services(shell.Services):
    """One for all connections."""

    dispatcher: Dispatcher
    items: ItemsPerformer
    limits: Limits
    rules: Rules
    subscription_limit: int
    """How many one connection may hold."""
    resubscribing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_RESUBSCRIBING))
