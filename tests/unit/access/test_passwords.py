"""Password hashes, in their threads."""

import asyncio
import time

import argon2
import pytest

from tests.support.errors import error_code
from tidegate.access.passwords import PasswordHasher

OF_NODE = "$argon2id$v=19$m=65536,t=3,p=4$p7Kd2mBtiBBKX2gwBfQ1Zw$r+oc8ZcqgA5zO2ZmzfYbwZV4iVkqlvQ25QLSNVMBfMQ"
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("secret")


@pytest.fixture
async def hasher() -> PasswordHasher:
    return PasswordHasher(workers=1, waiting=1)


async def test_hash_has_the_parameters_of_directus(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("pässword")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert [len(part) for part in stored.split("$")[4:]] == [22, 43]
    assert await hasher.verify(stored, "pässword")
    assert not await hasher.verify(stored, "password")


@pytest.mark.parametrize("kind", [argon2.Type.ID, argon2.Type.I, argon2.Type.D])
async def test_hash_of_other_parameters_is_verified(hasher: PasswordHasher, kind: argon2.Type) -> None:
    stored = argon2.PasswordHasher(time_cost=2, memory_cost=64, parallelism=1, type=kind).hash("secret")
    assert await hasher.verify(stored, "secret")
    assert not await hasher.verify(stored, "Secret")


@pytest.mark.parametrize(
    "stored", [None, "", "secret", "$2b$12$" + "a" * 53, "$argon2id$v=19$m=65536,t=3,p=4$xx", OF_NODE[:-2]]
)
async def test_no_hash_costs_as_much_as_a_wrong_one(hasher: PasswordHasher, stored: str | None) -> None:
    """An answer that comes sooner would tell which addresses exist."""
    good = await hasher.hash("x")
    wrong_started = time.process_time()
    assert not await hasher.verify(good, "secret")
    wrong = time.process_time() - wrong_started
    none_started = time.process_time()
    assert not await hasher.verify(stored, "secret")
    assert time.process_time() - none_started > wrong / 4


async def test_half_a_surrogate_pair_is_a_password(hasher: PasswordHasher) -> None:
    assert not await hasher.verify(CHEAP, "\ud800")
    assert await hasher.verify(await hasher.hash("\ud800"), "\ud800")


async def test_loop_goes_on_while_hashes_run_and_more_are_refused(hasher: PasswordHasher) -> None:
    running = [asyncio.ensure_future(hasher.hash("x")) for _ in range(2)]
    await asyncio.sleep(0)
    with error_code("SERVICE_UNAVAILABLE"):
        await hasher.hash("x")
    assert not any(each.done() for each in running)
    await asyncio.gather(*running)
    assert await hasher.verify(CHEAP, "secret")


async def test_client_that_leaves_gives_its_place_back(hasher: PasswordHasher) -> None:
    running, waiting = (asyncio.ensure_future(hasher.hash("x")) for _ in range(2))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    another = asyncio.ensure_future(hasher.hash("x"))
    await asyncio.gather(running, another)


async def test_stop_drops_what_waits(hasher: PasswordHasher) -> None:
    running, waiting = (asyncio.ensure_future(hasher.hash("x")) for _ in range(2))
    await asyncio.sleep(0)
    hasher.stop()
    results = await asyncio.gather(running, waiting, return_exceptions=True)
    assert isinstance(results[0], str)
    assert isinstance(results[1], asyncio.CancelledError)
