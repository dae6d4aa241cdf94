#!/bin/sh
# Kills a durable run at every storage operation and at random instants, and lets another shape go on.
#
#   scripts/crash-matrix.sh [--events N] [--instants N] [--operations N] [--policy FILE]
#
# For each: a new state folder; a run that is killed (before and after the operation, or after a random
# time, again and again); restarts in shapes 1x1, 1x2, 1x4, 2x1, 2x2 (processes x workers) until the log is
# over. Operations are tried up to the last that a run has, or up to --operations. At every third instant of
# a run of two processes it is process 1 that is killed, and process 0 must end with code 1, or with 5 if
# the other had not come yet. After every kill the file of decisions must be a prefix of what an undisturbed
# run of one worker writes, and in the end it must be that file. Prints one line for each failure and a
# count; exit code 1 if anything failed. RESTAGE_BIN names a program that is built already.
set -u
events=40000 instants=200 operations='' policy=data/learning.toml
while [ $# -gt 0 ]; do
  case "$1" in
    --events) events=$2; shift 2 ;;
    --instants) instants=$2; shift 2 ;;
    --operations) operations=$2; shift 2 ;;
    --policy) policy=$2; shift 2 ;;
    *) echo "usage: $0 [--events N] [--instants N] [--operations N] [--policy FILE]" >&2; exit 2 ;;
  esac
done
restage=${RESTAGE_BIN:-}
[ -z "$restage" ] || restage=$(realpath "$restage") || exit 2
cd "$(dirname "$0")/.." || exit 1
[ -n "$restage" ] || { cargo build --release --quiet && restage=$PWD/target/release/restage; } || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="--policy $(realpath "$policy")" || exit 2
if grep -Eq '^ *(\[slot\.products\]|products *=)' "$policy"; then
  "$restage" simulate --events "$events" --catalogue "$work/items.csv" -o "$work/log.csv" >/dev/null || exit 1
  flags="$flags --catalogue $work/items.csv"
else
  "$restage" simulate --events "$events" -o "$work/log.csv" >/dev/null || exit 1
fi
# shellcheck disable=SC2086 # flags are words
"$restage" replay "$work/log.csv" $flags --out "$work/right.jsonl" >/dev/null || exit 1
port=23000 failed=0 kills=0 runs=0 lost=0

fresh() { rm -rf "$work/state" "$work/out.jsonl"; }

# run SHAPE SECONDS [VICTIM]: one run in a shape, whose process VICTIM (0 if not said) is killed after a while
# (0: never); sets $code and $victim.
run() {
  victim=${3:-0} seconds=$2
  [ "${1%x*}" -gt 1 ] || victim=0
  n=${1%x*} w=${1#*x} others=
  durable="--state $work/state --snapshot-every 30ms --out $work/out.jsonl --batch 256 -w $w"
  if [ "$n" -gt 1 ]; then
    port=$((port + 2)); [ $port -gt 60000 ] && port=23000
    printf '127.0.0.1:%d\n127.0.0.1:%d\n' $port $((port + 1)) >"$work/hosts"
    durable="$durable -n 2 -p 0 --hostfile $work/hosts"
    kill='' first=$seconds
    [ $victim -eq 1 ] && kill="timeout -s KILL $seconds" first=0
    # shellcheck disable=SC2086
    env -u RESTAGE_FAILPOINT $kill "$restage" replay "$work/log.csv" $flags -w "$w" -n 2 -p 1 \
      --hostfile "$work/hosts" >/dev/null 2>&1 &
    others=$!
    seconds=$first
  fi
  if [ "$seconds" = 0 ]; then
    # shellcheck disable=SC2086
    "$restage" replay "$work/log.csv" $flags $durable >/dev/null 2>"$work/said"
  else
    # shellcheck disable=SC2086
    timeout -s KILL "$seconds" "$restage" replay "$work/log.csv" $flags $durable >/dev/null 2>"$work/said"
  fi
  code=$?
  runs=$((runs + 1))
  if [ -n "$others" ]; then
    [ $code -ne 0 ] && { sleep 0.1; kill -9 "$others" 2>/dev/null; }
    wait "$others" 2>/dev/null
  fi
}

# check WHAT: after a kill the file is a prefix, after the end it is all.
check() {
  if [ $code -eq 0 ]; then
    cmp -s "$work/right.jsonl" "$work/out.jsonl" && return
  elif [ $code -eq 137 ] || { [ "$victim" -eq 1 ] && { [ $code -eq 1 ] || [ $code -eq 5 ]; }; }; then
    kills=$((kills + 1)) lost=$((lost + victim))
    [ ! -e "$work/out.jsonl" ] && return
    cmp -s -n "$(wc -c <"$work/out.jsonl")" "$work/right.jsonl" "$work/out.jsonl" && return
  fi
  failed=$((failed + 1))
  echo "FAILED: $1, exit code $code: $(head -c 300 "$work/said")"
}

shape() { case $(($1 % 5)) in 0) echo 1x1 ;; 1) echo 1x2 ;; 2) echo 1x4 ;; 3) echo 2x1 ;; *) echo 2x2 ;; esac; }

operation=1 through=
while [ -z "$through" ] && [ $operation -le "${operations:-1000000}" ]; do
  for when in before after; do
    fresh
    first=$(shape $operation); [ $operation -le 16 ] && first=1x1
    RESTAGE_FAILPOINT=$operation:$when; export RESTAGE_FAILPOINT
    run "$first" 0
    unset RESTAGE_FAILPOINT
    check "operation $operation, $when, in $first"
    [ $code -eq 0 ] && through=$operation
    run "$(shape $((operation * 3 + 1)))" 0
    check "going on after operation $operation, $when"
  done
  operation=$((operation + 1))
done
echo "$((operation - 1)) operations, before and after${through:+, to the last}: $kills kills"

instant=0 turn=0
fresh
while [ $instant -lt "$instants" ]; do
  turn=$((turn + 1))
  run "$(shape $turn)" "0.$(awk -v s=$turn 'BEGIN { srand(s); printf "%03d", 40 + int(rand() * 500) }')" \
    $((turn % 3 == 0))
  check "instant $instant, in $(shape $turn)"
  if [ $code -eq 0 ]; then fresh; else instant=$((instant + 1)); fi
done
run 1x1 0
check "the end"
echo "$instants instants; $runs runs in all, $kills kills, $lost of them of process 1, $failed failures"
[ $failed -eq 0 ]
