"""Failed logins of a real project: as many as `directus_settings` says, known account or not."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.access.project import PASSWORD, Project, open_project
from tests.support import engines
from tidegate.access.authenticator import Authenticator
from tidegate.access.sessions import Client
from tidegate.errors import TidegateError
from tidegate.ratelimit.logins import LOGIN_WINDOW, LoginLimiter
from tidegate.ratelimit.memory import MemoryRateLimiter

MEMBER = "member@example.com"


class Door:
    """Where passwords are looked at."""

    def __init__(self, project: Project) -> None:
        self.project = project
        limiter = LoginLimiter(MemoryRateLimiter(0, LOGIN_WINDOW, project.clock))
        self._authenticator = Authenticator(
            project.database, project.directory, project.hasher, project.clock, project.settings, _no_stall, limiter
        )

    async def allow(self, attempts: int | None) -> None:
        (settings,) = await self.project.rows("settings")
        await self.project.set("settings", settings["id"], auth_login_attempts=attempts)

    async def log_in(self, password: str, email: str = MEMBER) -> str:
        """`ok`, or the code of the error."""
        try:
            await self._authenticator.by_password(email, password, None, Client("10.0.0.1"), "json")
        except TidegateError as error:
            return error.code
        return "ok"


async def _no_stall(_: float) -> None:
    pass


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with engines.temporary_database("sqlite") as url, open_project(url) as project:
        await project.user(MEMBER)
        yield Door(project)


async def test_account_that_failed_too_often_is_not_looked_at_until_the_window_ends(door: Door) -> None:
    await door.allow(3)
    assert [await door.log_in("wrong") for _ in range(4)] == ["INVALID_CREDENTIALS"] * 3 + ["REQUESTS_EXCEEDED"]
    assert await door.log_in(PASSWORD) == "REQUESTS_EXCEEDED"
    door.project.clock.advance(LOGIN_WINDOW)
    assert await door.log_in(PASSWORD) == "ok"


async def test_limit_does_not_tell_whether_an_account_exists(door: Door) -> None:
    await door.allow(2)
    for email in (MEMBER, "nobody@example.com", "not an address"):
        answers = [await door.log_in("wrong", email) for _ in range(3)]
        assert answers == ["INVALID_CREDENTIALS", "INVALID_CREDENTIALS", "REQUESTS_EXCEEDED"]


async def test_good_logins_are_not_limited(door: Door) -> None:
    await door.allow(1)
    assert [await door.log_in(PASSWORD) for _ in range(6)] == ["ok"] * 6


@pytest.mark.parametrize("attempts", [None, 0])
async def test_project_without_a_limit_has_none(door: Door, attempts: int | None) -> None:
    await door.allow(attempts)
    assert {await door.log_in("wrong") for _ in range(6)} == {"INVALID_CREDENTIALS"}
