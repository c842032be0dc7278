"""Tables of any program, of whatever shape, are served right or left out with a reason; nothing in them is a fault."""

import urllib.parse
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.conformance.conformance import ADMIN_TOKEN, BASE_ENV
from tests.integration.http.project import Project
from tests.integration.websocket.client import Client
from tests.support import directus
from tests.support.engines import DATABASE_ENGINES, environment, temporary_database
from tests.support.probes import DatabaseEngine
from tidegate.app import Tidegate
from tidegate.clock import ManualClock
from tidegate.settings import load_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = {
    "sqlite": "id integer PRIMARY KEY",
    "postgresql": "id serial PRIMARY KEY",
    "mariadb": "id int AUTO_INCREMENT PRIMARY KEY",
}
COMMON = (
    "CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b))",
    "CREATE TABLE keyless (name varchar(20))",
    "CREATE VIEW overview AS SELECT name FROM keyless",
    "CREATE TABLE readings (id {moment} PRIMARY KEY, name varchar(20))",
    "CREATE TABLE codes (id varchar(20) PRIMARY KEY, name varchar(20))",
    "CREATE TABLE doubled ({key}, a int, b int GENERATED ALWAYS AS (a * 2) STORED)",
    "CREATE TABLE shouted ({key}, name varchar(20), writes int DEFAULT 0)",
    "CREATE TABLE refused ({key}, name varchar(20))",
    "CREATE TABLE unique_pairs ({key}, a int, b int, CONSTRAINT a UNIQUE (a, b))",
    "CREATE TABLE people ({key}, parent int{references} ON DELETE CASCADE)",
    "INSERT INTO codes VALUES ('Abc', 'x')",
    "INSERT INTO people VALUES (1, NULL), (2, 1)",
)
POSTGRESQL = (
    "CREATE MATERIALIZED VIEW summary AS SELECT name FROM keyless",
    "CREATE TABLE of_an_extension (id integer PRIMARY KEY)",
    "ALTER EXTENSION plpgsql ADD TABLE of_an_extension",
    "CREATE SCHEMA elsewhere",
    "CREATE TABLE elsewhere.codes (id integer PRIMARY KEY)",
    "CREATE TABLE strangers (id serial PRIMARY KEY, code int REFERENCES elsewhere.codes)",
    "CREATE TABLE numbered (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)",
    "CREATE TABLE odd (id serial PRIMARY KEY, address inet, flags bit(3), place point, price numeric, size real)",
    "INSERT INTO odd (address, flags, place, price, size) VALUES ('10.0.0.1', B'101', '(1,2)', 'NaN', 'NaN')",
    "CREATE TABLE moments (id serial PRIMARY KEY, at time, day date, local timestamp, moment timestamptz)",
    "INSERT INTO moments (at, day, moment) VALUES ('24:00', 'infinity', '-infinity'), ('23:59:59', '4000-2-29', NULL)",
    "INSERT INTO moments (day) VALUES ('0044-03-15 BC'), ('10000-01-01')",
    "INSERT INTO moments (local) VALUES ('0044-03-15 BC'), ('10000-01-01')",
    "INSERT INTO moments (moment) VALUES ('0044-03-15 BC'), ('10000-01-02')",
    "CREATE FUNCTION shout() RETURNS trigger AS $$ BEGIN UPDATE shouted SET name = upper(NEW.name),"
    " writes = writes + 1 WHERE id = NEW.id; RETURN NULL; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER shout AFTER INSERT OR UPDATE OF name ON shouted FOR EACH ROW"
    " WHEN (NEW.name <> upper(NEW.name)) EXECUTE FUNCTION shout()",
    "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN IF NEW.name = 'loud' THEN RAISE EXCEPTION 'a secret';"
    " END IF; RETURN NULL; END $$ LANGUAGE plpgsql",
    "INSERT INTO refused (name) VALUES ('x')",
    "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON refused FOR EACH ROW EXECUTE FUNCTION refuse()",
    "CREATE FUNCTION keep() RETURNS trigger AS $$ BEGIN RETURN NULL; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER keep BEFORE DELETE ON refused FOR EACH ROW EXECUTE FUNCTION keep()",
)
SQLITE = (
    "CREATE VIRTUAL TABLE words USING fts5(body)",
    "CREATE TABLE typeless (id PRIMARY KEY, name)",
    "CREATE TABLE Targets (Id integer PRIMARY KEY, name text)",
    "CREATE TABLE pointers (id integer PRIMARY KEY, target integer REFERENCES TARGETS (ID))",
    "INSERT INTO Targets VALUES (1, 'first')",
    "INSERT INTO pointers VALUES (1, 1)",
    "CREATE TABLE loose (id integer PRIMARY KEY, i integer, f real, d decimal(5, 2), c char(36), t datetime)",
    "INSERT INTO loose VALUES (1, 'text', 'text', 'text', 'Not A UUID', 1e15), (2, 1.5, 2, 3, NULL, 9e99)",
    "CREATE TRIGGER shout AFTER INSERT ON shouted BEGIN"
    " UPDATE shouted SET name = upper(NEW.name), writes = writes + 1 WHERE id = NEW.id; END",
    "CREATE TRIGGER shout_again AFTER UPDATE OF name ON shouted WHEN NEW.name <> upper(NEW.name) BEGIN"
    " UPDATE shouted SET name = upper(NEW.name), writes = writes + 1 WHERE id = NEW.id; END",
    "INSERT INTO refused (name) VALUES ('x')",
    "CREATE TRIGGER refuse BEFORE INSERT ON refused BEGIN"
    " SELECT CASE NEW.name WHEN 'loud' THEN RAISE (ABORT, 'a secret') ELSE RAISE (IGNORE) END; END",
    "CREATE TRIGGER refuse_too BEFORE UPDATE ON refused BEGIN SELECT RAISE (IGNORE); END",
    "CREATE TRIGGER keep BEFORE DELETE ON refused BEGIN SELECT RAISE (IGNORE); END",
)
MARIADB = (
    "CREATE TABLE kept (id int AUTO_INCREMENT PRIMARY KEY, name text) WITH SYSTEM VERSIONING",
    "CREATE TABLE western (id int AUTO_INCREMENT PRIMARY KEY, name varchar(20) CHARACTER SET latin1)",
    "CREATE TABLE odd (id int AUTO_INCREMENT PRIMARY KEY, flags bit(8), place point, length time)",
    "INSERT INTO odd (flags, place, length) VALUES (b'101', ST_GeomFromText('POINT(1 2)'), '-100:00:01')",
    "CREATE TRIGGER shout BEFORE INSERT ON shouted FOR EACH ROW SET NEW.name = upper(NEW.name), NEW.writes = 1",
    "CREATE TRIGGER shout_again BEFORE UPDATE ON shouted FOR EACH ROW"
    " SET NEW.name = upper(NEW.name), NEW.writes = OLD.writes + 1",
    "CREATE TRIGGER refuse BEFORE INSERT ON refused FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a secret'",
)
OF_ENGINE = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "mariadb": MARIADB}
MOMENTS = {"sqlite": "datetime", "postgresql": "timestamptz", "mariadb": "datetime(6)"}


