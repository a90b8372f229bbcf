"""Archives SQLite files, reads the archives as other programs do, restores them, and judges each step by itself.

    judge.py LITEFERRY [--followed] [FILE.db | FILE.sql | FOLDER]...

A file is copied, archived by a run into a private PostgreSQL, and must then be

- in Parquet files that pyarrow, DuckDB and Polars read by one glob a table, each value what it must be of SQLite's cell,
- what stands in the files beside them: rows that were set aside, and cells that are kept with their exact bytes,
- the same SQLite file once it is restored, cell by cell with storage classes,
- the same rows once it is restored into PostgreSQL, as `verify` has it.

With --followed it is archived while it is followed, changed, followed on, and must then be restored as it is after that,
from an archive of several generations, and again once that is compacted. The database of the demo that brings the server
is judged too.
"""

import json
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

import psycopg
import pyarrow.parquet as pq

from expected import Unfit, expected
from readers import READERS, rows
from source import cell, cells, columns, difference, opened, quoted, tables

# Exit codes with which a source may be refused: what it holds, and what must be decided first.
REFUSED = {65, 66, 78}
PATIENCE_SECONDS = 600
SHOWN = 3
# The fixture by which the judge is judged, and what is changed in it.
CHANGED = "odd.sql"
CHANGES = (
    "UPDATE counted SET seconds = seconds + 1 WHERE id = 5",
    "UPDATE counted SET milliseconds = milliseconds + 1 WHERE id = 5",
    "UPDATE counted SET julian = julian + 1e-4 WHERE id = 5",
    "UPDATE counted SET words = 'true' WHERE id = 5",
    "UPDATE counted SET either = either + 1e-9 WHERE id = 5",
    "UPDATE told SET local = datetime(local, '+1 second') WHERE id = 8",
    "UPDATE told SET zoned = replace(zoned, '+05:30', '+05:31') WHERE id = 9",
    "UPDATE told SET day = date(day, '+1 day') WHERE id = 9",
    "UPDATE told SET clock = '01:02:03' WHERE id = 9",
    "UPDATE told SET document = '[]' WHERE id = 9",
    "UPDATE told SET name = replace(name, '-4000-', '-4001-') WHERE id = 9",
    # The same time and the same name, but written as nobody else's.
    "UPDATE told SET local = replace(local, 'T', ' ') WHERE id = 107",
    "UPDATE told SET name = lower(name) WHERE id = 101",
    "UPDATE aside SET b = x'00fe' WHERE id = 2",
    "UPDATE twins SET n = -0.0 WHERE line = 'zero'",
    "UPDATE aside SET a = NULL WHERE id = 1",
    "DELETE FROM aside WHERE id = 3",
    "INSERT INTO twins VALUES ('one', 1)",
    "DELETE FROM twins WHERE line IS NULL AND n IS NULL",
    "UPDATE words SET n = -n WHERE word = ''",
    "UPDATE computed SET a = 2 WHERE a = 1",
    "CREATE TABLE more (a)",
    "DROP TABLE words",
    "ALTER TABLE twins RENAME line TO text",
)


class Wrong(Exception):
    """What is not as it must be."""


class Refused(Exception):
    """A source of which no archive is made."""


