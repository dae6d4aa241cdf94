#!/usr/bin/env bash
# What durability costs, and how long recovery takes.
#
#   scripts/bench-durable.sh [--events N] [--runs N] [--policy FILE]... [--live N]...
#
# Throughput: runs of `restage replay` with and without --state in turn (2,000,000 simulated events, 5 pairs,
# the default policy and data/learning.toml): the ratio of each pair, and the median. Both write --out.
# Recovery: a run with about N live sessions (100,000 and 1,000,000), killed once it is past a snapshot that
# holds them, and started again: from its start to its first new byte of decisions. What was committed and had
# not reached the file comes at once: a figure far below the others is of that. Prints figures only.
# RESTAGE_BIN names a program that is built already.
set -euo pipefail
events=2000000 runs=5 policies=() live=()
while [ $# -gt 0 ]; do
    case "$1" in
        --events) events=$2; shift 2 ;;
        --runs) runs=$2; shift 2 ;;
        --policy) policies+=("$(realpath "$2")"); shift 2 ;;
        --live) live+=("$2"); shift 2 ;;
        *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
restage=${RESTAGE_BIN:-}
[ -z "$restage" ] || restage=$(realpath "$restage")
cd "$(dirname "$0")/.."
[ ${#policies[@]} -gt 0 ] || policies=(data/policy.toml data/learning.toml)
[ ${#live[@]} -gt 0 ] || live=(100000 1000000)
[ -n "$restage" ] || { cargo build --release --quiet; restage=target/release/restage; }
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

# once NAME FLAGS...: events per second of one run.
once() {
    rm -rf "$folder/state" "$folder/out.jsonl"
    "$restage" replay "$folder/log.csv" --out "$folder/out.jsonl" --json "$@" |
        grep -o '"events_per_s":[^,}]*' | cut -d: -f2
}

median() { sort -n | awk '{ x[NR] = $1 } END { printf "%s (%s to %s)\n", x[int((NR + 1) / 2)], x[1], x[NR] }'; }

"$restage" simulate --events "$events" --seed 1 -o "$folder/log.csv" > /dev/null
for policy in "${policies[@]}"; do
    for _ in $(seq "$runs"); do
        plain=$(once --policy "$policy")
        durable=$(once --policy "$policy" --state "$folder/state")
        awk -v a="$plain" -v b="$durable" 'BEGIN { printf "%.3f\n", b / a }'
    done | median | { read -r ratio; echo "throughput kept, $(basename "$policy"): $ratio of $runs pairs"; }
done
rm -f "$folder/log.csv"

# So many sessions of a page view each, and five times as many views after them, of which every tenth begins
# another session: all within half an hour, so none of them ends.
sessions() {
    awk -v n="$1" 'BEGIN {
        print "event_ms,visitor,kind,item,price"
        for (i = 0; i < 6 * n; i++)
            printf "%.0f,v%d,item_view,i%d,9.90\n", 1767571200000 + int(i * 250000 / n),
                (i < n || i % 10 == 0) ? i : i % n, i % 997 }'
}

for count in "${live[@]}"; do
    sessions "$count" > "$folder/live.csv"
    rm -rf "$folder/state" "$folder/out.jsonl"
    run=("$restage" replay "$folder/live.csv" --policy data/learning.toml --state "$folder/state"
        --snapshot-every 200ms --out "$folder/out.jsonl")
    "${run[@]}" > /dev/null 2>&1 &
    pid=$!
    before='' since=0 held=0
    while kill -0 $pid 2> /dev/null; do
        # The second snapshot since all of them were decided holds them; the one before may have begun earlier.
        newest=$(find "$folder/state" -name 'snapshot-*-*' ! -name '*.new' -printf '%T@ %p %s\n' 2> /dev/null | sort -n | tail -1 || true)
        lines=$( (cat "$folder/out.jsonl" 2> /dev/null || true) | wc -l)
        if [ "$lines" -ge "$count" ]; then
            before=${before:-"$newest "}
            [ "$newest " != "$before" ] && { before="$newest " since=$((since + 1)); }
            [ $since -ge 2 ] && { kill -9 $pid; held=${newest##* }; break; }
        fi
        sleep 0.05
    done
    wait $pid 2> /dev/null || true
    if [ "$held" -eq 0 ]; then
        echo "recovery of $count live sessions: the run was over before there was a snapshot of them; take more"
        continue
    fi
    sessions_held=$("$restage" snapshot inspect "$folder/state" --json | grep -o '"live_sessions":[0-9]*' | head -1 | cut -d: -f2)
    bytes=$(stat -c %s "$folder/out.jsonl")
    begun=$(date +%s%N)
    "${run[@]}" > /dev/null 2> "$folder/said" &
    pid=$!
    while kill -0 $pid 2> /dev/null && [ "$(stat -c %s "$folder/out.jsonl")" -le "$bytes" ]; do sleep 0.01; done
    ended=$(date +%s%N)
    if [ "$(stat -c %s "$folder/out.jsonl")" -le "$bytes" ]; then
        echo "recovery of $sessions_held live sessions: no new decision was made" >&2
        cat "$folder/said" >&2
        exit 1
    fi
    wait $pid || true
    awk -v n="$sessions_held" -v mb=$((held / 1000000)) -v ns=$((ended - begun)) \
        'BEGIN { printf "recovery of %d live sessions (a snapshot of %d MB): %.2f s\n", n, mb, ns / 1e9 }'
done
