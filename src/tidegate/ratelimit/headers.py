"""A verdict as HTTP headers."""

from collections.abc import Mapping
from math import ceil

from tidegate.ratelimit.base import Verdict


def rate_headers(verdict: Verdict, now: float) -> Mapping[str, str]:
    """The headers that tell an HTTP client its budget; `now` in seconds since the epoch.

    `RateLimit-*` as in draft-ietf-httpapi-ratelimit-headers-06, whose reset is in seconds from now; `X-RateLimit-*`
    as widely used, whose reset is in seconds since the epoch; `Retry-After` (RFC 9110, 10.2.3) with a refusal only.
    """
    seconds = ceil(verdict.reset_seconds)
    headers = {
        "RateLimit-Limit": str(verdict.limit),
        "RateLimit-Remaining": str(verdict.remaining),
        "RateLimit-Reset": str(seconds),
        "X-RateLimit-Limit": str(verdict.limit),
        "X-RateLimit-Remaining": str(verdict.remaining),
        "X-RateLimit-Reset": str(ceil(now + verdict.reset_seconds)),
    }
    if not verdict.allowed:
        headers["Retry-After"] = str(max(1, seconds))
    return headers
