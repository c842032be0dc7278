"""Pauses between attempts."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from tidegate.messenger.backoff import MOST_SECONDS, backoff


def test_pauses_grow_to_their_bound() -> None:
    assert list(islice(backoff(lambda: 1.0), 8)) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, MOST_SECONDS, MOST_SECONDS]


@given(st.lists(st.floats(0, 1), min_size=20, max_size=20))
def test_chance_scatters_each_pause_between_half_and_all_of_it(chances: list[float]) -> None:
    numbers = iter(chances)
    scattered = list(islice(backoff(lambda: next(numbers)), 20))
    longest = list(islice(backoff(lambda: 1.0), 20))
    assert all(full / 2 <= pause <= full for pause, full in zip(scattered, longest, strict=True))
