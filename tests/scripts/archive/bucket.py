"""Starts a server that speaks S3, and keeps archives on it: the tests of places, and one whole journey.

    bucket.py LITEFERRY COMMAND OF THE TESTS...
"""

import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from judge import Judge, Wrong, demo
from source import difference, every_cell, opened

BUCKET = "archives"
PLACE = f"s3://{BUCKET}/some/where"


class Store:
    """The server, with one bucket."""

    def __enter__(self):
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
            "LITEFERRY_TEST_S3": f"s3://{BUCKET}",
        }
        self.client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT"], region_name="us-east-1")
        self.client.create_bucket(Bucket=BUCKET)
        return self

    def __exit__(self, *_failure):
        self.server.stop()

    def keys(self, below):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"some/where/{below}")
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}


class Journey:
    """One source that is archived, followed, restored and pruned."""

    def __init__(self, store, judge, work):
        self.store, self.judge, self.work = store, judge, work
        self.source, self.restored = work / "source.db", 0
        target, self.database = judge.database()
        self.ends = ["--source", self.source, "--target", target, "--archive", PLACE]

    def go(self):
        self.write(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b REAL);"
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)"
            "INSERT INTO t SELECT n, hex(randomblob(20)), n / 3.0 FROM n;"
            "CREATE TABLE words (word TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO words VALUES ('a'), ('ü')"
        )
        self.judge.must("run", *self.ends)
        self.same(generations=1)
        self.write("DELETE FROM t WHERE id % 5 = 0; UPDATE t SET a = 'new' WHERE id % 7 = 0; INSERT INTO words VALUES ('c')")
        self.judge.must("follow", "--until-caught-up", *self.ends)
        self.same(generations=2)
        self.write("UPDATE t SET b = -b WHERE id < 100; DELETE FROM words WHERE word = 'a'")
        self.judge.must("follow", "--until-caught-up", *self.ends)
        self.same(generations=3)
        self.judge.must("archive", "compact", PLACE)
        self.same(generations=4)
        self.copied()
        self.backed_up()
        before = self.store.keys("tables")
        self.judge.must("archive", "prune", "--keep", "1", "--now", PLACE)
        self.same(generations=1)
        if not self.store.keys("tables") < before:
            raise Wrong("pruning has taken nothing away")
        self.refused()

    def write(self, sql):
        with closing(sqlite3.connect(self.source)) as connection:
            connection.executescript(sql)

    def same(self, generations):
        """The archive has so many generations, is whole, and the newest one is as the source."""
        listed = self.judge.must("archive", "list", PLACE)["generations"]
        if len(listed) != generations:
            raise Wrong(f"{len(listed)} generations instead of {generations}")
        self.judge.must("archive", "check", "--read-data", PLACE)
        self.restored += 1
        restored = self.work / f"restored_{self.restored}.db"
        self.judge.must("restore", "--archive", PLACE, "--sqlite", restored)
        with closing(opened(self.source)) as one, closing(opened(restored)) as other:
            for table in ("t", "words"):
                rows = [Counter(map(repr, it.execute(every_cell(it, table)))) for it in (one, other)]
                if rows[0] != rows[1]:
                    raise Wrong(f"{table} is not the same: {rows[0] - rows[1]!r:.300}")
        if left := self.store.keys("locks"):
            raise Wrong(f"markers are left: {left}")

    def copied(self):
        """A copy in a folder, and a copy of that in a bucket: what is there is not fetched again."""
        folder, again = self.work / "copy", f"s3://{BUCKET}/again"
        for place, fetched in ((folder, True), (folder, False), (again, True), (again, False)):
            copied = self.judge.must("archive", "copy", PLACE if place == folder else folder, place)
            if bool(copied["fetched_files"]) != fetched:
                raise Wrong(f"{place}: {copied!r}")
        self.judge.must("archive", "check", "--read-data", again)
        self.restored += 1
        self.judge.must(
            "restore", "--archive", PLACE, "--copy", folder, "--sqlite", self.work / f"restored_{self.restored}.db"
        )

    def backed_up(self):
        """A whole database in the bucket comes back as it was."""
        name = self.judge.must("backup", "--sqlite", self.source, "--archive", PLACE)["backup"]
        listed = self.judge.must("archive", "list", PLACE)["backups"]
        if [it["backup"] for it in listed] != [name]:
            raise Wrong(f"listed are {listed!r}")
        self.judge.must("archive", "check", "--read-data", PLACE)
        again = self.work / "again.db"
        self.judge.must("restore", "--archive", PLACE, "--backup", name, "--sqlite", again)
        if (differ := difference(self.source, again, set())) is not None:
            raise Wrong(f"the backup: {differ}")

    def refused(self):
        """Who writes keeps away who prunes; what is damaged or missing is noticed."""
        marker = "some/where/locks/writer-00000000000000000000000000000000"
        self.store.client.put_object(Bucket=BUCKET, Key=marker, Body=b"{}")
        self.judge.must("archive", "prune", "--keep", "1", PLACE, codes=(73,))
        self.store.client.delete_object(Bucket=BUCKET, Key=marker)
        file = min(self.store.keys("tables/t/rows"))
        body = bytearray(self.store.client.get_object(Bucket=BUCKET, Key=file)["Body"].read())
        body[len(body) // 2] ^= 1
        self.store.client.put_object(Bucket=BUCKET, Key=file, Body=bytes(body))
        self.judge.must("archive", "check", "--read-data", PLACE, codes=(76,))
        self.store.client.delete_object(Bucket=BUCKET, Key=file)
        self.judge.must("archive", "check", PLACE, codes=(76,))


def main():
    liteferry = Path(sys.argv[1]).resolve()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with Store() as store, tempfile.TemporaryDirectory(prefix="liteferry-bucket.") as work:
        work = Path(work)
        # A server that root starts runs as another account.
        work.chmod(0o755)
        subprocess.run(sys.argv[2:], check=True)
        try:
            url, _file, _pipeline = demo(liteferry, work)
            Journey(store, Judge(liteferry, work, url), work).go()
        except Wrong as wrong:
            print(f"WRONG: {wrong}")
            return 1
        finally:
            subprocess.run([liteferry, "demo", "--clean", "--dir", work / "demo"], capture_output=True)
    print("an archive in a bucket: run, followed, compacted, pruned, restored, and refused where it was damaged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
