"""The spellings of single values: text in, typed value out, ValueError for the rest."""

import contextlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.settings import spelling

READERS: dict[str, Callable[[str], Any]] = {
    "boolean": spelling.boolean,
    "port": spelling.integer(0, 65_535),
    "count": spelling.integer(1),
    "limit": spelling.limit(1),
    "milliseconds": spelling.duration("ms", zero=True),
    "duration": spelling.duration("ms"),
    "seconds": spelling.duration("s"),
    "size": spelling.size,
    "words": spelling.words,
    "origins": spelling.origins,
    "proxies": spelling.proxies,
    "path": spelling.path,
    "url": spelling.url("redis", "rediss"),
    "public_url": spelling.public_url,
}


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        ("boolean", "true", True),
        ("boolean", "False", False),
        ("boolean", "1", True),
        ("boolean", "0", False),
        ("port", "0", 0),
        ("port", "65535", 65_535),
        ("count", "1", 1),
        ("limit", "25", 25),
        ("limit", "Infinity", None),
        ("limit", "-1", None),
        ("milliseconds", "0", 0.0),
        ("milliseconds", "500", 0.5),
        ("milliseconds", "2s", 2.0),
        ("duration", "900000", 900.0),
        ("duration", "15m", 900.0),
        ("duration", "7d", 604_800.0),
        ("duration", "1.5h", 5_400.0),
        ("duration", "2 days", 172_800.0),
        ("duration", "1y", 31_557_600.0),
        ("duration", "4S", 4.0),
        ("seconds", "10", 10.0),
        ("seconds", "0.5", 0.5),
        ("seconds", "250ms", 0.25),
        ("size", "1mb", 1_048_576),
        ("size", "1.5 KB", 1_536),
        ("size", "2048", 2_048),
        ("words", "GET, POST,,PATCH ", ("GET", "POST", "PATCH")),
        ("words", " ", ()),
        ("origins", "true", True),
        ("origins", "false", False),
        ("origins", "*", ("*",)),
        ("origins", "https://a.example,string:https://b.example", ("https://a.example", "https://b.example")),
        ("origins", r"regex:\.example\.com$", (re.compile(r"\.example\.com$"),)),
        ("proxies", "true", True),
        ("proxies", "2", 2),
        ("proxies", "loopback, 10.0.0.0/8,::1", ("loopback", "10.0.0.0/8", "::1")),
        ("path", "/websocket/", "/websocket"),
        ("path", "/", "/"),
        ("url", "redis://:pw@127.0.0.1:6379/1", "redis://:pw@127.0.0.1:6379/1"),
        ("public_url", "/", "/"),
        ("public_url", "https://data.example.com/", "https://data.example.com"),
    ],
)
def test_reader_understands_text(reader: str, text: str, value: object) -> None:
    assert READERS[reader](text) == value


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        ("boolean", "yes"),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "80a"),
        ("count", "0"),
        ("count", "1.5"),
        ("count", "٣x"),
        ("limit", "0"),
        ("limit", "none"),
        ("milliseconds", "-5"),
        ("duration", "0"),
        ("duration", "0s"),
        ("duration", "soon"),
        ("duration", "5 fortnights"),
        ("duration", "1e3"),
        ("duration", "nan"),
        ("seconds", "Infinity"),
        ("size", "0"),
        ("size", "1xb"),
        ("size", "-1mb"),
        ("origins", "regex:("),
        ("proxies", "10.0.0.0/99"),
        ("proxies", "my-proxy"),
        ("path", "websocket"),
        ("path", "/a b"),
        ("path", "/a?b"),
        ("url", "http://127.0.0.1"),
        ("url", "redis://"),
        ("public_url", "data.example.com"),
    ],
)
def test_reader_refuses_text(reader: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        READERS[reader](text)


@given(st.text(), st.sampled_from(sorted(READERS)))
def test_reader_raises_nothing_but_value_error(text: str, reader: str) -> None:
    with contextlib.suppress(ValueError):
        READERS[reader](text)


@given(st.integers(1, 10**9), st.sampled_from(["ms", "s", "m", "h", "d", "w"]))
def test_duration_grows_with_its_unit(number: int, unit: str) -> None:
    scale = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[unit]
    assert spelling.duration("s")(f"{number}{unit}") == pytest.approx(number * scale)
