"""What an engine's catalogue says of its tables, columns and foreign keys, in a few statements.

SQLAlchemy's own reflection asks several questions for each table, which on SQLite alone takes longer than the whole
start may; and the API's `schema` objects want types and defaults as the database spells them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from tidegate.database.types import GEOMETRIES, LONG_DECIMAL
from tidegate.schema.model import SYSTEM_PREFIX


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    table: str
    name: str
    type: str
    """As the engine spells it, without length or precision; ` unsigned` stays."""
    spelling: str
    """The same with everything."""
    length: int | None
    precision: int | None
    scale: int | None
    nullable: bool
    default: str | None
    """The expression, as the engine spells it."""
    primary_key: bool
    auto_increment: bool
    unique: bool
    collation: str | None = None
    enumerated: bool = False
    checked_json: bool = False
    """Whether a CHECK constraint lets only JSON in: how MariaDB makes a `json` column."""
    moment_separator: str = ""
    """On SQLite, for dates and times kept as text: what stands between the two."""
    generated: bool = False
    """Whether the database works it out from other columns."""
    read_only: bool = False
    """Whether no statement may write it: it is generated, or counts always, or the API cannot spell its values."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One foreign key of one column."""

    table: str
    column: str
    target: str
    """With its schema before it where that is another one."""
    target_column: str | None
    """None stands for the primary key."""
    on_delete: str
    """In lower case: `cascade`, `set null`, `restrict`, `no action`, `set default`."""
    on_update: str
    name: str | None
    """The constraint's name, where the engine has one."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """All tables of the current database (PostgreSQL: of the first schema of the search path)."""

    columns: Sequence[Column]
    foreign_keys: Sequence[ForeignKey]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """What else holds rows and is not looked into, and why: views, tables of modules, other schemas."""
    triggered: frozenset[str] = frozenset()
    """Tables whose rows a trigger may change after RETURNING has told of them."""


def read_catalog(connection: sa.Connection) -> Catalog:
    """Ask the catalogue. Synchronous; to be called within `Connections.read` or `write`."""
    return _READERS[connection.dialect.name](connection)


def _rows(connection: sa.Connection, sql: str) -> Sequence[sa.Row[Any]]:
    return connection.execute(sa.text(sql)).all()


_POSTGRESQL_COLUMNS = """
    SELECT c.relname AS table_name, a.attname AS name, format_type(t.oid, NULL) AS type, a.atttypmod AS modifier,
           format_type(a.atttypid, a.atttypmod) AS spelling,
           NOT a.attnotnull AS nullable, a.attidentity <> '' AS identity, a.attidentity = 'a' AS counts_always,
           CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS expression,
           t.typtype = 'e' AS enumerated, a.attgenerated <> '' AS generated,
           coalesce(bool_or(i.indisprimary), FALSE) AS primary_key,
           coalesce(bool_or(i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL), FALSE) AS is_unique
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type declared ON declared.oid = a.atttypid
    JOIN pg_type t ON t.oid = CASE WHEN declared.typtype = 'd' THEN declared.typbasetype ELSE declared.oid END
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE c.relnamespace = quote_ident(current_schema())::regnamespace
          AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND NOT EXISTS (SELECT 1 FROM pg_depend o WHERE o.objid = c.oid AND o.deptype = 'e')
    GROUP BY c.relname, a.attname, a.attnum, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated,
             t.oid, t.typtype, d.adbin, d.adrelid
    ORDER BY c.relname, a.attnum
"""
_POSTGRESQL_FOREIGN_KEYS = """
    WITH rules (code, name) AS (
        VALUES ('a'::"char", 'no action'), ('r', 'restrict'), ('c', 'cascade'), ('n', 'set null'), ('d', 'set default')
    )
    SELECT c.relname AS table_name, a.attname AS name,
           CASE WHEN f.relnamespace = k.connamespace THEN f.relname::text ELSE f.oid::regclass::text END AS target,
           b.attname AS target_column, on_delete.name AS on_delete, on_update.name AS on_update,
           k.conname AS constraint_name
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_class f ON f.oid = k.confrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
    JOIN pg_attribute b ON b.attrelid = f.oid AND b.attnum = k.confkey[1]
    JOIN rules on_delete ON on_delete.code = k.confdeltype
    JOIN rules on_update ON on_update.code = k.confupdtype
    WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND k.connamespace = quote_ident(current_schema())::regnamespace
          AND k.conparentid = 0
    ORDER BY c.relname, k.conname
