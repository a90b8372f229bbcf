#!/bin/sh
# Makes a Python environment with the programs that read archives, and with a server that speaks S3, in target/tmp, once,
# and says what its interpreter is called; nothing is installed elsewhere, nothing needs root.
set -eu
packages="pyarrow==26.0.1 duckdb==2.0.0 polars==2.1.0 psycopg[binary]==3.3.9 tzdata==2026.6 moto[server]==5.2.5"
dir=$(cd "$(dirname "$0")/../.." && pwd)/target/tmp/python
if [ "$(cat "$dir/complete" 2>/dev/null)" != "$packages" ]; then
    command -v python3 >/dev/null || {
        echo "this needs python3 with venv and pip" >&2
        exit 1
    }
    rm -rf "$dir"
    mkdir -p "$dir"
    python3 -m venv "$dir"
    # shellcheck disable=SC2086 # they are several
    "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: $packages
    echo "$packages" >"$dir/complete"
fi
echo "$dir/bin/python"
