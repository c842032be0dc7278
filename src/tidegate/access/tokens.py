"""Access tokens (JSON web tokens, RFC 7519) and refresh tokens, as PROTOCOL section 6 gives them. Pure.

PyJWT checks `exp` against the machine's clock, so only its lower half is used, which signs and verifies bytes (RFC
7515). What the bytes say is checked here, against the time that is passed in.
"""

import secrets
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import jwt
import msgspec
from jwt.algorithms import HMACAlgorithm

from tidegate.errors import TidegateError

ISSUER = "directus"
ALGORITHM = "HS256"
RECOMMENDED_SECRET_BYTES = 32
"""RFC 7518 section 3.2: a key as long as the hash."""
_LONGEST = 4096
"""Characters; ours have a few hundred, and reading one takes time that grows with its length."""


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an access token says. Times are seconds since the epoch."""

    id: str
    """The user."""
    role: str | None
    app_access: bool
    admin_access: bool
    iat: int
    exp: int
    session: str | None = None
    """In a session token: the `directus_sessions` row on which it hangs."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a good access token proves. Not the role, nor access: those of this moment count, not of the login."""

    user: str
    expires: float
    session: str | None


class _Signed(msgspec.Struct):
    iss: Literal["directus"]
    id: UUID
    exp: int | float
    nbf: int | float = 0
    share: None = None
    """Directus gives such tokens to whoever opens a shared link; there are no shares here."""
    session: str | None = None


class _Issued(msgspec.Struct):
    iss: str


class _HS256(HMACAlgorithm):
    """Silent about a short key, which PyJWT would warn of at every use; whoever holds the secret says it once."""

    def check_key_length(self, key: bytes) -> str | None:
        del key
        return None


_JWS = jwt.PyJWS(algorithms=[ALGORITHM])
_JWS.unregister_algorithm(ALGORITHM)
_JWS.register_algorithm(ALGORITHM, _HS256(HMACAlgorithm.SHA256))
_SIGNED = msgspec.json.Decoder(_Signed)
_ISSUED = msgspec.json.Decoder(_Issued)
_ENCODER = msgspec.json.Encoder()


def encode(claims: Claims, secret: str) -> str:
    """The signed access token."""
    payload = {"iss": ISSUER, **msgspec.to_builtins(claims)}
    return _JWS.encode(_ENCODER.encode(payload), secret, ALGORITHM)


def decode(token: str, secret: str, now: float) -> Verified:
    """Raises INVALID_CREDENTIALS for a token that is not ours or not yet valid, TOKEN_EXPIRED from `exp` on."""
    try:
        signed = _SIGNED.decode(_JWS.decode(token, secret, [ALGORITHM]))
    except (jwt.PyJWTError, msgspec.DecodeError) as error:
        raise TidegateError("INVALID_CREDENTIALS") from error
    if now < signed.nbf:
        raise TidegateError("INVALID_CREDENTIALS")
    if now >= signed.exp:
        raise TidegateError("TOKEN_EXPIRED")
    return Verified(str(signed.id), float(signed.exp), signed.session)


def looks_like_jwt(token: str) -> bool:
    """Whether the token claims to be one of ours, good or bad; a static token may be any text, dots included."""
    if len(token) > _LONGEST or token.count(".") != 2:
        return False
    try:
        payload = _JWS.decode(token, options={"verify_signature": False})
        return _ISSUED.decode(payload).iss == ISSUER
    except (jwt.PyJWTError, msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False


def new_refresh_token() -> str:
    """64 URL-safe characters: 384 random bits."""
    return secrets.token_urlsafe(48)
