import pytest

from tidegate.errors import TidegateError
from tidegate.http.credentials import request_token, without_token


@pytest.mark.parametrize(
    ("authorization", "params", "cookie", "token"),
    [
        (None, [], None, None),
        ("Bearer t", [], None, "t"),
        ("bearer  t ", [], None, "t"),
        ("Bearer", [], None, ""),
        ("Basic dTpw", [], None, None),
        ("Basic dTpw", [], "c", "c"),
        (None, [("access_token", "q")], None, "q"),
        (None, [("access_token", "")], "c", ""),
        (None, [("limit", "1")], "c", "c"),
        ("Bearer t", [], "c", "t"),
        (None, [("access_token", "q")], "c", "q"),
    ],
)
def test_request_carries_token(
    authorization: str | None, params: list[tuple[str, str]], cookie: str | None, token: str | None
) -> None:
    assert request_token(authorization, params, cookie) == token


@pytest.mark.parametrize(
    ("authorization", "params"),
    [
        ("Bearer t", [("access_token", "q")]),
        ("Bearer t", [("access_token", "t")]),
        (None, [("access_token", "q"), ("access_token", "q")]),
    ],
)
def test_request_with_several_tokens_is_refused(authorization: str | None, params: list[tuple[str, str]]) -> None:
    with pytest.raises(TidegateError) as caught:
        request_token(authorization, params, None)
    assert caught.value.code == "INVALID_PAYLOAD"


def test_token_does_not_reach_query() -> None:
    assert without_token([("limit", "1"), ("access_token", "t"), ("access_tokens", "x")]) == [
        ("limit", "1"),
        ("access_tokens", "x"),
    ]
