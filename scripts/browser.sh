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
trap 'rm -f "$built"' EXIT
cp web/dist/restage.js "$built"
(cd web && npx tsc --noEmit && npm run --silent build) || exit 1
cmp -s "$built" web/dist/restage.js || { echo "web/dist/restage.js was not what web/src/restage.ts builds to; it is now"; exit 1; }
cargo build --release --quiet || exit 1
node web/test/browser.mjs target/release/restage ${shots:+"$shots"}
