"""What is measured and which bar it is held against: calls of the yardstick, and how their answers are read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FAULTS = re.compile(r"(\d+) lost (\d+) doubled (\d+) disordered (\d+) leaked")
"""What a delivering scenario says of its correctness; every number must be 0."""
DELIVERIES = r"([\d.]+) deliveries/s"
P99 = r"p99 ([\d.]+) ms"


@dataclass(frozen=True)
class Figure:
    """A number in the yardstick's answer, and the bar that it must reach (`floor`) or stay below."""

    name: str
    pattern: str
    unit: str
    bar: float | None = None
    floor: bool = True
    compared_with: str | None = None
    """The scenario by whose first figure it is divided before the bar is applied."""

    def read(self, answer: str) -> float | None:
        found = re.search(self.pattern, answer)
        return float(found[1]) if found else None

    def reached(self, value: float) -> bool:
        return self.bar is None or (value >= self.bar if self.floor else value <= self.bar)


@dataclass(frozen=True)
class Scenario:
    """One call of the yardstick."""

    what: str
    options: Mapping[str, int]
    figures: Sequence[Figure]

    @property
    def name(self) -> str:
        return " ".join([self.what, *self.arguments])

    @property
    def arguments(self) -> list[str]:
        return [word for option, value in self.options.items() for word in (f"-{option}", str(value))]


def bare(n: int, m: int) -> Scenario:
    """The ceiling: a broadcaster that does nothing else."""
    return Scenario("bare", {"n": n, "m": m}, [Figure("deliveries", DELIVERIES, "/s")])


def shared(n: int, m: int, bar: float) -> Scenario:
    ceiling = bare(n, m).name
    return Scenario("shared", {"n": n, "m": m}, [Figure("deliveries", DELIVERIES, "/s", bar, compared_with=ceiling)])


def private(n: int, *more: Figure) -> Scenario:
    return Scenario("private", {"n": n, "m": 100}, [Figure("write to client p99", P99, "ms", 15, floor=False), *more])


FEW = private(10)
SCENARIOS: Sequence[Scenario] = [
    Scenario(
        "idle",
        {"n": 2000},
        [
            Figure("connect, authenticate, subscribe", r"([\d.]+) connect\+auth\+subscribe/s", "/s", 1500),
            Figure("memory without connections", r"base ([\d.]+) MiB", "MiB", 90, floor=False),
            Figure("memory of a connection", r"\+([\d.]+) KiB a connection", "KiB", 28, floor=False),
        ],
    ),
    bare(500, 100),
    shared(500, 100, bar=0.6),
    bare(2000, 50),
    shared(2000, 50, bar=0.8),
    FEW,
    private(500, Figure("growth of the p99 from n=10", P99, "ms", 1.5, floor=False, compared_with=FEW.name)),
    Scenario("graphql", {"n": 100, "m": 50}, [Figure("deliveries", DELIVERIES, "/s")]),
    Scenario(
        "ops",
        {"c": 16, "s": 3},
        [
            Figure("read by id", r"ws read by id: ([\d.]+)/s", "/s", 2500),
            Figure("read 20 rows", r"ws read 20: ([\d.]+)/s", "/s"),
            Figure("create", r"ws create: ([\d.]+)/s", "/s", 1200),
            Figure("read 20 rows over HTTP", r"http read 20: ([\d.]+)/s", "/s", 1200),
            Figure("login", r"login: ([\d.]+)/s", "/s"),
        ],
    ),
]
