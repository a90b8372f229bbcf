"""What a SQLite file holds, cell by cell, and whether two such files are the same but for where their pages are."""

import sqlite3
import struct
from collections import Counter
from contextlib import closing

# What the header of a file says.
HEADER = ("encoding", "page_size", "auto_vacuum", "user_version", "application_id", "journal_mode")


def opened(path):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = bytes
    # Whatever an application orders by: only that there is something is asked.
    for name in names(connection, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"):
        words = name.replace('"', " ").replace(",", " ").replace(")", " ").split()
        for before, after in zip(words, words[1:]):
            if before.upper() == "COLLATE" and after.upper() not in ("BINARY", "NOCASE", "RTRIM"):
                connection.create_collation(after, lambda one, other: (one > other) - (one < other))
    return connection


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def names(connection, sql, *parameters):
    return [row[0].decode(errors="surrogateescape") for row in connection.execute(sql, parameters)]


def columns(connection, table):
    """The columns that a query shows, generated ones too."""
    return names(connection, "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid", table)


def tables(connection):
    """Ordinary tables, the names of which are not SQLite's own."""
    sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT GLOB 'sqlite_*'"
    return [name for name in names(connection, sql) if not name.startswith("_liteferry_")]


def cells(connection, table, wanted):
    """Every row as cells of storage class and value; of a text its bytes."""
    encoding = names(connection, "PRAGMA encoding")[0]
    for row in connection.execute(classes_and_values(table, wanted)):
        pairs = zip(row[::2], row[1::2])
        yield tuple(cell(kind.decode(), in_utf8(value, encoding) if kind == b"text" else value) for kind, value in pairs)


def cell(kind, value):
    """A cell, by which 0.0 is not -0.0."""
    return (kind, value, struct.pack(">d", value)) if kind == "real" else (kind, value)


def in_utf8(stored, encoding):
    """A text as UTF-8; as it is stored where it is none in its encoding."""
    try:
        return stored if encoding == "UTF-8" else stored.decode(encoding).encode()
    except UnicodeError:
        return stored


def difference(one, other, unread):
    """The first thing in which two files differ, but for the rows of tables that cannot be read."""
    with closing(opened(one)) as one, closing(opened(other)) as other:
        for pragma in HEADER:
            before, after = (list(it.execute(f"PRAGMA main.{pragma}")) for it in (one, other))
            if before != after:
                return f"{pragma}: {before} and {after}"
        asked = {"schema": "SELECT rowid, type, name, tbl_name, sql FROM sqlite_schema"}
        for table in names(one, "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0"):
            if table not in unread:
                asked[f"table {table}"] = every_cell(one, table)
        for what, sql in asked.items():
            # By their text, because 0.0 is -0.0 else; in any order, because rows that were set aside come last.
            before, after = (Counter(map(repr, it.execute(sql))) for it in (one, other))
            if before != after:
                return f"{what}: {first(before - after)} and {first(after - before)}"
        before, after = (names(it, "PRAGMA integrity_check(1000)") for it in (one, other))
        if not set(after) <= {"ok", *before}:
            return f"integrity_check: {after[:3]}"
        return None


def every_cell(connection, table):
    """A query of all columns, those too that no other query shows."""
    return classes_and_values(table, names(connection, "SELECT name FROM pragma_table_xinfo(?) ORDER BY cid", table))


def classes_and_values(table, wanted):
    """A query of the storage class and the value of each column in turn; of a text its bytes."""
    asked = [
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name in map(quoted, wanted)
    ]
    return f"SELECT {', '.join(asked)} FROM main.{quoted(table)} NOT INDEXED"


def first(rows):
    return f"{next(iter(rows), 'nothing')!s:.300}"
