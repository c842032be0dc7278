"""Expecting a `TidegateError`."""

import pytest

from tidegate.errors import TidegateError


def error_code(code: str) -> pytest.RaisesExc[TidegateError]:
    """`with error_code("FORBIDDEN"):` the block must raise this error."""
    return pytest.raises(TidegateError, check=lambda error: error.code == code)
