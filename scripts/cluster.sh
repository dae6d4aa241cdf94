#!/bin/sh
# Starts the processes of a job, on this machine or on others through ssh, and stops all when one fails.
#
#   scripts/cluster.sh -n N [--hostfile FILE] [--logs DIR] -- replay LOG... [flags]
#
# Without a host file the processes listen on ports of 127.0.0.1 that nobody has. With one (`host:port` a line)
# process I is started on the I-th host by ssh, in the folder that this is called in; RESTAGE_SSH names another
# command than ssh, and RESTAGE_BIN the program. The program, that folder, the logs, the policy and the host file
# must lie at the same paths everywhere; the state folder only where process 0 runs. What each process says goes
# to DIR/process-I.log (a new folder by default); process 0's results go to stdout. The exit code is that of the
# process that failed first. TERM, INT and HUP (a terminal that is closed) stop all, process 0 first, which
# commits, and wait for them; the code is then that of process 0, 0 if it has committed.
#
# How they are stopped: each runs under a keeper, on its own machine, which ends it when the keeper's stdin ends.
# That is held open here for as long as this script lives, so a script or an ssh that is killed leaves nothing
# running, and no terminal is needed, which would mix results with messages.
set -u
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
fail() { code=$1; shift; echo "$0: $*" >&2; exit "$code"; }
processes='' hostfile='' logs=''
while [ $# -gt 0 ]; do
  case "$1" in
    --) shift; break ;;
    -n | --hostfile | --logs) [ $# -ge 2 ] || usage ;;
    *) usage ;;
  esac
  case "$1" in
    -n) processes=$2 ;;
    --hostfile) hostfile=$2 ;;
    --logs) logs=$2 ;;
  esac
  shift 2
