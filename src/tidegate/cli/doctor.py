"""`tidegate doctor`: what the settings and the database hold, and what of it is not supported. Writes nothing."""

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tidegate import __version__
from tidegate.access.tokens import RECOMMENDED_SECRET_BYTES
from tidegate.app.configured import database_settings
from tidegate.cli import diagnosis
from tidegate.cli.diagnosis import Finding
from tidegate.cli.failures import why_not_started, why_redis_fails
from tidegate.cli.output import FAILURE, counted, say
from tidegate.database.catalog import Catalog
from tidegate.database.engine import Database, create_database
from tidegate.errors import TidegateError
from tidegate.schema import SYSTEM_PREFIX
from tidegate.settings import Reading, Settings, read_process_environment

REDIS_SECONDS = 5.0
_ENGINES = {"sqlite3": "SQLite", "pg": "PostgreSQL", "mysql": "MySQL"}


@dataclass(slots=True)
class Report:
    """What was found; the JSON that `--json` prints has the same names."""

    tidegate: str = __version__
    database: str | None = None
    """Engine and version; None where it cannot be reached or is not there yet."""
    project: str | None = None
    """What made the database."""
    redis: str = "not used"
    served: dict[str, int] = field(default_factory=dict)
    """Collections that are served, and how many fields each has."""
    unserved: dict[str, str] = field(default_factory=dict)
    """Tables that are not served, and why."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        return not any(finding.level == "problem" for finding in self.findings)

    def problem(self, about: str, sentence: str) -> None:
        self.findings.append(Finding("problem", about, sentence))

    def note(self, about: str, sentence: str) -> None:
        self.findings.append(Finding("note", about, sentence))


def doctor(*, as_json: bool) -> None:
    """Print the report. Ends the process with `FAILURE` where there is a problem."""
    logging.getLogger("tidegate").addHandler(logging.NullHandler())  # what goes wrong is in the report
    report = asyncio.run(examine(read_process_environment()))
    if as_json:
        say(json.dumps({**asdict(report), "healthy": report.healthy}, indent=2))
    else:
        say("\n".join(_lines(report)))
    if not report.healthy:
        raise SystemExit(FAILURE)


async def examine(reading: Reading) -> Report:
    """Look at everything that the settings name."""
    report = Report()
    for problem in reading.problems:
        report.problem(problem.variable, problem.sentence)
    for warning in reading.warnings:
        report.note("settings", warning)
    settings = reading.settings
    if settings is None:
        return report
    if settings.secret and len(settings.secret.encode()) < RECOMMENDED_SECRET_BYTES:
        report.note("SECRET", f"SECRET is shorter than {RECOMMENDED_SECRET_BYTES} bytes: easier to guess.")
    await _examine_redis(report, settings)
    if _is_missing(settings):
        report.project = "none yet"
        report.note("DB_FILENAME", f"There is no file {settings.db_filename}: tidegate start makes it.")
        return report
    database = create_database(database_settings(settings))
    try:
        await _examine_database(report, settings, database)
    except TidegateError as error:
        report.problem("database", why_not_started(error, settings))
    finally:
        await database.stop()
    return report


def _is_missing(settings: Settings) -> bool:
    return settings.db_client == "sqlite3" and not Path(settings.db_filename).exists()


async def _examine_redis(report: Report, settings: Settings) -> None:
    if settings.redis_url is None:
        return
    client = Redis.from_url(settings.redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)
    try:
        info: Mapping[str, Any] = await client.info("server")
        report.redis = f"Redis {info['redis_version']}"
    except (RedisError, OSError) as error:
        report.redis = "not reachable"
        report.problem("REDIS", why_redis_fails(error, settings))
    finally:
        await client.aclose()


async def _examine_database(report: Report, settings: Settings, database: Database) -> None:
    function = sa.func.sqlite_version() if settings.db_client == "sqlite3" else sa.func.version()
    version = str((await database.fetch(sa.select(function)))[0][0])
    engine = "MariaDB" if "mariadb" in version.lower() else _ENGINES[settings.db_client]
    number = next((word for word in version.split() if word[:1].isdigit()), version).partition("-")[0]
    report.database = f"{engine} {number}"
    catalog = await database.catalog()
    report.project = diagnosis.kind_of(catalog)
    await database.start()
    schema = database.schema
    report.served = {name: len(found.fields) for name, found in sorted(schema.collections.items())}
    report.unserved = dict(sorted(database.unserved.items()))
    report.findings += diagnosis.odd_fields(schema.collections.values())
    relations = await _rows(database, "directus_relations")
    report.findings += diagnosis.lost_relations(catalog, relations, schema)
    permissions = await _rows(database, "directus_permissions")
    report.findings += diagnosis.odd_permissions(permissions, schema, database.unserved)
    report.findings += diagnosis.versioned(await _rows(database, "directus_collections"))
    report.findings += diagnosis.unused_rows(await _counts(database, catalog))
    if "directus_users" in database.tables:
        provider = database.tables["directus_users"].c.provider
        select = sa.select(provider, sa.func.count().label("users")).group_by(provider).order_by(provider)
        users = await database.fetch(select)
        report.findings += diagnosis.other_providers({row.provider: row.users for row in users})
        if not settings.secret:
            report.problem("SECRET", "SECRET is not set: tokens that the project gave out before will not be taken.")


async def _rows(database: Database, table: str) -> Sequence[Mapping[str, Any]]:
    if table not in database.tables:
        return []
    key = database.schema.collections[table].primary_key
    found = database.tables[table]
    return [row._asdict() for row in await database.fetch(sa.select(found).order_by(found.c[key]))]


async def _counts(database: Database, catalog: Catalog) -> dict[str, int]:
    present = {column.table for column in catalog.columns} & diagnosis.UNUSED_TABLES.keys()
    counts = {}
    for table in sorted(present):
        rows = await database.fetch(sa.select(sa.func.count()).select_from(sa.table(table)))
        counts[table] = rows[0][0]
    return counts


def _lines(report: Report) -> Iterable[str]:
    yield f"Tidegate  {report.tidegate}"
    yield f"Database  {report.database or 'none'}"
    yield f"Project   {report.project or 'unknown'}"
    yield f"Redis     {report.redis}"
    own = [name for name in report.served if not name.startswith(SYSTEM_PREFIX)]
    yield f"Served    {counted(len(own), 'collection')}: {', '.join(own)}" if own else "Served    no collections"
    for table, reason in report.unserved.items():
        yield f"Left out  {table}: {reason}"
    for level in ("problem", "note"):
        for finding in report.findings:
            if finding.level == level:
                yield f"{level.capitalize():<9} {finding.sentence}"
    if report.healthy:
        yield "Nothing stands in the way."
