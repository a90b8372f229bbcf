#!/bin/sh
# Plays random expressions against SQLite and PostgreSQL for SECONDS, from SEED on; a failure names its seed.
set -eu
cd "$(dirname "$0")/../.."
exec cargo test --test fuzz_expression -- "$@"
