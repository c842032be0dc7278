"""Reading the environment: precedence, files, older names, and every wrong value reported at once."""

import stat
from pathlib import Path

import pytest

from tidegate.settings import SettingsError, load_settings, read_environment

SECRET = {"SECRET": "a-secret-of-this-test"}


def problems(environ: dict[str, str]) -> list[str]:
    return [problem.sentence for problem in read_environment(environ).problems]


def test_environment_gives_typed_settings() -> None:
    settings = load_settings({**SECRET, "PORT": "9000", "ACCESS_TOKEN_TTL": "4s", "WEBSOCKETS_REST_AUTH": "strict"})
    assert (settings.port, settings.access_token_ttl, settings.websockets_rest_auth) == (9000, 4.0, "strict")


def test_empty_value_counts_as_not_set() -> None:
    assert load_settings({**SECRET, "PORT": "", "ADMIN_EMAIL": ""}).port == 8055


def test_every_wrong_value_is_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"PORT": "http", "WEBSOCKETS_REST_AUTH": "handshak", "DB_CLIENT": "mysql", "DB_HOST": "db"})
    assert str(caught.value).splitlines() == [
        "PORT is 'http': it must be a port number from 0 to 65535.",
        "WEBSOCKETS_REST_AUTH is 'handshak': it must be public, handshake or strict.",
        "SECRET is not set: it is required with DB_CLIENT=mysql.",
        "DB_DATABASE is not set: it, or DB_CONNECTION_STRING, is required with DB_CLIENT=mysql.",
        "DB_USER is not set: it, or DB_CONNECTION_STRING, is required with DB_CLIENT=mysql.",
    ]


def test_wrong_secret_is_reported_without_its_value() -> None:
    (sentence,) = problems({**SECRET, "REDIS": "http://:hush@host"})
    assert sentence == "REDIS is wrong: it must be a redis://, rediss:// or unix:// URL."


def test_inherited_value_is_not_blamed_for_a_wrong_one() -> None:
    (sentence,) = problems({**SECRET, "RATE_LIMITER_POINTS": "none"})
    assert sentence.startswith("RATE_LIMITER_POINTS is 'none'")


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"DB_CLIENT": "oracledb"}, "DB_CLIENT"),
        ({"DB_CLIENT": "pg", "DB_CONNECTION_STRING": "postgres://db"}, "SECRET"),
        ({**SECRET, "ADMIN_PASSWORD": "pw"}, "ADMIN_EMAIL"),
        ({**SECRET, "REDIS_ENABLED": "true"}, "REDIS"),
        ({**SECRET, "RATE_LIMITER_STORE": "redis"}, "REDIS"),
        (
            {**SECRET, "RATE_LIMITER_STORE": "redis", "REDIS": "redis://cache", "REDIS_ENABLED": "false"},
            "REDIS_ENABLED",
        ),
        ({**SECRET, "MESSENGER_STORE": "redis"}, "REDIS"),
        ({**SECRET, "MESSENGER_STORE": "nats"}, "MESSENGER_STORE"),
    ],
)
def test_what_is_missing_is_named(environ: dict[str, str], variable: str) -> None:
    assert [problem.variable for problem in read_environment(environ).problems] == [variable]


def test_environment_goes_before_dotenv() -> None:
    reading = read_environment({**SECRET, "PORT": "1"}, {"PORT": "2", "HOST": "::1"})
    assert reading.settings is not None
    assert (reading.settings.port, reading.settings.host) == (1, "::1")
    assert (reading.given["PORT"].source, reading.given["HOST"].source) == ("environment", ".env")


def test_dotenv_in_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PUBLIC_URL", raising=False)
    (tmp_path / ".env").write_text('SECRET="se$cret # not a comment"\nPUBLIC_URL=https://data.example.com\n')
    settings = load_settings()
    assert (settings.secret, settings.public_url) == ("se$cret # not a comment", "https://data.example.com")


