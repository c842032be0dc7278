"""Revalidation rounds: every connection, and again when rights change meanwhile."""

import asyncio

from tidegate.realtime.connections import Connections


class Probe:
    """A connection that counts."""

    def __init__(self) -> None:
        self.revalidated = 0
        self.closes: list[tuple[int, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def revalidate(self) -> None:
        await self.gate.wait()
        self.revalidated += 1

    def close(self, code: int, reason: str = "") -> None:
        self.closes.append((code, reason))


class Rights:
    generation = 0


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_connections_are_revalidated_once_per_change() -> None:
    rights, probes = Rights(), [Probe() for _ in range(3)]
    connections = Connections(lambda: rights.generation)
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
    connections = Connections(lambda: rights.generation)
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


async def test_stopping_ends_the_round_and_closing_reaches_everybody() -> None:
    rights, probe = Rights(), Probe()
    connections = Connections(lambda: rights.generation)
    connections.add(probe)
    probe.gate.clear()
    rights.generation += 1
    connections.rights_changed()
    await settled()
    await connections.stop()
    connections.close_all(1001)
    assert (probe.revalidated, probe.closes, len(connections)) == (0, [(1001, "")], 1)