"""
_POSTGRESQL_LEFT_OUT = """
    SELECT c.relname AS name, CASE c.relkind WHEN 'f' THEN 'it is a foreign table' ELSE 'it is a view' END AS reason
    FROM pg_class c
    WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('v', 'm', 'f')
          AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    UNION
    SELECT n.nspname || '.*', 'other schemas are not looked into'
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
          AND n.oid <> quote_ident(current_schema())::regnamespace
"""
_POSTGRESQL_TRIGGERED = """
    SELECT DISTINCT c.relname AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND t.tgtype & 2 = 0 AND t.tgtype & 20 <> 0
"""
"""After an INSERT (4) or UPDATE (16); what one does before (2), RETURNING tells."""


def _read_postgresql(connection: sa.Connection) -> Catalog:
    columns = [_postgresql_column(row) for row in _rows(connection, _POSTGRESQL_COLUMNS)]
    foreign_keys = _foreign_keys(connection, _POSTGRESQL_FOREIGN_KEYS)
    triggered = frozenset(row.name for row in _rows(connection, _POSTGRESQL_TRIGGERED))
    return Catalog(columns, foreign_keys, _left_out(connection, _POSTGRESQL_LEFT_OUT), triggered)


def _postgresql_column(row: sa.Row[Any]) -> Column:
    modifier = row.modifier - 4 if row.modifier >= 4 else None
    text = row.type in ("character varying", "character")
    numeric = row.type == "numeric" and modifier is not None
    return Column(
        row.table_name,
        row.name,
        row.type,
        row.spelling,
        modifier if text else None,
        modifier >> 16 if numeric and modifier is not None else None,
        modifier & 0x7FF if numeric and modifier is not None else None,
        row.nullable,
        row.expression,
        row.primary_key,
        row.identity or (row.expression or "").startswith("nextval("),
        row.is_unique,
        enumerated=row.enumerated,
        generated=row.generated,
        read_only=row.generated or row.counts_always,
    )


def _foreign_keys(connection: sa.Connection, sql: str) -> list[ForeignKey]:
    """`sql` gives the columns of a `ForeignKey`, in that order."""
    rows: Sequence[Any] = _rows(connection, sql)
    return [ForeignKey(*row) for row in rows]


def _left_out(connection: sa.Connection, sql: str) -> Mapping[str, str]:
    return {row.name: row.reason for row in _rows(connection, sql)}


_MYSQL_COLUMNS = """
    SELECT c.TABLE_NAME AS table_name, c.COLUMN_NAME AS name, c.DATA_TYPE AS type, c.COLUMN_TYPE AS full_type,
           c.CHARACTER_MAXIMUM_LENGTH AS length, c.NUMERIC_PRECISION AS numeric_precision,
           c.NUMERIC_SCALE AS numeric_scale, c.IS_NULLABLE AS nullable, c.COLUMN_DEFAULT AS expression,
           c.COLUMN_KEY AS column_key, c.EXTRA AS extra, c.COLLATION_NAME AS collation_name
    FROM information_schema.COLUMNS c
    JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = c.TABLE_NAME
    WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
    ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION
"""
_MYSQL_FOREIGN_KEYS = """
    SELECT k.TABLE_NAME AS table_name, k.COLUMN_NAME AS name,
           concat(if(k.REFERENCED_TABLE_SCHEMA = DATABASE(), '', concat(k.REFERENCED_TABLE_SCHEMA, '.')),
                  k.REFERENCED_TABLE_NAME) AS target,
           k.REFERENCED_COLUMN_NAME AS target_column, lower(r.DELETE_RULE) AS on_delete,
           lower(r.UPDATE_RULE) AS on_update, k.CONSTRAINT_NAME AS constraint_name
    FROM information_schema.KEY_COLUMN_USAGE k
    JOIN information_schema.REFERENTIAL_CONSTRAINTS r
         ON r.CONSTRAINT_SCHEMA = DATABASE() AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
         AND r.TABLE_NAME = k.TABLE_NAME
    WHERE k.TABLE_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_NAME IS NOT NULL
    ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION
"""
_MYSQL_LEFT_OUT = """
    SELECT TABLE_NAME AS name, 'it is a view' AS reason FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'VIEW'