class Served(NamedTuple):
    """A server in front of the tables."""

    project: Project
    engine: DatabaseEngine

    async def data(self, method: str, path: str, body: object = None) -> Any:
        status, answer = await self.project.ask(method, path, body)
        assert status == 200, answer
        return answer["data"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DATABASE_ENGINES)
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    engine: DatabaseEngine = request.param
    async with temporary_database(engine) as url:
        references = ", FOREIGN KEY (parent) REFERENCES people (id)"
        common = [
            statement.format(key=KEYS[engine], moment=MOMENTS[engine], references=references) for statement in COMMON
        ]
        await directus.ask(engine, url, [*common, *OF_ENGINE[engine]])
        clock = ManualClock(1_800_000_000.0)
        app = Tidegate(load_settings({**BASE_ENV, **environment(url), "WEBSOCKETS_REST_AUTH": "public"}), clock)
        async with app.lifespan():
            project = Project(app, clock)
            async with project.client:
                yield Served(project, engine)


def only(engine: DatabaseEngine) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("served", [engine], indirect=True)


async def test_what_is_left_out_is_named_with_the_reason(served: Served) -> None:
    unserved = dict(served.project.app.running.items._database.unserved)
    assert unserved.pop("pairs") == "its primary key has more than one column"
    assert unserved.pop("keyless") == "it has no primary key"
    assert unserved.pop("overview") == "it is a view"
    assert "do not name one row exactly" in unserved.pop("readings")
    if served.engine == "postgresql":
        assert unserved == {"summary": "it is a view", "elsewhere.*": "other schemas are not looked into"}
    elif served.engine == "sqlite":
        assert "do not name one row exactly" in unserved.pop("typeless")
        assert unserved.pop("words") == "it is a virtual table"
        assert unserved.keys() == {"words_data", "words_idx", "words_content", "words_docsize", "words_config"}
    else:
        assert unserved == {}


