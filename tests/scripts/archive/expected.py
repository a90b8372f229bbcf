"""What a cell of SQLite must be in a Parquet file, said anew: nothing of liteferry's is asked but what was decided.

What was decided (which unit a count has, which zone a wall clock, which comes first of day and month) stands in the
footer of each file. What the value then is, is worked out here from the cell's own storage class and bytes.
"""

import ipaddress
import json
import re
import struct
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
# Microseconds of one, and the microsecond since 1970 at which the count begins.
UNITS = {
    "seconds": (Fraction(10**6), 0),
    "milliseconds": (Fraction(10**3), 0),
    "microseconds": (Fraction(1), 0),
    "nanoseconds": (Fraction(1, 10**3), 0),
    "julian_days": (Fraction(86400 * 10**6), -210_866_760_000 * 10**6),
    "core_data": (Fraction(10**6), (datetime(2001, 1, 1) - EPOCH) // MICROSECOND),
    "webkit": (Fraction(1), (datetime(1601, 1, 1) - EPOCH) // MICROSECOND),
}
TRUE = {"t", "true", "y", "yes", "on", "1"}
FALSE = {"f", "false", "n", "no", "off", "0"}

CLOCK = r"(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
OFFSET = r" ?(?P<offset>[Zz]|UTC|[+-]\d\d(?::?\d\d)?(?: UTC)?)?"
YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})([-/.])(?P<month>\d\d)\2(?P<day>\d\d)(?:[ Tt]{CLOCK}{OFFSET})?")
COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"
    rf"(?:[ Tt]?(?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d)(?:[.,](?P<fraction>\d{{1,9}}))?)?{OFFSET})?"
)


def numbered(first, second):
    """A date in which the year comes last."""
    date = rf"(?P<{first}>\d\d?)([-/.])(?P<{second}>\d\d?)\2(?P<year>\d{{4}})"
    return re.compile(rf"{date}(?:[ Tt]{CLOCK}{OFFSET})?")


ORDERED = {"ymd": YEAR_FIRST, "dmy": numbered("day", "month"), "mdy": numbered("month", "day")}


class Unfit(Exception):
    """A cell that its column cannot hold."""


def bits(number):
    """A double by its bits, so that 0.0 is not -0.0."""
    return struct.pack(">d", number)


def document(text):
    """A JSON document by what it says."""

    def told(value):
        if isinstance(value, dict):
            return ("{", frozenset((name, told(inner)) for name, inner in value.items()))
        if isinstance(value, list):
            return ("[", tuple(map(told, value)))
        return (type(value).__name__, value)

    try:
        return told(json.loads(text, parse_float=Decimal, parse_int=Decimal))
    except ValueError as error:
        raise Unfit(f"no JSON: {error}") from error


def expected(cell, column, row):
    """What `cell`, of storage class and value, must be in a column; `row` has all cells of its row by column."""
    kind, value, *_bits = cell
    if kind == "null":
        return None
    if kind == "text":
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise Unfit("no UTF-8") from error
    pg = column["pg"]
    pg = next(iter(pg)) if isinstance(pg, dict) else pg
    return BY_TYPE[pg](kind, value, column, row)


def boolean(kind, value, _column, _row):
    if kind == "text" and value.lower() in TRUE | FALSE:
        return value.lower() in TRUE
    if kind in ("integer", "real") and value in (0, 1):
        return bool(value)
    raise Unfit("no boolean")


def whole(kind, value, _column, _row):
    if kind != "integer":
        raise Unfit("no whole number")
    return value


def double(kind, value, _column, _row):
    if kind == "real":
        return bits(value)
    if kind == "integer" and abs(value) <= 2**63 and int(float(value)) == value:
        return bits(float(value))
    raise Unfit("no double")


def decimal(kind, value, _column, _row):
    if kind == "integer":
        return Decimal(value)
    if kind == "real" and abs(value) != float("inf"):
        # The shortest decimal that is read as the same double.
        return Decimal(repr(value))
    if kind == "text" and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value, re.ASCII):
        return Decimal(value)
    raise Unfit("no decimal")


