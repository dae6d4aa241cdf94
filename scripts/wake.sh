#!/bin/sh
# A process that is frozen, replaced, and wakes up: it must write nothing.
#
#   scripts/wake.sh [--rounds N] [--events N]
#
# For each round: a durable run is frozen (SIGSTOP) at some moment, the same command is started again on the
# same folder and runs to its end, and the frozen one goes on (SIGCONT). It must end with an error, the
# decisions must be those of an undisturbed run, and what the folder says must not have changed by a byte. One
# that was frozen between its look at the claim and its write does write once more, behind what counts, where
# nobody reads: such rounds are counted apart. Exit code 1 if anything failed.
# RESTAGE_BIN names a program that is built already.
set -u
rounds=50 events=200000
while [ $# -gt 0 ]; do
  case "$1" in
    --rounds) rounds=$2; shift 2 ;;
    --events) events=$2; shift 2 ;;
    *) echo "usage: $0 [--rounds N] [--events N]" >&2; exit 2 ;;
  esac
done
restage=${RESTAGE_BIN:-}
[ -z "$restage" ] || restage=$(realpath "$restage") || exit 2
cd "$(dirname "$0")/.." || exit 1
[ -n "$restage" ] || { cargo build --release --quiet && restage=$PWD/target/release/restage; } || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$restage" simulate --events "$events" -o "$work/log.csv" >/dev/null || exit 1
"$restage" replay "$work/log.csv" --policy data/learning.toml --out "$work/right.jsonl" >/dev/null || exit 1
durable() {
  exec "$restage" replay "$work/log.csv" --policy data/learning.toml --state "$work/state" \
    --snapshot-every 50ms --out "$work/out.jsonl" --batch 256
}
# The bytes of every file; and what the folder says, but for ages, with all that its readers check on the way.
sums() { (cd "$work/state" && for file in *; do cksum "$file"; done); }
told() { "$restage" snapshot inspect "$work/state" | sed 's/, [0-9]* s old//'; }
round=0 frozen=0 failed=0 slipped=0
while [ $round -lt "$rounds" ]; do
  round=$((round + 1))
  rm -rf "$work/state" "$work/out.jsonl"
  durable >/dev/null 2>"$work/said" &
  first=$!
  sleep "0.$(awk -v s=$round 'BEGIN { srand(s); printf "%03d", 30 + int(rand() * 500) }')"
  kill -STOP $first 2>/dev/null
  (durable) >/dev/null 2>"$work/second" || { failed=$((failed + 1)); echo "FAILED: round $round, the successor: $(cat "$work/second")"; }
  before=$(sums) said=$(told)
  kill -CONT $first 2>/dev/null
  wait $first
  code=$?
  # One that was over before it could be frozen proves nothing.
  [ $code -ne 0 ] && frozen=$((frozen + 1))
  if ! cmp -s "$work/right.jsonl" "$work/out.jsonl"; then
    failed=$((failed + 1)); echo "FAILED: round $round, the decisions differ (exit code $code)"
  fi
  if [ "$said" != "$(told)" ]; then
    failed=$((failed + 1)); echo "FAILED: round $round, the folder says something else (exit code $code): $(cat "$work/said")"
  fi
  if [ "$before" != "$(sums)" ]; then
    slipped=$((slipped + 1))
    echo "round $round: written behind what counts, and read by nobody"
  fi
done
echo "$rounds rounds, $frozen of them frozen before their end, $slipped wrote where nobody reads, $failed failures"
[ $failed -eq 0 ] && [ $frozen -gt 0 ]
