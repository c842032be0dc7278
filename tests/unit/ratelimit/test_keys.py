"""Keys that a client cannot multiply."""

import pytest

from tidegate.ratelimit.keys import account_key, address_key


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:DB8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::1", "::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_address_key(address: str, key: str) -> None:
    assert address_key(address) == key


def test_account_key_is_the_same_however_the_address_is_written() -> None:
    assert account_key("Ada@Example.com ") == account_key("ada@example.com")
    assert account_key("ada@example.com") != account_key("bob@example.com")


@pytest.mark.parametrize("email", ["", "a" * 1_000_000, "\ud800", "ada@example.com"])
def test_account_key_is_short_and_holds_nothing_of_what_was_typed(email: str) -> None:
    key = account_key(email)
    assert len(key) == 32
    assert "ada" not in key
