#!/bin/sh
# Runs the experiments that docs/learning.md quotes: what the job learns in the closed loop, and whether
# what it says of itself is true.
#
#   scripts/closed-loop.sh [FOLDER]
#
# FOLDER takes one JSON report an experiment; a temporary one is used and removed without it. RUNS and
# SESSIONS make the first experiment smaller, METHOD_RUNS (4) the comparison of methods, SMALL_RUNS the others. Everything is a function of the
# seeds. Two cores take three quarters of an hour.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --quiet
restage="$PWD/target/release/restage"
if [ $# -gt 0 ]; then
    mkdir -p "$1"
    work="$(cd "$1" && pwd)"
else
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
fi
runs="${RUNS:-20}"
sessions="${SESSIONS:-200000}"
small_runs="${SMALL_RUNS:-100}"

# Seeds 1 to N in two halves, side by side: halves N NAME FLAG...
halves() {
    half=$((($1 + 1) / 2)) rest=$(($1 / 2)) name="$2"
    shift 2
    "$restage" simulate --closed-loop --seed 1 --runs "$half" --json "$@" > "$work/$name-1.json" &
    if [ "$rest" -gt 0 ]; then
        "$restage" simulate --closed-loop --seed $((half + 1)) --runs "$rest" --json "$@" \
            > "$work/$name-2.json"
    fi
    wait "$!"
}

halves "$runs" gain --sessions "$sessions"
python3 scripts/closed-loop.py gain "$work"/gain-*.json

# The other methods in the same shops, and the best layout that is the same for all.
compared=
for method in epsilon_greedy softmax multivariate; do
    "$restage" policy --closed-loop | sed "s/\"thompson\"/\"$method\"/; s/\"learned\"/\"$method\"/" \
        > "$work/$method.toml"
    compared="$compared --compare $work/$method.toml"
done
# shellcheck disable=SC2086  # one word a flag
halves "${METHOD_RUNS:-4}" methods --sessions "$sessions" $compared
python3 scripts/closed-loop.py methods "$work"/methods-*.json

# Smaller shops, in which the job's own interval is held against common random numbers: half of the
# visitors keep the default.
"$restage" policy --closed-loop | sed 's/share = 0.01/share = 0.5/' > "$work/lift.toml"
for effect in 0 1; do
    halves "$small_runs" "lift-$effect" --sessions 20000 --days 3 --effect-scale "$effect" \
        --policy "$work/lift.toml"
    python3 scripts/closed-loop.py "lift, effect $effect" "$work/lift-$effect"-*.json
done

# The kill switch: even draws beside a fifth of visitors held out, with an arm that drives shoppers
# away, and in a shop where no arm matters.
"$restage" policy --closed-loop | sed 's/share = 0.01/share = 0.2/; s/thompson/fixed/' \
    > "$work/kill.toml"
halves "$small_runs" kill-bad --sessions 60000 --days 4 --effect-scale 0 \
    --bad-arm banner/category_guide --policy "$work/kill.toml"
halves "$small_runs" kill-good --sessions 60000 --days 4 --effect-scale 0 --policy "$work/kill.toml"
for shop in bad good; do
    python3 scripts/closed-loop.py "kill switch, $shop arm" "$work/kill-$shop"-*.json
done
