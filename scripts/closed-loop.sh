#!/bin/sh
# Runs the experiments that docs/learning.md quotes: what the job learns in the closed loop, and whether
# what it says of itself is true.
#
#   scripts/closed-loop.sh [FOLDER]
#
# FOLDER takes one JSON report an experiment; a temporary one is used and removed without it. RUNS and
# SESSIONS make the first experiment smaller, LIFT_RUNS the others. Everything is a function of the seeds.
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
lift_runs="${LIFT_RUNS:-100}"

"$restage" simulate --closed-loop --sessions "$sessions" --runs "$runs" --json > "$work/gain.json"
python3 - "$work/gain.json" <<'SUMMARY'
import json, statistics, sys

runs = json.load(open(sys.argv[1]))["runs"]
print(f"{len(runs)} runs of {runs[0]['sessions']} sessions: median (least to most)")
figures = {
    "oracle gain": lambda r: r["oracle_gain"],
    "policy gain": lambda r: r["policy_gain"],
    "gain ratio": lambda r: r["gain_ratio"],
    "regret over uniform's": lambda r: r["regret"] / r["regret_uniform"],
}
for name, figure in figures.items():
    found = [figure(run) for run in runs]
    print(f"  {name}: {statistics.median(found):.3f} ({min(found):.3f} to {max(found):.3f})")
SUMMARY

# Smaller shops, in which the job's own interval is held against common random numbers.
for effect in 0 1; do
    "$restage" simulate --closed-loop --sessions 20000 --days 3 --runs "$lift_runs" \
        --effect-scale "$effect" --json > "$work/lift-$effect.json"
    python3 - "$work/lift-$effect.json" "$effect" <<'SUMMARY'
import json, sys

lifts = [run["lift"] for run in json.load(open(sys.argv[1]))["runs"]]
known = [lift for lift in lifts if lift["interval"]]
covered = sum(low <= lift["truth"] <= high for lift in known for low, high in [lift["interval"]])
print(f"effect {sys.argv[2]}: the interval holds the truth in {covered} of {len(known)} runs "
      f"({len(lifts) - len(known)} without an interval yet)")
SUMMARY
done
