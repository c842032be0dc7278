"""Many windows in one process: the same verdicts as windows kept for ever, in bounded space."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.clock import ManualClock
from tidegate.ratelimit.base import Verdict
from tidegate.ratelimit.memory import MemoryRateLimiter
from tidegate.ratelimit.window import Window


async def test_keys_are_counted_apart() -> None:
    limiter = MemoryRateLimiter(1, 60, ManualClock())
    assert (await limiter.hit("a")).allowed
    assert (await limiter.hit("b")).allowed
    assert not (await limiter.hit("a")).allowed


async def test_points_of_one_hit_replace_those_of_the_limiter() -> None:
    limiter = MemoryRateLimiter(1, 60, ManualClock())
    await limiter.hit("a")
    assert await limiter.hit("a", points=5) == Verdict(allowed=True, limit=5, remaining=3, reset_seconds=60)


async def test_refunded_hit_can_be_made_again() -> None:
    limiter = MemoryRateLimiter(1, 60, ManualClock())
    await limiter.hit("a")
    await limiter.refund("a")
    assert (await limiter.hit("a")).allowed
    await limiter.refund("never hit")


def test_ended_windows_are_cleared_by_new_ones() -> None:
    clock = ManualClock()
    limiter = MemoryRateLimiter(1, 60, clock)
    for number in range(1000):
        limiter.hit_now(f"old {number}")
    clock.advance(60)
    for number in range(500):
        limiter.hit_now(f"new {number}")
    assert len(limiter) == 500


def test_full_limiter_lets_the_window_go_that_ends_first() -> None:
    clock = ManualClock()
    limiter = MemoryRateLimiter(1, 60, clock, max_keys=2)
    for key in ("first", "second", "third"):
        limiter.hit_now(key)
        clock.advance(1)
    assert len(limiter) == 2
    assert not limiter.hit_now("second").allowed
    assert not limiter.hit_now("third").allowed
    assert limiter.hit_now("first").allowed


def test_window_that_begins_again_is_the_last_to_go() -> None:
    clock = ManualClock()
    limiter = MemoryRateLimiter(1, 60, clock, max_keys=4)
    for key in "abcd":
        limiter.hit_now(key)
    clock.advance(60)
    for key in "cefg":
        limiter.hit_now(key)
    assert not limiter.hit_now("c").allowed


steps = st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 9)), max_size=60)


@given(steps)
def test_limiter_judges_as_one_window_per_key_would(hits: list[tuple[str, float]]) -> None:
    clock = ManualClock(0.0)
    limiter = MemoryRateLimiter(3, 10, clock)
    windows = {key: Window() for key in "abcde"}
    for key, pause in hits:
        clock.advance(pause)
        assert limiter.hit_now(key) == windows[key].hit(3, 10, clock.monotonic())


@given(steps, st.integers(1, 4))
def test_limiter_never_holds_more_than_its_bound(hits: list[tuple[str, float]], bound: int) -> None:
    clock = ManualClock(0.0)
    limiter = MemoryRateLimiter(3, 10, clock, max_keys=bound)
    for key, pause in hits:
        clock.advance(pause)
        limiter.hit_now(key)
        assert len(limiter) <= bound
