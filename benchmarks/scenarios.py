"""What is measured and which bar it is held against: calls of programs that load, and how their answers are read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.servers import Server

FAULTS = re.compile(r"(-?\d+) lost (\d+) doubled (\d+) disordered (\d+) leaked")
"""What a delivering program says of its correctness; every number must be 0."""
DELIVERIES = r"([\d.]+) deliveries/s"
P99 = r"p99 ([\d.]+) ms"
USERS = 10_000


def find(pattern: str, answer: str) -> float | None:
    """The figure that a pattern finds in an answer."""
    found = re.search(pattern, answer)
    return float(found[1]) if found else None


def right(answer: str) -> bool:
    """Whether nothing was lost, doubled, disordered or leaked."""
    return not any(int(number) for faults in FAULTS.findall(answer) for number in faults)


@dataclass(frozen=True)
class Measurement:
    """One call of a program that loads."""

    server: Server
    program: str
    """Its module in this folder and the words that come before the URL."""
    options: Mapping[str, int]

    def arguments(self, url: str, pid: int, users: int) -> list[str]:
        """The module and what it is called with."""
        options = [word for option, value in self.options.items() for word in (f"-{option}", str(value))]
        module, *words = self.program.split()
        known = ["--users", str(users), "--pid", str(pid)] if module == "yardstick" else []
        return [module, *words, url, *options, *known]


@dataclass(frozen=True)
class Figure:
    """A number in an answer, or its ratio to one of another measurement of the same round."""

    name: str
    of: str
    """The measurement that says it."""
    pattern: str
    unit: str = ""
    per: tuple[str, str] | None = None
    """The measurement and pattern of what it is divided by."""
    bar: float | None = None
    stretch: float | None = None
    floor: bool = True
    """Whether the bar is to be reached or not to be passed."""
    cores: int = 1
    """How many the bar takes."""

    def read(self, answers: Mapping[str, str]) -> float | None:
        """From one repetition: measurement → what it said. None where it failed."""
        value = find(self.pattern, answers[self.of])
        if self.per is None or value is None:
            return value
        other = find(self.per[1], answers[self.per[0]])
        return value / other if other else None

    def reached(self, value: float) -> bool:
        """Against the bar, if there is one."""
        return self.bar is None or (value >= self.bar if self.floor else value <= self.bar)


@dataclass(frozen=True)
class Round:
    """Measurements that compare with one another: made in turn, again and again."""

    name: str
    measurements: Mapping[str, Measurement]
    figures: Sequence[Figure]
    times: int = 3


def yardstick(what: str, server: Server = "tidegate", **options: int) -> Measurement:
    return Measurement(server, f"yardstick {what}", options)


def shared(n: int, m: int, bar: float, stretch: float | None = None) -> Round:
    """One answer for n subscribers, and the same frames from a broadcaster that does nothing else."""
    return Round(
        f"shared -n {n}",
        {"bare": yardstick("bare", "bare sockets", n=n, m=m), "shared": yardstick("shared", n=n, m=m)},
        [
            Figure("deliveries", "shared", DELIVERIES, "/s"),
            Figure("bare broadcaster", "bare", DELIVERIES, "/s"),
            Figure("ratio", "shared", DELIVERIES, per=("bare", DELIVERIES), bar=bar, stretch=stretch),
        ],
    )


def statements(k: int) -> Round:
    """500 plain subscribers in k groups, in a process that does not write."""
    said = r"statements: ([\d.]+) for"
    said_without = r"row, ([\d.]+) for an event without"
    return Round(
        f"statements, k = {k}",
        {"counted": Measurement("database", "statements", {"n": 500, "k": k, "m": 20})},
        [
            Figure("an event with its row", "counted", said, bar=0, floor=False),
            Figure("an event without", "counted", said_without, bar=k, floor=False),
        ],
        times=1,
    )


ROUNDS: Sequence[Round] = [
    shared(2000, 50, bar=0.8, stretch=1.0),
    shared(500, 100, bar=0.6),
    Round(
        "private",
        {
            "-n 10": yardstick("private", n=10, m=500),
            "-n 500": yardstick("private", n=500, m=500),
            "-n 10000": yardstick("private", n=10_000, m=500),
        },
        [
            Figure("p99, -n 10", "-n 10", P99, " ms"),
            Figure("p99, -n 500", "-n 500", P99, " ms", bar=15, floor=False),
            Figure("p99, -n 500 to -n 10", "-n 500", P99, per=("-n 10", P99), bar=1.5, floor=False),
            Figure("p99, -n 10000", "-n 10000", P99, " ms", bar=30, floor=False),
        ],
    ),
    Round(
        "idle -n 10000",
        {"idle": yardstick("idle", n=10_000)},
        [
            Figure("connect, authenticate, subscribe", "idle", r"([\d.]+) connect", "/s", bar=1500, stretch=2500),
            Figure("memory before", "idle", r"base ([\d.]+) MiB", " MiB", bar=90, floor=False),
            Figure("memory of a connection", "idle", r"\+([\d.]+) KiB", " KiB", bar=28, stretch=20, floor=False),
        ],
    ),
    Round(
        "ops",
        {
            "echo": Measurement("bare sockets", "asking echo", {"c": 16, "s": 3}),
            "ops": yardstick("ops", c=16, s=3),
            "ceiling": Measurement("bare http", "asking http", {"c": 16, "s": 3}),
            "http": Measurement("tidegate", "asking http", {"c": 16, "s": 3}),
        },
        [
            Figure("WebSocket read by id", "ops", r"ws read by id: ([\d.]+)/s", "/s", bar=2500, stretch=5000),
            Figure("WebSocket read of 20", "ops", r"ws read 20: ([\d.]+)/s", "/s"),
            Figure("WebSocket create", "ops", r"ws create: ([\d.]+)/s", "/s", bar=1200, stretch=2000),
            Figure("bare WebSocket answer", "echo", r"echo: ([\d.]+)/s", "/s"),
            Figure("HTTP read of 20", "http", r"http: ([\d.]+)/s", "/s", bar=1200, stretch=2500),
            Figure("bare HTTP answer as long", "ceiling", r"http: ([\d.]+)/s", "/s"),
            Figure("HTTP read of 20, yardstick's client", "ops", r"http read 20: ([\d.]+)/s", "/s"),
            Figure("login", "ops", r"login: ([\d.]+)/s", "/s"),
        ],
    ),
    Round(
        "slow reader among 500",
        {
            "without": Measurement("tidegate", "slow_reader without", {"n": 500, "m": 400}),
            "with": Measurement("tidegate", "slow_reader with", {"n": 500, "m": 400}),
        },
        [
            Figure("p99 without", "without", P99, " ms"),
            Figure("p99 with", "with", P99, " ms"),
            Figure("ratio", "with", P99, per=("without", P99), bar=1.1, floor=False),
            Figure("code of its close", "with", r"closed with (\d+)", bar=1013),
        ],
        times=5,
    ),
    statements(1),
    statements(10),
    statements(50),
    Round(
        "two workers, shared -n 1000",
        {
            "one": yardstick("shared", "one worker", n=1000, m=100),
            "two": yardstick("shared", "two workers", n=1000, m=100),
        },
        [
            Figure("deliveries, one", "one", DELIVERIES, "/s"),
            Figure("deliveries, two", "two", DELIVERIES, "/s"),
            Figure("ratio", "two", DELIVERIES, per=("one", DELIVERIES), bar=1.5, cores=4),
        ],
    ),
    Round(
        "graphql -n 100",
        {"graphql": yardstick("graphql", n=100, m=50)},
        [Figure("deliveries", "graphql", DELIVERIES, "/s")],
    ),
]
