"""Logins, tokens and refreshing, against real databases."""

import asyncio
import base64
import logging
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import jwt
import pytest
import sqlalchemy as sa

from tests.integration.access.project import PASSWORD, SETTINGS, START, Project, another_process
from tests.support.errors import error_code
from tidegate.access import sessions as sessions_module
from tidegate.access import tokens
from tidegate.access.accounts import hash_token
from tidegate.access.authenticator import Login, Mode
from tidegate.access.identity import User
from tidegate.access.passwords import PasswordHasher
from tidegate.access.sessions import Client
from tidegate.access.settings import AccessSettings
from tidegate.access.tokens import Claims
from tidegate.clock import ManualClock
from tidegate.items.changes import Change

DAY = 86_400.0
TFA_SECRET = base64.b32encode(b"1234567890").decode()
NOT_STORABLE = ["", "\x00", "a\x00b", "\ud800", "x" * 256, "x" * 100_000, "line\nbreak"]


def claims_of(login: Login) -> dict[str, Any]:
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(login.access_token, SETTINGS.secret, ["HS256"], options=options)
    return claims


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


# Static tokens.


async def test_static_token_gives_its_user(project: Project) -> None:
    user = await project.user(token="Static-Token")
    found = await project.authenticator.by_token("Static-Token", "10.0.0.1")
    assert (found.id, found.ip, found.static, found.expires, found.session) == (user, "10.0.0.1", True, None, None)
    assert (await project.directory.rights(found)).user == user
    assert "Static-Token" not in repr(found)


async def test_other_static_token_is_refused(project: Project) -> None:
    """Some databases compare without regard to case, accents and trailing blanks."""
    await project.user(token="Static-Token")
    others = ["nope", "static-token", "STATIC-TOKEN", "Static-Token ", " Static-Token", "Státic-Token"]
    for token in [*others, *others, *NOT_STORABLE]:
        with error_code("INVALID_CREDENTIALS"):
            await project.authenticator.by_token(token, None)


async def test_static_token_may_have_the_shape_of_a_foreign_jwt(sqlite_project: Project) -> None:
    token = jwt.encode({"iss": "somebody", "sub": "me"}, SETTINGS.secret, "HS256")
    user = await sqlite_project.user(token=token)
    assert (await sqlite_project.authenticator.by_token(token, None)).id == user


@pytest.mark.parametrize("status", ["suspended", "draft", "invited"])
async def test_static_token_of_a_user_who_is_not_active_is_refused(sqlite_project: Project, status: str) -> None:
    await sqlite_project.user(token="static", status=status)
    with error_code("INVALID_CREDENTIALS"):
        await sqlite_project.authenticator.by_token("static", None)


# Passwords.


async def test_login_opens_a_session_and_gives_tokens(project: Project) -> None:
    role = await project.role("Member")
    await project.policy("member", role=role, app_access=True)
    user = await project.user("member@example.com", role=role)

    login = await project.login("member@example.com")

    now = project.clock.now()
    assert login.expires_in == 900_000
    assert login.user == User(user, "10.0.0.1", expires=START + 900, session=login.refresh_token)
    assert claims_of(login) == {
        "iss": "directus",
        "id": user,
        "role": role,
        "app_access": True,
        "admin_access": False,
        "iat": START,
        "exp": START + 900,
    }
    (session,) = await project.rows("sessions")
    assert session | {"expires": ...} == {
        "token": login.refresh_token,
        "user": user,
        "expires": ...,
        "ip": "10.0.0.1",
        "user_agent": "browser",
        "origin": "https://here",
        "share": None,
        "next_token": None,
    }
    assert seconds(session["expires"]) == START + SETTINGS.refresh_token_ttl
    (row,) = [row for row in await project.rows("users") if row["id"] == user]
    assert seconds(row["last_access"]) == START
    assert project.slept == [pytest.approx(SETTINGS.login_stall_time)]
    assert now == START + SETTINGS.login_stall_time
    assert await project.authenticator.by_token(login.access_token, "10.0.0.1") == replace(login.user, session=None)


@pytest.mark.parametrize("mode", ["json", "session"])
async def test_tokens_are_not_shown_by_accident(sqlite_project: Project, mode: Mode) -> None:
    await sqlite_project.user()
    login = await sqlite_project.login("member@example.com", mode)
    assert login.access_token not in repr(login)
    assert login.refresh_token not in repr(login)
    assert SETTINGS.secret not in repr(SETTINGS)