"""
_MARIADB_CHECKS = """
    SELECT TABLE_NAME AS table_name, CHECK_CLAUSE AS clause FROM information_schema.CHECK_CONSTRAINTS
    WHERE CONSTRAINT_SCHEMA = DATABASE()
"""
_JSON_VALID = re.compile(r"json_valid\(`(?P<column>[^`]+)`\)")


def _read_mysql(connection: sa.Connection) -> Catalog:
    mariadb = getattr(connection.dialect, "is_mariadb", False)
    checked = {
        (row.table_name, check["column"])
        for row in (_rows(connection, _MARIADB_CHECKS) if mariadb else ())
        if (check := _JSON_VALID.fullmatch(row.clause))
    }
    columns = [
        _mysql_column(row, mariadb=mariadb, checked_json=(row.table_name, row.name) in checked)
        for row in _rows(connection, _MYSQL_COLUMNS)
    ]
    foreign_keys = _of_one_column(_foreign_keys(connection, _MYSQL_FOREIGN_KEYS))
    return Catalog(columns, foreign_keys, _left_out(connection, _MYSQL_LEFT_OUT))


def _mysql_column(row: sa.Row[Any], *, mariadb: bool, checked_json: bool) -> Column:
    generated = "GENERATED" in row.extra.replace("DEFAULT_GENERATED", "")
    return Column(
        row.table_name,
        row.name,
        _mysql_type(row.type, row.full_type),
        row.full_type,
        row.length if row.type in ("char", "varchar") else None,
        row.numeric_precision if row.type in ("decimal", "bit") else None,
        row.numeric_scale if row.type == "decimal" else None,
        row.nullable == "YES",
        _mysql_default(row.expression, row.extra, mariadb=mariadb),
        row.column_key == "PRI",
        "auto_increment" in row.extra,
        row.column_key == "UNI",
        row.collation_name,
        row.type in ("enum", "set"),
        checked_json,
        generated=generated,
        read_only=generated or row.type in GEOMETRIES,
    )


def _mysql_type(name: str, full: str) -> str:
    if full in ("tinyint(1)", "bit(1)"):
        return "boolean"
    return f"{name} unsigned" if "unsigned" in full else name


def _mysql_default(expression: str | None, extra: str, *, mariadb: bool) -> str | None:
    """MySQL gives a plain default without quotes, unlike MariaDB and the other engines."""
    if expression is None or mariadb or "DEFAULT_GENERATED" in extra:
        return expression
    return "'" + expression.replace("'", "''") + "'"


def _of_one_column(foreign_keys: Sequence[ForeignKey]) -> Sequence[ForeignKey]:
    names = [(key.table, key.name) for key in foreign_keys]
    return [key for key in foreign_keys if names.count((key.table, key.name)) == 1]


_SQLITE_COLUMNS = """
    SELECT m.name AS table_name, m.sql AS definition, p.name, p.type, p."notnull", p.dflt_value AS expression, p.pk,
           p.hidden IN (2, 3) AS generated
    FROM sqlite_master m JOIN pragma_table_xinfo(m.name) p
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite^_%' ESCAPE '^' AND p.hidden IN (0, 2, 3)
    ORDER BY m.name, p.cid
"""
_SQLITE_UNIQUE = """
    SELECT m.name AS table_name, min(i.name) AS name
    FROM sqlite_master m JOIN pragma_index_list(m.name) l JOIN pragma_index_info(l.name) i
    WHERE m.type = 'table' AND l."unique" AND NOT l.partial
    GROUP BY m.name, l.name HAVING count(*) = 1
"""
_SQLITE_FOREIGN_KEYS = """
    SELECT m.name AS table_name, min(f."from") AS name, f."table" AS target, min(f."to") AS target_column,
           lower(f.on_delete) AS on_delete, lower(f.on_update) AS on_update, NULL AS constraint_name
    FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table'
    GROUP BY m.name, f.id HAVING count(*) = 1
    ORDER BY m.name, f.id DESC
"""
_SQLITE_LEFT_OUT = """
    SELECT name, 'it is a view' AS reason FROM sqlite_master WHERE type = 'view'
    UNION
    SELECT name, 'it is a virtual table' FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'
    UNION
    SELECT t.name, 'it is a part of a virtual table' FROM sqlite_master t JOIN sqlite_master v
        ON v.sql LIKE 'CREATE VIRTUAL TABLE%' AND t.type = 'table' AND t.name LIKE v.name || '^_%' ESCAPE '^'
    WHERE substr(t.name, length(v.name) + 2) IN (
        'content', 'data', 'idx', 'docsize', 'config', 'segments', 'segdir', 'stat', 'node', 'parent', 'rowid'
    )
