"""From the environment to `Settings`: where each value came from, and every wrong one reported at once.

Precedence, first wins: the variable in the environment or the file that `NAME_FILE` names, the same two in `.env`, an
older name, the default. An empty value counts as not set.
"""

import contextlib
import difflib
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tidegate.settings.model import Settings, Variable, variables

_VARIABLES: Mapping[str, Variable] = {variable.name: variable for variable in variables()}
_CASTS = ("string:", "number:", "array:")
"""Prefixes by which Directus's environment names a value's type; here the table knows it."""
_OLDER_NAMES = {"MESSENGER_NAMESPACE": "REDIS_BUS_NAMESPACE", "MESSENGER_REDIS": "REDIS"}
_OLDER_STORE = "MESSENGER_STORE"
_OLDER_STORES = {"redis": "true", "memory": "false"}
_LOOK_ALIKE = 0.85
"""How similar (0 to 1) an unknown name must be to a known one to be taken for a slip."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting. `sentence` names the variable, its value unless it is secret, and what is allowed."""

    variable: str
    sentence: str


class SettingsError(Exception):
    """The settings are wrong; the message has one line for each problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.sentence for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was found, and where: `environment`, `.env`, a file's path, or an older name."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What the environment says, before anything is written or started."""

    given: Mapping[str, Given]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    settings: Settings | None
    """None where there are problems. Its secret is empty where one is still to be generated."""


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process, from the environment and `.env`; or from `environ` alone.

    Generates the secret of an embedded database on first use and keeps it beside the file, readable by its owner only.
    Raises `SettingsError`.
    """
    return make_settings(read_process_environment() if environ is None else read_environment(environ))


def make_settings(reading: Reading) -> Settings:
    """Settings from what was read; writes nothing but a generated secret. Raises `SettingsError`."""
    if reading.settings is None:
        raise SettingsError(reading.problems)
    if reading.settings.secret:
        return reading.settings
    return reading.settings.model_copy(update={"secret": _keep_secret(_secret_file(reading.settings.db_filename))})


def read_process_environment() -> Reading:
    """What `os.environ` and a `.env` file in the working directory say."""
    dotenv = Path(".env")
    if not dotenv.is_file():
        return read_environment(os.environ)
    from dotenv import dotenv_values  # here, because most starts have no such file and need not pay for it

    found = dotenv_values(dotenv, interpolate=False)
    return read_environment(os.environ, {name: text for name, text in found.items() if text is not None})


def read_environment(environ: Mapping[str, str], dotenv: Mapping[str, str] | None = None) -> Reading:
    """Reads and checks everything. Opens no file but those of `NAME_FILE` and a secret kept earlier."""
    dotenv = dotenv or {}
    problems: list[Problem] = []
    given: dict[str, Given] = {}
    for source, names in (("environment", environ), (".env", dotenv)):
        for name, found in _find(source, names, problems):
            given.setdefault(name, found)
    for names in (environ, dotenv):
        for name, found in _find_older(names, problems):
            given.setdefault(name, found)
    client = given["DB_CLIENT"].text if "DB_CLIENT" in given else "sqlite3"
    if "SECRET" not in given and client == "sqlite3":
        kept = _secret_file(given["DB_FILENAME"].text if "DB_FILENAME" in given else _VARIABLES["DB_FILENAME"].default)
        if kept.is_file():
            given["SECRET"] = Given(_read_file("SECRET", kept, problems), str(kept))
    settings = _check(given, problems)
    problems.extend(_missing(given, client, settings))
    return Reading(given, tuple(problems), tuple(_look_alikes({*environ, *dotenv})), None if problems else settings)


def _find(source: str, names: Mapping[str, str], problems: list[Problem]) -> Iterator[tuple[str, Given]]:
    for name in _VARIABLES:
        text, file = names.get(name), names.get(f"{name}_FILE")
        if text and file:
            problems.append(Problem(name, f"{name} and {name}_FILE are both set: set one of them."))
        elif text:
            yield name, Given(_without_cast(text), source)
        elif file and (content := _read_file(name, Path(file), problems)):
            yield name, Given(_without_cast(content), file)


def _find_older(names: Mapping[str, str], problems: list[Problem]) -> Iterator[tuple[str, Given]]:
    for older, name in _OLDER_NAMES.items():
        if text := names.get(older):
            yield name, Given(_without_cast(text), older)
    if store := names.get(_OLDER_STORE):
        if store in _OLDER_STORES:
            yield "REDIS_ENABLED", Given(_OLDER_STORES[store], _OLDER_STORE)
        else:
            problems.append(Problem(_OLDER_STORE, f"{_OLDER_STORE} is {store!r}: it must be memory or redis."))


def _without_cast(text: str) -> str:
    for cast in _CASTS:
        text = text.removeprefix(cast)
    return text


def _read_file(name: str, file: Path, problems: list[Problem]) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        problems.append(Problem(name, f"{name} cannot be read from {file}: {error.strerror}."))
    except UnicodeDecodeError:
        problems.append(Problem(name, f"{name} cannot be read from {file}: it is not text."))
    return ""


def _check(given: Mapping[str, Given], problems: list[Problem]) -> Settings | None:
    texts = {_VARIABLES[name].attribute: found.text for name, found in given.items()}
    try:
        return Settings.model_validate({"secret": "", **texts})
    except ValidationError as error:
        wrong = {str(row["loc"][0]).upper() for row in error.errors()}
    for name, found in given.items():
        if name in wrong:
            variable = _VARIABLES[name]
            value = "wrong" if variable.secret else repr(found.text)
            place = "" if found.source == "environment" else f" (from {found.source})"
            problems.append(Problem(name, f"{name} is {value}{place}: it must be {variable.allowed}."))
    return None


def _missing(given: Mapping[str, Given], client: str, settings: Settings | None) -> Iterator[Problem]:
    """What one setting asks of another."""
    if client in ("pg", "postgres", "mysql"):
        if "SECRET" not in given:
            yield Problem("SECRET", f"SECRET is not set: it is required with DB_CLIENT={client}.")
        if "DB_CONNECTION_STRING" not in given:
            for name in ("DB_HOST", "DB_DATABASE", "DB_USER"):
                if name not in given:
                    sentence = f"{name} is not set: it, or DB_CONNECTION_STRING, is required with DB_CLIENT={client}."
                    yield Problem(name, sentence)
    if "ADMIN_EMAIL" not in given and "ADMIN_PASSWORD" in given:
        yield Problem("ADMIN_EMAIL", "ADMIN_EMAIL is not set: ADMIN_PASSWORD needs it.")
    yield from _missing_redis(given, settings)


def _missing_redis(given: Mapping[str, Given], settings: Settings | None) -> Iterator[Problem]:
    counted_in_redis = "RATE_LIMITER_STORE" in given and given["RATE_LIMITER_STORE"].text == "redis"
    if counted_in_redis and settings is not None and settings.redis_enabled is False:
        yield Problem("REDIS_ENABLED", "REDIS_ENABLED is false: RATE_LIMITER_STORE=redis needs Redis.")
    if "REDIS" in given or "REDIS_HOST" in given:
        return
    if settings is not None and settings.redis_enabled:
        yield Problem("REDIS", "REDIS is not set: it, or REDIS_HOST, is required with REDIS_ENABLED=true.")
    if counted_in_redis:
        yield Problem("REDIS", "REDIS is not set: it, or REDIS_HOST, is required with RATE_LIMITER_STORE=redis.")


def _look_alikes(names: Iterable[str]) -> Iterator[str]:
    known = {*_VARIABLES, *_OLDER_NAMES, _OLDER_STORE}
    for name in sorted(names):
        stem = name.removesuffix("_FILE")
        if "_" in name and stem not in known and name not in known:
            for match in difflib.get_close_matches(stem, known, n=1, cutoff=_LOOK_ALIKE):
                yield f"{name} is not a setting and is not read; is {match} meant?"


def _secret_file(database: str) -> Path:
    return Path(f"{database}.secret")


def _keep_secret(file: Path) -> str:
    """The secret in the file; a new one unless another process was first."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f"{file.name}.") as fresh:  # mode 0600
            fresh.write(secrets.token_urlsafe(48))
            fresh.flush()
            with contextlib.suppress(FileExistsError):
                os.link(fresh.name, file)
        return file.read_text(encoding="utf-8")
    except OSError as error:
        reason = f"SECRET is not set and a generated one cannot be kept in {file}: {error.strerror}."
        raise SettingsError([Problem("SECRET", reason)]) from None
