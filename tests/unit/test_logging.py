"""Log records: their form, their levels, and that no secret survives."""

import io
import json
import logging
import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import logging as tidegate_logging
from tidegate.logging import TRACE, configure, redact, tap, wire_level

LOG = logging.getLogger("tidegate.test")
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6IjEifQ.c2lnbmF0dXJl-_x"


@pytest.fixture(autouse=True)
def _restore_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_raw_style_writes_one_object_a_line() -> None:
    stream = io.StringIO()
    configure("info", "raw", stream)
    LOG.warning("slow %s", "reader", extra={"socket": 7, "paths": ("/a", "/b")})
    (line,) = written(stream)
    moment = line.pop("time")
    assert isinstance(moment, int)
    assert moment > 1_700_000_000_000
    assert line == {
        "level": 40,
        "pid": os.getpid(),
        "hostname": socket.gethostname(),
        "name": "tidegate.test",
        "msg": "slow reader",
        "socket": 7,
        "paths": ["/a", "/b"],
    }


def test_raw_style_carries_the_exception() -> None:
    stream = io.StringIO()
    configure("info", "raw", stream)
    try:
        raise LookupError("no access_token=abc")
    except LookupError:
        LOG.exception("failed")
    (line,) = written(stream)
    error = line["err"]
    assert isinstance(error, dict)
    assert (error["type"], error["message"]) == ("LookupError", "no access_token=***")
    assert error["stack"].startswith("Traceback")
    assert "abc" not in json.dumps(line)


def test_pretty_style_writes_for_people() -> None:
    stream = io.StringIO()
    configure("info", "pretty", stream)
    LOG.error("broken")
    assert stream.getvalue().endswith("] ERROR: broken\n")


def test_pretty_style_colours_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.delenv("NO_COLOR", raising=False)
    configure("info", "pretty", stream)
    LOG.error("broken")
    assert "\x1b[31mERROR\x1b[0m: broken" in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "lowest"),
    [
        ("trace", TRACE),
        ("debug", logging.DEBUG),
        ("info", logging.INFO),
        ("warn", logging.WARNING),
        ("error", logging.ERROR),
        ("fatal", logging.CRITICAL),
    ],
)
def test_level_lets_through_what_is_at_or_above_it(level: str, lowest: int) -> None:
    stream = io.StringIO()
    configure(level, "raw", stream)
    LOG.log(lowest - 1, "below")
    LOG.log(lowest, "at")
    assert [(line["msg"], line["level"]) for line in written(stream)] == [("at", tidegate_logging.LEVELS[level])]


def test_silent_level_lets_nothing_through() -> None:
    stream = io.StringIO()
    configure("silent", "raw", stream)
    LOG.critical("fire")
    assert stream.getvalue() == ""


def test_configuring_again_replaces_the_first_stream() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure("info", "raw", first)
    configure("info", "raw", second)
    LOG.info("once")
    assert first.getvalue() == ""
    assert len(written(second)) == 1


def test_uvicorn_and_sqlalchemy_are_caught() -> None:
    stream = io.StringIO()
    configure("warn", "raw", stream)
    logging.getLogger("uvicorn.error").error("socket")
    logging.getLogger("sqlalchemy.pool").error("pool")
    assert [line["name"] for line in written(stream)] == ["uvicorn.error", "sqlalchemy.pool"]


def test_tap_receives_finished_records_below_the_log_level_until_ended() -> None:
    stream = io.StringIO()
    configure("error", "raw", stream)
    received: list[tuple[object, object]] = []
    end = tap("debug", lambda record: received.append((record["level"], record["msg"])))
    LOG.debug("Authorization: Bearer abcdefgh")
    LOG.log(TRACE, "too fine")
    end()
    LOG.error("after")
    assert received == [(20, "Authorization: ***")]
    assert [line["msg"] for line in written(stream)] == ["after"]


@pytest.mark.parametrize(
    ("levelno", "number"), [(0, 10), (5, 10), (10, 20), (19, 20), (20, 30), (30, 40), (40, 50), (50, 60), (99, 60)]
)
def test_levels_are_numbered_as_on_the_wire(levelno: int, number: int) -> None:
    assert wire_level(levelno) == number


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("GET /websocket?access_token=hush&x=1 101", "GET /websocket?access_token=***&x=1 101"),
        ("Authorization: Bearer hush", "Authorization: ***"),
        ("cookie: directus_session_token=hush; a=b\nhost: x", "cookie: ***\nhost: x"),
        ("Set-Cookie: directus_refresh_token=hush; HttpOnly", "Set-Cookie: ***"),
        ('{"type":"auth","access_token":"hush"}', '{"type":"auth","access_token":***}'),
        ('{"email":"a@b.c","password":"hu\\"sh"}', '{"email":"a@b.c","password":***}'),
        ("{'refresh_token': 'hush', 'otp': 123456}", "{'refresh_token': ***, 'otp': ***}"),
        ("[(b'authorization', b'Bearer hush')]", "[(b'authorization', ***)]"),
        ("token=hush password=hush", "token=*** password=***"),
        ("sent Bearer hushhushhush", "sent Bearer ***"),
        (f"got {JWT}.", "got ***."),
        ("hash $argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "hash ***"),
        (f"refresh {'aB3_' * 16}", "refresh ***"),
        ("redis://me:hush@cache:6379/0", "redis://me:***@cache:6379/0"),
        ("DETAIL: Key (token)=(hush) already exists.", "DETAIL: Key (token)=(***) already exists."),
        (
            "[SQL: SELECT 1]\n[parameters: ('hush', 'x')]\n(Background",
            "[SQL: SELECT 1]\n[parameters: ***]\n(Background",
        ),
        ("the token of a user expired", "the token of a user expired"),
        ("a" * 63, "a" * 63),
    ],
)
def test_secrets_are_redacted(text: str, clean: str) -> None:
    assert redact(text) == clean


def test_secrets_in_extras_are_redacted() -> None:
    stream = io.StringIO()
    configure("info", "raw", stream)
    LOG.info("login", extra={"password": "hush", "body": {"otp": 1, "email": "a@b.c"}, "urls": ["/?access_token=hush"]})
    (line,) = written(stream)
    assert line["password"] == "***"
    assert line["body"] == {"otp": "***", "email": "a@b.c"}
    assert line["urls"] == ["/?access_token=***"]


@pytest.mark.parametrize("style", ["raw", "pretty"])
def test_what_no_encoder_takes_is_written_all_the_same(style: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    configure("info", style, stream)
    LOG.info("half a pair: \ud800", extra={"\udfff": "\udfff", "large": 2**80, "rest": [1, -(2**80)]})
    stream.seek(0)
    (line,) = stream.read().splitlines()
    assert "half a pair: ?" in line
    if style == "raw":
        written = json.loads(line)
        assert (written["?"], written["large"], written["rest"]) == ("?", str(2**80), [1, str(-(2**80))])


@given(st.text(alphabet=st.characters(categories=["L", "N"], max_codepoint=127), min_size=9, max_size=40), st.text())
def test_token_in_a_url_never_survives(token: str, rest: str) -> None:
    noise = rest.replace(token, "")
    assert (
        token not in redact(f"GET /websocket?access_token={token} {noise}") or token in "GET /websocket?access_token="
    )
