#!/bin/sh
# Fuzzes a target (expression, reader) for SECONDS, from SEED on; a failure names its seed.
set -eu
if [ $# -lt 2 ]; then
    echo "usage: tests/scripts/fuzz.sh expression|reader SECONDS [SEED]" >&2
    exit 2
fi
target=$1
shift
cd "$(dirname "$0")/../.."
exec cargo test --test "fuzz_$target" -- "$@"