async def test_computed_columns_are_read_and_not_written(served: Served) -> None:
    row = await served.data("POST", "/items/doubled", {"a": 3})
    assert row["b"] == 6
    assert (await served.data("PATCH", f"/items/doubled/{row['id']}", {"a": 4}))["b"] == 8
    assert await served.project.code("POST", "/items/doubled", {"a": 3, "b": 7}) == (400, "INVALID_PAYLOAD")
    assert await served.project.code("PATCH", f"/items/doubled/{row['id']}", {"b": 7}) == (400, "INVALID_PAYLOAD")
    column = (await served.data("GET", "/fields/doubled/b"))["schema"]
    assert (column["is_generated"], column["default_value"]) == (True, None)


@pytest.mark.parametrize("served", ["postgresql", "mariadb"], indirect=True)
async def test_column_that_is_not_written_for_another_reason_is_not_generated(served: Served) -> None:
    column = {"postgresql": "/fields/numbered/id", "mariadb": "/fields/odd/place"}[served.engine]
    assert not (await served.data("GET", column))["schema"]["is_generated"]


async def test_answers_and_events_hold_what_triggers_made_of_the_row(served: Served) -> None:
    async with Client(served.project.app, "/websocket") as socket:
        await socket.ask(type="auth", access_token=ADMIN_TOKEN)
        await socket.ask(type="subscribe", collection="shouted")
        row = await served.data("POST", "/items/shouted", {"name": "quiet"})
        assert row == {"id": row["id"], "name": "QUIET", "writes": 1}
        assert (await socket.receive())["data"] == [row]
        changed = await served.data("PATCH", f"/items/shouted/{row['id']}", {"name": "still"})
        assert changed == {"id": row["id"], "name": "STILL", "writes": 2}
        assert (await socket.receive())["data"] == [changed]


async def test_row_that_a_trigger_refuses_fails_validation_and_is_not_told(served: Served) -> None:
    async with Client(served.project.app, "/websocket") as socket:
        await socket.ask(type="auth", access_token=ADMIN_TOKEN)
        await socket.ask(type="subscribe", collection="refused")
        status, body = await served.project.ask("POST", "/items/refused", {"name": "loud"})
        assert (status, body["errors"][0]["extensions"]["code"]) == (400, "FAILED_VALIDATION")
        assert "secret" not in str(body)
        if served.engine != "mariadb":
            refused = (400, "FAILED_VALIDATION")
            assert await served.project.code("POST", "/items/refused", {"name": "silent"}) == refused
            assert await served.project.code("PATCH", "/items/refused/1", {"name": "y"}) == refused
            assert await served.project.code("DELETE", "/items/refused/1") == refused
        await socket.nothing_more()


async def test_key_in_another_case_is_another_key(served: Served) -> None:
    for key in ("abc", "Abc%20"):
        assert await served.project.code("PATCH", f"/items/codes/{key}", {"name": "y"}) == (403, "FORBIDDEN")
        assert (await served.project.ask("DELETE", f"/items/codes/{key}"))[0] == 204
    assert await served.data("GET", "/items/codes/Abc") == {"id": "Abc", "name": "x"}


async def test_row_without_a_key_is_not_made(served: Served) -> None:
    assert await served.project.code("POST", "/items/codes", {"name": "y"}) == (400, "NOT_NULL_VIOLATION")
    assert len(await served.data("GET", "/items/codes")) == 1


async def test_violation_of_several_columns_tells_none_of_their_values(served: Served) -> None:
    await served.data("POST", "/items/unique_pairs", [{"a": 1234, "b": 1}, {"a": 1234, "b": 2}])
    status, body = await served.project.ask("PATCH", "/items/unique_pairs/2", {"b": 1})
    assert (status, body["errors"][0]["extensions"]["code"]) == (400, "RECORD_NOT_UNIQUE")
    assert "1234" not in str(body)


