"""Where a request may carry its token: the `Authorization` header, `?access_token=`, or the session cookie."""

from collections.abc import Iterable, Sequence

from tidegate.errors import InvalidPayload

ACCESS_TOKEN = "access_token"  # noqa: S105 - the name of a parameter, RFC 6750 section 2.3


def bearer_token(authorization: str) -> str | None:
    """The token of `Authorization: Bearer …` (RFC 6750 section 2.1); None for another scheme.

    Other schemes are for a proxy before us. A `Bearer` without a token is an empty token, which nobody has.
    """
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def request_token(authorization: str | None, params: Iterable[tuple[str, str]], cookie: str | None) -> str | None:
    """The one token of a request, or None.

    Raises INVALID_PAYLOAD where several are given on purpose (RFC 6750 section 2). A browser adds the cookie by itself,
    so it counts only where nothing else is given.
    """
    given = [value for name, value in params if name == ACCESS_TOKEN]
    if authorization is not None and (token := bearer_token(authorization)) is not None:
        given.append(token)
    if len(given) > 1:
        raise InvalidPayload("The request carries more than one access token")
    return given[0] if given else cookie


def without_token(params: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parameters that belong to the query."""
    return [pair for pair in params if pair[0] != ACCESS_TOKEN]
