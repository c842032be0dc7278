"""One-time passwords, against the tables of the standards."""

import base64

import pytest

from tidegate.access import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_code_of_the_standard_is_accepted(moment: int, code: str) -> None:
    """RFC 6238 appendix B, whose eight digits end in the six of an authenticator application."""
    assert totp.verify(SECRET, code[-6:], moment)


@pytest.mark.parametrize(
    ("counter", "code"),
    list(
        enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"])
    ),
)
def test_code_is_accepted_one_step_early_and_late_and_no_more(counter: int, code: str) -> None:
    """RFC 4226 appendix D."""
    start = counter * totp.STEP
    verdicts = {step: totp.verify(SECRET, code, start + step * totp.STEP) for step in range(-2, 3)}
    assert verdicts == {-2: False, -1: True, 0: True, 1: True, 2: False}


@pytest.mark.parametrize("secret", [SECRET, SECRET.lower(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ", SECRET + "===="])
def test_secret_is_read_as_people_write_it(secret: str) -> None:
    assert totp.verify(secret, "287082", 59)


def test_secret_of_80_bits_works() -> None:
    """RFC 4226 code for the key `1234567890` and counter 1, worked out with OpenSSL."""
    assert totp.verify(base64.b32encode(b"1234567890").decode(), "263420", 30)


@pytest.mark.parametrize("code", ["", "28708", "2870820", " 287082", "287 082", "２８７０８２", "\ud800", "abcdef"])
def test_other_text_is_refused(code: str) -> None:
    assert not totp.verify(SECRET, code, 59)


@pytest.mark.parametrize("secret", ["", "=", "1", "not base32!", "\ud800", "é"])
def test_broken_secret_accepts_nothing(secret: str) -> None:
    assert not totp.verify(secret, "287082", 59)
