"""Who a request is, and how it gets and gives up its tokens (PROTOCOL sections 3.2 and 6)."""

from collections.abc import AsyncIterator
from http.cookies import Morsel, SimpleCookie
from pathlib import Path

import pytest

from tests.integration.http.project import MEMBER, Project, running_project

pytestmark = pytest.mark.asyncio(loop_scope="module")
ME = "/users/me?fields=email"
SESSION, REFRESH = "directus_session_token", "directus_refresh_token"


def cookies(headers: list[str]) -> dict[str, "Morsel[str]"]:
    return {name: morsel for line in headers for name, morsel in SimpleCookie(line).items()}


async def whoami(project: Project, path: str = ME, **headers: str) -> tuple[int, str]:
    """The status, and the email or the error code."""
    answer = await project.client.get(path, headers=headers)
    body = answer.json()
    project.client.cookies.clear()
    return answer.status_code, body["data"]["email"] if "data" in body else body["errors"][0]["extensions"]["code"]


async def test_server_takes_token_in_each_place(project: Project) -> None:
    login = await project.login("session")
    session = cookies(login.headers.get_list("set-cookie"))[SESSION].value
    access = (await project.login()).json()["data"]["access_token"]
    found = (200, "member@example.com")
    assert await whoami(project, authorization=f"Bearer {MEMBER}") == found
    assert await whoami(project, authorization=f"Bearer {access}") == found
    assert await whoami(project, f"{ME}&access_token={MEMBER}") == found
    assert await whoami(project, f"{ME}&access%5Ftoken={MEMBER}") == found
    assert await whoami(project, cookie=f"{SESSION}={session}") == found
    assert await whoami(project, authorization=f"Bearer {session}") == found


