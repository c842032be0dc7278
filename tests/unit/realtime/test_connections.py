"""Revalidation rounds: every connection, and again when rights change meanwhile."""

import asyncio
from collections.abc import Sequence

from tidegate.access.identity import Identity, Public
from tidegate.errors import TidegateError
from tidegate.realtime.connections import BATCH, Connections


class Probe:
    """A connection that counts."""

    def __init__(self) -> None:
        self.revalidated = 0
        self.closes: list[tuple[int, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.identity = Public()

    async def revalidate(self) -> None:
        await self.gate.wait()
        self.revalidated += 1

    def close(self, code: int, reason: str = "") -> None:
        self.closes.append((code, reason))


class Rights:
    """A directory that counts."""

    def __init__(self) -> None:
        self.generation = 0
        self.read: list[list[Identity]] = []
        self.away = False

    async def read_ahead(self, identities: Sequence[Identity]) -> None:
        self.read.append(list(identities))
        if self.away:
            raise TidegateError("SERVICE_UNAVAILABLE")


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_connections_are_revalidated_once_per_change() -> None:
    rights, probes = Rights(), [Probe() for _ in range(3)]
    connections = Connections(rights)
    for probe in probes:
        connections.add(probe)
    connections.remove(probes[2])
    connections.rights_changed()
    await settled()
    assert [probe.revalidated for probe in probes] == [0, 0, 0]
    rights.generation += 1
    connections.rights_changed()
    connections.rights_changed()
    await settled()
    assert [probe.revalidated for probe in probes] == [1, 1, 0]


async def test_change_during_a_round_leads_to_another_round() -> None:
    rights, probe = Rights(), Probe()
    connections = Connections(rights)
    connections.add(probe)
    probe.gate.clear()
    rights.generation += 1
    connections.rights_changed()
    await settled()
    rights.generation += 1
    connections.rights_changed()
    probe.gate.set()
    await settled()
    assert probe.revalidated == 2


async def test_batch_is_read_ahead_and_looked_at_even_if_that_fails() -> None:
    rights, probes = Rights(), [Probe() for _ in range(BATCH + 1)]
    connections = Connections(rights)
    for probe in probes:
        connections.add(probe)
    rights.away = True
    rights.generation += 1
    connections.rights_changed()
    await settled()
    assert [len(read) for read in rights.read] == [BATCH, 1]
    assert {probe.revalidated for probe in probes} == {1}


async def test_stopping_ends_the_round_and_closing_reaches_everybody() -> None:
    rights, probe = Rights(), Probe()
    connections = Connections(rights)
    connections.add(probe)
    probe.gate.clear()
    rights.generation += 1
    connections.rights_changed()
    await settled()
    await connections.stop()
    connections.close_all(1001)
    assert (probe.revalidated, probe.closes, len(connections)) == (0, [(1001, "")], 1)
