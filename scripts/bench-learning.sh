#!/usr/bin/env bash
# What learning costs: the whole job with two slots that learn against the same job without.
#
#   scripts/bench-learning.sh [EVENTS] [RUNS] [WORKERS]    default 2,000,000 events, 5 runs each, one worker
#
# Two exposures a session: two slots, one context leaf each. Runs of the two shapes take turns, so
# that a noisy machine disturbs both alike. Three logs: the simulated shop as it is (some 30 events a
# second of its own clock, so that a quantum holds 30 events), a shop of thirty times as many visits an hour
# (some 400 events a second: its log ends while the shop still fills up), and one with a thirtieth, an event a second. The loop goes
# round at most once a quantum whatever the traffic, so the ratio says more about the second; the third
# says what a round costs.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ "${1:-1}${2:-1}" =~ ^[0-9]+$ ]] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
events="${1:-2000000}"
runs="${2:-5}"
workers="${3:-1}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
# Another build can be measured by naming it.
restage="${RESTAGE:-target/release/restage}"
[ -n "${RESTAGE:-}" ] || cargo build --release --quiet

policy() {
    local learn="$1" arms="$2" more="$3"
    cat <<TOML
version = 1
name = "bench-learning"
[[slot]]
name = "banner"
default = "brand"
$learn
arm = [{ name = "brand" }$arms]
[[slot]]
name = "grid"
default = "popular"
$learn
arm = [{ name = "popular" }$more]
TOML
}
policy "" "" "" > "$folder/off.toml"
policy 'learn = { method = "thompson" }' \
    ', { name = "new" }, { name = "guide" }, { name = "sale" }' \
    ', { name = "recent" }, { name = "similar" }' > "$folder/on.toml"

# One run: events per second, digest, seconds of both processors.
once() {
    TIMEFORMAT='%U %S'
    { time timeout -s KILL 120 "$restage" replay "$folder/log.csv" --json -w "$workers" \
        --policy "$folder/$1.toml" > "$folder/report"; } 2> "$folder/times"
    field() { grep -o "\"$1\":[^,}]*" "$folder/report" | head -1 | cut -d: -f2 | tr -d '"'; }
    printf '%s %.0f %s %s\n' "$1" "$(field events_per_s)" "$(field digest)" \
        "$(awk '{ print $1 + $2 }' "$folder/times")"
}

compare() {
    local name="$1"; shift
    "$restage" simulate --events "$events" --seed 1 "$@" -o "$folder/log.csv" > "$folder/said"
    for _ in $(seq "$runs"); do once off; once on; done | sort -k1,1 -k2,2n | awk -v name="$name" -v runs="$runs" '
        { count[$1]++; rate[$1, count[$1]] = $2; cpu[$1] += $4 / runs; if (!(($1, $3) in seen)) { seen[$1, $3] = 1; digests[$1]++ } }
        END {
            middle = int((runs + 1) / 2)
            printf "%-24s off %d  on %d events/s (medians), ratio %.2f, %s\n", name,
                rate["off", middle], rate["on", middle], rate["on", middle] / rate["off", middle],
                (digests["off"] == 1 && digests["on"] == 1) ? "one digest each" : "DIFFERENT DIGESTS"
            printf "%-24s off %.2f  on %.2f s of processor time (means), ratio %.2f\n", "",
                cpu["off"], cpu["on"], cpu["off"] / cpu["on"]
            if (digests["off"] != 1 || digests["on"] != 1) exit 1
        }'
}

compare "the simulated shop"
compare "thirty times as dense" --visits-per-hour 450000
compare "a thirtieth as dense" --visits-per-hour 500
