"""Every field type on every engine: what is written is read, compares and sorts the same."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from tests.support import engines
from tests.support.ddl import run_ddl
from tests.support.schemas import started_database
from tidegate.database.ddl import create_table, run
from tidegate.database.engine import Database
from tidegate.database.functions import date_part, json_length
from tidegate.schema import Field, FieldType
from tidegate.schema.values import parse

pytestmark = pytest.mark.asyncio(loop_scope="module")

CSV, HASH = FieldType.CSV, FieldType.HASH
SAMPLES: dict[FieldType, list[Any]] = {
    FieldType.STRING: ["a", "B", "b", "", "ä", "it's \\ \"%s :x ?", "日本", "a "],
    FieldType.TEXT: ["x" * 70_000, "line\nline"],
    FieldType.INTEGER: [-(2**31), -1, 0, 2**31 - 1],
    FieldType.BIG_INTEGER: ["-9223372036854775808", "5", "9007199254740993", "9223372036854775807"],
    FieldType.FLOAT: [-1e300, -0.1, 0, 4.1, 1e15, 1e300],
    FieldType.DECIMAL: ["-99999999.99", "-0.01", "0.00", "0.10", "9.00", "12.50", "99999999.99"],
    FieldType.BOOLEAN: [False, True],
    FieldType.DATE: ["1969-07-20", "2021-02-03", "2999-12-31"],
    FieldType.TIME: ["00:00:00", "04:05:06", "23:59:59"],
    FieldType.DATE_TIME: ["1969-07-20T20:17:40", "2021-02-03T04:05:06", "2999-12-31T23:59:59"],
    FieldType.TIMESTAMP: ["1971-01-01T00:00:00.001Z", "2021-02-03T04:05:06.789Z", "2037-12-31T23:59:59.999Z"],
    FieldType.JSON: [
        {"a": [1, 2, {"b": None}]},
        [],
        {},
        "text",
        '"quoted"',
        "7",
        7,
        1.5,
        True,
        False,
        12345678901234567,
    ],
    FieldType.CSV: [["x", "y"], [], ["one"], ["ä", ""]],
    FieldType.UUID: ["7f1b4e6a-6c3a-4a57-9b5e-0d9be1c6a001", "ffffffff-ffff-4fff-8fff-ffffffffffff"],
    FieldType.HASH: ["$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"],
    FieldType.BINARY: ["", "AAH/gA=="],
}
UNORDERED = (FieldType.JSON, FieldType.CSV, FieldType.BINARY, FieldType.STRING, FieldType.TEXT)


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=engines.DATABASE_ENGINES)
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """One for all tests of an engine, which make their table anew."""
    async with engines.temporary_database(request.param) as url, started_database(url) as database:
        yield database


@pytest_asyncio.fixture(loop_scope="module")
async def own_database(database_url: str) -> AsyncIterator[Database]:
    """For what only one engine has."""
    async with started_database(database_url) as database:
        yield database


async def make_table(database: Database, *fields: Field) -> sa.Table:
    """A new table `things` with an `id` and these fields."""
    key = Field("things", "id", FieldType.INTEGER, primary_key=True, auto_increment=True)
    async with database.restructuring() as transaction:

        def work(connection: sa.Connection) -> None:
            run(connection, "DROP TABLE IF EXISTS things")
            for statement in create_table("things", [key, *fields], [], connection.dialect):
                run(connection, statement)

        await transaction.run(work)
    await database.reload()
    return database.tables["things"]


def field(type_: FieldType, **options: Any) -> Field:
    decimal = {"numeric_precision": 10, "numeric_scale": 2} if type_ is FieldType.DECIMAL else {}
    return Field("things", "it", type_, **{**decimal, **options})


async def insert(database: Database, table: sa.Table, values: list[Any]) -> None:
    async with database.transaction() as transaction:
        for value in values:
            await transaction.execute(sa.insert(table).values(it=value))


async def column(database: Database, select: sa.Select[Any]) -> list[Any]:
    return [row[0] for row in await database.fetch(select)]


@pytest.mark.parametrize("type_", [type_ for type_ in SAMPLES if type_ not in (CSV, HASH)])
async def test_introspection_finds_the_type_that_a_column_was_made_for(database: Database, type_: FieldType) -> None:
    await make_table(database, field(type_))
    assert database.schema.collections["things"].fields["it"].type is type_


@pytest.mark.parametrize("type_", SAMPLES)
async def test_database_gives_back_what_was_written(database: Database, type_: FieldType) -> None:
    made = field(type_)
    table = await make_table(database, made)
    table = await refined(database, table, made)
    written = [parse(made, value) for value in SAMPLES[type_]]
    await insert(database, table, [*written, None])
    read = await column(database, sa.select(table.c.it).order_by(table.c.id))
    assert read == [*written, None]
    assert [type(value) for value in read] == [type(value) for value in [*written, None]]


@pytest.mark.parametrize("type_", [type_ for type_ in SAMPLES if type_ not in UNORDERED])
async def test_database_compares_and_sorts_values(database: Database, type_: FieldType) -> None:
    made = field(type_)
    table = await refined(database, await make_table(database, made), made)
    ordered = [parse(made, value) for value in SAMPLES[type_]]
    await insert(database, table, [*reversed(ordered), None])
    it = table.c.it
    assert await column(database, sa.select(it).where(it.is_not(None)).order_by(it)) == ordered
    for place, value in enumerate(ordered):
        assert await column(database, sa.select(it).where(it == value)) == [value]
        assert await column(database, sa.select(it).where(it < value).order_by(it)) == ordered[:place]
        assert (
            await column(database, sa.select(it).where(it.between(value, ordered[-1])).order_by(it)) == ordered[place:]
        )
        assert await column(database, sa.select(it).where(it.in_([value]))) == [value]


async def refined(database: Database, table: sa.Table, made: Field) -> sa.Table:
    """The table with the types that only a `special` flag tells."""
    flags = {CSV: "cast-csv", HASH: "hash"}
    if made.type not in flags:
        return table
    found = database.tables["things"].c.it.type
    typed = type(found)(made.type, found.database_type)  # type: ignore[attr-defined, call-arg]  # it is an ApiType
    return sa.Table("things", sa.MetaData(), sa.Column("id", table.c.id.type, primary_key=True), sa.Column("it", typed))


async def test_text_comparison_is_exact_where_the_engine_says_so(database: Database) -> None:
    table = await make_table(database, field(FieldType.STRING))
    await insert(database, table, ["red", "RED", "réd", "red "])
    assert database.capabilities.exact_text_comparison
    assert await column(database, sa.select(table.c.it).where(table.c.it == "red")) == ["red"]
    assert database.capabilities.case_sensitive_like
    assert await column(database, sa.select(table.c.it).where(table.c.it.like("R%"))) == ["RED"]


async def test_long_decimals_are_exact_and_sort_as_numbers(database: Database) -> None:
    made = field(FieldType.DECIMAL, numeric_precision=30, numeric_scale=10)
    table = await make_table(database, made)
    ordered = ["-12345678901234567890.1234567890", "9.0000000001", "10.0000000000", "12345678901234567890.0000000001"]
    await insert(database, table, [*reversed(ordered)])
    it = table.c.it
    assert await column(database, sa.select(it).order_by(it)) == ordered
    assert await column(database, sa.select(it).where(it > "9.5").order_by(it)) == ordered[2:]
    assert await column(database, sa.select(sa.func.max(it))) == [ordered[-1]]


async def test_sum_of_decimals_has_no_noise(database: Database) -> None:
    table = await make_table(database, field(FieldType.DECIMAL))
    await insert(database, table, ["0.10", "0.20"])
    assert await column(database, sa.select(sa.func.sum(table.c.it))) == ["0.30"]


async def test_operand_beyond_the_column_is_compared_all_the_same(database: Database) -> None:
    table = await make_table(database, field(FieldType.INTEGER))
    await insert(database, table, [1])
    assert await column(database, sa.select(table.c.it).where(table.c.it < 2**40)) == [1]


async def test_json_length_counts_the_elements_of_arrays(database: Database) -> None:
    table = await make_table(database, field(FieldType.JSON))
    await insert(database, table, [[1, 2, 3], [], {"a": 1}, None])
    counted = sa.select(json_length(table.c.it, database.capabilities)).order_by(table.c.id)
    assert await column(database, counted) == [3, 0, 0, None]


PARTS: dict[str, Any] = {
    "year": lambda moment: moment.year,
    "month": lambda moment: moment.month,
    "week": lambda moment: moment.isocalendar().week,
    "day": lambda moment: moment.day,
    "weekday": lambda moment: moment.isoweekday() % 7,
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "second": lambda moment: moment.second,
}
DATES = [
    datetime(year, month, day, 23, 59, 58)  # noqa: DTZ001 - UTC is implied
    for year in (1999, 2004, 2005, 2008, 2020, 2021, 2026)
    for month, day in ((1, 1), (1, 2), (1, 3), (1, 4), (2, 28), (7, 15), (12, 28), (12, 29), (12, 30), (12, 31))
]


@pytest.mark.parametrize("type_", [FieldType.TIMESTAMP, FieldType.DATE_TIME])
async def test_date_parts_are_those_of_the_calendar(database: Database, type_: FieldType) -> None:
    table = await make_table(database, field(type_))
    await insert(database, table, [parse(field(type_), moment.isoformat()) for moment in DATES])
    parts = [date_part(part, table.c.it, database.capabilities) for part in PARTS]  # type: ignore[arg-type]  # its keys
    rows = await database.fetch(sa.select(*parts).order_by(table.c.id))
    assert [tuple(row) for row in rows] == [tuple(part(moment) for part in PARTS.values()) for moment in DATES]


async def test_parts_of_a_time(database: Database) -> None:
    table = await make_table(database, field(FieldType.TIME))
    await insert(database, table, ["04:05:06"])
    capabilities = database.capabilities
    parts = (date_part("hour", table.c.it, capabilities), date_part("second", table.c.it, capabilities))
    assert [tuple(row) for row in await database.fetch(sa.select(*parts))] == [(4, 6)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_directus_projects_on_sqlite_hold_milliseconds_and_texts(own_database: Database) -> None:
    await run_ddl(
        own_database,
        "CREATE TABLE directus_sessions (token varchar(64) PRIMARY KEY, expires datetime)",
        "INSERT INTO directus_sessions VALUES ('a', 1612325106000), ('b', '2021-02-03 04:05:06')",
    )
    table = own_database.tables["directus_sessions"]
    expires = await column(own_database, sa.select(table.c.expires))
    assert expires == ["2021-02-03T04:05:06.000Z"] * 2
    year = date_part("year", table.c.expires, own_database.capabilities)
    assert await column(own_database, sa.select(year)) == [2021, 2021]
    async with own_database.transaction() as transaction:
        await transaction.execute(sa.update(table).values(expires="2021-02-03T04:05:07.000Z"))
    stored = await column(own_database, sa.select(sa.literal_column("expires")).select_from(table))
    assert stored == [1612325107000] * 2


@pytest.mark.parametrize(
    ("kept", "written"),
    [
        ("2021-02-03 04:05:06", "2021-02-04 00:00:00"),
        ("2021-02-03 04:05:06.123456", "2021-02-04 00:00:00"),
        ("2021-02-03T04:05:06", "2021-02-04T00:00:00"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_dates_that_other_programs_keep_as_text_are_used_as_they_do(
    own_database: Database, kept: str, written: str
) -> None:
    await run_ddl(
        own_database,
        "CREATE TABLE events (id integer PRIMARY KEY, at datetime)",
        f"INSERT INTO events (at) VALUES (NULL), ('{kept}'), ('{kept.replace('2021', '2022')}')",
    )
    table = own_database.tables["events"]
    at = table.c.at
    assert await column(own_database, sa.select(at).where(at < "2021-12-31T00:00:00")) == ["2021-02-03T04:05:06"]
    async with own_database.transaction() as transaction:
        await transaction.execute(sa.update(table).values(at="2021-02-04T00:00:00"))
    stored = await column(own_database, sa.select(sa.literal_column("at")).select_from(table))
    assert stored == [written] * 3


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_types_that_only_postgresql_has_are_read_written_and_compared_as_text(own_database: Database) -> None:
    await run_ddl(
        own_database,
        "CREATE TYPE \"My mood\" AS ENUM ('happy', 'sad')",
        "CREATE DOMAIN short AS varchar(5)",
        'CREATE TABLE things (id serial PRIMARY KEY, mood "My mood", address inet, tags text[], name short, r real)',
    )
    table = own_database.tables["things"]
    fields = own_database.schema.collections["things"].fields
    assert [fields[name].type.value for name in ("mood", "address", "tags", "name", "r")] == [
        "string", "unknown", "unknown", "string", "float",
    ]  # fmt: skip
    row = {"mood": "sad", "address": "10.0.0.0/8", "tags": "{a,b}", "name": "x", "r": 4.1}
    async with own_database.transaction() as transaction:
        await transaction.execute(sa.insert(table).values(**row))
    for name, value in row.items():
        found = await own_database.fetch(sa.select(table).where(table.c[name] == value))
        assert [dict(one._mapping) for one in found] == [{"id": 1, **row}]


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
async def test_unsigned_and_bit_columns_of_mysql(own_database: Database) -> None:
    await run_ddl(
        own_database,
        "CREATE TABLE things (id int unsigned AUTO_INCREMENT PRIMARY KEY, big bigint unsigned, flag bit(1), "
        "kind enum('a', 'b'), y year, t time(3))",
        "INSERT INTO things VALUES (4294967295, 18446744073709551615, b'1', 'a', 2021, '-01:00:00')",
    )
    table = own_database.tables["things"]
    assert [tuple(row) for row in await own_database.fetch(sa.select(table))] == [
        (4294967295, "18446744073709551615", True, "a", 2021, "-01:00:00")
    ]
    assert parse(own_database.schema.collections["things"].fields["id"], 4294967295) == 4294967295
