"""Pauses between attempts."""

import asyncio
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from tidegate.messenger.backoff import MOST_SECONDS, Pause, backoff


def test_pauses_grow_to_their_bound() -> None:
    assert list(islice(backoff(lambda: 1.0), 8)) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, MOST_SECONDS, MOST_SECONDS]


@given(st.lists(st.floats(0, 1), min_size=20, max_size=20))
def test_chance_scatters_each_pause_between_half_and_all_of_it(chances: list[float]) -> None:
    numbers = iter(chances)
    scattered = list(islice(backoff(lambda: next(numbers)), 20))
    longest = list(islice(backoff(lambda: 1.0), 20))
    assert all(full / 2 <= pause <= full for pause, full in zip(scattered, longest, strict=True))


async def test_pause_lasts_until_its_time_or_until_it_is_ended_also_before_it_began() -> None:
    pause = Pause()
    await pause.last(0)
    pause.end()
    async with asyncio.timeout(10):
        await pause.last(3600)
    again = asyncio.create_task(pause.last(3600))
    await asyncio.sleep(0)
    assert not again.done()
    pause.end()
    async with asyncio.timeout(10):
        await again