async def test_token_given_on_purpose_goes_before_cookie(project: Project) -> None:
    assert await whoami(project, authorization=f"Bearer {MEMBER}", cookie=f"{SESSION}=bad") == (
        200,
        "member@example.com",
    )


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        (ME, {}, (401, "INVALID_CREDENTIALS")),
        (ME, {"authorization": "Basic bWU6cHc="}, (401, "INVALID_CREDENTIALS")),
        ("/items/messages", {"authorization": "Bearer nope"}, (401, "INVALID_CREDENTIALS")),
        ("/items/messages", {"authorization": "Bearer"}, (401, "INVALID_CREDENTIALS")),
        ("/items/messages", {"authorization": "Bearer eyJ.eyJ.x"}, (401, "INVALID_CREDENTIALS")),
        ("/items/messages", {"cookie": f"{SESSION}=nope"}, (401, "INVALID_CREDENTIALS")),
        ("/items/messages?access_token=", {}, (401, "INVALID_CREDENTIALS")),
        ("/items/messages?access_token=suspended-static-token", {}, (401, "INVALID_CREDENTIALS")),
        (f"/items/messages?access_token={MEMBER}", {"authorization": f"Bearer {MEMBER}"}, (400, "INVALID_PAYLOAD")),
        (f"/items/messages?access_token={MEMBER}&access_token={MEMBER}", {}, (400, "INVALID_PAYLOAD")),
    ],
)
async def test_server_refuses_token(
    project: Project, path: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert await whoami(project, path, **headers) == expected


async def test_nobody_reads_with_public_rights(project: Project) -> None:
    status, body = await project.ask("GET", "/items/messages?limit=1", token=None)
    assert (status, set(body["data"][0])) == (200, {"id", "text"})


async def test_expired_token_is_told_apart(tmp_path: Path) -> None:
    async with running_project(tmp_path, {"ACCESS_TOKEN_TTL": "4s"}) as project:
        login = await project.client.post(
            "/auth/login", json={"email": "admin@example.com", "password": "admin-password"}
        )
        bearer = f"Bearer {login.json()['data']['access_token']}"
        project.clock.advance(3.9)
        assert (await whoami(project, authorization=bearer))[0] == 200
        project.clock.advance(0.1)
        assert await whoami(project, authorization=bearer) == (401, "TOKEN_EXPIRED")


async def test_login_hands_tokens_over_by_mode(project: Project) -> None:
    handed = {mode: await project.login(mode) for mode in ("json", "cookie", "session")}
    project.client.cookies.clear()
    assert {mode: set(answer.json()["data"]) for mode, answer in handed.items()} == {
        "json": {"access_token", "expires", "refresh_token"},
        "cookie": {"access_token", "expires"},
        "session": {"expires"},
    }
    assert {mode: set(cookies(answer.headers.get_list("set-cookie"))) for mode, answer in handed.items()} == {
        "json": set(),
        "cookie": {REFRESH},
        "session": {SESSION},
    }
    assert [answer.json()["data"]["expires"] for answer in handed.values()] == [900_000, 900_000, 86_400_000]


async def test_cookies_have_flags_of_settings(tmp_path: Path) -> None:
    environ = {
        "SESSION_COOKIE_NAME": "s",
        "SESSION_COOKIE_DOMAIN": "example.com",
        "SESSION_COOKIE_SECURE": "true",
        "SESSION_COOKIE_SAME_SITE": "none",
        "SESSION_COOKIE_TTL": "2h",
        "REFRESH_TOKEN_COOKIE_NAME": "r",
        "REFRESH_TOKEN_COOKIE_SAME_SITE": "strict",
        "REFRESH_TOKEN_TTL": "3d",
    }
    body = {"email": "admin@example.com", "password": "admin-password"}
    async with running_project(tmp_path, environ) as project:
        morsels: dict[str, Morsel[str]] = {}
        for mode in ("session", "cookie"):
            answer = await project.client.post("/auth/login", json={**body, "mode": mode})
            morsels |= cookies(answer.headers.get_list("set-cookie"))
    names = ("domain", "secure", "samesite", "httponly", "max-age", "path")
    assert {name: [morsel[flag] for flag in names] for name, morsel in morsels.items()} == {
        "s": ["example.com", True, "none", True, "7200", "/"],
        "r": ["", "", "strict", True, "259200", "/"],
    }


async def test_refresh_token_in_body_is_good_once(project: Project) -> None:
    token = (await project.login()).json()["data"]["refresh_token"]
    first = await project.client.post("/auth/refresh", json={"refresh_token": token})
    again = await project.client.post("/auth/refresh", json={"refresh_token": token})
    assert (first.status_code, set(first.json()["data"])) == (200, {"access_token", "expires", "refresh_token"})
    assert again.status_code == 401


@pytest.mark.parametrize("body", [None, {}, {"mode": "cookie"}])
async def test_refresh_token_in_cookie_comes_back_in_cookie(project: Project, body: object) -> None:
    token = cookies((await project.login("cookie")).headers.get_list("set-cookie"))[REFRESH].value
    answer = (
        await project.client.post("/auth/refresh", json=body) if body else await project.client.post("/auth/refresh")
    )
    project.client.cookies.clear()
    renewed = cookies(answer.headers.get_list("set-cookie"))[REFRESH].value
    assert (answer.status_code, set(answer.json()["data"])) == (200, {"access_token", "expires"})
    assert renewed not in ("", token)


async def test_session_in_cookie_is_renewed(project: Project) -> None:
    await project.login("session")
    answer = await project.client.post("/auth/refresh", json={"mode": "session"})
    assert (answer.status_code, answer.json()) == (200, {"data": {"expires": 86_400_000}})
    renewed = cookies(answer.headers.get_list("set-cookie"))[SESSION].value
    project.client.cookies.clear()
    assert await whoami(project, cookie=f"{SESSION}={renewed}") == (200, "member@example.com")


@pytest.mark.parametrize("mode", ["cookie", "session"])
async def test_logout_ends_session_of_cookie_and_clears_it(project: Project, mode: str) -> None:
    login = await project.login(mode)
    (name, before), *_ = cookies(login.headers.get_list("set-cookie")).items()
    answer = await project.client.post("/auth/logout", json={"mode": mode})
    project.client.cookies.clear()
    assert (answer.status_code, answer.content) == (204, b"")
    cleared = cookies(answer.headers.get_list("set-cookie"))[name]
    assert (cleared.value, cleared["max-age"]) == ("", "0")
    again = await project.client.post("/auth/refresh", headers={"cookie": f"{name}={before.value}"})
    assert again.status_code == 401


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
@pytest.mark.parametrize("body", [{}, {"mode": "json"}, {"mode": "cookie"}, {"mode": "session"}])
async def test_missing_refresh_token_is_named(project: Project, path: str, body: object) -> None:
    assert await project.code("POST", path, body, None) == (400, "INVALID_PAYLOAD")


async def test_cookie_is_not_turned_into_readable_tokens(project: Project) -> None:
    await project.login("cookie")
    answer = await project.client.post("/auth/refresh", json={"mode": "json"})
    project.client.cookies.clear()
    assert answer.status_code == 400


@pytest.mark.parametrize("email", ["member@example.com", "unknown@example.com", "suspended@example.com", "no address"])
async def test_failed_login_does_not_tell_accounts_apart(project: Project, email: str) -> None:
    status, body = await project.ask("POST", "/auth/login", {"email": email, "password": "wrong"}, None)
    assert (status, body) == (
        401,
        {"errors": [{"message": "Invalid user credentials.", "extensions": {"code": "INVALID_CREDENTIALS"}}]},
    )


async def test_login_ignores_token_that_has_gone_bad(project: Project) -> None:
    body = {"email": "member@example.com", "password": "member-password"}
    status, _ = await project.ask("POST", "/auth/login", body, "nope")
    assert status == 200


async def test_rights_that_end_while_the_body_arrives_are_gone(project: Project) -> None:
    user = {"email": "slow@example.com", "role": project.ids["member_role"], "token": "slow-token"}
    _, made = await project.ask("POST", "/users", user)

    async def body() -> AsyncIterator[bytes]:
        yield b'{"text":'
        await project.ask("PATCH", f"/users/{made['data']['id']}", {"status": "suspended"})
        yield b'"too late"}'

    headers = {"authorization": "Bearer slow-token", "content-type": "application/json"}
    answer = await project.client.post("/items/messages", content=body(), headers=headers)
    assert answer.status_code == 401
    _, found = await project.ask("GET", "/items/messages?filter[text][_eq]=too late")
    assert found == {"data": []}
