"""Failed logins: the budget hangs on account and address."""

import pytest

from tidegate.clock import ManualClock
from tidegate.errors import TidegateError
from tidegate.ratelimit.logins import LOGIN_WINDOW, LoginLimiter
from tidegate.ratelimit.memory import MemoryRateLimiter

POINTS = 3


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def logins(clock: ManualClock) -> LoginLimiter:
    return LoginLimiter(MemoryRateLimiter(0, LOGIN_WINDOW, clock))


async def refused(logins: LoginLimiter, email: str, address: str | None) -> bool:
    try:
        await logins.attempt(email, address, POINTS)
    except TidegateError as error:
        return error.code == "REQUESTS_EXCEEDED"
    return False


async def test_account_is_limited_however_many_addresses_guess(logins: LoginLimiter) -> None:
    answers = [await refused(logins, "ada@example.com", f"203.0.113.{number}") for number in range(4)]
    assert answers == [False, False, False, True]
    assert not await refused(logins, "bob@example.com", "203.0.113.9")


async def test_address_is_limited_however_many_accounts_it_guesses(logins: LoginLimiter) -> None:
    answers = [await refused(logins, f"user{number}@example.com", "203.0.113.1") for number in range(4)]
    assert answers == [False, False, False, True]
    assert not await refused(logins, "user0@example.com", "203.0.113.2")


async def test_refused_address_does_not_use_up_an_account(logins: LoginLimiter) -> None:
    for number in range(POINTS):
        await logins.attempt(f"user{number}@example.com", "203.0.113.1", POINTS)
    for _ in range(10):
        assert await refused(logins, "ada@example.com", "203.0.113.1")
    assert not await refused(logins, "ada@example.com", "203.0.113.2")


async def test_good_logins_cost_nothing(logins: LoginLimiter) -> None:
    for _ in range(10):
        await logins.attempt("ada@example.com", "203.0.113.1", POINTS)
        await logins.succeeded("ada@example.com", "203.0.113.1")


async def test_good_login_does_not_renew_the_budget_for_guessing(logins: LoginLimiter) -> None:
    for number in range(POINTS - 1):
        await logins.attempt(f"user{number}@example.com", "203.0.113.1", POINTS)
    await logins.attempt("mallory@example.com", "203.0.113.1", POINTS)
    await logins.succeeded("mallory@example.com", "203.0.113.1")
    assert not await refused(logins, "user8@example.com", "203.0.113.1")
    assert await refused(logins, "user9@example.com", "203.0.113.1")


async def test_attempts_without_an_address_are_limited_by_account(logins: LoginLimiter) -> None:
    assert [await refused(logins, "ada@example.com", None) for _ in range(4)] == [False, False, False, True]


async def test_budget_returns_when_the_window_ends(logins: LoginLimiter, clock: ManualClock) -> None:
    for _ in range(POINTS + 1):
        await refused(logins, "ada@example.com", None)
    clock.advance(LOGIN_WINDOW)
    assert not await refused(logins, "ada@example.com", None)
