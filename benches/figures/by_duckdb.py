"""Copies every table of a SQLite file into a PostgreSQL database by DuckDB, and prints the seconds it took.

by_duckdb.py FILE URL TABLE...    nothing is fetched: the extensions come from their Python packages
"""

import importlib.util
import pathlib
import sys
import time

import duckdb


def extension(name):
    """The file of an extension in its package."""
    folder = importlib.util.find_spec(f"duckdb_extension_{name}").submodule_search_locations[0]
    return next(pathlib.Path(folder).rglob("*.duckdb_extension"))


def main(file, url, *tables):
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ["sqlite_scanner", "postgres_scanner"]:
        connection.execute(f"LOAD '{extension(name)}'")
    connection.execute(f"ATTACH '{file}' AS source (TYPE sqlite, READ_ONLY)")
    connection.execute(f"ATTACH '{url}' AS target (TYPE postgres)")
    began = time.monotonic()
    for table in tables:
        connection.execute(f"CREATE TABLE target.{table} AS SELECT * FROM source.{table}")
    print(time.monotonic() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
