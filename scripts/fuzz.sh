#!/bin/sh
# Runs every fuzz target for a while: scripts/fuzz.sh SECONDS [TARGET...]
#
# New inputs are kept in fuzz/corpus-local, which is not checked in. What fails is written to
# fuzz/artifacts/TARGET; copy it to fuzz/corpus/TARGET under a name that says what it was.
set -eu
cd "$(dirname "$0")/.."

if [ $# -lt 1 ]; then
    echo "usage: scripts/fuzz.sh SECONDS [TARGET...]" >&2
    exit 2
fi
seconds=$1
shift
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2
    exit 2
fi
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "the nightly toolchain is missing: rustup toolchain install nightly" >&2
    exit 2
fi
if [ $# -eq 0 ]; then
    set -- $(cargo +nightly fuzz list)
fi
for target in "$@"; do
    echo "== $target, $seconds s"
    mkdir -p "fuzz/corpus-local/$target"
    # Without the address sanitizer: the code is safe Rust, and the search is twice as fast.
    cargo +nightly fuzz run --sanitizer none "$target" \
        "fuzz/corpus-local/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
        2>"fuzz/corpus-local/$target.log" || {
        tail -n 40 "fuzz/corpus-local/$target.log" >&2
        exit 1
    }
    tail -n 1 "fuzz/corpus-local/$target.log"
done
