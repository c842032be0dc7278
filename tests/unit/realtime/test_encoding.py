import json
from typing import Any

import pytest

from tidegate.realtime.encoding import encode_json

DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]


@pytest.mark.parametrize("value", [None, {"a": [1, "ä", 1.5, True]}, 2**80, {"deep": DEEP}])
def test_any_json_value_is_encoded(value: object) -> None:
    assert json.loads(encode_json(value)) == value


def test_text_is_not_escaped() -> None:
    assert encode_json({"text": "ä€"}) == '{"text":"ä€"}'.encode()
    assert encode_json({"text": "ä€", "big": 2**80}) == f'{{"text":"ä€","big":{2**80}}}'.encode()


@pytest.mark.parametrize("value", [{1, 2}, object(), 2**80 * 1j])
def test_what_is_no_json_value_is_a_fault_of_the_caller(value: object) -> None:
    with pytest.raises(TypeError):
        encode_json(value)
