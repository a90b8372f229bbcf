#!/usr/bin/env bash
# A newcomer's first commands, in a place where no PostgreSQL is to be seen and nothing was built before.
#
#   tests/scripts/fresh.sh          short: `cargo run -- demo` of 20,000 rows
#   tests/scripts/fresh.sh --full   the README's two commands: `cargo run --release -- demo` and `cargo test`
#
# What is committed is unpacked into a temporary folder. The machine's PostgreSQL is hidden there, so that liteferry must
# bring its own. Root lets an unprivileged account do it, which is the harder way: PostgreSQL's packages are unpacked
# into that account's cache. At the end no process and no file may be left but Rust's own.

set -euo pipefail

# It must have an entry in the list of accounts, or initdb refuses to run.
readonly ACCOUNT=nobody

main() {
    local full=no
    case "${1-}" in
    "") ;;
    --full) full=yes ;;
    *) fail "usage: $0 [--full]" ;;
    esac
    repository=$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse --show-toplevel)
    place=$(mktemp -d "${TMPDIR:-/var/tmp}/liteferry-fresh.XXXXXX")
    place=$(cd "$place" && pwd -P)
    trap at_the_end EXIT
    prepare
    if [ "$full" = yes ]; then
        # Each command has a home of its own, so that each must bring PostgreSQL by itself.
        demo release cargo run --release -- demo
        newcomer testing cargo test
        nothing_left testing
        say "the README's two commands work where there is neither PostgreSQL nor a build"
    else
        demo debug cargo run -- demo --rows 20000
        say "the first command works where there is neither PostgreSQL nor a build (debug profile, few rows)"
    fi
}

# Fills the place: the sources, an empty folder in PostgreSQL's stead, a toolchain that the account can run.
prepare() {
    chmod 755 "$place"
    mkdir "$place/liteferry" "$place/nothing" "$place/cargo"
    git -C "$repository" archive HEAD | tar -x -C "$place/liteferry"
    [ -z "$(git -C "$repository" status --porcelain)" ] || say "note: what is not committed is not tried"
    find_account
    find_toolchain
    copy_registry
    [ -z "$account" ] || chown -R "$account:" "$place/liteferry" "$place/cargo"
}

find_account() {
    account=
    if [ "$(id -u)" -ne 0 ]; then
        say "as $(id -un): PostgreSQL will be unpacked without root"
    elif command -v setpriv >/dev/null && id "$ACCOUNT" >/dev/null 2>&1; then
        account=$ACCOUNT
        say "as the account $account: PostgreSQL will be unpacked without root"
    else
        say "as root, for want of setpriv or of an account $ACCOUNT: PostgreSQL will be installed by apt"
    fi
}

# Root's toolchain may be out of the account's reach; then it gets links to the same files, or a copy.
find_toolchain() {
    command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    toolchain=$(cd "$repository" && rustc --print sysroot)
    # setpriv itself may still enter root's folders; what it runs may not.
    if ! as_account sh -c '"$0" --version' "$toolchain/bin/rustc" >/dev/null 2>&1; then
        mkdir -p "$place/toolchain/lib"
        local part
        for part in bin libexec; do
            [ ! -d "$toolchain/$part" ] || link "$toolchain/$part" "$place/toolchain/$part"
        done
        for part in "$toolchain"/lib/*; do
            link "$part" "$place/toolchain/lib/${part##*/}"
        done
        toolchain=$place/toolchain
    fi
    as_account "$toolchain/bin/rustc" --version >&2
}

link() {
    cp -al "$1" "$2" 2>/dev/null || { rm -rf "$2" && cp -a "$1" "$2"; }
}

# What cargo has downloaded before need not be downloaded again; the settings, but no credentials, come along.
copy_registry() {
    local from=${CARGO_HOME:-$HOME/.cargo} part
    for part in registry/index registry/cache config.toml; do
        [ -e "$from/$part" ] || continue
        mkdir -p "$(dirname "$place/cargo/$part")"
        cp -R "$from/$part" "$place/cargo/$part"
    done
}

# Plays the demo by a command, looks into it as it says one can, and cleans up as it says one can.
demo() {
    local name=$1
    shift
    newcomer "$name" "$@" | tee "$place/said"
    local look
    look=$(grep -A1 '^look at it:' "$place/said" | tail -1)
    say "looking: $look"
    local trades
    trades=$(newcomer "$name" sh -c "$look -Atc 'SELECT count(*) FROM trades'" | tail -1)
    [ "$trades" -gt 0 ] || fail "the demo's database holds no trades"
    say "$trades trades are in PostgreSQL"
    local clean=("$@")
    newcomer "$name" "${clean[@]}" --clean
    nothing_left "$name"
}

# Runs a command in the sources, with a home and a folder for temporary files of its own, and without PostgreSQL.
newcomer() {
    local home=$place/$1 began=$SECONDS
    shift
    if [ ! -d "$home" ]; then
        mkdir "$home" "$home/tmp"
        [ -z "$account" ] || chown -R "$account:" "$home"
    fi
    say "$*"
    (
        cd "$place/liteferry" || exit
        unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR XDG_CACHE_HOME XDG_DATA_HOME RUSTC_WRAPPER
        export HOME=$home TMPDIR=$home/tmp CARGO_HOME=$place/cargo PATH="$toolchain/bin:$PATH"
        export LITEFERRY_PG_SEARCH=$place/nothing
        as_account "$@"
    ) </dev/null || fail "it failed (exit status $?) after $((SECONDS - began)) s: $*"
    say "it took $((SECONDS - began)) s"
}

as_account() {
    if [ -n "$account" ]; then
        setpriv --reuid "$account" --regid "$(id -g "$account")" --clear-groups "$@"
    else
        "$@"
    fi
}

# Only the unpacked PostgreSQL stays, in the cache, for the next time.
nothing_left() {
    local left
    left=$(find "$place/$1" -mindepth 1 \( -path "$place/$1/.cache" -prune -o ! -type d -print -o -name '*liteferry*' -print \))
    [ -z "$left" ] || fail "files are left:
$left"
    left=$(processes)
    [ -z "$left" ] || fail "processes are left:
$left"
    say "no process and no file is left"
}

# What runs from here, or in here.
processes() {
    local process
    for process in /proc/[0-9]*; do
        case "$(readlink "$process/cwd" 2>/dev/null) $(readlink "$process/exe" 2>/dev/null)" in
        *"$place"*) echo "${process#/proc/} $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)" ;;
        esac
    done
}

at_the_end() {
    local code=$? process
    # Only after a failure is anything left to end here.
    processes | while read -r process _; do kill -QUIT "$process" 2>/dev/null || true; done
    [ -n "${KEEP-}" ] || rm -rf "$place"
    exit "$code"
}

say() {
    echo "-- $*" >&2
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

main "$@"
