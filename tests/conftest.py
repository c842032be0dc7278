"""What every test may use, and what the end of a run says: figures that tests measured, and engines covered."""

import ssl
from collections.abc import AsyncIterator, Generator, Mapping
from functools import cache
from typing import Any

import pytest

from tests.support import engines


def pytest_configure() -> None:
    """Every client of httpx has a context for TLS, and makes it by reading all certificates: 20 ms, in thousands."""
    pytest.MonkeyPatch().setattr(ssl, "create_default_context", cache(ssl.create_default_context))


@pytest.fixture(params=engines.DATABASE_ENGINES)
async def database_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A new empty database, once on each engine."""
    async with engines.temporary_database(request.param) as url:
        yield url


@pytest.fixture
async def redis_url() -> str:
    """A Redis that other tests use too: take a unique prefix."""
    return await engines.redis_url()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Captured text may hold half of a surrogate pair, which pytest-xdist cannot send to the process that reports."""
    report = yield
    report.sections = [(title, text.encode(errors="replace").decode()) for title, text in report.sections]
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    engines.stop_started()
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:  # a pytest-xdist worker: its findings travel to the process that prints the summary
        output["engines"] = (engines.covered, engines.missing)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    covered, missing = getattr(node, "workeroutput", {}).get("engines", ({}, {}))
    engines.covered.update(covered)
    engines.missing.update(missing)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, figure in report.user_properties:
            terminalreporter.write_line(f"{name}: {figure}")
    if not (engines.covered or engines.missing):
        return
    covered = ", ".join(f"{engine} {version}".strip() for engine, version in _in_order(engines.covered))
    terminalreporter.write_line(f"engines covered: {covered or 'none'}")
    for engine, reason in _in_order(engines.missing):
        terminalreporter.write_line(f"ENGINE NOT COVERED: {engine}: {reason}", red=True, bold=True)


def _in_order(found: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(engine, found[engine]) for engine in ("sqlite", "postgresql", "mariadb", "redis") if engine in found]
