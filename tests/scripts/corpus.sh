#!/bin/sh
# Moves every *.db of a folder into a private PostgreSQL and compares it independently.
set -eu
if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    echo "usage: tests/scripts/corpus.sh DIR" >&2
    exit 2
fi
LITEFERRY_CORPUS=$(cd "$1" && pwd)
export LITEFERRY_CORPUS
cd "$(dirname "$0")/../.."
exec cargo test --quiet --test corpus