def number_as_text(kind, value):
    if kind == "integer":
        return str(value)
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if bits(value) != bits(0.0) else "0"
    plain = format(Decimal(repr(value)), "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def text(kind, value, column, _row):
    if kind == "text" and "\0" not in value:
        most = column["pg"].get("varchar") if isinstance(column["pg"], dict) else None
        if most is not None and len(value) > most:
            raise Unfit("too long")
        return value
    if kind in ("integer", "real") and column["read"] == "any_text":
        return number_as_text(kind, value)
    raise Unfit("no text")


def binary(kind, value, column, _row):
    if kind == "blob":
        return value
    if column["read"] == "any_bytes":
        return (value if kind == "text" else number_as_text(kind, value)).encode()
    raise Unfit("no bytes")


def digits(kind, value):
    if kind not in ("text", "integer"):
        raise Unfit("no text")
    return str(value)


def match(kind, value, shape):
    told = digits(kind, value)
    if isinstance(shape, dict) and "ordered" in shape:
        found = ORDERED[shape["ordered"]].fullmatch(told)
    else:
        found = (COMPACT if shape == "compact" else YEAR_FIRST).fullmatch(told)
    if not found:
        raise Unfit("no date")
    return found.groupdict()


def moment(parts):
    """The wall clock that the parts of a text tell, and its offset from UTC, if it has one."""
    fraction = (parts["fraction"] or "").ljust(9, "0")
    if fraction[6:].strip("0"):
        raise Unfit("finer than microseconds")
    numbers = [int(parts[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")]
    try:
        wall = datetime(*numbers, int(fraction[:6]))
    except ValueError as error:
        raise Unfit(str(error)) from error
    offset = parts["offset"]
    if offset is None:
        return wall, None
    signed = re.match(r"([+-])(\d\d):?(\d\d)?", offset)
    if not signed:
        return wall, timedelta()
    sign, hours, minutes = signed.groups()
    east = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return wall, east if sign == "+" else -east


def day(kind, value, column, _row):
    parts = match(kind, value, column["read"])
    if parts["hour"] is not None:
        raise Unfit("a date and a time")
    return (moment(parts)[0] - EPOCH).days


def clock(kind, value, _column, _row):
    found = re.fullmatch(CLOCK, digits(kind, value))
    if not found:
        raise Unfit("no time")
    parts = {"year": 1970, "month": 1, "day": 1, "offset": None, **found.groupdict()}
    return (moment(parts)[0] - EPOCH) // MICROSECOND


def counted(value, unit):
    factor, zero = UNITS[unit]
    exact = Fraction(value) * factor
    # A double counts as far as microseconds go; what it has beyond is no time of anybody's.
    return (round(exact) if isinstance(value, float) else whole_of(exact)) + zero


def whole_of(exact):
    if exact.denominator != 1:
        raise Unfit("finer than microseconds")
    return int(exact)


def when(cell, shape, recast):
    """Every microsecond since 1970 that a cell may mean: of a wall clock that came twice both."""
    kind, value = cell
    if isinstance(shape, dict) and "epoch" in shape:
        if kind not in ("integer", "real"):
            raise Unfit("no count")
        return [counted(value, shape["epoch"])]
    wall, offset = moment(match(kind, value, shape))
    if offset is not None:
        return [(wall - offset - EPOCH) // MICROSECOND]
    zone = recast.get("localize") if isinstance(recast, dict) else None
    zone = shape.get("iso_either", zone) if isinstance(shape, dict) else zone
    if zone is None:
        return [(wall - EPOCH) // MICROSECOND]
    zone = ZoneInfo(zone)
    times = [wall.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc).replace(tzinfo=None) for fold in (0, 1)]
    shown = [time for time in times if time.replace(tzinfo=timezone.utc).astimezone(zone).replace(tzinfo=None) == wall]
    if not shown:
        raise Unfit("no clock showed it")
    return [(time - EPOCH) // MICROSECOND for time in shown]


def instant(kind, value, column, row):
    times = when((kind, value), column["read"], column["recast"])
    witness = column.get("witness")
    if witness and row[witness["column"]][0] != "null":
        other = row[witness["column"]]
        other = (other[0], other[1].decode() if other[0] == "text" else other[1])
        telling = witness["telling"]
        told = when(other, telling["read"], telling["recast"])
        unit = telling["read"].get("epoch") if isinstance(telling["read"], dict) else None
        exact = {"seconds": 10**6, "core_data": 10**6, "milliseconds": 10**3, "julian_days": 10**3}.get(unit, 1)
        times = [time for time in times if any(time // exact == it // exact for it in told)]
        if not times:
            raise Unfit("the other column tells another time")
    return times[0]


def identity(kind, value, _column, _row):
    try:
        return value if kind == "blob" and len(value) == 16 else uuid.UUID(value.strip()).bytes
    except (ValueError, AttributeError) as error:
        raise Unfit("no UUID") from error


def address(kind, value, column, _row):
    if kind != "text":
        raise Unfit("no address")
    try:
        if column["pg"] == "cidr":
            return str(ipaddress.ip_network(value))
        shown = ipaddress.ip_interface(value)
    except ValueError as error:
        raise Unfit("no address") from error
    is_host = shown.network.prefixlen == shown.max_prefixlen
    return str(shown.ip) if is_host else str(shown)


def json_text(kind, value, _column, _row):
    if kind != "text":
        raise Unfit("no JSON")
    return document(value)


BY_TYPE = {
    "bool": boolean,
    "int2": whole,
    "int4": whole,
    "int8": whole,
    "float8": double,
    "numeric": decimal,
    "text": text,
    "varchar": text,
    "char": text,
    "enum": text,
    "bytea": binary,
    "date": day,
    "time": clock,
    "timestamp": instant,
    "timestamptz": instant,
    "uuid": identity,
    "inet": address,
    "cidr": address,
    "json": json_text,
    "jsonb": json_text,
}
