#!/bin/sh
# Starts the processes of a job, on this machine or on others through ssh, and stops all when one fails.
#
#   scripts/cluster.sh -n N [--hostfile FILE] [--logs DIR] -- replay LOG... [flags]
#
# Without a host file the processes listen on free ports of 127.0.0.1. With one (`host:port` a line) process
# I is started on the I-th host by `ssh host restage ...`; RESTAGE_SSH names another command than ssh, and
# RESTAGE_BIN the program on every machine. The program, the logs, the policy and the host file must lie at
# the same paths everywhere; the state folder only where process 0 runs. What each process says goes to
# DIR/process-I.log (a new folder by default); process 0's results go to stdout. The exit code is that of
# the first process that failed.
set -u
usage() { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
processes='' hostfile='' logs=''
while [ $# -gt 0 ]; do
  case "$1" in
    -n) processes=${2:-}; shift 2 ;;
    --hostfile) hostfile=${2:-}; shift 2 ;;
    --logs) logs=${2:-}; shift 2 ;;
    --) shift; break ;;
    *) usage ;;
  esac
done
case "$processes" in '' | *[!0-9]* | 0) usage ;; esac
[ $# -gt 0 ] || usage
here=$(dirname "$0")/..
restage=${RESTAGE_BIN:-$here/target/release/restage}
ssh=${RESTAGE_SSH:-ssh}
[ -n "$logs" ] || logs=$(mktemp -d)
mkdir -p "$logs" || exit 5
remote=$hostfile
if [ -z "$hostfile" ]; then
  [ -x "$restage" ] || { echo "$0: $restage is not there: cargo build --release" >&2; exit 2; }
  hostfile=$logs/hosts
  base=$((20000 + $$ % 20000))
  i=0
  : >"$hostfile"
  while [ $i -lt "$processes" ]; do echo "127.0.0.1:$((base + i))" >>"$hostfile"; i=$((i + 1)); done
fi
[ -r "$hostfile" ] || { echo "$0: $hostfile cannot be read" >&2; exit 2; }
echo "cluster: $processes processes; what they say is in $logs" >&2

pids=''
stop() { for pid in $pids; do kill "$pid" 2>/dev/null; done; }
trap 'stop; exit 143' TERM
trap 'stop; exit 130' INT
i=0
while [ $i -lt "$processes" ]; do
  host=$(grep -v '^ *\(#\|$\)' "$hostfile" | sed -n "$((i + 1))s/:[0-9]*$//p")
  set -- "$@" -n "$processes" -p "$i" --hostfile "$hostfile"
  if [ -n "$remote" ]; then
    words=''
    for word in "$@"; do words="$words '$(printf %s "$word" | sed "s/'/'\\\\''/g")'"; done
    if [ $i -eq 0 ]; then $ssh "$host" "$restage $words" 2>"$logs/process-$i.log" &
    else $ssh "$host" "$restage $words" >/dev/null 2>"$logs/process-$i.log" & fi
  elif [ $i -eq 0 ]; then "$restage" "$@" 2>"$logs/process-$i.log" &
  else "$restage" "$@" >/dev/null 2>"$logs/process-$i.log" & fi
  pids="$pids $!"
  # Take the six words off again.
  count=$(($# - 6)) kept=0
  for word in "$@"; do
    [ $kept -eq 0 ] && set --
    kept=$((kept + 1))
    [ $kept -le $count ] && set -- "$@" "$word"
  done
  i=$((i + 1))
done

failed=0 first=''
for pid in $pids; do
  wait "$pid"; code=$?
  if [ $code -ne 0 ] && [ $failed -eq 0 ]; then failed=$code first=$pid; stop; fi
done
if [ $failed -ne 0 ]; then
  i=0
  for pid in $pids; do
    [ "$pid" = "$first" ] && echo "cluster: process $i ended with code $failed: $(tail -n 1 "$logs/process-$i.log")" >&2
    i=$((i + 1))
  done
fi
exit "$failed"
