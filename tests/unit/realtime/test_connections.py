"""Revalidation rounds: every connection, and again when rights change meanwhile."""

import asyncio
from collections.abc import Sequence

import pytest

from tidegate.access.identity import Identity, Public
from tidegate.errors import TidegateError
from tidegate.realtime.connections import BATCH, Connections


class Probe:
    """A connection that counts."""

    def __init__(self) -> None:
        self.revalidated = 0
        self.missed: list[int] = []
        """How often it had been revalidated, each time that it was told of missed changes."""
        self.closes: list[tuple[int, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.identity = Public()

    async def revalidate(self) -> None:
        await self.gate.wait()
        self.revalidated += 1

    def changes_missed(self) -> None:
        self.missed.append(self.revalidated)

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


async def round_begun() -> tuple[Connections, Rights, Probe]:
    """One connection, whose revalidation waits at its gate."""
    rights, probe = Rights(), Probe()
    connections = Connections(rights)
    connections.add(probe)
    probe.gate.clear()
    rights.generation += 1
    connections.rights_changed()
    await settled()
    return connections, rights, probe


async def test_change_during_a_round_leads_to_another_round() -> None:
    connections, rights, probe = await round_begun()
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
    connections, _, probe = await round_begun()
    await connections.stop()
    connections.close_all(1001)
    assert (probe.revalidated, probe.closes, len(connections)) == (0, [(1001, "")], 1)


async def test_connections_are_told_of_missed_changes_after_their_rights_were_looked_at() -> None:
    rights, probe = Rights(), Probe()
    connections = Connections(rights)
    connections.add(probe)
    rights.generation += 1
    probe.gate.clear()
    connections.changes_missed()
    await settled()
    assert probe.missed == []
    probe.gate.set()
    await settled()
    assert probe.missed == [1]
    connections.changes_missed()
    await settled()
    assert probe.missed == [1, 1]


async def test_drained_connections_are_closed_evenly_over_the_time() -> None:
    connections, probes = Connections(Rights()), [Probe() for _ in range(50)]
    for probe in probes:
        connections.add(probe)
    closed: list[int] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        for probe in probes:
            if probe.closes:
                connections.remove(probe)
        closed.append(sum(bool(probe.closes) for probe in probes))

    await connections.drain(1012, 1.0, sleep)
    assert closed == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]
    assert sum(slept) == pytest.approx(1.0)
    assert [probe.closes for probe in probes] == [[(1012, "")]] * 50
    assert len(connections) == 0


async def test_draining_nobody_takes_no_time() -> None:
    async def sleep(_: float) -> None:
        pytest.fail("there is nobody to wait for")

    await Connections(Rights()).drain(1012, 10.0, sleep)
