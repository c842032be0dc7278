"""Log records: one JSON object a line for machines or a line for people, without secrets, and a tap for live streams.

Everything goes through the standard library's `logging`, so uvicorn and SQLAlchemy are caught too. Levels are numbered
as on the wire (PROTOCOL section 5). Records are finished (redacted, as JSON values) before anybody sees them.
"""

import logging
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import orjson

TRACE = 5
"""The standard library's number for what is finer than DEBUG."""
LEVELS: Mapping[str, int] = {"trace": 10, "debug": 20, "info": 30, "warn": 40, "error": 50, "fatal": 60, "silent": 70}
"""Level names of the settings to numbers on the wire; `silent` stands above everything."""
_STANDARD_LEVELS = {
    10: TRACE,
    20: logging.DEBUG,
    30: logging.INFO,
    40: logging.WARNING,
    50: logging.ERROR,
    60: logging.CRITICAL,
}
_SILENT = logging.CRITICAL + 1
_NAMES = {number: name for name, number in LEVELS.items()}
_COLOURS = {10: "90", 20: "36", 30: "32", 40: "33", 50: "31", 60: "1;31"}

HIDDEN = "***"
_HIDDEN_KEYS = (
    r"(?:access_|refresh_|session_|id_)?token|password|secret|tfa_secret|otp|authorization|(?:set-)?cookie"
    r"|directus_session_token|directus_refresh_token"
)
_REDACTIONS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"(?m)\b((?:proxy-)?authorization|(?:set-)?cookie):[^\r\n]*", rf"\1: {HIDDEN}"),
        (
            rf"""(["'](?:{_HIDDEN_KEYS})["']\s*[:=,]\s*)(?:b?"(?:\\.|[^"\\])*"|b?'(?:\\.|[^'\\])*'|[^\s,"'}}\]]+)""",
            rf"\1{HIDDEN}",
        ),
        (rf"\b({_HIDDEN_KEYS})=[^&\s;,\"']*", rf"\1={HIDDEN}"),
        (rf"\(({_HIDDEN_KEYS})\)=\([^)]*\)", rf"(\1)=({HIDDEN})"),  # a database's words on a unique column
        (r"(?s)\[parameters: .*?\](?=\s*(?:\(Background|$|\n))", f"[parameters: {HIDDEN}]"),  # SQLAlchemy's words
        (r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", rf"\1 {HIDDEN}"),
        (r"\beyJ[\w-]+\.[\w-]+\.[\w-]*", HIDDEN),  # a JSON web token
        (r"\$argon2\w*\$[^\s\"']+", HIDDEN),
        (r"(?<![\w-])[\w-]{64}(?![\w-])", HIDDEN),  # the shape of a refresh token
        (r"(://[^\s/:@]*):[^\s/@]*@", rf"\1:{HIDDEN}@"),
    )
)
_HIDDEN_KEY = re.compile(_HIDDEN_KEYS, re.IGNORECASE)
_STANDARD_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}

FinishedRecord = Mapping[str, Any]
"""`level` (10 to 60), `time` (milliseconds since the epoch), `pid`, `hostname`, `name`, `msg`, whatever was passed as
`extra`, and `err` with `type`, `message` and `stack` for an exception."""


def redact(text: str) -> str:
    """The text without tokens, passwords, cookies and password hashes."""
    for pattern, replacement in _REDACTIONS:
        text = pattern.sub(replacement, text)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()  # no output takes half a pair


def finish(record: logging.LogRecord) -> FinishedRecord:
    """The record as JSON values, redacted."""
    finished: dict[str, Any] = {
        "level": wire_level(record.levelno),
        "time": int(record.created * 1000),
        "pid": record.process,
        "hostname": _HOSTNAME,
        "name": record.name,
        "msg": redact(record.getMessage()),
    }
    for name, value in record.__dict__.items():
        if name not in _STANDARD_ATTRIBUTES:
            finished[redact(name)] = _redact_value(name, value)
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, _ = record.exc_info
        stack = redact(_FORMATTER.formatException(record.exc_info))
        finished["err"] = {"type": kind.__name__, "message": redact(str(error)), "stack": stack}
    return finished


def wire_level(levelno: int) -> int:
    """The number on the wire of one of the standard library's levels."""
    return max((wire for wire, standard in _STANDARD_LEVELS.items() if standard <= levelno), default=LEVELS["trace"])


def standard_level(name: str) -> int:
    """The standard library's number of a level of `LEVELS`."""
    return _STANDARD_LEVELS.get(LEVELS[name], _SILENT)


class JSONFormatter(logging.Formatter):
    """LOG_STYLE raw: a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        return orjson.dumps(finish(record), default=str).decode()


class PrettyFormatter(logging.Formatter):
    """LOG_STYLE pretty: the time of day, the level and the message; the stack below it."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        finished = finish(record)
        level = finished["level"]
        name = _NAMES[level].upper()
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        shown = f"\x1b[{_COLOURS[level]}m{name}\x1b[0m" if self._colours else name
        line = f"[{clock}.{finished['time'] % 1000:03d}] {shown}: {finished['msg']}"
        return f"{line}\n{finished['err']['stack']}" if "err" in finished else line


class _OwnHandler(logging.StreamHandler[TextIO]):
    """Ours on the root logger, so that configuring again replaces it."""


class _Tap(logging.Handler):
    def __init__(self, receive: Callable[[FinishedRecord], None], level: int) -> None:
        super().__init__(level)
        self._receive = receive

    def emit(self, record: logging.LogRecord) -> None:
        self._receive(finish(record))


def configure(level: str, style: str, stream: TextIO | None = None) -> None:
    """Log what is at or above `level` to `stream` (stderr), `pretty` or `raw`; takes the place of an earlier call."""
    logging.addLevelName(TRACE, "TRACE")
    handler = _OwnHandler(stream or sys.stderr)
    colours = handler.stream.isatty() and "NO_COLOR" not in os.environ
    handler.setFormatter(JSONFormatter() if style == "raw" else PrettyFormatter(colours=colours))
    handler.setLevel(standard_level(level))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _OwnHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    _open_root()


def tap(level: str, receive: Callable[[FinishedRecord], None]) -> Callable[[], None]:
    """Have `receive` called with every record at or above `level`; returns what ends it.

    It is called in the thread that logs, which may be any, and must neither block nor log.
    """
    handler = _Tap(receive, standard_level(level))
    logging.getLogger().addHandler(handler)
    _open_root()

    def end() -> None:
        logging.getLogger().removeHandler(handler)
        _open_root()

    return end


def _open_root() -> None:
    """Let through the root logger what its least picky handler of ours wants."""
    root = logging.getLogger()
    levels = [handler.level for handler in root.handlers if isinstance(handler, _OwnHandler | _Tap)]
    root.setLevel(min(levels, default=logging.WARNING))


def _redact_value(name: str, value: Any) -> Any:
    if _HIDDEN_KEY.fullmatch(name):
        return HIDDEN
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {redact(str(key)): _redact_value(str(key), member) for key, member in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redact_value("", member) for member in value]
        case bool() | float() | None:
            return value
        case int():
            return value if value.bit_length() < _INTEGER_BITS else str(value)
        case _:
            return redact(str(value))


_INTEGER_BITS = 64
"""What JSON encoders take."""
_HOSTNAME = socket.gethostname()
_FORMATTER = logging.Formatter()
