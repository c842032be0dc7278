"""The table of settings: one field for each environment variable, named as the variable in lower case.

Names, meanings and spellings are those that Directus documents (PROTOCOL section 2), so that the environment of an
existing deployment can be reused; the last section of the table is ours. Defaults are spelled as in the environment.
Durations are seconds, sizes bytes, and None stands for "not set" or "no limit".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from tidegate.settings import spelling
from tidegate.settings.spelling import Spelling

Flag = Annotated[bool, Spelling("true or false", spelling.boolean)]
Port = Annotated[int, Spelling("a port number from 0 to 65535", spelling.integer(0, 65_535))]
Count = Annotated[int, Spelling("a whole number from 1", spelling.integer(1))]
Limit = Annotated[int | None, Spelling("a whole number from 1, or Infinity", spelling.limit(1))]
Duration = Annotated[
    float, Spelling("a duration such as 15m, 12h or 7d; a bare number is milliseconds", spelling.duration("ms"))
]
StallTime = Annotated[
    float, Spelling("a number of milliseconds from 0, or a duration such as 1s", spelling.duration("ms", zero=True))
]
Seconds = Annotated[float, Spelling("a number of seconds above 0, or a duration such as 1m", spelling.duration("s"))]
Size = Annotated[int, Spelling("a number of bytes, or a size such as 512kb or 1mb", spelling.size)]
Path = Annotated[str, Spelling("a path that begins with /", spelling.path)]
Words = Annotated[tuple[str, ...], Spelling("a list separated by commas", spelling.words)]
Text = Annotated[str, Spelling("any text", str)]
AuthMode = Literal["public", "handshake", "strict"]
LogLevel = Literal["trace", "debug", "info", "warn", "error", "fatal", "silent"]
LogStyle = Literal["pretty", "raw"]
SameSite = Literal["lax", "strict", "none"]
Store = Literal["memory", "redis"]
PRIVATE_NETWORKS = ("loopback", "linklocal", "uniquelocal")
_DEFAULT_PORTS = {"pg": 5432, "mysql": 3306}


def _row(default: Any, help_text: str, *, secret: bool = False) -> Any:
    """A field with its default as spelled in the environment; the value of a secret one is never shown."""
    return Field(default, description=help_text, repr=not secret)


class Settings(BaseModel):
    """Every setting, checked. `load_settings` makes one from the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    host: Text = _row("0.0.0.0", "The address to listen on.")  # noqa: S104 - the documented default
    port: Port = _row(8055, "The port to listen on; 0 takes a free one.")
    public_url: Annotated[str, Spelling("/ or an http(s) URL", spelling.public_url)] = _row(
        "/", "Where clients reach the server; its origin may open sockets."
    )
    secret: Text = _row(..., "Signs tokens. Generated and kept beside an sqlite3 database; else required.", secret=True)
    admin_email: Text | None = _row(None, "Address of the first administrator, made when the database is empty.")
    admin_password: Text | None = _row(
        None, "Password of the first administrator; generated and printed if unset.", secret=True
    )
    admin_token: Text | None = _row(None, "Static token of the first administrator.", secret=True)

    db_client: Annotated[
        Literal["sqlite3", "pg", "mysql"],
        Spelling("sqlite3, pg or mysql", lambda text: "pg" if text == "postgres" else text),
    ] = _row("sqlite3", "The kind of database; mysql is MariaDB too, and postgres another name of pg.")
    db_filename: Text = _row("data/tidegate.db", "The file of an sqlite3 database.")
    db_host: Text | None = _row(None, "The database server's address.")
    db_port: Port | None = Field(
        default_factory=lambda values: _DEFAULT_PORTS.get(values["db_client"]),
        description="The database server's port; 5432 for pg and 3306 for mysql unless set.",
    )
    db_database: Text | None = _row(None, "The database's name.")
    db_user: Text | None = _row(None, "The database user.")
    db_password: Text | None = _row(None, "The database user's password.", secret=True)
    db_connection_string: Annotated[
        str | None,
        Spelling("a postgres://, postgresql:// or mysql:// URL", spelling.url("postgres", "postgresql", "mysql")),
    ] = _row(None, "A URL in place of the five settings above.", secret=True)
    db_search_path: Words | None = _row(None, "The schemas of a pg database; the first one that exists is served.")

    websockets_enabled: Flag = _row(True, "Whether there are WebSockets at all.")
    websockets_heartbeat_enabled: Flag = _row(True, "Whether the server pings sockets.")
    websockets_heartbeat_period: Seconds = _row("30", "How often; a socket silent for one period more is closed.")
    websockets_rest_enabled: Flag = _row(True, "Whether there is the WebSocket of JSON messages.")
    websockets_rest_path: Path = _row("/websocket", "Its path.")
    websockets_rest_auth: AuthMode = _row("handshake", "Who may open it (see the protocol).")
    websockets_rest_auth_timeout: Seconds = _row("10", "How long an unauthenticated socket has to authenticate.")
    websockets_rest_conn_limit: Limit = _row(None, "How many sockets may be open at once.")
    websockets_graphql_enabled: Flag = _row(True, "Whether there are GraphQL subscriptions.")
    websockets_graphql_path: Path = _row("/graphql", "Their path.")
    websockets_graphql_auth: AuthMode = _row("handshake", "Who may open the socket.")
    websockets_graphql_auth_timeout: Seconds = _row("10", "How long it has to authenticate.")
    websockets_graphql_conn_limit: Limit = _row(None, "How many sockets may be open at once.")
    websockets_logs_enabled: Flag = _row(True, "Whether administrators may follow the logs.")
    websockets_logs_path: Path = _row("/websocket/logs", "The path of the log stream.")
    websockets_logs_auth: AuthMode = _row("handshake", "Who may open the socket.")
    websockets_logs_auth_timeout: Seconds = _row("10", "How long it has to authenticate.")
    websockets_logs_level: LogLevel = _row("info", "The lowest level that is streamed.")
    websockets_logs_style: LogStyle = _row("pretty", "Stream the message alone (pretty) or the whole record (raw).")
    websockets_logs_conn_limit: Limit = _row(None, "How many sockets may be open at once.")

    access_token_ttl: Duration = _row("15m", "How long an access token is valid.")
    refresh_token_ttl: Duration = _row("7d", "How long a refresh token is valid.")
    session_cookie_ttl: Duration = _row("1d", "How long a session token is valid.")
    session_cookie_name: Text = _row("directus_session_token", "Name of the session cookie.")
    session_cookie_domain: Text | None = _row(None, "Its Domain attribute.")
    session_cookie_secure: Flag = _row(False, "Its Secure attribute.")
    session_cookie_same_site: SameSite = _row("lax", "Its SameSite attribute.")
    refresh_token_cookie_name: Text = _row("directus_refresh_token", "Name of the refresh token's cookie.")
    refresh_token_cookie_domain: Text | None = _row(None, "Its Domain attribute.")
    refresh_token_cookie_secure: Flag = _row(False, "Its Secure attribute.")
    refresh_token_cookie_same_site: SameSite = _row("lax", "Its SameSite attribute.")
    login_stall_time: StallTime = _row("500", "Every login attempt takes at least this long, good or bad.")

    rate_limiter_enabled: Flag = _row(False, "Whether requests per address and messages per socket are limited.")
    rate_limiter_points: Count = _row(50, "How many in one window.")
    rate_limiter_duration: Seconds = _row("1", "How long a window is.")
    rate_limiter_store: Store = _row("memory", "Where they are counted; redis counts for all processes together.")
    rate_limiter_websockets_points: Count = Field(
        default_factory=lambda values: values["rate_limiter_points"],
        description="How many messages per socket in one window; as RATE_LIMITER_POINTS unless set.",
    )
    rate_limiter_websockets_duration: Seconds = Field(
        default_factory=lambda values: values["rate_limiter_duration"],
        description="How long that window is; as RATE_LIMITER_DURATION unless set.",
    )
    rate_limiter_websockets_key_prefix: Text = _row(
        "websocket", "Read for compatibility; without effect, as messages are counted by the socket itself."
    )
    rate_limiter_global_enabled: Flag = _row(False, "Whether all requests together are limited.")
    rate_limiter_global_points: Count = _row(1000, "How many in one window.")
    rate_limiter_global_duration: Seconds = _row("1", "How long that window is.")

    redis_enabled: Flag | None = _row(None, "Whether Redis is used; unless set, whether an address of it is set.")
    redis: Annotated[
        str | None,
        Spelling("a redis://, rediss:// or unix:// URL", spelling.url("redis", "rediss", "unix")),
    ] = _row(None, "The URL of Redis, in place of the five settings below.", secret=True)
    redis_host: Text | None = _row(None, "The address of Redis.")
    redis_port: Port = _row(6379, "The port of Redis.")
    redis_username: Text | None = _row(None, "The user of Redis.")
    redis_password: Text | None = _row(None, "The password of Redis.", secret=True)
    redis_db: Annotated[int, Spelling("a whole number from 0", spelling.integer(0))] = _row(
        0, "The number of the Redis database."
    )
    redis_bus_namespace: Text = _row("directus:bus", "Begins the names of the channels between processes.")

    cors_enabled: Flag = _row(False, "Whether browsers on other origins may use the server.")
    cors_origin: Annotated[
        bool | tuple[str | re.Pattern[str], ...],
        Spelling("true, false, or origins separated by commas (regex: begins a pattern)", spelling.origins),
    ] = _row("false", "Which origins; true for every one. A literal * opens no socket.")
    cors_methods: Words = _row("GET,POST,PATCH,DELETE", "The methods that they may use.")
    cors_allowed_headers: Words = _row("Content-Type,Authorization", "The request headers that they may send.")
    cors_exposed_headers: Words = _row("Content-Range", "The response headers that they may read.")
    cors_credentials: Flag = _row(True, "Whether they may send cookies.")
    cors_max_age: Seconds = _row("18000", "How long a browser may remember this.")

    max_payload_size: Size = _row("1mb", "The largest request body and the largest message.")
    query_limit_default: Limit = _row(100, "How many items a query gets that names no limit.")
    query_limit_max: Limit = _row(None, "The highest limit that a query may name.")
    max_relational_depth: Annotated[int, Spelling("a whole number from 2", spelling.integer(2))] = _row(
        10, "How many relations deep a query may go."
    )
    max_batch_mutation: Limit = _row(None, "How many items one request may write; never more than 10000.")
    graphql_introspection: Flag = _row(True, "Whether GraphQL tells its schema.")
    graphql_query_token_limit: Count = _row(5000, "How many tokens a GraphQL document may have.")

    log_level: LogLevel = _row("info", "The lowest level that is logged.")
    log_style: LogStyle = _row("pretty", "Lines for people (pretty) or one JSON object a line (raw).")
    ip_trust_proxy: Annotated[
        bool | int | tuple[str, ...],
        Spelling("true, false, a number of hops, or addresses separated by commas", spelling.proxies),
    ] = _row(
        ",".join(PRIVATE_NETWORKS), "Whose X-Forwarded-For is believed: everybody's (true), or that of these addresses."
    )
    ip_custom_header: Annotated[
        str | None, Spelling("a header's name, or false", lambda text: None if text.lower() == "false" else text)
    ] = _row(None, "A header that holds the client's address, believed from the same peers.")

    websockets_outbox_limit: Size = _row("8mb", "Bytes waiting for one slow socket before it is closed (ours).")
    websockets_subscription_limit: Count = _row(1000, "Subscriptions that one socket may hold (ours).")
    websockets_drain_time: Seconds = _row("10", "Over how long a restart closes a process's sockets (ours).")

    @property
    def redis_url(self) -> str | None:
        """Where Redis is, or None when it is not to be used."""
        if self.redis_enabled is False:
            return None
        if self.redis is not None or self.redis_host is None:
            return self.redis
        user = quote(self.redis_username or "", safe="")
        password = f":{quote(self.redis_password, safe='')}" if self.redis_password else ""
        at = "@" if user or password else ""
        return f"redis://{user}{password}{at}{self.redis_host}:{self.redis_port}/{self.redis_db}"


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the table, for people: the command line, the documentation, sentences about wrong values."""

    name: str
    attribute: str
    allowed: str
    default: str
    """Spelled as in the environment; empty where there is none or it depends on another setting."""
    help: str
    secret: bool


def variables() -> Iterator[Variable]:
    """Every variable, in the order of the table."""
    for attribute, info in Settings.model_fields.items():
        yield Variable(
            name=attribute.upper(),
            attribute=attribute,
            allowed=_allowed(info),
            default=_default(info.default) if info.default_factory is None and not info.is_required() else "",
            help=info.description or "",
            secret=info.repr is False,
        )


def _default(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _allowed(info: FieldInfo) -> str:
    kinds = [*info.metadata, *(part for kind in _members(info.annotation) for part in get_args(kind))]
    for kind in kinds:
        if isinstance(kind, Spelling):
            return kind.allowed
    *first, last = (str(word) for word in get_args(info.annotation))
    return f"{', '.join(first)} or {last}"


def _members(annotation: Any) -> tuple[Any, ...]:
    return () if get_origin(annotation) is Literal else get_args(annotation)
