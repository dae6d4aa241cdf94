#!/usr/bin/env bash
# The whole job over a simulated log, from CSV: events/s, memory, and that every run decides alike.
#
#   scripts/bench-replay.sh [EVENTS] [RUNS]        default 5,000,000 events, 5 runs each
#
# Prints the least, the median and the greatest of each shape: one worker without and with the
# decision file written, two workers, and one worker with the trees of data/. Absolute figures depend on the machine and on what else it does.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ "${1:-1}${2:-1}" =~ ^[0-9]+$ ]] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
events="${1:-5000000}"
runs="${2:-5}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
# Another build can be measured by naming it.
restage="${RESTAGE:-target/release/restage}"
[ -n "${RESTAGE:-}" ] || cargo build --release --quiet
"$restage" simulate --events "$events" --seed 1 -o "$folder/log.csv"

# One run: events per second, peak memory in MB, digest.
once() {
    "$restage" replay "$folder/log.csv" --json "$@" > "$folder/report"
    field() { grep -o "\"$1\":[^,}]*" "$folder/report" | head -1 | cut -d: -f2 | tr -d '"'; }
    printf '%.0f %.0f %s\n' "$(field events_per_s)" "$(field peak_rss_mb)" "$(field digest)"
}

shape() {
    local name="$1"; shift
    for _ in $(seq "$runs"); do once "$@"; done | sort -n | awk -v name="$name" -v runs="$runs" '
        { rate[NR] = $1; memory = ($2 > memory) ? $2 : memory; digests[$3] = 1 }
        END {
            for (digest in digests) different++
            printf "%-32s min %d  median %d  max %d events/s, at most %d MB, %s\n",
                name, rate[1], rate[int((runs + 1) / 2)], rate[runs], memory,
                (different == 1) ? "one digest" : "DIFFERENT DIGESTS"
            if (different != 1) exit 1
        }'
}

shape "one worker" -w 1
shape "one worker, decisions written" -w 1 --out "$folder/decisions.jsonl"
shape "two workers" -w 2
shape "one worker, data/trees.json" -w 1 --model data/trees.json