async def test_address_is_compared_without_regard_to_case(project: Project) -> None:
    user = await project.user("Member@example.com")
    for spelled in ("member@example.com", "Member@Example.COM", "MEMBER@EXAMPLE.COM"):
        assert (await project.login(spelled)).user.id == user


async def test_address_in_its_exact_spelling_wins_among_equal_ones(sqlite_project: Project) -> None:
    users = {email: await sqlite_project.user(email) for email in ("member@example.com", "Member@example.com")}
    for email, user in users.items():
        assert (await sqlite_project.login(email)).user.id == user
    with error_code("INVALID_CREDENTIALS"):
        await sqlite_project.login("MEMBER@example.com")


WRONG_LOGINS: Sequence[Any] = [
    pytest.param({}, "member@example.com", "wrong", id="wrong password"),
    pytest.param({}, "member@example.com", "", id="empty password"),
    pytest.param({}, "member@example.com", "\ud800", id="half a surrogate pair"),
    pytest.param({}, "nobody@example.com", PASSWORD, id="unknown address"),
    pytest.param({}, "mémber@example.com", PASSWORD, id="accent"),
    pytest.param({}, "member@example.com ", PASSWORD, id="trailing blank"),
    pytest.param({}, "member%", PASSWORD, id="pattern"),
    pytest.param({}, "member", PASSWORD, id="malformed address"),
    pytest.param({}, "", PASSWORD, id="empty address"),
    pytest.param({}, "a\x00@example.com", PASSWORD, id="NUL"),
    pytest.param({}, "\ud800@example.com", PASSWORD, id="half a surrogate pair in the address"),
    pytest.param({}, "x" * 300 + "@example.com", PASSWORD, id="long address"),
    pytest.param({"status": "suspended"}, "member@example.com", PASSWORD, id="suspended"),
    pytest.param(
        {"status": "suspended", "tfa_secret": TFA_SECRET}, "member@example.com", PASSWORD, id="suspended, tfa"
    ),
    pytest.param({"provider": "github"}, "member@example.com", PASSWORD, id="user of another provider"),
    pytest.param({"password": None}, "member@example.com", PASSWORD, id="no password"),
    pytest.param({"password": PASSWORD}, "member@example.com", PASSWORD, id="password that is no hash"),
]


@pytest.mark.parametrize(("values", "email", "password"), WRONG_LOGINS)
async def test_wrong_logins_look_the_same(
    sqlite_project: Project, values: dict[str, Any], email: str, password: str
) -> None:
    project = sqlite_project
    await project.user("member@example.com", **values)
    with error_code("INVALID_CREDENTIALS") as caught:
        await project.login(email, password=password)
    assert (caught.value.message, dict(caught.value.extensions)) == ("Invalid user credentials.", {})
    assert project.slept == [pytest.approx(SETTINGS.login_stall_time)]
    assert await project.rows("sessions") == []


async def test_other_address_is_refused(project: Project) -> None:
    await project.user("member@example.com")
    for email in ("mémber@example.com", "member@example.com ", "member%", "a\x00@example.com", "\ud800@example.com"):
        with error_code("INVALID_CREDENTIALS"):
            await project.login(email)


