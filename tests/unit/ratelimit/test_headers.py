"""The headers of a limited request."""

import pytest

from tidegate.ratelimit.base import Verdict
from tidegate.ratelimit.headers import rate_headers

NOW = 1_700_000_000.0


def test_allowed_request_is_told_its_budget() -> None:
    assert rate_headers(Verdict(allowed=True, limit=50, remaining=49, reset_seconds=0.4), NOW) == {
        "RateLimit-Limit": "50",
        "RateLimit-Remaining": "49",
        "RateLimit-Reset": "1",
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "49",
        "X-RateLimit-Reset": "1700000001",
    }


@pytest.mark.parametrize(("reset", "seconds"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (59.001, "60")])
def test_refused_request_is_told_when_to_come_back(reset: float, seconds: str) -> None:
    headers = rate_headers(Verdict(allowed=False, limit=50, remaining=0, reset_seconds=reset), NOW)
    assert headers["Retry-After"] == seconds
    assert headers["RateLimit-Remaining"] == "0"
