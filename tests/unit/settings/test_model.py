"""The table itself: what it promises to the command line and the documentation, and what it computes."""

import pytest
from pydantic import ValidationError

from tidegate.settings import Settings, variables


def test_variable_names_are_attributes_in_upper_case() -> None:
    assert [variable.name.lower() for variable in variables()] == list(Settings.model_fields)


def test_every_variable_says_what_it_is_and_what_is_allowed() -> None:
    for variable in variables():
        assert variable.help.endswith("."), variable.name
        assert variable.allowed, variable.name


@pytest.mark.parametrize("variable", list(variables()), ids=lambda variable: variable.name)
def test_default_reads_back_as_itself(variable: object) -> None:
    row = next(one for one in variables() if one == variable)
    default = getattr(Settings(secret="s"), row.attribute)
    if row.default:
        assert getattr(Settings.model_validate({"secret": "s", row.attribute: row.default}), row.attribute) == default


def test_variables_that_hold_credentials_are_secret() -> None:
    assert {variable.name for variable in variables() if variable.secret} == {
        "SECRET",
        "ADMIN_PASSWORD",
        "ADMIN_TOKEN",
        "DB_PASSWORD",
        "DB_CONNECTION_STRING",
        "REDIS",
        "REDIS_PASSWORD",
    }


def test_settings_do_not_show_secrets() -> None:
    settings = Settings(secret="hush-hush", admin_password="pw-hush", redis="redis://:hush@host")
    assert "hush" not in repr(settings)
    assert "hush" not in str(settings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings(secret="s").port = 1


@pytest.mark.parametrize(("client", "port"), [("sqlite3", None), ("pg", 5432), ("mysql", 3306)])
def test_database_port_follows_the_client(client: str, port: int | None) -> None:
    assert Settings.model_validate({"secret": "s", "db_client": client}).db_port == port


def test_websocket_rate_limit_inherits_from_the_general_one() -> None:
    settings = Settings(secret="s", rate_limiter_points=7, rate_limiter_duration=3.0)
    assert (settings.rate_limiter_websockets_points, settings.rate_limiter_websockets_duration) == (7, 3.0)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, None),
        ({"redis": "redis://cache:6380/2", "redis_host": "other"}, "redis://cache:6380/2"),
        ({"redis_host": "cache"}, "redis://cache:6379/0"),
        ({"redis_host": "cache", "redis_password": "p@/w"}, "redis://:p%40%2Fw@cache:6379/0"),
        (
            {"redis_host": "cache", "redis_username": "me", "redis_password": "pw", "redis_port": 1, "redis_db": 3},
            "redis://me:pw@cache:1/3",
        ),
        ({"redis": "redis://cache", "redis_enabled": False}, None),
    ],
)
def test_redis_address_is_put_together(given: dict[str, object], url: str | None) -> None:
    assert Settings.model_validate({"secret": "s", **given}).redis_url == url