async def test_rows_that_the_database_removes_by_itself_are_not_told(served: Served) -> None:
    """As the guides say: of a cascade, the item that was asked for is told."""
    async with Client(served.project.app, "/websocket") as socket:
        await socket.ask(type="auth", access_token=ADMIN_TOKEN)
        await socket.ask(type="subscribe", collection="people")
        await served.project.ask("DELETE", "/items/people/1")
        assert (await socket.receive())["data"] == ["1"]
        assert await served.data("GET", "/items/people") == []
        await socket.nothing_more()


@only("postgresql")
async def test_moments_that_only_postgresql_has_are_told_right_or_refused(served: Served) -> None:
    fields = "fields=at,day,moment"
    ends = {"at": "24:00:00", "day": "9999-12-31", "moment": "0001-01-01T00:00:00.000Z"}
    assert await served.data("GET", f"/items/moments/1?{fields}") == ends
    plain = {"at": "23:59:59", "day": "4000-02-29", "moment": None}
    assert await served.data("GET", f"/items/moments/2?{fields}") == plain
    copied = {"at": "23:59:59", "day": "0001-01-01", "moment": None}
    assert await served.data("POST", f"/items/moments?{fields}", copied) == copied
    for key in range(3, 9):
        assert await served.project.code("GET", f"/items/moments/{key}") == (400, "VALUE_OUT_OF_RANGE")
        assert await served.data("GET", f"/items/moments/{key}?fields=id") == {"id": key}
    assert await served.project.code("GET", "/items/moments") == (400, "VALUE_OUT_OF_RANGE")


@only("postgresql")
async def test_columns_that_only_postgresql_has(served: Served) -> None:
    row = {"address": "10.0.0.1", "flags": "101", "place": "(1,2)", "price": "NaN", "size": None}
    assert await served.data("GET", "/items/odd/1") == {"id": 1, **row}
    copied = await served.data("POST", "/items/odd", {name: row[name] for name in ("address", "flags", "place")})
    assert copied == {"id": 2, **row, "price": None}
    assert await served.project.code("POST", "/items/numbered", {"id": 7}) == (400, "INVALID_PAYLOAD")
    assert (await served.data("POST", "/items/numbered", {"name": "x"}))["id"] == 1


@only("postgresql")
async def test_foreign_key_to_another_schema_leads_nowhere(served: Served) -> None:
    assert served.project.app.running.items._database.schema.relation("strangers", "code") is None


@only("mariadb")
async def test_columns_that_only_mysql_has(served: Served) -> None:
    row = await served.data("GET", "/items/odd/1")
    assert row == {"id": 1, "flags": "5", "place": "POINT(1 2)", "length": "-100:00:01"}
    assert (await served.data("POST", "/items/odd", {"flags": 255}))["flags"] == "255"
    assert await served.project.code("POST", "/items/odd", {"place": "POINT(3 4)"}) == (400, "INVALID_PAYLOAD")
    assert (await served.data("POST", "/items/kept", {"name": "x"}))["name"] == "x"


@only("postgresql")
async def test_tables_of_an_extension_are_its_own(served: Served) -> None:
    """As `spatial_ref_sys` of PostGIS, which Directus does not show either."""
    assert await served.project.code("GET", "/items/of_an_extension") == (403, "FORBIDDEN")


@only("mariadb")
async def test_value_that_the_column_has_no_characters_for_is_refused(served: Served) -> None:
    row = {"name": "\u6f22"}
    assert await served.project.code("POST", "/items/western", row) == (400, "INVALID_PAYLOAD")
    asked = "/items/western?filter[name][_eq]=" + urllib.parse.quote(row["name"])
    assert await served.project.code("GET", asked) == (400, "INVALID_QUERY")


@only("sqlite")
async def test_columns_of_sqlite_may_hold_anything(served: Served) -> None:
    assert await served.data("GET", "/items/loose") == [
        {"id": 1, "i": "text", "f": "text", "d": "text", "c": "Not A UUID", "t": None},
        {"id": 2, "i": 1.5, "f": 2, "d": "3.00", "c": None, "t": None},
    ]


@only("sqlite")
async def test_foreign_keys_are_followed_whatever_their_case(served: Served) -> None:
    asked = urllib.parse.quote("target.name")
    assert await served.data("GET", f"/items/pointers?fields={asked}") == [{"target": {"name": "first"}}]
