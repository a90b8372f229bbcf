"""Writes tables of a PostgreSQL database as Parquet in zstd by DuckDB, each into DIR/TABLE.parquet in the order of its id.

parquet_by_duckdb.py URL DIR TABLE...    nothing is fetched: the extension comes from its Python package
"""

import sys

import duckdb

from by_duckdb import extension


def main(url, folder, *tables):
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{extension('postgres_scanner')}'")
    connection.execute(f"ATTACH '{url}' AS target (TYPE postgres, READ_ONLY)")
    for table in tables:
        rows = f"SELECT * FROM target.{table} ORDER BY id"
        connection.execute(f"COPY ({rows}) TO '{folder}/{table}.parquet' (FORMAT parquet, COMPRESSION zstd)")


main(*sys.argv[1:])