"""
_SQLITE_TRIGGERED = "SELECT DISTINCT tbl_name AS name FROM sqlite_master WHERE type = 'trigger'"
_SQLITE_TYPE = re.compile(r"(?P<name>[^(]*)(\((?P<first>\d+)(,\s*(?P<second>\d+))?\))?.*", re.DOTALL)


def _read_sqlite(connection: sa.Connection) -> Catalog:
    unique = {(row.table_name, row.name) for row in _rows(connection, _SQLITE_UNIQUE)}
    left_out = _left_out(connection, _SQLITE_LEFT_OUT)
    found = [
        _sqlite_column(row, unique=(row.table_name, row.name) in unique)
        for row in _rows(connection, _SQLITE_COLUMNS)
        if row.table_name not in left_out
    ]
    columns = _with_moment_separators(connection, found)
    keys = [key for key in _foreign_keys(connection, _SQLITE_FOREIGN_KEYS) if key.table not in left_out]
    triggered = frozenset(row.name for row in _rows(connection, _SQLITE_TRIGGERED))
    return Catalog(columns, _as_spelled(keys, columns), left_out, triggered)


def _sqlite_column(row: sa.Row[Any], *, unique: bool) -> Column:
    declared = _SQLITE_TYPE.fullmatch(row.type)
    assert declared is not None
    name = declared["name"].strip().lower()
    first, second = (int(number) if number else None for number in declared.group("first", "second"))
    numeric = name in ("decimal", "numeric", LONG_DECIMAL)
    return Column(
        row.table_name,
        row.name,
        name,
        row.type,
        first if "char" in name else None,
        first if numeric else None,
        (second or 0) if numeric and first is not None else None,
        not row.notnull and not row.pk,
        row.expression,
        row.pk > 0,
        row.pk > 0 and name == "integer" and not row.definition.upper().endswith("WITHOUT ROWID"),
        unique,
        generated=bool(row.generated),
        read_only=bool(row.generated),
    )


def _as_spelled(keys: Sequence[ForeignKey], columns: Sequence[Column]) -> list[ForeignKey]:
    """The foreign keys with the names of tables and columns as these spell them, which SQLite takes in any case."""
    tables = {column.table.lower(): column.table for column in columns}
    names = {(column.table, column.name.lower()): column.name for column in columns}
    spelled = []
    for key in keys:
        target = tables.get(key.target.lower(), key.target)
        column = names.get((key.table, key.column.lower()), key.column)
        target_column = names.get((target, (key.target_column or "").lower()), key.target_column)
        spelled.append(replace(key, column=column, target=target, target_column=target_column))
    return spelled


_SQLITE_MOMENTS = ("date", "datetime", "timestamp")
_SAMPLE_ROWS = 1000
_SAMPLES_AT_ONCE = 500
"""SQLite takes 2,000 columns in a SELECT."""


def _with_moment_separators(connection: sa.Connection, columns: Sequence[Column]) -> list[Column]:
    """Look at one value of each date of other programs' tables: SQLite takes numbers and texts alike in them."""
    moments = [
        column for column in columns if column.type in _SQLITE_MOMENTS and not column.table.startswith(SYSTEM_PREFIX)
    ]
    separators: dict[Column, str] = {}
    for start in range(0, len(moments), _SAMPLES_AT_ONCE):
        chunk = moments[start : start + _SAMPLES_AT_ONCE]
        samples = connection.execute(sa.select(*(_sample(column) for column in chunk))).one()
        for column, value in zip(chunk, samples, strict=True):
            if isinstance(value, str):
                separators[column] = " " if " " in value else "T"
    return [replace(column, moment_separator=separators.get(column, "")) for column in columns]


def _sample(column: Column) -> sa.ScalarSelect[Any]:
    name: sa.ColumnClause[Any] = sa.column(sa.quoted_name(column.name, quote=True))
    first = sa.select(name).select_from(sa.table(sa.quoted_name(column.table, quote=True))).limit(_SAMPLE_ROWS)
    rows = first.subquery()
    return sa.select(rows.c[0]).where(rows.c[0].is_not(None)).limit(1).scalar_subquery()


_READERS = {"postgresql": _read_postgresql, "mysql": _read_mysql, "sqlite": _read_sqlite}
