#!/bin/sh
# Fetches a program that liteferry is measured beside into a folder of its own, once; nothing is installed, nothing needs
# root. Where it is already there, nothing happens.
#
#   benches/figures/peers.sh duckdb DIR     a Python environment with DuckDB and its extensions: DIR/bin/python
#   benches/figures/peers.sh pgloader DIR   pgloader of this Debian, unpacked with its libraries: DIR/pgloader

set -eu

DUCKDB=1.5.5

main() {
    [ $# -eq 2 ] || fail "usage: $0 duckdb|pgloader DIR"
    [ ! -e "$2/complete" ] || exit 0
    rm -rf "$2"
    mkdir -p "$2"
    case $1 in
    duckdb) duckdb "$2" ;;
    pgloader) pgloader "$2" ;;
    *) fail "there is no peer $1" ;;
    esac
    touch "$2/complete"
}

duckdb() {
    command -v python3 >/dev/null || fail "DuckDB needs python3 with venv and pip"
    python3 -m venv "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        "duckdb==$DUCKDB" "duckdb-extension-sqlite-scanner==$DUCKDB" "duckdb-extension-postgres-scanner==$DUCKDB"
}

# The packages that apt would install, or pgloader alone where they are installed already.
pgloader() {
    command -v apt-get >/dev/null || fail "pgloader is taken from Debian's packages, and there is no apt-get"
    packages=$(apt-get --simulate --no-install-recommends install pgloader | sed -n 's/^Inst \([^ ]*\).*/\1/p')
    # Without root, apt-get download must be able to write here, and nowhere else.
    (cd "$1" && apt-get --quiet=2 download ${packages:-pgloader})
    for package in "$1"/*.deb; do
        dpkg -x "$package" "$1/root"
        rm "$package"
    done
    cat >"$1/pgloader" <<'EOF'
#!/bin/sh
here=$(dirname "$0")
for folder in "$here"/root/usr/lib/*-linux-*; do
    LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH
exec "$here/root/usr/bin/pgloader" "$@"
EOF
    chmod +x "$1/pgloader"
}

fail() {
    echo "$*" >&2
    exit 1
}

main "$@"
