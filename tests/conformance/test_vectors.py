"""Every recorded vector is one test on each database: the answers of a real server must equal the recorded ones."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache

import pytest

from tests.conformance.replays import KNOWN_FAILURES, VECTORS, Replays
from tests.support import engines
from tests.support.probes import DatabaseEngine


def expectation(engine: str, vector: str) -> list[pytest.MarkDecorator]:
    return [
        pytest.mark.xfail(strict=True, reason=f"{row['reason']} (when it passes: remove it from known_failures.toml)")
        for row in KNOWN_FAILURES
        if row["vector"] == vector and engine in row.get("engines", engines.DATABASE_ENGINES)
    ]


@pytest.fixture(scope="session")
def replays(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[DatabaseEngine], Replays]]:
    """The replay on an engine of all vectors that this run wants; it begins when it is first asked for."""
    with ExitStack() as stack:

        @cache
        def replays_on(engine: DatabaseEngine) -> Replays:
            if engine != "sqlite":
                asyncio.run(engines.require(engine))
            wanted = [
                str(item.callspec.params["vector"])
                for item in request.session.items
                if isinstance(item, pytest.Function)
                and item.originalname == test_server_answers_as_recorded.__name__
                and item.callspec.params["engine"] == engine
            ]
            return stack.enter_context(closing(Replays(engine, wanted, tmp_path_factory.mktemp("replays"))))

        yield replays_on


@pytest.mark.parametrize(
    ("engine", "vector"),
    [
        pytest.param(engine, vector, id=f"{engine}-{vector}", marks=expectation(engine, vector))
        for engine in engines.DATABASE_ENGINES
        for vector in VECTORS
    ],
)
def test_server_answers_as_recorded(
    replays: Callable[[DatabaseEngine], Replays], engine: DatabaseEngine, vector: str, request: pytest.FixtureRequest
) -> None:
    problems, log = replays(engine).outcome(vector)
    if problems:
        request.node.add_report_section("call", "server log", log[-6000:])
    assert not problems, "\n".join(problems)


def test_list_of_known_failures_names_vectors_once() -> None:
    named = Counter(row["vector"] for row in KNOWN_FAILURES)
    assert set(named) <= set(VECTORS)
    assert [vector for vector, times in named.items() if times > 1] == []
