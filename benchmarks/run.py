"""`make bench`: every bar, measured on one machine in one run, with ratios to what nobody could be faster than.

The server has one core, the load another; PostgreSQL takes what it finds. The measurements of a round are made in turn
and repeated, each on a server that has just been started; shown are the median and the range. Ratios are those of one
repetition. A run counts only when nothing was lost, doubled, disordered or leaked; the exit code says so. That a bar is
missed is shown and no fault of the run.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

import httpx
from tests.support.engines import temporary_database
from tests.support.server import ADMIN

from benchmarks.machine import CORES, conditions, measure
from benchmarks.page import table, write
from benchmarks.scenarios import ROUNDS, USERS, Figure, Measurement, Round, right
from benchmarks.servers import Server, load, seed, started

TINY = {"n": 20, "m": 5, "c": 2, "s": 1, "k": 5}
"""The most that an option may be where only the programs are tried."""
WARMED: Sequence[Server] = ("tidegate", "one worker", "two workers")
WARMING = 8
HEAD = ["scenario", "figure", "median", "range", "bar (stretch)", "reached"]

Answers = Mapping[str, str]
"""Measurement → what its program said, of one repetition."""


async def perform(measurement: Measurement, database: str, users: int) -> str:
    async with started(measurement.server, database) as target:
        if measurement.server in WARMED:
            await warm(target.url)
        return await load(*measurement.arguments(target.url, target.pid, users))


async def warm(url: str) -> None:
    """Have it write, so that what a first write costs is not measured."""
    for _ in range(WARMING):
        async with httpx.AsyncClient(base_url=url, headers=ADMIN, timeout=60) as http:
            for path, item in (("/items/messages", {"text": "warm"}), ("/items/notes", {"title": "warm"})):
                (await http.post(path, json=item)).raise_for_status()


def wrong(round_: Round, repetitions: Sequence[Answers]) -> bool:
    """Whether anything failed or was delivered as it must not be."""
    unread = any(figure.read(answers) is None for figure in round_.figures for answers in repetitions)
    return unread or not all(right(answer) for answers in repetitions for answer in answers.values())


def row(figure: Figure, repetitions: Sequence[Answers]) -> list[str]:
    """All but the first column of `HEAD`."""
    values = [value for answers in repetitions if (value := figure.read(answers)) is not None]
    if not values:
        return [figure.name, "failed", "", "", ""]
    middle = median(values)
    spread = f"{shown(min(values))} – {shown(max(values))}" if len(values) > 1 else ""
    bar = reached = ""
    if figure.bar is not None:
        stretch = "" if figure.stretch is None else f" ({figure.stretch:g})"
        bar = f"{'≥' if figure.floor else '≤'} {figure.bar:g}{stretch}"
        reached = "yes" if figure.reached(middle) else "no"
        if figure.cores > CORES:
            reached += f" (takes {figure.cores} cores)"
    return [figure.name, f"{shown(middle)}{figure.unit}", spread, bar, reached]


def shown(value: float) -> str:
    """Three digits at least, grouped from five on."""
    return f"{value:,.0f}" if value >= 10_000 else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def smaller(round_: Round) -> Round:
    measurements = {
        name: replace(each, options={option: min(value, TINY[option]) for option, value in each.options.items()})
        for name, each in round_.measurements.items()
    }
    return replace(round_, measurements=measurements, times=1)


async def run(rounds: Sequence[Round], users: int, *, writes: bool) -> bool:
    """Measure and show; whether everything was delivered as it must be."""
    circumstances = conditions()
    print(circumstances, flush=True)
    rows, faulty = [], []
    async with temporary_database("postgresql") as database:
        print(await seed(database, users), flush=True)
        for round_ in rounds:
            repetitions = []
            for _ in range(round_.times):
                answers = {}
                for name, measurement in round_.measurements.items():
                    answers[name] = await perform(measurement, database, users)
                    print(answers[name], flush=True)
                repetitions.append(answers)
            rows += [["" if at else round_.name, *row(figure, repetitions)] for at, figure in enumerate(round_.figures)]
            if wrong(round_, repetitions):
                faulty.append(round_.name)
    figures = f"{circumstances}\n\n{table(HEAD, rows, left=2)}"
    print(f"\n{figures}\n")
    print(f"wrong or failed: {', '.join(faulty)}" if faulty else "0 lost, 0 doubled, 0 disordered, 0 leaked")
    if writes and not faulty:
        write("bars", figures)
    return not faulty


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("round", nargs="*", help="the beginning of its name; all by default")
    parser.add_argument("--tiny", action="store_true", help="try the programs: once, with next to no load")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    given = parser.parse_args()
    if given.write and (given.round or given.tiny):
        parser.error("the table is written whole: --write takes every round at its size")
    rounds = [each for each in ROUNDS if not given.round or each.name.startswith(tuple(given.round))]
    if given.tiny:
        return measure(lambda: run([smaller(each) for each in rounds], TINY["n"], writes=False))
    return measure(lambda: run(rounds, USERS, writes=given.write))


if __name__ == "__main__":
    sys.exit(main())