class Judge:
    """Everything that the judging of one file needs."""

    def __init__(self, liteferry, work, url):
        self.liteferry, self.work, self.url = liteferry, work, url
        self.databases = 0

    def command(self, *words):
        """Runs liteferry; gives its exit code, its JSON, and the last of what it said."""
        done = subprocess.run(
            [self.liteferry, *map(str, words), "--json"], capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        lines = done.stdout.strip().splitlines()
        said = " ".join(done.stderr.split())[-600:]
        if "panicked" in done.stderr or done.returncode < 0:
            raise Wrong(f"{words[0]}: {done.returncode}: {said}")
        return done.returncode, json.loads(lines[-1]) if lines else {}, said

    def must(self, *words, codes=(0,)):
        code, told, said = self.command(*words)
        if code not in codes:
            raise Wrong(f"{' '.join(map(str, words[:2]))}: {code}: {said}")
        return told

    def database(self):
        """The address of a database that is made for this."""
        self.databases += 1
        name = f"judged_{self.databases}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.replace("/gecko?", f"/{name}?"), name

    def drop(self, names):
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name in names:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def judge(self, file, pipeline=None):
        """What is told of a file that is right."""
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            folder = Path(folder)
            source = copied(file, folder)
            made = []
            try:
                target, name = self.database()
                made.append(name)
                ends = ["--source", source, "--target", target]
                if pipeline is not None:
                    ends = [folder / "pipeline.toml"]
                    ends[0].write_text(pipeline(source, target))
                code, unread = self.run(ends, folder / "archive")
                self.must("archive", "check", "--read-data", folder / "archive")
                told = judged_tables(source, folder / "archive", unread)
                self.restored_file(source, folder, unread)
                for change in CHANGES if file.name == CHANGED else ():
                    finds(change, source, folder)
                again, name = self.database()
                made.append(name)
                self.restored_target(ends, target, again, folder, code)
                return told
            finally:
                self.drop(made)

    def follow(self, file, _pipeline=None):
        """The same of a file that is changed and followed; without a pipeline file, as that says how."""
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            folder = Path(folder)
            source, archive = copied(file, folder), folder / "archive"
            target, name = self.database()
            again, other = self.database()
            try:
                ends = ["--source", source, "--target", target]
                code, unread = self.run(ends, archive, "run")
                changed = 0
                for _round in range(2):
                    changed += change(source)
                    code = self.command("follow", "--until-caught-up", "--archive", archive, *ends)
                    if code[0] not in (0, 65):
                        raise Wrong(f"follow: {code[0]}: {code[2]}")
                self.must("archive", "compact", archive)
                self.must("archive", "check", "--read-data", archive)
                generations = [it["generation"] for it in self.must("archive", "list", archive)["generations"]]
                self.must("uninstall", *ends)
                for generation in generations[:2]:
                    self.restored_file(source, folder, unread, "--generation", generation)
                self.restored_target(ends, target, again, folder, 65 if unread else code[0])
                return f"{changed} rows changed, {len(generations)} generations"
            finally:
                self.drop([name, other])

    def run(self, ends, archive, *how):
        """Archives a source; gives the exit code and the tables of which SQLite makes no sense."""
        how = how or ("run", "--no-capture")
        code, told, said = self.command(*how, "--archive", archive, *ends)
        if code in REFUSED and (code != 65 or not told.get("archive")):
            raise Refused(f"{code}: {said}")
        if code not in (0, 65) or not told.get("archive"):
            raise Wrong(f"run: {code}: {said}")
        unread = told.get("unreadable", [])
        if any(part["rowids"] is not None for part in unread):
            raise Refused("rows of it cannot be read")
        return code, {part["table"] for part in unread}

    def restored_file(self, source, folder, unread, *which):
        restored = folder / f"restored{''.join(map(str, which))}.db"
        codes = (65,) if unread else (0,)
        told = self.must("restore", "--archive", folder / "archive", "--sqlite", restored, *which, codes=codes)
        if {part["table"] for part in told.get("unreadable", [])} != unread:
            raise Wrong("restore does not say what could not be read of the source")
        differ = difference(source, restored, unread)
        if differ is not None:
            raise Wrong(f"the restored SQLite file: {differ}")

    def restored_target(self, ends, target, again, folder, code):
        self.must("restore", "--archive", folder / "archive", "--target", again, codes=(code,))
        if len(ends) == 1:
            ends[0].write_text(ends[0].read_text().replace(target, again))
        self.must("verify", *[again if end == target else end for end in ends], codes=(code,))


def change(source):
    """Changes some rows of each table as an application may; gives how many. What SQLite or the schema forbids is left."""
    with closing(opened(source)) as connection:
        there = [(table, columns(connection, table)[-1], has_rowid(connection, table)) for table in tables(connection)]
    changed = 0
    with closing(sqlite3.connect(source)) as connection:
        for table, last, rowids in there:
            for sql in changes(quoted(table), quoted(last), rowids):
                try:
                    with connection:
                        changed += max(connection.execute(sql).rowcount, 0)
                except sqlite3.Error:
                    continue
    return changed


def changes(table, last, rowids):
    """Statements that change a table, by a column of it."""
    other = f"(SELECT {last} FROM {table} ORDER BY 1 DESC LIMIT 1)"
    if not rowids:
        return [f"UPDATE OR IGNORE {table} SET {last} = {other}", f"DELETE FROM {table} WHERE {last} = {other}"]
    return [
        f"UPDATE OR IGNORE {table} SET {last} = {other} WHERE rowid % 4 = 2",
        f"DELETE FROM {table} WHERE rowid % 5 = 1",
        f"UPDATE OR REPLACE {table} SET rowid = rowid + 1000000 WHERE rowid % 9 = 0 AND rowid < 1000000",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE rowid % 7 = 3",
    ]


def has_rowid(connection, table):
    return not connection.execute("SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'", [table]).fetchone()[0]


def copied(file, folder):
    """A copy of a database, or the database that a script makes."""
    source = folder / "source.db"
    if file.suffix == ".sql":
        with closing(sqlite3.connect(source)) as connection:
            connection.executescript(file.read_text())
        return source
    for suffix in ("", "-wal", "-journal"):
        beside = Path(f"{file}{suffix}")
        if beside.exists():
            # Not the mode: what is judged is the copy.
            shutil.copyfile(beside, f"{source}{suffix}")
    return source


def finds(change, source, folder):
    """Makes sure that the judge finds a change of the source, wherever it looks."""
    changed = folder / "changed.db"
    shutil.copyfile(source, changed)
    with closing(sqlite3.connect(changed)) as connection:
        connection.executescript(change)
    if difference(changed, folder / "restored.db", set()) is None:
        raise Wrong(f"the judge does not find this in what was restored: {change}")
    try:
        judged_tables(changed, folder / "archive", set())
    except Wrong:
        return
    raise Wrong(f"the judge does not find this in the archive: {change}")


def judged_tables(source, archive, unread):
    manifest = json.loads((archive / "generations/000001.json").read_text())
    counts = Counter()
    with closing(opened(source)) as connection:
        there = set(tables(connection)) - unread
        archived = {table["source"]: table for table in manifest["schema"]["tables"]}
        if set(archived) != there:
            raise Wrong(f"tables {sorted(there ^ set(archived))} are on one side only")
        for name, table in archived.items():
            files = [file for file in manifest["files"] if file["table"] == name]
            try:
                counts += Table(connection, archive, table, files).judged()
            except Wrong as wrong:
                raise Wrong(f"table {name!r}: {wrong}") from wrong
    return ", ".join(f"{count} {what}" for what, count in counts.items())


class Table:
    """One table of an archive, and the source's."""

    def __init__(self, connection, archive, table, files):
        self.archive, self.files = archive, files
        self.columns = table["columns"]
        names = [column["source"] for column in self.columns]
        if names != columns(connection, table["source"]):
            raise Wrong(f"columns {names}")
        self.rows = list(cells(connection, table["source"], names))

    def of_kind(self, *kinds):
        return [self.archive / file["path"] for file in self.files if file["kind"] in kinds]

    def judged(self):
        rejected = self.rejected()
        missing = Counter(rejected) - Counter(self.rows)
        if missing:
            raise Wrong(f"a row that was set aside is none of the source: {next(iter(missing))!r:.300}")
        by_value = self.expected(Counter(rejected))
        self.read(Counter({row: len(sources) for row, sources in by_value.items()}))
        kept = self.kept(by_value)
        return Counter({"tables": 1, "rows": len(self.rows), "set aside": len(rejected), "cells kept": kept})

    def expected(self, rejected):
        """The rows that must be in the files, each with those of the source that are so told."""
        by_value = defaultdict(list)
        for row in self.rows:
            if rejected[row]:
                rejected[row] -= 1
                continue
            by_name = {column["source"]: it for column, it in zip(self.columns, row)}
            told = []
            for column, it in zip(self.columns, row):
                try:
                    told.append(expected(it, column, by_name))
                except Unfit as unfit:
                    raise Wrong(f"{column['source']}: {it!r:.200} in {column['pg']}: {unfit}") from unfit
            by_value[tuple(told)].append(row)
        return by_value

    def read(self, wanted):
        """Every reader finds these rows and no others."""
        files = self.of_kind("rows")
        for reader, read in READERS.items():
            pattern = str(files[0].parent / "*.parquet")
            found = Counter(rows(read(pattern, files), self.columns))
            if found != wanted:
                few, many = ([*it.items()][:SHOWN] for it in (wanted - found, found - wanted))
                raise Wrong(f"{reader}: missing {few!r:.600}, found {many!r:.600}")

    def rejected(self):
        """The rows that were set aside, as their files have them."""
        found = []
        for file in self.of_kind("rejected"):
            for kept in pq.read_table(file).to_pylist():
                if kept["kind"] != "cell":
                    continue
                if kept["column"] == 0:
                    found.append([])
                if kept["column"] != len(found[-1]):
                    raise Wrong(f"{file.name}: cells of a row are out of order")
                found[-1].append(kept_cell(kept))
        return [tuple(row) for row in found]

    def kept(self, by_value):
        """Makes sure that each cell that is kept is one of its row in the source; gives how many there are."""
        values, count = {}, 0
        for file in self.of_kind("forms"):
            facts = json.loads(pq.read_metadata(file).metadata[b"liteferry"])
            of = next((it for it in self.of_kind("rows") if it.stem == facts["of"]), None)
            if of is None:
                raise Wrong(f"{file.name} is beside no file of this generation")
            if of not in values:
                values[of] = rows(pq.read_table(of), self.columns)
            for kept in pq.read_table(file).to_pylist():
                if kept["at"] is None:
                    continue
                sources = by_value.get(values[of][kept["at"]], [])
                if not any(row[kept["column"]] == kept_cell(kept) for row in sources):
                    raise Wrong(f"{file.name}: {kept_cell(kept)!r:.200} is not the cell of row {kept['at']}")
                count += 1
        return count


def kept_cell(kept):
    """A cell of a file beside the rows, as those of the source are."""
    kind, held = kept["class"], kept["bytes"]
    if kind == "integer":
        return cell(kind, int.from_bytes(held, "big", signed=True))
    if kind == "real":
        return cell(kind, *struct.unpack(">d", held))
    return cell(kind, None if kind == "null" else held)


def databases(path):
    """The databases of a folder; where it has none, those of the folders in it."""
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.db"))
    return found or [file for folder in sorted(path.iterdir()) if folder.is_dir() for file in databases(folder)]


def demo(liteferry, work):
    """Plays the demo, and gives the address of its server, its database, and its pipeline file for another one."""
    folder = work / "demo"
    done = subprocess.run([liteferry, "demo", "--rows", "3000", "--dir", folder], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the demo ended with {done.returncode}: {done.stderr}")
    file, text = folder / "gecko_data.db", (folder / "gecko.toml").read_text()
    subprocess.run([liteferry, "uninstall", folder / "gecko.toml"], check=True, capture_output=True)
    url = next(word for word in done.stdout.split() if word.startswith("postgresql://liteferry@/"))
    return url, file, lambda source, target: text.replace(str(file), str(source)).replace(url, target)


def main():
    liteferry = Path(sys.argv[1]).resolve()
    is_followed = "--followed" in sys.argv
    counts = Counter()
    with tempfile.TemporaryDirectory(prefix="liteferry-archive.") as work:
        work = Path(work)
        # A server that root starts runs as another account.
        work.chmod(0o755)
        try:
            url, file, pipeline = demo(liteferry, work)
            judge = Judge(liteferry, work, url)
            paths = [Path(word) for word in sys.argv[2:] if word != "--followed"]
            given = [database for path in paths for database in databases(path)]
            for each, settings in [(file, pipeline), *((database, None) for database in given)]:
                word, told = judged(judge.follow if is_followed else judge.judge, each, settings)
                counts[word] += 1
                print(f"{each.name:32} {word:8} {told}", flush=True)
        finally:
            subprocess.run([liteferry, "demo", "--clean", "--dir", work / "demo"], capture_output=True)
    print(f"{sum(counts.values())} databases: " + ", ".join(f"{counts[word]} {word}" for word in WORDS))
    return int(counts["WRONG"] > 0)


WORDS = ("equal", "refused", "WRONG")


def judged(judge, file, pipeline):
    try:
        return "equal", judge(file, pipeline)
    except Refused as refused:
        return "refused", refused
    except (Wrong, subprocess.TimeoutExpired) as wrong:
        return "WRONG", wrong


if __name__ == "__main__":
    sys.exit(main())
