"""SQLite's CREATE TABLE texts, checked against what SQLite itself makes of them."""

import sqlite3
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.database.sqlite_text import TableText, tokens

TRICKY = """CREATE TABLE "a (b" (
    id integer PRIMARY KEY AUTOINCREMENT, -- the key, you know
    [na,me] varchar(255) COLLATE NOCASE DEFAULT 'it''s (a), b' CHECK ([na,me] <> ')'),
    "quo""te" text, /* a comment, with a comma (and a bracket */
    `back` decimal(10, 2) DEFAULT (1 + (2)),
    owner integer NOT NULL CONSTRAINT fk REFERENCES other(id) ON DELETE SET NULL ON UPDATE SET DEFAULT NOT DEFERRABLE
        INITIALLY IMMEDIATE DEFAULT 5 COLLATE BINARY,
    twice integer GENERATED ALWAYS AS (owner * 2) VIRTUAL,
    "unique" integer REFERENCES other,
    CONSTRAINT pair UNIQUE (owner, "unique"),
    UNIQUE("quo""te"),
    CHECK (owner > 0, 1),
    FOREIGN KEY ("quo""te") REFERENCES other ("id") ON DELETE CASCADE
)"""
COLUMNS = ["id", "na,me", 'quo"te', "back", "owner", "twice", "unique"]


def columns_of(text: TableText) -> list[str]:
    with sqlite3.connect(":memory:") as database:
        database.execute(f"CREATE TABLE t {text}")
        names = [row[0] for row in database.execute("SELECT name FROM pragma_table_xinfo('t')")]
    database.close()
    return names


def foreign_keys_of(text: TableText) -> set[tuple[str, str]]:
    with sqlite3.connect(":memory:") as database:
        database.execute(f"CREATE TABLE t {text}")
        keys = set(database.execute("SELECT \"from\", on_delete FROM pragma_foreign_key_list('t')").fetchall())
    database.close()
    return keys


@pytest.fixture
def text() -> TableText:
    return TableText.parse(TRICKY.replace(", 1)", ")"))


def test_parse_finds_columns_and_constraints(text: TableText) -> None:
    assert [part.column for part in text.definitions] == [*COLUMNS, None, None, None, None]
    assert [part.constrains for part in text.definitions[7:]] == [("owner", "unique"), ('quo"te',), (), ('quo"te',)]
    assert [part.foreign_key for part in text.definitions[7:]] == [False, False, False, True]


def test_sqlite_reads_the_same_table_from_the_text_put_together_again(text: TableText) -> None:
    assert columns_of(text) == COLUMNS
    assert foreign_keys_of(text) == {("owner", "SET NULL"), ("unique", "NO ACTION"), ('quo"te', "CASCADE")}


def test_options_after_the_bracket_stay() -> None:
    text = TableText.parse("CREATE TABLE t (code text PRIMARY KEY, x int) WITHOUT ROWID, STRICT")
    assert str(text.drop_column("x")).endswith(") WITHOUT ROWID, STRICT")


def test_column_is_added_before_the_constraints(text: TableText) -> None:
    assert columns_of(text.add_column("\"new\" text DEFAULT 'a,b'")) == [*COLUMNS, "new"]


def test_column_is_replaced_in_place(text: TableText) -> None:
    replaced = text.replace_column("back", '"back" text NOT NULL')
    assert columns_of(replaced) == COLUMNS
    assert "decimal" not in str(replaced)


def test_column_is_dropped_with_its_own_constraints_only(text: TableText) -> None:
    dropped = text.drop_column('quo"te')
    assert columns_of(dropped) == [name for name in COLUMNS if name != 'quo"te']
    assert [part.constrains for part in dropped.definitions if part.column is None] == [("owner", "unique"), ()]


@pytest.mark.parametrize("column", ["owner", "unique", 'quo"te'])
def test_foreign_key_is_dropped_and_the_rest_stays(text: TableText, column: str) -> None:
    before = foreign_keys_of(text)
    after = text.drop_foreign_key(column)
    assert foreign_keys_of(after) == {key for key in before if key[0] != column}
    assert columns_of(after) == COLUMNS
    assert "DEFAULT 5 COLLATE BINARY" in str(after)


def test_foreign_key_is_added(text: TableText) -> None:
    added = text.add_constraint('CONSTRAINT "k" FOREIGN KEY ("back") REFERENCES "other" ("id") ON DELETE RESTRICT')
    assert ("back", "RESTRICT") in foreign_keys_of(added)


def test_unique_constraint_is_dropped(text: TableText) -> None:
    constrained = [part.constrains for part in text.drop_unique('quo"te').definitions if part.column is None]
    assert constrained == [("owner", "unique"), (), ('quo"te',)]


def test_statement_without_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="columns"):
        TableText.parse("CREATE TABLE t AS SELECT 1")


NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8)


@given(names=st.lists(NAMES, min_size=1, max_size=5, unique_by=str.lower), quotes=st.data())
def test_any_quoted_names_survive(names: list[str], quotes: st.DataObject) -> None:
    quoted = []
    for name in names:
        mark = quotes.draw(st.sampled_from('"`'))
        quoted.append(mark + name.replace(mark, mark * 2) + mark)
    text = TableText.parse(f"CREATE TABLE t ({', '.join(f'{name} text' for name in quoted)})")
    assert [part.column for part in text.definitions] == names
    if all(name.isascii() for name in names):
        assert columns_of(text) == names


@given(sql=st.text("ab ,()'\"`[]-/*\n;:"))
def test_tokens_lose_nothing_but_blanks(sql: str) -> None:
    found = list(tokens(sql))
    assert all(sql[token.start : token.end] == token.text for token in found)
    assert all(first.end <= second.start for first, second in pairwise(found))
