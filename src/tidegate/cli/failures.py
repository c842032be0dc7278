"""Why a server did not start, as one sentence without credentials."""

from urllib.parse import urlsplit

from tidegate.errors import TidegateError
from tidegate.logging import redact
from tidegate.settings import Settings


def why_not_started(error: TidegateError, settings: Settings) -> str:
    """One sentence on the cause of a failed start, without credentials."""
    cause: BaseException = error
    kinds = []
    while cause.__cause__ is not None:
        cause = cause.__cause__
        kinds.append(type(cause).__module__.partition(".")[0])
    if "redis" in kinds:
        return why_redis_fails(cause, settings)
    return f"The database {_database(settings)} cannot be used: {_reason(cause)}."


def why_redis_fails(cause: BaseException, settings: Settings) -> str:
    """The same for Redis alone, given what its client raised."""
    return f"Redis at {_place(settings.redis_url)} cannot be used: {_reason(cause)}."


def _reason(cause: BaseException) -> str:
    """The first line of what a driver says."""
    if isinstance(cause, OSError) and cause.strerror:
        reason = cause.strerror
    elif isinstance(cause, TimeoutError):
        reason = "it does not answer"
    else:
        reason = str(cause.args[-1] if cause.args else cause)  # asyncmy has the number of the error before the text
    return redact(reason).strip().partition("\n")[0].rstrip(".")


def _database(settings: Settings) -> str:
    if settings.db_client == "sqlite3":
        return settings.db_filename
    if settings.db_connection_string is not None:
        return _place(settings.db_connection_string)
    return f"{settings.db_host}:{settings.db_port}/{settings.db_database}"


def _place(url: str | None) -> str:
    """A URL without scheme and credentials."""
    parts = urlsplit(url or "")
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
