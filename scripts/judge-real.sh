#!/bin/sh
# Trains and judges intent models on the public logs that docs/intent.md quotes.
#
#   scripts/judge-real.sh FOLDER
#
# FOLDER holds jd/appliances.txt, rees46/2019-oct-first-hours.csv, taobao/users.csv and
# uci/online_shoppers_dev.csv; docs/intent.md says where they come from. Everything is a function of
# the data and of the seeds, so the figures come out the same every time.
set -eu
data="$(cd "$1" && pwd)"
cd "$(dirname "$0")/.."
cargo build --release --quiet
restage="$PWD/target/release/restage"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

cat > "$work/line.toml" <<'POLICY'
version = 1
name = "by-line"
[session]
source = "log"
idle = "2d"
max = "30d"
POLICY

echo "## JD appliances: an order later in the line, five folds over the lines"
"$restage" train "$data/jd/appliances.txt" --policy "$work/line.toml" --kind trees --folds 5 \
    --out "$work/jd.json"

echo "## JD: trained on the lines of other categories, judged on lines of the category 878"
# A line belongs to the category that most of its tokens name.
awk '{ split("", n); best = ""; for (i = 1; i <= NF; i++) { split($i, t, "+"); c = t[3]
       if (c != "" && (++n[c] > n[best] || best == "")) best = c }
       print > (best == "878" ? seen : unseen) }' \
    seen="$work/878.txt" unseen="$work/others.txt" "$data/jd/appliances.txt"
wc -l "$work/878.txt" "$work/others.txt" | sed "s,$work/,,"
"$restage" train "$work/others.txt" --format jd --policy "$work/line.toml" --kind trees --folds 5 \
    --out "$work/others.json" > /dev/null
"$restage" evaluate --intent "$work/others.json" "$work/878.txt" --format jd \
    --policy "$work/line.toml"

echo "## REES46: the first part of the hours, judged on the last"
for kind in logistic trees; do
    "$restage" train "$data/rees46/2019-oct-first-hours.csv" --kind "$kind" --out "$work/rees46.json"
done

echo "## Taobao: the first days, judged on the last"
for kind in logistic trees; do
    "$restage" train "$data/taobao/users.csv" --sort --kind "$kind" --out "$work/taobao.json"
done

echo "## UCI online shoppers, five folds"
for columns in "" "--drop PageValues" "--keep Administrative --keep Administrative_Duration \
--keep Informational --keep Informational_Duration --keep ProductRelated \
--keep ProductRelated_Duration"; do
    # shellcheck disable=SC2086
    "$restage" train --table "$data/uci/online_shoppers_dev.csv" --label Revenue $columns --folds 5
done
