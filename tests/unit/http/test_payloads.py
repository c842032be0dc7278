from collections.abc import Callable

import pytest

from tidegate.errors import TidegateError
from tidegate.http.payloads import LoginBody, RefreshBody, as_keys, as_objects, login_body, refresh_body

GOOD = {"email": "a@example.com", "password": "p"}


def test_login_mode_is_json_unless_given() -> None:
    assert login_body(GOOD) == LoginBody("a@example.com", "p", None, "json")
    assert login_body({**GOOD, "otp": "123456", "mode": "session", "extra": 1}) == LoginBody(
        "a@example.com", "p", "123456", "session"
    )


def test_refresh_body_may_be_absent() -> None:
    assert refresh_body(None) == refresh_body({}) == RefreshBody(None, None)
    assert refresh_body({"refresh_token": "r", "mode": "cookie"}) == RefreshBody("r", "cookie")


@pytest.mark.parametrize(
    ("parse", "body", "reason"),
    [
        (login_body, {"email": "a@example.com"}, '"password" is required'),
        (login_body, {"password": "p"}, '"email" is required'),
        (login_body, {"email": "", "password": "p"}, '"email" is not allowed to be empty'),
        (login_body, {**GOOD, "password": 1}, '"password" must be a string'),
        (login_body, {**GOOD, "otp": 123456}, '"otp" must be a string'),
        (login_body, {**GOOD, "mode": "jwt"}, '"mode" must be one of [json, cookie, session]'),
        (login_body, {**GOOD, "mode": ["json"]}, '"mode" must be one of [json, cookie, session]'),
        (login_body, None, "The body has to be an object"),
        (login_body, [], "The body has to be an object"),
        (refresh_body, "r", "The body has to be an object"),
        (refresh_body, {"refresh_token": 1}, '"refresh_token" must be a string'),
        (as_objects, [{}, 1], "Every entry of the body has to be an object"),
        (as_keys, 1, '"keys" must be an array of primary keys'),
        (as_keys, [1, True], '"keys" must be an array of primary keys'),
        (as_keys, [1.5], '"keys" must be an array of primary keys'),
    ],
)
def test_faulty_body_is_named(parse: Callable[[object], object], body: object, reason: str) -> None:
    with pytest.raises(TidegateError) as caught:
        parse(body)
    assert (caught.value.code, caught.value.extensions) == ("INVALID_PAYLOAD", {"reason": reason})


def test_keys_keep_their_spelling() -> None:
    assert as_keys([1, "1", "a"]) == [1, "1", "a"]
