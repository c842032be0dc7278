"""Failed logins: the budget hangs on account and address."""

import asyncio

import pytest

from tidegate.clock import ManualClock
from tidegate.errors import TidegateError
from tidegate.ratelimit.logins import ADDRESS_FACTOR, LOGIN_WINDOW, LoginLimiter
from tidegate.ratelimit.memory import MemoryRateLimiter

POINTS = 3
ADDRESS_POINTS = POINTS * ADDRESS_FACTOR


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def logins(clock: ManualClock) -> LoginLimiter:
    return LoginLimiter(MemoryRateLimiter(0, LOGIN_WINDOW, clock))


async def log_in(logins: LoginLimiter, email: str, address: str | None, outcome: str = "INVALID_CREDENTIALS") -> str:
    """The code of the answer to an attempt that comes to `outcome` when it is let through; `ok` for a good one."""
    try:
        async with logins.attempt(email, address, POINTS):
            if outcome != "ok":
                raise TidegateError(outcome)
    except TidegateError as error:
        return error.code
    return "ok"


async def refused(logins: LoginLimiter, email: str, address: str | None) -> bool:
    """Whether a bad attempt is not let through."""
    return await log_in(logins, email, address) == "REQUESTS_EXCEEDED"


async def test_account_is_limited_however_many_addresses_guess(logins: LoginLimiter) -> None:
    answers = [await refused(logins, "ada@example.com", f"203.0.113.{number}") for number in range(4)]
    assert answers == [False, False, False, True]
    assert not await refused(logins, "bob@example.com", "203.0.113.9")


async def test_address_is_limited_however_many_accounts_it_guesses(logins: LoginLimiter) -> None:
    accounts = [f"user{number}@example.com" for number in range(ADDRESS_POINTS + 1)]
    answers = [await refused(logins, account, "203.0.113.1") for account in accounts]
    assert answers == [False] * ADDRESS_POINTS + [True]
    assert not await refused(logins, "user0@example.com", "203.0.113.2")


async def test_refused_address_does_not_use_up_an_account(logins: LoginLimiter) -> None:
    for number in range(ADDRESS_POINTS):
        await log_in(logins, f"user{number}@example.com", "203.0.113.1")
    for _ in range(10):
        assert await refused(logins, "ada@example.com", "203.0.113.1")
    assert not await refused(logins, "ada@example.com", "203.0.113.2")


@pytest.mark.parametrize("outcome", ["ok", "SERVICE_UNAVAILABLE"])
async def test_attempt_that_is_not_judged_bad_costs_nothing(logins: LoginLimiter, outcome: str) -> None:
    for _ in range(ADDRESS_POINTS + 1):
        assert await log_in(logins, "ada@example.com", "203.0.113.1", outcome) == outcome


async def test_wrong_one_time_password_counts(logins: LoginLimiter) -> None:
    answers = [await log_in(logins, "ada@example.com", None, "INVALID_OTP") for _ in range(POINTS + 1)]
    assert answers == ["INVALID_OTP"] * POINTS + ["REQUESTS_EXCEEDED"]


async def test_attempt_that_is_broken_off_counts(logins: LoginLimiter) -> None:
    for _ in range(POINTS):
        with pytest.raises(asyncio.CancelledError):
            async with logins.attempt("ada@example.com", None, POINTS):
                raise asyncio.CancelledError
    assert await refused(logins, "ada@example.com", None)


async def test_attempts_at_the_same_time_count_before_any_has_ended(logins: LoginLimiter) -> None:
    looked = asyncio.Event()

    async def look() -> None:
        async with logins.attempt("ada@example.com", None, POINTS):
            await looked.wait()

    tasks = [asyncio.create_task(look()) for _ in range(10)]
    await asyncio.sleep(0)
    looked.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == POINTS


async def test_good_login_does_not_renew_the_budget_for_guessing(logins: LoginLimiter) -> None:
    for number in range(ADDRESS_POINTS - 1):
        await log_in(logins, f"user{number}@example.com", "203.0.113.1")
    assert await log_in(logins, "mallory@example.com", "203.0.113.1", "ok") == "ok"
    assert not await refused(logins, "last@example.com", "203.0.113.1")
    assert await refused(logins, "one-more@example.com", "203.0.113.1")


async def test_attempts_without_an_address_are_limited_by_account(logins: LoginLimiter) -> None:
    assert [await refused(logins, "ada@example.com", None) for _ in range(4)] == [False, False, False, True]


async def test_budget_returns_when_the_window_ends(logins: LoginLimiter, clock: ManualClock) -> None:
    for _ in range(POINTS + 1):
        await refused(logins, "ada@example.com", None)
    clock.advance(LOGIN_WINDOW)
    assert not await refused(logins, "ada@example.com", None)