class SlowHasher(PasswordHasher):
    """A real one that takes a known time."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.passwords: list[str] = []
        self._clock = clock

    async def verify(self, stored: str | None, password: str) -> bool:
        self._clock.advance(0.3)
        self.passwords.append(password)
        return await super().verify(stored, password)


@pytest.mark.parametrize("email", ["member@example.com", "nobody@example.com", "malformed"])
async def test_login_verifies_once_and_stalls_for_what_is_left(sqlite_project: Project, email: str) -> None:
    project = sqlite_project
    await project.user("member@example.com")
    hasher = SlowHasher(project.clock)
    project.authenticator = project.authenticator_with(SETTINGS, hasher)
    with error_code("INVALID_CREDENTIALS"):
        await project.login(email, password="wrong")
    assert hasher.passwords == ["wrong"]
    assert project.slept == [pytest.approx(SETTINGS.login_stall_time - 0.3)]
    hasher.stop()


async def test_slow_login_is_not_stalled(sqlite_project: Project) -> None:
    project = sqlite_project
    await project.user("member@example.com")
    settings = AccessSettings(SETTINGS.secret, login_stall_time=0.2)
    hasher = SlowHasher(project.clock)
    project.authenticator = project.authenticator_with(settings, hasher)
    assert await project.login("member@example.com")
    assert project.slept == []
    hasher.stop()


async def test_hash_of_directus_is_good(sqlite_project: Project) -> None:
    await sqlite_project.user("member@example.com", password=await sqlite_project.hasher.hash("member-password"))
    assert await sqlite_project.login("member@example.com", password="member-password")


@pytest.mark.parametrize(
    ("password", "otp", "code"),
    [
        (PASSWORD, None, "INVALID_OTP"),
        (PASSWORD, "", "INVALID_OTP"),
        (PASSWORD, "000000", "INVALID_OTP"),
        ("wrong", None, "INVALID_CREDENTIALS"),
        ("wrong", "000000", "INVALID_CREDENTIALS"),
        ("wrong", "263420", "INVALID_CREDENTIALS"),
    ],
)
async def test_only_the_right_password_learns_that_a_code_is_missing(
    sqlite_project: Project, password: str, otp: str | None, code: str
) -> None:
    sqlite_project.clock.time = 30.0
    await sqlite_project.user("member@example.com", tfa_secret=TFA_SECRET)
    with error_code(code):
        await sqlite_project.login("member@example.com", password=password, otp=otp)
    assert sqlite_project.slept == [pytest.approx(SETTINGS.login_stall_time)]


async def test_right_code_logs_in_with_what_two_factors_open(sqlite_project: Project) -> None:
    project = sqlite_project
    project.clock.time = 30.0
    user = await project.user("member@example.com", tfa_secret=TFA_SECRET)
    await project.policy("strict", user=user, enforce_tfa=True, admin_access=True)
    login = await project.login("member@example.com", otp="263420")
    assert claims_of(login)["admin_access"]


async def test_what_a_client_says_of_itself_is_cut_to_fit(project: Project) -> None:
    await project.user("member@example.com")
    noise = "\x00\ud800\n" + "x" * 10_000
    await project.authenticator.by_password("member@example.com", PASSWORD, None, Client(noise, noise, noise), "json")
    (session,) = await project.rows("sessions")
    assert session["ip"] == session["user_agent"] == session["origin"] == "x" * 255


# Access tokens.


async def test_access_token_ends_when_it_says(sqlite_project: Project) -> None:
    project = sqlite_project
    await project.user()
    login = await project.login("member@example.com")
    project.clock.time = START + 899.9
    assert await project.authenticator.by_token(login.access_token, None)
    project.clock.time = START + 900
    with error_code("TOKEN_EXPIRED"):
        await project.authenticator.by_token(login.access_token, None)


async def test_access_token_of_another_secret_is_refused(sqlite_project: Project) -> None:
    user = await sqlite_project.user()
    claims = Claims(user, None, app_access=False, admin_access=True, iat=int(START), exp=int(START) + 900)
    for secret in ("another secret of thirty-two bytes", ""):
        with warnings.catch_warnings(action="ignore"), error_code("INVALID_CREDENTIALS"):
            await sqlite_project.authenticator.by_token(tokens.encode(claims, secret or "x"), None)


async def test_access_token_gives_the_rights_of_now_and_not_those_it_names(sqlite_project: Project) -> None:
    user = await sqlite_project.user()
    claims = Claims(user, "admin", app_access=True, admin_access=True, iat=int(START), exp=int(START) + 900)
    identity = await sqlite_project.authenticator.by_token(tokens.encode(claims, SETTINGS.secret), None)
    rights = await sqlite_project.directory.rights(identity)
    assert (rights.admin, rights.app, rights.role) == (False, False, None)


async def test_access_token_of_a_user_who_is_gone_or_suspended_is_refused(project: Project) -> None:
    user = await project.user()
    login = await project.login("member@example.com")
    project.directory.changed([await project.set("users", user, status="suspended")])
    with error_code("INVALID_CREDENTIALS"):
        await project.authenticator.by_token(login.access_token, None)
    project.directory.changed([await project.remove("users", user)])
    with error_code("INVALID_CREDENTIALS"):
        await project.authenticator.by_token(login.access_token, None)


async def test_short_secret_is_told_once(sqlite_project: Project, caplog: pytest.LogCaptureFixture) -> None:
    await sqlite_project.user()
    with caplog.at_level(logging.WARNING):
        sqlite_project.authenticator = sqlite_project.authenticator_with(AccessSettings("short"))
        login = await sqlite_project.login("member@example.com")
        assert await sqlite_project.authenticator.by_token(login.access_token, None)
    assert [record.getMessage() for record in caplog.records] == ["SECRET is shorter than 32 bytes: easier to guess"]


# Refreshing.


async def test_refresh_gives_new_tokens_once(project: Project) -> None:
    user = await project.user()
    first = await project.login("member@example.com")
    project.clock.advance(600)
    second = await project.refresh(first.refresh_token)
    assert second.user == User(
        user, "10.0.0.2", expires=float(int(project.clock.now()) + 900), session=second.refresh_token
    )
    assert second.refresh_token != first.refresh_token
    assert second.expires_in == 900_000
    assert await project.authenticator.by_token(second.access_token, None)
    (row,) = [row for row in await project.rows("users") if row["id"] == user]
    assert seconds(row["last_access"]) == pytest.approx(project.clock.now(), abs=1)
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh(first.refresh_token)
    third = await project.refresh(second.refresh_token)
    assert third.refresh_token not in (first.refresh_token, second.refresh_token)


async def test_used_token_is_expired_to_other_programs_on_the_database(project: Project) -> None:
    await project.user()
    first = await project.login("member@example.com")
    project.clock.advance(600)
    second = await project.refresh(first.refresh_token)
    rows = {row["token"]: row for row in await project.rows("sessions")}
    used, current = rows[first.refresh_token], rows[second.refresh_token]
    assert seconds(used["expires"]) == pytest.approx(project.clock.now(), abs=1)
    assert used["next_token"] == second.refresh_token
    assert seconds(current["expires"]) == pytest.approx(project.clock.now() + SETTINGS.refresh_token_ttl, abs=1)
    assert current["next_token"] is None


async def test_one_user_logs_in_from_many_places_at_once(project: Project) -> None:
    await project.user()
    logins = await asyncio.gather(*(project.login("member@example.com") for _ in range(12)))
    await asyncio.gather(*(project.refresh(login.refresh_token) for login in logins))
    assert len(await project.rows("sessions")) == 24


@pytest.mark.parametrize("mode", ["json", "session"])
async def test_of_many_who_use_a_token_at_once_one_wins(project: Project, mode: Mode) -> None:
    await project.user()
    login = await project.login("member@example.com", mode)
    async with another_process(project) as other:
        uses = [each.refresh(login.refresh_token, mode) for each in (project, other) for _ in range(8)]
        results = await asyncio.gather(*uses, return_exceptions=True)
    won = [result for result in results if isinstance(result, Login)]
    lost = [getattr(result, "code", result) for result in results if not isinstance(result, Login)]
    assert len(won) == 1
    assert lost == ["INVALID_CREDENTIALS"] * 15
    assert await project.refresh(won[0].refresh_token), "a client in a hurry has not cut its own line"
    assert len(await project.rows("sessions")) == 3


async def test_copy_of_a_token_cuts_the_line(project: Project) -> None:
    """RFC 9700 section 4.14.2: the thief was first, and the owner comes with the old token."""
    await project.user()
    stolen = await project.login("member@example.com")
    elsewhere = await project.login("member@example.com")
    ended: list[str] = []
    project.directory.sessions.on_end(ended.extend)
    line = [stolen.refresh_token]
    for _ in range(3):
        project.clock.advance(600)
        line.append((await project.refresh(line[-1])).refresh_token)
    project.clock.advance(600)
    generation = project.directory.generation
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh(line[1])
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh(line[3])
    assert ended == [hash_token(token) for token in line[1:]]
    assert project.directory.generation > generation
    assert await project.refresh(elsewhere.refresh_token), "another login of the same user goes on"


async def test_client_that_repeats_itself_cuts_nothing(project: Project) -> None:
    await project.user()
    first = await project.login("member@example.com")
    second = await project.refresh(first.refresh_token)
    project.clock.advance(sessions_module.GRACE - 1)
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh(first.refresh_token)
    assert await project.refresh(second.refresh_token)


async def test_line_that_is_cut_while_it_grows_is_cut_to_its_end(postgresql_project: Project) -> None:
    """The thief uses the token at the very moment at which the owner's old one gives the theft away."""
    project = postgresql_project
    user = await project.user()
    first = await project.login("member@example.com")
    second = await project.refresh(first.refresh_token)
    project.clock.advance(sessions_module.GRACE + 1)
    sessions = project.table("sessions")
    waiting = (
        "SELECT count(*) AS locks FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with project.database.transaction() as thief:
        use = {"next_token": "third", "expires": "2023-11-14T22:13:20.000Z"}
        await thief.execute(sa.update(sessions).where(sessions.c.token == second.refresh_token).values(use))
        successor = {"token": "third", "user": user, "expires": "2040-01-01T00:00:00.000Z"}
        await thief.execute(sa.insert(sessions).values(successor))
        owner = asyncio.ensure_future(project.refresh(first.refresh_token))
        async with asyncio.timeout(20):
            while not (await project.database.fetch(sa.text(waiting)))[0].locks:
                pass
    with error_code("INVALID_CREDENTIALS"):
        await owner
    assert await project.rows("sessions") == []


async def test_unknown_refresh_token_is_refused(project: Project) -> None:
    await project.user()
    await project.login("member@example.com")
    for token in ["nope", "x" * 64, "x" * 65, "' OR 1=1 --", "a%", *NOT_STORABLE]:
        with error_code("INVALID_CREDENTIALS"):
            await project.refresh(token)
        await project.authenticator.logout(token)
    assert len(await project.rows("sessions")) == 1


async def test_refresh_token_in_another_case_is_another_token(project: Project) -> None:
    await project.user()
    login = await project.login("member@example.com")
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh(login.refresh_token.swapcase())
    await project.authenticator.logout(login.refresh_token.swapcase())
    assert await project.refresh(login.refresh_token)


async def test_session_that_has_expired_is_not_refreshed(project: Project) -> None:
    await project.user()
    login = await project.login("member@example.com")
    project.clock.time = START + SETTINGS.refresh_token_ttl + 1
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh(login.refresh_token)
    assert len(await project.rows("sessions")) == 1, "old age is no theft"


async def test_suspended_user_cannot_refresh_and_keeps_the_token(sqlite_project: Project) -> None:
    project = sqlite_project
    user = await project.user()
    login = await project.login("member@example.com")
    project.directory.changed([await project.set("users", user, status="suspended")])
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh(login.refresh_token)
    project.directory.changed([await project.set("users", user, status="active")])
    assert await project.refresh(login.refresh_token)


async def test_session_of_a_share_is_not_refreshed(sqlite_project: Project) -> None:
    await sqlite_project.add("sessions", token="s" * 64, user=None, expires="2040-01-01T00:00:00.000Z")
    with error_code("INVALID_CREDENTIALS"):
        await sqlite_project.refresh("s" * 64)


async def test_open_session_of_directus_is_refreshed(sqlite_project: Project) -> None:
    user = await sqlite_project.user()
    await sqlite_project.add(
        "sessions", token="V1StGXR8_Z5jdHi6B-my" * 3, user=user, expires="2040-01-01T00:00:00.000Z"
    )
    assert (await sqlite_project.refresh("V1StGXR8_Z5jdHi6B-my" * 3)).user.id == user


async def test_session_that_directus_has_just_replaced_is_left_alone(sqlite_project: Project) -> None:
    """Such a row goes on for a moment, and names its successor."""
    project = sqlite_project
    user = await project.user()
    await project.add("sessions", token="new", user=user, expires="2040-01-01T00:00:00.000Z")
    soon = datetime.fromtimestamp(START + 5).astimezone().isoformat()
    await project.add("sessions", token="old", user=user, expires=soon, next_token="new")
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh("old", "session")
    assert await project.refresh("new", "session")


async def test_database_without_next_token_has_tokens_that_are_good_once(sqlite_project: Project) -> None:
    project = sqlite_project
    await project.user()
    async with project.database.transaction() as transaction:
        await transaction.execute(sa.text("ALTER TABLE directus_sessions DROP COLUMN next_token"))
    await project.database.reload()
    login = await project.login("member@example.com")
    results = await asyncio.gather(*(project.refresh(login.refresh_token) for _ in range(4)), return_exceptions=True)
    (won,) = [result for result in results if isinstance(result, Login)]
    project.clock.advance(sessions_module.GRACE + 1)
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh(login.refresh_token)
    assert await project.refresh(won.refresh_token)
    assert len(await project.rows("sessions")) == 1


async def test_rows_of_ended_sessions_are_removed_in_the_end(project: Project) -> None:
    await project.user()
    old = await project.login("member@example.com")
    project.clock.advance(600)
    kept = await project.refresh(old.refresh_token)
    project.clock.advance(DAY - 700)
    await project.login("member@example.com")
    assert {old.refresh_token, kept.refresh_token} < {row["token"] for row in await project.rows("sessions")}
    project.clock.advance(sessions_module.SWEEP_PERIOD)
    await project.login("member@example.com")
    left = {row["token"] for row in await project.rows("sessions")}
    assert old.refresh_token not in left
    assert kept.refresh_token in left


# Session tokens.


async def test_logout_right_after_a_refresh_ends_what_came_with_the_old_cookie(project: Project) -> None:
    """The old session lingers for requests under way, and nobody would be told when that is over."""
    await project.user()
    first = await project.login("member@example.com", "session")
    socket = await project.authenticator.by_token(first.access_token, None)
    second = await project.refresh(first.refresh_token, "session")
    assert await project.directory.rights(socket)
    generation = project.directory.generation
    await project.authenticator.logout(second.refresh_token)
    assert project.directory.generation > generation
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(socket)


async def test_session_token_hangs_on_its_session(project: Project) -> None:
    user = await project.user()
    login = await project.login("member@example.com", "session")
    assert login.expires_in == 86_400_000
    assert claims_of(login)["session"] == login.refresh_token
    assert claims_of(login)["exp"] == START + DAY
    (session,) = await project.rows("sessions")
    assert seconds(session["expires"]) == START + DAY
    identity = await project.authenticator.by_token(login.access_token, None)
    assert identity == User(user, None, START + DAY, login.refresh_token)
    assert (await project.directory.rights(identity)).user == user
    await project.authenticator.logout(login.refresh_token)
    with error_code("INVALID_CREDENTIALS"):
        await project.authenticator.by_token(login.access_token, None)
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(identity)
    assert await project.rows("sessions") == []


async def test_session_that_ends_early_ends_its_token(sqlite_project: Project) -> None:
    project = sqlite_project
    await project.user()
    login = await project.login("member@example.com", "session")
    identity = await project.authenticator.by_token(login.access_token, None)
    soon = datetime.fromtimestamp(START + 60).astimezone().isoformat()
    project.directory.changed([await project.set("sessions", login.refresh_token, expires=soon)])
    assert await project.authenticator.by_token(login.access_token, None)
    project.clock.time = START + 60
    with error_code("INVALID_CREDENTIALS"):
        await project.authenticator.by_token(login.access_token, None)
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(identity)


async def test_session_that_is_deleted_as_an_item_ends_at_once(sqlite_project: Project) -> None:
    project = sqlite_project
    await project.user()
    login = await project.login("member@example.com", "session")
    identity = await project.authenticator.by_token(login.access_token, None)
    generation = project.directory.generation
    project.directory.changed([await project.remove("sessions", login.refresh_token)])
    assert project.directory.generation > generation
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(identity)


async def test_session_of_somebody_else_is_refused(sqlite_project: Project) -> None:
    project = sqlite_project
    await project.user()
    login = await project.login("member@example.com", "session")
    thief = await project.user("thief@example.com")
    claims = Claims(thief, None, False, False, int(START), int(START) + 900, login.refresh_token)
    with error_code("INVALID_CREDENTIALS"):
        await project.authenticator.by_token(tokens.encode(claims, SETTINGS.secret), None)


async def test_session_is_read_once_a_second(sqlite_project: Project) -> None:
    project = sqlite_project
    await project.user()
    login = await project.login("member@example.com", "session")
    identity = await project.authenticator.by_token(login.access_token, None)
    project.statements.clear()
    for _ in range(5):
        await project.authenticator.by_token(login.access_token, None)
        await project.directory.rights(identity)
    assert project.statements == []
    project.clock.advance(sessions_module.REMEMBERED_FOR)
    await project.directory.rights(identity)
    assert len(project.statements) == 1


async def test_session_closed_in_another_process_ends_within_a_second(sqlite_project: Project) -> None:
    project = sqlite_project
    await project.user()
    login = await project.login("member@example.com", "session")
    identity = await project.authenticator.by_token(login.access_token, None)
    async with another_process(project) as other:
        await other.authenticator.logout(login.refresh_token)
    project.clock.advance(sessions_module.REMEMBERED_FOR)
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(identity)


async def test_refreshed_session_goes_on_where_it_was_used_and_is_refused_anew(project: Project) -> None:
    """An open socket outlives the refresh of the cookie it came with, but not the logout that follows."""
    await project.user()
    first = await project.login("member@example.com", "session")
    socket = await project.authenticator.by_token(first.access_token, None)
    second = await project.refresh(first.refresh_token, "session")
    assert await project.authenticator.by_token(first.access_token, None), "requests may be under way"
    project.clock.advance(sessions_module.GRACE + 2)
    with error_code("INVALID_CREDENTIALS"):
        await project.authenticator.by_token(first.access_token, None)
    assert await project.directory.rights(socket)
    assert await project.authenticator.by_token(second.access_token, None)
    await project.authenticator.logout(second.refresh_token)
    project.clock.advance(sessions_module.REMEMBERED_FOR)
    with error_code("INVALID_CREDENTIALS"):
        await project.directory.rights(socket)


# A new password.


async def changed_password(project: Project, user: str, keep: str | None) -> list[str]:
    async with project.database.transaction() as transaction:
        ended = await project.directory.sessions.close_all(transaction, [user], keep)
    project.directory.changed([Change("directus_sessions", "delete", tuple(ended))])
    return ended


async def test_new_password_ends_all_sessions_of_the_user_and_of_nobody_else(project: Project) -> None:
    user = await project.user()
    await project.user("other@example.com")
    logins = [await project.login("member@example.com", mode) for mode in ("json", "cookie", "session")]
    other = await project.login("other@example.com")
    sockets = [login.user for login in logins]
    for socket in sockets:
        assert await project.directory.rights(socket)
    assert sorted(await changed_password(project, user, None)) == sorted(
        hash_token(login.refresh_token) for login in logins
    )
    for login, socket in zip(logins, sockets, strict=True):
        with error_code("INVALID_CREDENTIALS"):
            await project.directory.rights(socket)
        with error_code("INVALID_CREDENTIALS"):
            await project.refresh(login.refresh_token)
    assert await project.refresh(other.refresh_token)


async def test_new_password_keeps_the_session_that_it_was_changed_in_and_sockets_of_its_line(project: Project) -> None:
    user = await project.user()
    first = await project.login("member@example.com", "session")
    second = await project.refresh(first.refresh_token, "session")
    elsewhere = await project.login("member@example.com")
    assert await changed_password(project, user, second.refresh_token) == [hash_token(elsewhere.refresh_token)]
    assert await project.directory.rights(first.user)
    assert await project.authenticator.by_token(second.access_token, None)


# Logging out.


async def test_logout_ends_the_session(project: Project) -> None:
    await project.user()
    login = await project.login("member@example.com")
    ended: list[str] = []
    project.directory.sessions.on_end(ended.extend)
    await project.authenticator.logout(login.refresh_token)
    await project.authenticator.logout(login.refresh_token)
    assert ended == [hash_token(login.refresh_token)]
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh(login.refresh_token)


async def test_logout_with_an_old_token_ends_what_replaced_it(project: Project) -> None:
    await project.user()
    first = await project.login("member@example.com")
    second = await project.refresh(first.refresh_token)
    await project.authenticator.logout(first.refresh_token)
    with error_code("INVALID_CREDENTIALS"):
        await project.refresh(second.refresh_token)


async def test_unrelated_session_change_keeps_others(sqlite_project: Project) -> None:
    project = sqlite_project
    await project.user()
    login = await project.login("member@example.com", "session")
    identity = await project.authenticator.by_token(login.access_token, None)
    project.statements.clear()
    project.directory.changed([Change("directus_sessions", "delete", ("another",))])
    assert await project.directory.rights(identity)
    assert project.statements == []
