#!/bin/sh
# Drives the demo shop of `restage up` in Chromium: pages that change, how soon, without shifting.
#
#   scripts/browser.sh [FOLDER]     screenshots go there
#
# Needs node and Chromium; installs what is missing with npm and, as root, apt-get. Where it cannot, it says
# so and ends with code 0. Ends with code 1 if a bound does not hold.
set -u
cd "$(dirname "$0")/.." || exit 1
shots=${1:-}
skip() { echo "skipped: $1"; exit 0; }
command -v npm >/dev/null || skip "there is no npm"
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
  { [ "$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } ||
  skip "there is no Chromium, and it could not be installed"
(cd web && { [ -d node_modules ] || npm ci --no-audit --no-fund --silent; }) || skip "npm could not install what web/package.json names"
built=$(mktemp)
cp web/dist/restage.js "$built"
(cd web && npx tsc --noEmit && npm run --silent build) || exit 1
cmp -s "$built" web/dist/restage.js || { echo "web/dist/restage.js was not what web/src/restage.ts builds to; it is now"; exit 1; }
cargo build --release --quiet || exit 1
work=$(mktemp -d)
target/release/restage up --dir "$work/data" --listen 127.0.0.1:0 --monitor 127.0.0.1:0 2>"$work/said" &
up=$!
trap 'kill $up 2>/dev/null; wait $up 2>/dev/null; rm -rf "$work" "$built"' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.3
  control=$(sed -n 's/.*control room at //p' "$work/said")
  [ -n "$control" ] && break
done
shop=$(sed -n 's/.*the shop at //p' "$work/said")
[ -n "$shop" ] || { cat "$work/said"; exit 1; }
node web/test/browser.mjs "$shop" "$control" ${shots:+"$shots"}
