#!/bin/sh
# Runs what is about archives in buckets on a server that speaks S3 (moto): the tests of places, and a whole journey of
# run, follow, list, check, compact, prune and restore.
set -eu
scripts=$(cd "$(dirname "$0")" && pwd)
cd "$scripts/../.."
python=$("$scripts/python.sh")
cargo build --quiet --locked
exec "$python" -B "$scripts/archive/bucket.py" target/debug/liteferry \
    cargo test --quiet --locked --lib store::parquet::place
