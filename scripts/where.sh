#!/usr/bin/env bash
# Where a microsecond goes: samples of `perf` over one replay, by what the code was doing.
#
#   scripts/where.sh LOG [FLAGS OF replay...]        RESTAGE=path/to/restage measures another build
#
# Samples are taken of all threads and sorted by thread and by the function that was running; what was
# inlined counts for its caller. Finding a session, its items and its timers is memory above all, and
# counts as folding. With `inferno` installed a flame graph is written, too (FLAME=file.svg).
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
command -v perf > /dev/null || { echo "skipped: perf is not here" >&2; exit 0; }
restage="${RESTAGE:-target/release/restage}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
graph=()
# Optimised code keeps no frame pointers: stacks are unwound from what the program says of itself.
[ -z "${FLAME:-}" ] || graph=(--call-graph "dwarf,8192")
perf record -q -F 997 "${graph[@]}" -o "$folder/data" -- "$restage" replay "$@" --json > "$folder/report" 2> "$folder/said"
events="$(grep -o '"events":[0-9]*' "$folder/report" | head -1 | cut -d: -f2)"
perf script -i "$folder/data" -G -F comm,ip,sym 2> /dev/null |
    awk -v events="$events" '
        function stage(comm, name) {
            if (comm ~ /^lane-/) return "read and parse"
            if (name ~ /clear_page|page_fault|alloc_pages/) return "first touch of memory"
            if (name ~ /visit::learn|visit::ledger|visit::learned|differential|flow::learning|flow::versions/) return "learn"
            if (name ~ /visit::model|feature::fill|libm/) return "score"
            if (name ~ /visit::choose|visit::policy|visit::phase|live::page|judg|visit::view/) return "decide"
            if (name ~ /decision::|xxh|Digest|emitter|Emission|flow::sink|itoa/) return "emit"
            if (name ~ /timely|flow::|event::batch|event::codec/) return "exchange and engine"
            if (name ~ /visit::|hashbrown|equivalent/) return "fold"
            if (name ~ /memmove|memcpy|memset|mi_|alloc/) return "move memory"
            return "kernel and others"
        }
        NF >= 2 {
            comm = $1
            name = $0
            sub(/^[ ]*[^ ]+[ ]+[0-9a-f]+[ ]+/, "", name)
            count[stage(comm, name)]++
            all++
        }
        END {
            for (s in count) {
                # 997 samples are a second of processor time.
                printf "| %s | %.0f %% | %.0f ns |\n", s, 100 * count[s] / all, count[s] / 997 * 1e9 / events
            }
            printf "| together | 100 %% | %.0f ns |\n", all / 997 * 1e9 / events
        }' | sort -t'|' -k4 -n > "$folder/table"
echo "| doing what | share | per event |"
echo "|---|---|---|"
cat "$folder/table"
if [ -n "${FLAME:-}" ]; then
    if command -v inferno-flamegraph > /dev/null; then
        perf script --no-inline -i "$folder/data" 2> /dev/null | inferno-collapse-perf |
            inferno-flamegraph --minwidth 0.2 --title "restage replay" > "$FLAME"
        echo "wrote $FLAME" >&2
    else
        echo "skipped the flame graph: inferno is not here" >&2
    fi
fi
