#!/usr/bin/env bash
# Every figure and plot of docs/performance.md and docs/sizing.md, one after the other.
#
#   scripts/bench-all.sh [EVENTS] [RUNS] [OUT]        default 2,000,000 events, 3 runs, target/bench
#
# Takes some ten minutes on a quiet machine with two cores. Pages go to stdout and, with JSON and plots,
# to OUT. RESTAGE=path/to/restage measures another build. On a shared machine only ratios within a run
# and figures on the processor's clock mean anything.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ "${1:-1}${2:-1}" =~ ^[0-9]+$ ]] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
events="${1:-2000000}"
runs="${2:-3}"
out="${3:-target/bench}"
mkdir -p "$out"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
restage="${RESTAGE:-target/release/restage}"
[ -n "${RESTAGE:-}" ] || cargo build --release --quiet
log="$folder/shop.csv"
"$restage" simulate --events "$events" --seed 1 --visits-per-hour 180000 -o "$folder/made.csv" > /dev/null
"$restage" import "$folder/made.csv" -o "$log" --pack > /dev/null
rm "$folder/made.csv"

heading() { printf '\n== %s\n' "$1"; }
# A page for people and the same as JSON.
bench() {
    local name="$1"; shift
    "$restage" bench "$@" --json > "$out/$name.json"
}
of() { grep -o "\"$2\":[^,}]*" "$out/$1.json" | head -1 | cut -d: -f2 | tr -d '"'; }
ratio() { awk -v a="$(of "$1" "$3")" -v b="$(of "$2" "$3")" 'BEGIN { printf "%.2f", a / b }'; }

{
    heading "machine"
    date -u +%F
    lscpu | grep -E '^(Model name|CPU\(s\)|L2|L3)' || true
    "$restage" --version

    heading "the job beside the plain loop"
    "$restage" bench "$log" --cost --runs "$runs"
    "$restage" bench "$log" --cost --runs "$runs" --json > "$out/cost.json"

    heading "does it grow with the log and not faster"
    "$restage" bench "$log" --guard --runs "$runs" || echo "the guard did not hold, or could not be judged"

    heading "workers and processes: ratios to one worker"
    bench one "$log" -w 1 --load 0.5
    bench two "$log" -w 2 --load 0.5
    bench processes "$log" -n 2 --load 0.5
    for of in one two processes; do
        printf '%-10s %12.0f events/s %12.0f per CPU-second, %s and %s of one worker\n' "$of" \
            "$(of "$of" events_per_s)" "$(of "$of" events_per_cpu_s)" \
            "$(ratio "$of" one events_per_s)" "$(ratio "$of" one events_per_cpu_s)"
    done

    heading "latency at half of saturation, epochs of 1 ms"
    for shape in "nothing learned|" "learning|--learning" "durable|--state $out/state"; do
        echo "-- ${shape%%|*}"
        # The flags stand apart.
        # shellcheck disable=SC2086
        "$restage" bench "$log" --load 0.5 --epoch 1ms ${shape#*|} | grep -A2 '^open loop'
    done
    rm -rf "$out/state"

    heading "latency against throughput"
    "$restage" bench "$log" --sweep --plot "$out" | grep -A2 '^open loop'

    heading "where a microsecond goes: nothing learned, and learning"
    RESTAGE="$restage" FLAME="$out/flame.svg" scripts/where.sh "$log" -w 1
    RESTAGE="$restage" FLAME= scripts/where.sh "$log" -w 1 --policy data/learning.toml

    heading "state"
    for visits in 180000 1500000 6000000; do
        "$restage" simulate --events "$events" --seed 2 --visits-per-hour "$visits" -o "$folder/crowd.csv" > /dev/null
        "$restage" replay "$folder/crowd.csv" --json > "$out/state-$visits.json"
        printf '%s live sessions at most, %s bytes each, %s MB for the process\n' \
            "$(of "state-$visits" live_sessions_peak)" "$(of "state-$visits" bytes_per_session)" \
            "$(of "state-$visits" peak_rss_mb)"
    done
} 2>&1 | tee "$out/figures.txt"
echo "figures, JSON and plots are in $out"
