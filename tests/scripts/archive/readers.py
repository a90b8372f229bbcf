"""Parquet files as other programs read them, each by one glob, all told in the same words."""

import uuid
from decimal import Decimal

import duckdb
import polars
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from expected import bits, document


def by_pyarrow(pattern, files):
    return pyarrow.dataset.dataset(files, format="parquet").to_table()


def by_duckdb(pattern, files):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.sql("SELECT * FROM read_parquet(?)", params=[pattern]).to_arrow_table()


def by_polars(pattern, files):
    return polars.scan_parquet(pattern).collect().to_arrow()


READERS = {"pyarrow": by_pyarrow, "DuckDB": by_duckdb, "Polars": by_polars}


def rows(table, columns):
    """The rows of an Arrow table as tuples of what the columns of these types hold."""
    if table.num_columns != len(columns):
        raise ValueError(f"{table.num_columns} columns instead of {len(columns)}")
    told = [tell(array, column["pg"]) for array, column in zip(table.columns, columns)]
    return list(zip(*told)) if told else [()] * table.num_rows


def tell(array, pg):
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        array = pa.chunked_array([chunk.storage for chunk in array.chunks], kind.storage_type)
        kind = kind.storage_type
    if pa.types.is_timestamp(kind):
        return ticks(array, kind.unit)
    if pa.types.is_time(kind):
        return ticks(array, kind.unit)
    if pa.types.is_date(kind):
        return array.cast(pa.date32()).cast(pa.int32()).to_pylist()
    values = array.to_pylist()
    convert = CONVERSIONS.get(next(iter(pg)) if isinstance(pg, dict) else pg)
    return values if convert is None else [None if value is None else convert(value) for value in values]


def ticks(array, unit):
    """Microseconds."""
    numbers = array.cast(pa.int64()).to_pylist()
    if unit == "us":
        return numbers
    factor = {"ns": 1000}[unit]
    if any(number is not None and number % factor for number in numbers):
        raise ValueError("a time is finer than microseconds")
    return [None if number is None else number // factor for number in numbers]


def as_uuid(value):
    return value if isinstance(value, bytes) else uuid.UUID(str(value)).bytes


CONVERSIONS = {
    "float4": bits,
    "float8": bits,
    "numeric": Decimal,
    "uuid": as_uuid,
    "json": document,
    "jsonb": document,
}
