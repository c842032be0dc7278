"""What was given to judge the server is kept as it was given: the copies here equal the originals beside a checkout."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
CONFORMANCE = ROOT / "tests" / "conformance"

ORIGINALS = {
    CONFORMANCE / "conformance.py": SHARED / "conformance" / "conformance.py",
    CONFORMANCE / "fixture.json": SHARED / "conformance" / "fixture.json",
    **{path: SHARED / "conformance" / "vectors" / path.name for path in (CONFORMANCE / "vectors").iterdir()},
    ROOT / "benchmarks" / "yardstick.py": SHARED / "bench" / "yardstick.py",
    ROOT / "benchmarks" / "bare_asgi.py": SHARED / "bench" / "bare_asgi.py",
}

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the originals are not beside this checkout")


@pytest.mark.parametrize("copy", ORIGINALS, ids=lambda path: path.name)
def test_copy_equals_its_original(copy: Path) -> None:
    assert copy.read_bytes() == ORIGINALS[copy].read_bytes(), f"{copy} differs from {ORIGINALS[copy]}"


def test_every_recorded_vector_has_its_copy() -> None:
    recorded = {path.name for path in (SHARED / "conformance" / "vectors").iterdir()}
    assert recorded == {path.name for path in (CONFORMANCE / "vectors").iterdir()}
