#!/bin/sh
# Archives every *.db of a folder, reads the archives with pyarrow, DuckDB and Polars, restores them into SQLite and
# PostgreSQL, and judges each step independently; then once more while each is followed and changed. Without a folder: the
# fixtures of data/ and a small demo's database.
set -eu
if [ $# -gt 1 ] || { [ $# -eq 1 ] && [ ! -e "$1" ]; }; then
    echo "usage: tests/scripts/archive.sh [DIR]" >&2
    exit 2
fi
scripts=$(cd "$(dirname "$0")" && pwd)
given=${1-$scripts/../../data/zoo.sql}
[ $# -eq 0 ] || given=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$scripts/../.."
python=$("$scripts/python.sh")
cargo build --quiet --locked
for how in "" --followed; do
    "$python" -B "$scripts/archive/judge.py" target/debug/liteferry $how "$given" "$scripts/archive/odd.sql"
done