done
case "$processes" in '' | *[!0-9]* | 0*) usage ;; esac
[ $# -gt 0 ] || usage

# A path for whoever starts in another folder.
absolute() { case "$1" in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }
here=$(cd "$(dirname "$0")/.." && pwd) || exit 5
restage=${RESTAGE_BIN:-$here/target/release/restage}
case "$restage" in */*) restage=$(absolute "$restage") ;; esac
ssh=${RESTAGE_SSH:-ssh -o ServerAliveInterval=5}
own=$(mktemp -d) || exit 5
trap 'rm -rf "$own"' EXIT
[ -n "$logs" ] || logs=$(mktemp -d) || exit 5
mkdir -p "$logs" || exit 5
logs=$(absolute "$logs")

# N ports of 127.0.0.1 that nobody has, below those that outgoing connections are given.
free_ports() {
  { cat /proc/net/tcp /proc/net/tcp6 || netstat -an; } >"$own/sockets" 2>/dev/null
  port=$({ od -An -N2 -tu2 /dev/urandom || echo $$; } 2>/dev/null)
  port=$((20000 + port % 600 * 20)) left=$processes
  while [ "$left" -gt 0 ] && [ $port -lt 32768 ]; do
    if ! grep -Eq ":$(printf %04X $port) [0-9A-F]+:|[.:]$port[[:space:]]" "$own/sockets"; then
      echo "127.0.0.1:$port"; left=$((left - 1))
    fi
    port=$((port + 1))
  done
}
remote=$hostfile
if [ -z "$remote" ]; then
  command -v "$restage" >/dev/null || fail 2 "$restage is not there: cargo build --release"
  hostfile=$logs/hosts
  free_ports >"$hostfile" || exit 5
fi
[ -r "$hostfile" ] || fail 2 "$hostfile cannot be read"
hostfile=$(absolute "$hostfile")
sed 's/^[[:space:]]*//; s/[[:space:]]*$//; /^#/d; /^$/d' "$hostfile" >"$own/hosts"
count=$(awk 'END { print NR }' "$own/hosts")
[ "$count" -eq "$processes" ] || fail 2 "$hostfile names $count addresses, and there are $processes processes"
echo "cluster: $processes processes; what they say is in $logs" >&2

# The keeper: `sh -c KEEPER keeper FOLDER PROGRAM...`. Ten seconds after SIGTERM it kills.
keeper='
cd "$1" || exit 5
shift
exec 3<&0
"$@" </dev/null 3<&- & child=$!
{
  trap "" HUP
  while read -r _; do :; done <&3
  exec 3<&-
  kill "$child" && sleep 10 && kill -9 "$child"
} >/dev/null 2>&1 & watch=$!
exec 3<&-
trap "again=1" TERM HUP INT
again=1
while [ -n "$again" ]; do again=; wait "$child"; code=$?; done
exec 2>/dev/null
kill "$watch"
exit "$code"'
quoted() { for word in "$@"; do printf " '%s'" "$(printf %s "$word" | sed "s/'/'\\\\''/g")"; done; }
# What a terminal sends to all reaches the script alone, where this is known; a second signal would end a
# process before it has committed.
apart=$(command -v setsid)

# One process and its keeper, here or there; its code goes to `ends`. SIGUSR1 gives up an ssh that hangs.
start() {
  number=$1 held=$own/held-$2; shift 2
  host=$(sed -n "$((number + 1))s/:[0-9]*$//p" "$own/hosts" | tr -d '[]')
  if [ -n "$remote" ]; then
    trap '' HUP INT
    $ssh "$host" "exec sh -c$(quoted "$keeper" keeper "$PWD" "$@")" <"$held" 7>&- 8>&- 9>&- &
  else
    $apart sh -c "$keeper" keeper "$PWD" "$@" <"$held" 7>&- 8>&- 9>&- &
  fi
  child=$!
  exec 7>&- 8>&-
  trap 'again=1' TERM HUP INT
  trap 'kill -9 "$child"; again=1' USR1
  again=1
  while [ -n "$again" ]; do again=''; wait "$child" 2>/dev/null; code=$?; done
  echo "$number $code" >&9
  exit "$code"
}
# The first that failed, once there is one; nothing if all are over and none did.
first_failure() {
  trap '' TERM HUP INT
  while read -r number code; do
    [ "$code" -eq 0 ] || { echo "$number $code" >"$own/first"; return; }
  done
}
# Process 0 is ended first, as it commits for all; the others would take its end, and it theirs, for a failure.
stopped=''
stop() {
  [ -z "$stopped" ] || return 0
  stopped=1
  exec 8>&-
  {
    exec 7>&- 9>&- >/dev/null 2>&1
    second=0
    while [ $second -lt 20 ] && kill -0 $$; do sleep 1; second=$((second + 1)); done
    [ $second -lt 20 ] || kill -USR1 $pids
  } &
}

# Both ends of every pipe are open here first, so that opening one never waits. What is read as stdin is held
# open as 8 for process 0, as 7 for the others.
mkfifo "$own/held-0" "$own/held-1" "$own/ends" || exit 5
exec 8<>"$own/held-0" 7<>"$own/held-1" 9<>"$own/ends"
pids='' told=''
trap 'told=1' TERM INT HUP
i=0
while [ $i -lt "$processes" ]; do
  {
    [ $i -eq 0 ] || exec >/dev/null
    start "$i" $((i > 0)) "$restage" "$@" -n "$processes" -p "$i" --hostfile "$hostfile"
  } 2>"$logs/process-$i.log" &
  pids="$pids $!"
  i=$((i + 1))
done
{ exec <"$own/ends" 2>/dev/null 7>&- 8>&- 9>&-; first_failure; } & first=$!
exec 9>&-
trap '[ -r "$own/first" ] || told=1; stop; again=1' TERM INT HUP
[ -z "$told" ] || stop

# Trapped signals interrupt `wait`, in every shell.
[ -n "$stopped" ] || wait $first
[ ! -r "$own/first" ] || stop
wait_for() { again=1; while [ -n "$again" ]; do again=''; wait "$1"; code=$?; done; }
failed=0 zero=''
for pid in $pids; do
  wait_for "$pid"
  [ -n "$zero" ] || { zero=$code; exec 7>&-; }
  [ $failed -ne 0 ] || failed=$code
done
[ -z "$told" ] || exit "$zero"
if [ -r "$own/first" ]; then
  read -r number failed <"$own/first"
  last=$(tail -n 1 "$logs/process-$number.log")
  echo "cluster: process $number ended with code $failed${last:+: $last}" >&2
fi
exit "$failed"
