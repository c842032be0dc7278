"""API values: what is taken, in which canonical form, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import TidegateError
from tidegate.schema import Field, FieldType, values


def field(field_type: FieldType, **options: Any) -> Field:
    return Field("articles", "it", field_type, **options)


STRING = field(FieldType.STRING, max_length=5)
TEXT = field(FieldType.TEXT)
INTEGER = field(FieldType.INTEGER, database_type="integer")
BIG = field(FieldType.BIG_INTEGER, database_type="bigint")
FLOAT = field(FieldType.FLOAT)
DECIMAL = field(FieldType.DECIMAL, numeric_precision=10, numeric_scale=2)
BOOLEAN = field(FieldType.BOOLEAN)
DATE = field(FieldType.DATE)
TIME = field(FieldType.TIME)
DATE_TIME = field(FieldType.DATE_TIME)
TIMESTAMP = field(FieldType.TIMESTAMP)
JSON = field(FieldType.JSON)
CSV = field(FieldType.CSV)
UUID = field(FieldType.UUID)
BINARY = field(FieldType.BINARY)
ALIAS = field(FieldType.ALIAS)


@pytest.mark.parametrize(
    ("target", "value", "canonical"),
    [
        (STRING, "abc", "abc"),
        (STRING, "", ""),
        (STRING, 12, "12"),
        (STRING, 1.5, "1.5"),
        (STRING, 2.0, "2"),
        (STRING, True, "true"),
        (STRING, "äöüß€", "äöüß€"),
        (INTEGER, 7, 7),
        (INTEGER, "-7", -7),
        (INTEGER, 7.0, 7),
        (INTEGER, 2**31 - 1, 2**31 - 1),
        (field(FieldType.INTEGER, database_type="int unsigned"), 2**32 - 1, 2**32 - 1),
        (BIG, 9007199254740993, "9007199254740993"),
        (BIG, "9007199254740993", "9007199254740993"),
        (BIG, "+007", "7"),
        (BIG, -(2**63), str(-(2**63))),
        (field(FieldType.BIG_INTEGER, database_type="bigint unsigned"), 2**64 - 1, str(2**64 - 1)),
        (FLOAT, 4.5, 4.5),
        (FLOAT, 3.0, 3),
        (FLOAT, "1e3", 1000),
        (FLOAT, 1e300, 1e300),
        (DECIMAL, "12.5", "12.50"),
        (DECIMAL, 12, "12.00"),
        (DECIMAL, 0.1, "0.10"),
        (DECIMAL, "0.105", "0.11"),
        (DECIMAL, "-0.001", "0.00"),
        (DECIMAL, "1e2", "100.00"),
        (field(FieldType.DECIMAL), "1.10", "1.10"),
        (BOOLEAN, True, True),
        (BOOLEAN, 0, False),
        (BOOLEAN, "1", True),
        (BOOLEAN, "false", False),
        (DATE, "2021-02-03", "2021-02-03"),
        (DATE, "2021-02-03T23:59:59", "2021-02-03"),
        (TIME, "04:05", "04:05:00"),
        (TIME, "04:05:06", "04:05:06"),
        (TIME, "04:05:06.789", "04:05:06"),
        (TIME, "2021-02-03T04:05:06", "04:05:06"),
        (DATE_TIME, "2021-02-03T04:05:06", "2021-02-03T04:05:06"),
        (DATE_TIME, "2021-02-03 04:05", "2021-02-03T04:05:00"),
        (DATE_TIME, "2021-02-03", "2021-02-03T00:00:00"),
        (DATE_TIME, "2021-02-03T04:05:06.789Z", "2021-02-03T04:05:06"),
        (DATE_TIME, "2021-02-03T04:05:06+02:00", "2021-02-03T02:05:06"),
        (TIMESTAMP, "2021-02-03T04:05:06Z", "2021-02-03T04:05:06.000Z"),
        (TIMESTAMP, "2021-02-03T04:05:06.7899Z", "2021-02-03T04:05:06.789Z"),
        (TIMESTAMP, "2021-02-03T00:00:00-01:30", "2021-02-03T01:30:00.000Z"),
        (TIMESTAMP, "2021-02-03T04:05:06", "2021-02-03T04:05:06.000Z"),
        (JSON, {"a": [1.0, 2, {"b": None}]}, {"a": [1, 2, {"b": None}]}),
        (JSON, "text", "text"),
        (JSON, [], []),
        (JSON, False, False),
        (CSV, ["x", "y"], ["x", "y"]),
        (CSV, "x,y", ["x", "y"]),
        (CSV, ["x,y", 1], ["x", "y", "1"]),
        (CSV, "", []),
        (CSV, [], []),
        (UUID, "7F1B4E6A-6C3A-4A57-9B5E-0D9BE1C6A001", "7f1b4e6a-6c3a-4a57-9b5e-0d9be1c6a001"),
        (UUID, "7f1b4e6a6c3a4a579b5e0d9be1c6a001", "7f1b4e6a-6c3a-4a57-9b5e-0d9be1c6a001"),
        (BINARY, "AAE=", "AAE="),
        (ALIAS, [{"id": 1}], [{"id": 1}]),
    ],
)
def test_parse_gives_the_canonical_value(target: Field, value: object, canonical: object) -> None:
    parsed = values.parse(target, value)
    assert parsed == canonical
    assert type(parsed) is type(canonical)


@pytest.mark.parametrize("field_type", FieldType)
def test_null_passes_for_every_type(field_type: FieldType) -> None:
    assert values.parse(field(field_type), None) is None
    assert values.operand(field(field_type), None) is None


@pytest.mark.parametrize(
    ("target", "value", "code"),
    [
        (STRING, ["a"], "INVALID_PAYLOAD"),
        (STRING, {"a": 1}, "INVALID_PAYLOAD"),
        (STRING, "nul\0", "INVALID_PAYLOAD"),
        (STRING, "\ud800", "INVALID_PAYLOAD"),
        (STRING, "abcdef", "VALUE_TOO_LONG"),
        (INTEGER, "abc", "INVALID_PAYLOAD"),
        (INTEGER, 1.5, "INVALID_PAYLOAD"),
        (INTEGER, True, "INVALID_PAYLOAD"),
        (INTEGER, "١", "INVALID_PAYLOAD"),
        (INTEGER, 2**31, "VALUE_OUT_OF_RANGE"),
        (INTEGER, float("1e300"), "VALUE_OUT_OF_RANGE"),
        (field(FieldType.INTEGER, database_type="smallint"), 40_000, "VALUE_OUT_OF_RANGE"),
        (field(FieldType.INTEGER, database_type="int unsigned"), -1, "VALUE_OUT_OF_RANGE"),
        (BIG, 2**63, "VALUE_OUT_OF_RANGE"),
        (BIG, "9" * 5000, "INVALID_PAYLOAD"),
        (FLOAT, "NaN", "INVALID_PAYLOAD"),
        (FLOAT, "1e999", "VALUE_OUT_OF_RANGE"),
        (FLOAT, float("nan"), "INVALID_PAYLOAD"),
        (DECIMAL, "1_000", "INVALID_PAYLOAD"),
        (DECIMAL, "Infinity", "INVALID_PAYLOAD"),
        (DECIMAL, "100000000", "VALUE_OUT_OF_RANGE"),
        (DECIMAL, "1e9999", "VALUE_OUT_OF_RANGE"),
        (DECIMAL, "9" * 5000, "VALUE_OUT_OF_RANGE"),
        (BOOLEAN, "yes", "INVALID_PAYLOAD"),
        (BOOLEAN, 2, "INVALID_PAYLOAD"),
        (BOOLEAN, [], "INVALID_PAYLOAD"),
        (DATE, "2021-02-30", "INVALID_PAYLOAD"),
        (DATE, 20210203, "INVALID_PAYLOAD"),
        (TIME, "25:00", "INVALID_PAYLOAD"),
        (TIME, "noon", "INVALID_PAYLOAD"),
        (DATE_TIME, "not a date", "INVALID_PAYLOAD"),
        (TIMESTAMP, "0001-01-01T00:00:00+14:00", "INVALID_PAYLOAD"),
        (JSON, float("inf"), "INVALID_PAYLOAD"),
        (CSV, [["a"]], "INVALID_PAYLOAD"),
        (UUID, "not-a-uuid", "INVALID_PAYLOAD"),
        (UUID, 7, "INVALID_PAYLOAD"),
        (BINARY, "!", "INVALID_PAYLOAD"),
    ],
)
def test_parse_refuses_with_a_code_that_names_the_field(target: Field, value: object, code: str) -> None:
    with pytest.raises(TidegateError, match='"it"') as refused:
        values.parse(target, value)
    assert refused.value.code == code


def test_date_time_sentence_is_the_recorded_one() -> None:
    with pytest.raises(TidegateError) as refused:
        values.parse(Field("articles", "published_on", FieldType.DATE_TIME), "not a date")
    assert refused.value.message == 'Invalid payload. Invalid DateTime format in field "published_on".'


def test_deep_json_is_refused_instead_of_ending_the_stack() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TidegateError) as refused:
        values.parse(JSON, deep)
    assert refused.value.code == "INVALID_PAYLOAD"


@pytest.mark.parametrize(
    ("target", "value", "compared"),
    [
        (DECIMAL, "0.105", "0.105"),
        (DECIMAL, "12.5", "12.50"),
        (DECIMAL, 10**12, "1000000000000.00"),
        (INTEGER, 2**40, 2**40),
        (STRING, "longer than five", "longer than five"),
    ],
)
def test_operand_need_not_fit_the_column(target: Field, value: object, compared: object) -> None:
    assert values.operand(target, value) == compared


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
)
FIELDS = [
    STRING, TEXT, INTEGER, BIG, FLOAT, DECIMAL, field(FieldType.DECIMAL), BOOLEAN, DATE, TIME, DATE_TIME, TIMESTAMP,
    JSON, CSV, UUID, BINARY,
]  # fmt: skip
INPUTS = (
    JSON_VALUES
    | st.datetimes().map(lambda moment: moment.isoformat())
    | st.dates().map(str)
    | st.times().map(str)
    | st.decimals(allow_nan=False, allow_infinity=False).map(str)
    | st.uuids().map(str)
    | st.lists(st.text())
)


@given(target=st.sampled_from(FIELDS), value=INPUTS)
def test_parse_is_idempotent_and_raises_nothing_else(target: Field, value: object) -> None:
    try:
        parsed = values.parse(target, value)
    except TidegateError:
        return
    assert values.parse(target, parsed) == parsed
    assert values.operand(target, parsed) == parsed


@given(number=st.decimals(min_value=-(10**8) + 1, max_value=10**8 - 1, places=2))
def test_decimals_of_the_columns_scale_are_kept_exactly(number: Decimal) -> None:
    parsed = values.parse(DECIMAL, str(number))
    assert Decimal(parsed) == number
    assert len(parsed.split(".")[1]) == 2


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_their_value(number: float) -> None:
    parsed = values.parse(FLOAT, number)
    assert parsed == number
    assert isinstance(parsed, int) == (number.is_integer() and abs(number) <= 2**53)
