#!/bin/sh
# A durable run over two simulated days at full speed: how its resident memory develops.
#
#   scripts/soak.sh [--events N] [--policy FILE] [--plot DIR]
#
# 5.6 million events of the simulated shop are two days. The process's resident memory is read four times a
# second; printed are its size after a tenth, a quarter, a half and all of the run. With --plot a plot of it
# is written to DIR/soak-memory.svg. RESTAGE_BIN names a program that is built already.
set -eu
events=5600000 policy='' plot=''
while [ $# -gt 0 ]; do
  case "$1" in
    --events) events=$2; shift 2 ;;
    --policy) policy=$2; shift 2 ;;
    --plot) plot=$2; shift 2 ;;
    *) echo "usage: $0 [--events N] [--policy FILE] [--plot DIR]" >&2; exit 2 ;;
  esac
done
restage=${RESTAGE_BIN:-}
[ -z "$restage" ] || restage=$(realpath "$restage")
[ -z "$policy" ] || policy=$(realpath "$policy")
[ -z "$plot" ] || plot=$(realpath "$plot")
cd "$(dirname "$0")/.."
[ -n "$restage" ] || { cargo build --release --quiet; restage=$PWD/target/release/restage; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$restage" simulate --events "$events" -o "$work/log.csv" >/dev/null
"$restage" replay "$work/log.csv" ${policy:+--policy "$policy"} --state "$work/state" \
  --snapshot-every 2s --out "$work/out.jsonl" >"$work/report" &
pid=$!
: >"$work/memory"
while kill -0 $pid 2>/dev/null; do
  awk '/^VmRSS/ { print $2 }' "/proc/$pid/status" >>"$work/memory" 2>/dev/null || true
  sleep 0.25
done
wait $pid
grep -E '^(events|sessions|state|memory)' "$work/report" || true
awk '{ kib[NR] = $1 } END {
  n = split("0.1 0.25 0.5 0.75 1", shares, " ")
  for (i = 1; i <= n; i++) { at = int(NR * shares[i]); if (at < 1) at = 1
    printf "after %3d %% of the run: %d MB\n", 100 * shares[i], kib[at] / 1024 } }' "$work/memory"
[ -z "$plot" ] || awk -v file="$plot/soak-memory.svg" '
  { mb[NR] = $1 / 1024; if (mb[NR] > most) most = mb[NR] }
  END {
    step = most > 1000 ? 200 : (most > 400 ? 100 : 50); top = (int(most / step) + 1) * step
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"360\" font-family=\"sans-serif\" font-size=\"13\">" > file
    print "<rect width=\"760\" height=\"360\" fill=\"white\"/>" > file
    print "<text x=\"70\" y=\"28\" font-size=\"17\" font-weight=\"bold\">Resident memory over two simulated days</text>" > file
    print "<text x=\"70\" y=\"48\" fill=\"#555\">MB; durable run at full speed, from the first to the last event</text>" > file
    for (v = 0; v <= top; v += step) { y = 310 - 240 * v / top
      printf "<line x1=\"70\" x2=\"730\" y1=\"%d\" y2=\"%d\" stroke=\"#ddd\"/><text x=\"62\" y=\"%d\" text-anchor=\"end\">%d</text>\n", y, y, y + 4, v > file }
    for (h = 0; h <= 48; h += 12) { x = 70 + 660 * h / 48
      printf "<text x=\"%d\" y=\"332\" text-anchor=\"middle\">%d h</text>\n", x, h > file }
    printf "<polyline fill=\"none\" stroke=\"#0072b2\" stroke-width=\"2\" points=\"" > file
    for (i = 1; i <= NR; i++) printf "%.1f,%.1f ", 70 + 660 * (i - 0.5) / NR, 310 - 240 * mb[i] / top > file
    print "\"/></svg>" > file
  }' "$work/memory"
