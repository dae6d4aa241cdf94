#!/bin/sh
# Fits the models in data/ on the simulated shop: the built-in regression, and trees to compare.
#
#   scripts/fit-models.sh [EVENTS]
#
# The log is that of `restage simulate --seed 20260105`; hour and weekday are left out, since they
# say nothing about intent there. Regressions come out the same to the byte on every machine; trees
# are fitted with the platform's own exponential and may differ in the last digits elsewhere.
set -eu
cd "$(dirname "$0")/.."
events="${1:-1500000}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cargo build --release --quiet
restage=target/release/restage
"$restage" simulate --events "$events" --seed 20260105 -o "$folder/shop.csv"
cp "$restage" "$folder/restage"
root="$PWD"
cd "$folder"
for kind in logistic trees; do
    ./restage train shop.csv --kind "$kind" --out "$kind.json" \
        --name "$([ "$kind" = logistic ] && echo default || echo default-trees)" \
        --drop hour_of_day --drop day_of_week
done
cp logistic.json "$root/data/model.json"
cp trees.json "$root/data/trees.json"
