#!/bin/sh
# Moves every *.db of a folder into a private PostgreSQL and compares it independently. More arguments are those of
# `run`: with --accept-corrupt, what can be read of damaged databases is moved too. With --live they are moved as sources
# that are written to, changed, and followed. With --written they are written anew as SQLite files that must be the same.
set -eu
if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    echo "usage: tests/scripts/corpus.sh DIR [--live | --written] [ARGUMENTS OF RUN]" >&2
    exit 2
fi
LITEFERRY_CORPUS=$(cd "$1" && pwd)
export LITEFERRY_CORPUS
shift
cd "$(dirname "$0")/../.."
exec cargo test --quiet --test corpus -- "$@"
