"""The benchmarks run, and do not take a wrong delivery for a measurement. Their figures are for a quiet machine."""

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from benchmarks import page
from benchmarks.run import row, smaller, wrong
from benchmarks.scenarios import DELIVERIES, ROUNDS, Figure, shared

from tests.support import engines

ROOT = Path(__file__).parents[1]
ROUND = shared(20, 5, bar=0.5)
GOOD = {
    "bare": "bare: 1000 deliveries/s | 0 lost 0 doubled 0 disordered 0 leaked",
    "shared": "shared: 600 deliveries/s | 0 lost 0 doubled 0 disordered 0 leaked",
}


async def test_bench_measures_and_holds_against_the_bars() -> None:
    for engine in ("postgresql", "redis"):
        await engines.require(engine)
    names = ["shared -n 500", "ops", "slow reader", "statements, k = 10"]
    command = [sys.executable, "-m", "benchmarks.run", "--tiny", *names]
    running = partial(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    ended = await asyncio.to_thread(running)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 lost, 0 doubled, 0 disordered, 0 leaked" in ended.stdout
    rows = [line for line in ended.stdout.splitlines() if line.startswith("| ")]
    measured = [each for each in ROUNDS if each.name.startswith(tuple(names))]
    assert len(rows) == 2 + sum(len(each.figures) for each in measured)
    assert "| statements, k = 10 | an event with its row | 0 |  | ≤ 0 | yes |" in rows, "it does not depend on speed"


def test_round_counts_when_everything_was_delivered() -> None:
    assert not wrong(ROUND, [GOOD, GOOD])


@pytest.mark.parametrize("fault", ["1 lost", "-1 lost", "2 doubled", "1 disordered", "1 leaked"])
def test_wrong_delivery_is_no_measurement(fault: str) -> None:
    word = fault.split()[1]
    broken = {**GOOD, "shared": GOOD["shared"].replace(f"0 {word}", fault)}
    assert broken != GOOD
    assert wrong(ROUND, [GOOD, broken])


def test_program_that_failed_is_no_measurement() -> None:
    broken = {**GOOD, "bare": "Traceback (most recent call last)"}
    assert wrong(ROUND, [broken])
    assert row(ROUND.figures[1], [broken]) == ["bare broadcaster", "failed", "", "", ""]


def test_ratio_is_one_of_a_repetition_and_the_bar_is_for_its_median() -> None:
    ratio = Figure("ratio", "shared", DELIVERIES, per=("bare", DELIVERIES), bar=0.8)
    answers = [
        {"bare": f"{bare} deliveries/s", "shared": f"{ours} deliveries/s"}
        for bare, ours in ((100, 90), (1000, 850), (10, 1))
    ]
    assert row(ratio, answers) == ["ratio", "0.85", "0.1 – 0.9", "≥ 0.8", "yes"]


def test_most_that_may_be_is_a_bar_too() -> None:
    figure = Figure("p99", "a", r"p99 ([\d.]+) ms", " ms", bar=15, floor=False)
    assert row(figure, [{"a": "p99 15.0 ms"}]) == ["p99", "15 ms", "", "≤ 15", "yes"]
    assert row(figure, [{"a": "p99 15.1 ms"}])[-1] == "no"


def test_smaller_round_measures_the_same() -> None:
    for each in ROUNDS:
        assert smaller(each).measurements.keys() == each.measurements.keys()
        assert {figure.of for figure in each.figures} <= each.measurements.keys()


def test_page_keeps_what_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    page.PAGE.write_text("before\n<!-- bars -->\nold\n<!-- end of bars -->\nafter\n")
    page.write("bars", page.table(["what", "how much"], [["a", "1"]], left=1))
    written = "| what | how much |\n| :-- | --: |\n| a | 1 |"
    assert page.PAGE.read_text() == f"before\n<!-- bars -->\n\n{written}\n\n<!-- end of bars -->\nafter\n"
    with pytest.raises(ValueError, match="no part 'growth'"):
        page.write("growth", "")


def test_page_has_the_parts_that_are_written() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    for part in ("bars", "growth"):
        assert text.index(f"<!-- {part} -->") < text.index(f"<!-- end of {part} -->")
