#!/usr/bin/env bash
# What a ranker costs the job: the throughput that it keeps of what the same page has by the catalogue.
#
#   scripts/bench-rankers.sh [EVENTS] [PAIRS]      default 1,000,000 events, 5 pairs of runs each
#
# A log of the simulated shop, one worker, decisions counted but not written. Throughput is events per
# second of processor time. Runs with and without a ranker take turns, and the ratio is taken pair by pair:
# the machine may do other things meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
events="${1:-1000000}"
pairs="${2:-5}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cargo build --release --quiet
restage=target/release/restage
"$restage" simulate --events "$events" --seed 1 -o "$folder/log.csv" --catalogue "$folder/all.csv"
# What a ranker costs, not what a sell-out does: nothing changes.
awk -F, 'NR == 1 || $5 == ""' "$folder/all.csv" > "$folder/items.csv"

# The page of all runs; only who ranks it differs.
page() {
    cat > "$folder/$1.toml" <<EOF
version = 1
name = "$1"
[[slot]]
name = "grid"
default = "shown"
products = { count = 12, exclude = ["bought", "cart"] }
arm = [{ name = "shown", ranker = "$1" }]
EOF
}

# One run: thousands of events per second of processor time, and peak memory in MB.
TIMEFORMAT='%U %S'
once() {
    { time "$restage" replay "$folder/log.csv" --policy "$folder/$1.toml" \
        --catalogue "$folder/items.csv" --json > "$folder/report" 2> /dev/null; } 2> "$folder/time"
    memory="$(grep -o '"peak_rss_mb":[^,}]*' "$folder/report" | cut -d: -f2)"
    awk -v events="$events" -v memory="$memory" \
        '{ printf "%.0f %.0f", events / ($1 + $2) / 1e3, memory }' "$folder/time"
}

page catalogue
for ranker in price_match trending association_rules sequential_rules session_knn blend; do
    page "$ranker"
    for _ in $(seq "$pairs"); do
        echo "$(once catalogue) $(once "$ranker")"
    done | awk '{ print $3 / $1, $1, $3, $4 }' | sort -n | awk -v name="$ranker" -v pairs="$pairs" '
        { ratio[NR] = $1; without[NR] = $2; with[NR] = $3; memory = ($4 > memory) ? $4 : memory }
        END {
            middle = int((pairs + 1) / 2)
            printf "%-18s keeps %.2f (%.2f to %.2f): %d of %d thousand events a CPU second, at most %d MB\n",
                name, ratio[middle], ratio[1], ratio[pairs], with[middle], without[middle], memory
        }'
done
