"""The arithmetic of one window."""

import pytest

from tidegate.ratelimit.base import Verdict
from tidegate.ratelimit.window import Window


def test_window_starts_at_its_first_hit_and_is_not_aligned_to_the_clock() -> None:
    window = Window()
    assert window.hit(2, 60, now=1000.75) == Verdict(allowed=True, limit=2, remaining=1, reset_seconds=60)
    assert window.hit(2, 60, now=1060.5) == Verdict(allowed=True, limit=2, remaining=0, reset_seconds=0.25)


@pytest.mark.parametrize(("hits", "allowed", "remaining"), [(1, True, 2), (3, True, 0), (4, False, 0), (9, False, 0)])
def test_window_allows_as_many_hits_as_it_has_points(hits: int, allowed: bool, remaining: int) -> None:
    window = Window()
    for _ in range(hits - 1):
        window.hit(3, 10, now=5.0)
    assert window.hit(3, 10, now=5.0) == Verdict(allowed, 3, remaining, 10)


def test_refused_hit_does_not_prolong_the_window() -> None:
    window = Window()
    window.hit(1, 10, now=0.0)
    assert not window.hit(1, 10, now=9.9).allowed
    assert window.hit(1, 10, now=10.0) == Verdict(allowed=True, limit=1, remaining=0, reset_seconds=10)


def test_window_without_points_allows_nothing() -> None:
    assert not Window().hit(0, 10, now=0.0).allowed


def test_refund_gives_one_hit_back_while_the_window_runs() -> None:
    window = Window()
    window.hit(2, 10, now=0.0)
    window.refund(now=1.0)
    assert window.hit(2, 10, now=2.0).remaining == 1


def test_refund_after_the_window_adds_nothing_to_the_next() -> None:
    window = Window()
    window.hit(2, 10, now=0.0)
    window.refund(now=10.0)
    window.refund(now=10.0)
    assert window.hit(2, 10, now=11.0).remaining == 1