def test_value_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("string:line\n")
    file = str(tmp_path / "password")
    reading = read_environment({**SECRET, "DB_PASSWORD_FILE": file})
    assert reading.settings is not None
    assert reading.settings.db_password == "line"
    assert reading.given["DB_PASSWORD"].source == file


def test_variable_and_its_file_together_are_refused() -> None:
    assert problems({**SECRET, "DB_PASSWORD": "a", "DB_PASSWORD_FILE": "b"}) == [
        "DB_PASSWORD and DB_PASSWORD_FILE are both set: set one of them."
    ]


def test_missing_file_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "missing"
    assert problems({**SECRET, "ADMIN_TOKEN_FILE": str(file)}) == [
        f"ADMIN_TOKEN cannot be read from {file}: No such file or directory."
    ]


def test_file_that_is_not_text_is_reported(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (sentence,) = problems({**SECRET, "ADMIN_TOKEN_FILE": str(tmp_path / "binary")})
    assert sentence.endswith("it is not text.")


@pytest.mark.parametrize(
    ("text", "password"), [("string:1234", "1234"), ("number:1234", "1234"), ("plain:1234", "plain:1234")]
)
def test_cast_of_the_value_is_dropped(text: str, password: str) -> None:
    assert load_settings({**SECRET, "DB_PASSWORD": text}).db_password == password


def test_array_of_strings_is_a_list_of_origins() -> None:
    settings = load_settings({**SECRET, "CORS_ORIGIN": "array:string:https://a.example,https://b.example"})
    assert settings.cors_origin == ("https://a.example", "https://b.example")


def test_older_names_are_read() -> None:
    settings = load_settings(
        {**SECRET, "MESSENGER_STORE": "redis", "MESSENGER_NAMESPACE": "mine", "MESSENGER_REDIS": "redis://cache"}
    )
    assert (settings.redis_enabled, settings.redis_bus_namespace, settings.redis_url) == (True, "mine", "redis://cache")


def test_newer_name_goes_before_the_older_one() -> None:
    environ = {**SECRET, "MESSENGER_STORE": "memory", "REDIS_ENABLED": "true", "REDIS": "redis://cache"}
    assert load_settings(environ).redis_url == "redis://cache"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("WEBSOCKET_REST_AUTH", "WEBSOCKETS_REST_AUTH"),
        ("DB_FILE_NAME", "DB_FILENAME"),
        ("ACCESS_TOKEN_TLL", "ACCESS_TOKEN_TTL"),
        ("ADMIN_PASWORD_FILE", "ADMIN_PASSWORD"),
    ],
)
def test_look_alike_is_warned_about(name: str, meant: str) -> None:
    (warning,) = read_environment({**SECRET, name: "x"}).warnings
    assert warning == f"{name} is not a setting and is not read; is {meant} meant?"


@pytest.mark.parametrize("name", ["PATH", "HOME", "PRESSURE_LIMITER_ENABLED", "DB_POOL__MIN", "HOSTNAME", "PORTS"])
def test_other_variables_are_left_alone(name: str) -> None:
    assert read_environment({**SECRET, name: "x"}).warnings == ()


def test_secret_is_generated_once_and_kept_beside_the_database(tmp_path: Path) -> None:
    environ = {"DB_FILENAME": str(tmp_path / "new" / "project.db")}
    first = load_settings(environ)
    kept = tmp_path / "new" / "project.db.secret"
    assert len(first.secret) == 64
    assert kept.read_text() == first.secret
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert load_settings(environ).secret == first.secret
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


def test_reading_alone_writes_nothing(tmp_path: Path) -> None:
    reading = read_environment({"DB_FILENAME": str(tmp_path / "project.db")})
    assert reading.settings is not None
    assert reading.settings.secret == ""
    assert list(tmp_path.iterdir()) == []


def test_secret_that_cannot_be_kept_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"^SECRET is not set and a generated one cannot be kept in .*: .*\.$"):
        load_settings({"DB_FILENAME": str(tmp_path / "file" / "project.db")})
