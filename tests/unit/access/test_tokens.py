"""Access tokens and refresh tokens."""

import base64
import json
import time
import warnings
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.errors import error_code
from tidegate.access import tokens
from tidegate.access.tokens import Claims, Verified

SECRET = "a secret of at least thirty-two bytes"
USER = "6b1f0f4c-6d1e-4b7f-9d55-0a3a4f5c2d11"
NOW = 1_700_000_000


def claims(exp: int = NOW + 900, session: str | None = None) -> Claims:
    return Claims(USER, "a role", app_access=True, admin_access=False, iat=NOW, exp=exp, session=session)


def signed(payload: object, secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token made by PyJWT's lower half, as any other program would make it."""
    with warnings.catch_warnings(action="ignore"):
        return jwt.PyJWS().encode(json.dumps(payload).encode(), secret, algorithm)


def payload(**changes: Any) -> dict[str, Any]:
    whole = {"iss": "directus", "id": USER, "role": None, "app_access": 1, "iat": NOW, "exp": NOW + 900}
    return {name: value for name, value in (whole | changes).items() if value is not ...}


def test_token_says_what_the_protocol_asks() -> None:
    token = tokens.encode(claims(session="the session"), SECRET)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    assert jwt.decode(token, SECRET, ["HS256"], options={"verify_exp": False}) == {
        "iss": "directus",
        "id": USER,
        "role": "a role",
        "app_access": True,
        "admin_access": False,
        "iat": NOW,
        "exp": NOW + 900,
        "session": "the session",
    }


def test_access_token_has_no_session_claim() -> None:
    body = tokens.encode(claims(), SECRET).split(".")[1]
    assert b"session" not in base64.urlsafe_b64decode(body + "==")


def test_token_is_good_until_the_second_it_expires() -> None:
    token = tokens.encode(claims(NOW + 4), SECRET)
    assert tokens.decode(token, SECRET, NOW + 3.999) == Verified(USER, NOW + 4.0, None)
    with error_code("TOKEN_EXPIRED"):
        tokens.decode(token, SECRET, NOW + 4.0)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(tokens.encode(claims(), SECRET) + "x", id="tampered signature"),
        pytest.param(tokens.encode(claims(), SECRET)[:-1], id="cut signature"),
        pytest.param(tokens.encode(claims(), "another secret, long enough for HS256"), id="another secret"),
        pytest.param(tokens.encode(claims(NOW - 1), "another secret, long enough"), id="expired, another secret"),
        pytest.param(signed(payload(), algorithm="HS512", secret=SECRET * 2), id="another algorithm"),
        pytest.param(signed(payload(), algorithm="none", secret=""), id="no signature"),
        pytest.param(signed(payload(iss="someone")), id="another issuer"),
        pytest.param(signed(payload(iss=...)), id="no issuer"),
        pytest.param(signed(payload(id=...)), id="no user"),
        pytest.param(signed(payload(id=7)), id="user is a number"),
        pytest.param(signed(payload(id="7")), id="user is no uuid"),
        pytest.param(signed(payload(exp=...)), id="no expiry"),
        pytest.param(signed(payload(exp="tomorrow")), id="expiry is a text"),
        pytest.param(signed(payload(nbf=NOW + 10)), id="not yet valid"),
        pytest.param(signed(payload(session=1)), id="session is a number"),
        pytest.param(signed([]), id="a list"),
        pytest.param("a.b.c", id="no token at all"),
        pytest.param("", id="empty"),
    ],
)
def test_wrong_token_is_refused(token: str) -> None:
    with error_code("INVALID_CREDENTIALS"):
        tokens.decode(token, SECRET, NOW)


def test_token_of_another_program_with_the_secret_is_good() -> None:
    token = signed(payload(id=USER.upper(), exp=NOW + 0.5, more={"x": 1}))
    assert tokens.decode(token, SECRET, NOW) == Verified(USER, NOW + 0.5, None)


def test_short_secret_works_without_a_warning() -> None:
    token = tokens.encode(claims(), "short")
    assert tokens.decode(token, "short", NOW).user == USER


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (tokens.encode(claims(), SECRET), True),
        (tokens.encode(claims(NOW - 5), "another secret") + "x", True),
        (signed(payload(), algorithm="none", secret=""), True),
        (signed(payload(iss="someone")), False),
        (signed(7), False),
        ("member-static-token", False),
        ("with.two.dots", False),
        ("..", False),
        ("", False),
        ("\ud800.a.b", False),
        ("e30.W" + "1tb" * 40_000 + ".e30", False),
    ],
)
def test_only_our_tokens_look_like_one(token: str, expected: bool) -> None:
    assert tokens.looks_like_jwt(token) is expected


@pytest.mark.parametrize("depth", [1, 2_900, 200_000])
def test_deeply_nested_payload_is_no_token(depth: int) -> None:
    deep = base64.urlsafe_b64encode(b'{"iss":"directus","x":' + b"[" * depth).decode().rstrip("=")
    assert not tokens.looks_like_jwt(f"eyJhbGciOiJIUzI1NiJ9.{deep}.e30")


def test_enormous_token_is_judged_at_once() -> None:
    enormous = signed(payload(more="x" * 1_000_000))
    started = time.process_time()
    assert not tokens.looks_like_jwt(enormous)
    assert time.process_time() - started < 0.005


@given(st.text())
def test_any_text_is_judged_without_failure(text: str) -> None:
    for token in (text, f"{text}.{text}.{text}"):
        assert not tokens.looks_like_jwt(token)


def test_refresh_tokens_are_url_safe_and_new_each_time() -> None:
    made = {tokens.new_refresh_token() for _ in range(100)}
    assert len(made) == 100
    assert all(len(token) == 64 and token.replace("-", "").replace("_", "").isalnum() for token in made)
