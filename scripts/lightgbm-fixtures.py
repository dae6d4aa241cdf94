#!/usr/bin/env python3
"""Writes the LightGBM models and predictions that tests/lightgbm.rs reads.

    pip install lightgbm==4.7.0 numpy
    python3 scripts/lightgbm-fixtures.py            # writes tests/fixtures/lightgbm/

For each case: NAME.txt, the model as `save_model` writes it, and NAME.csv, random rows with what
LightGBM predicts for them (`raw` score and `probability`, 17 digits). An empty cell is a missing
value. NAME.contributions.csv has the SHAP values of the first 40 rows, for some cases. Everything is seeded: the same version writes the same files.
"""

import math
from pathlib import Path

import lightgbm
import numpy

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "lightgbm"
FEATURES = ["cart_size", "since_start", "gap_mean", "item_views", "price_seen", "days_since_visit"]
ROWS = 200

CASES = {
    # Missing values are NaN, the default.
    "default": {},
    # NaN is read as zero.
    "no_missing": {"use_missing": False},
    # Zero is missing, as in sparse data.
    "zero_missing": {"zero_as_missing": True},
    # A random forest: the mean of its trees.
    "forest": {
        "boosting": "rf",
        "bagging_freq": 1,
        "bagging_fraction": 0.6,
        "feature_fraction": 0.8,
    },
    # Trees dropped and scaled again while fitting.
    "dart": {"boosting": "dart", "drop_rate": 0.3},
    # Labels between 0 and 1.
    "cross_entropy": {"objective": "cross_entropy"},
    # A sigmoid of its own, and no bias before the first tree.
    "sigmoid": {"sigmoid": 0.7, "boost_from_average": False},
    # Nothing to split on: one constant tree.
    "constant": {"min_data_in_leaf": 100000},
}
EXPLAINED = ["default", "zero_missing"]


def table(random, count):
    """Rows as a shop's sessions may have them: counts, seconds, gaps."""
    rows = numpy.column_stack(
        [
            random.poisson(1.0, count).astype(float),
            random.exponential(300.0, count),
            random.lognormal(2.0, 1.0, count),
            random.poisson(5.0, count).astype(float),
            random.normal(0.0, 40.0, count).round(1),
            random.exponential(9.0, count),
        ]
    )
    rows[random.random(rows.shape) < 0.1] = 0.0
    for column, share in ((2, 0.15), (4, 0.3), (5, 0.5)):
        rows[random.random(count) < share, column] = numpy.nan
    return rows


def odd(random):
    """Rows to predict: like those of the fit, with values at the edges strewn in."""
    rows = table(random, ROWS)
    edges = [numpy.nan, 0.0, -0.0, 1e-35, -1e-35, 1.1e-35, 1e-36, -3.0, 1e300, -1e300, 0.5, 1.0]
    where = random.random(rows.shape) < 0.2
    rows[where] = random.choice(edges, where.sum())
    return rows


def cell(number):
    return "" if math.isnan(number) else repr(float(number))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for number, (name, extra) in enumerate(CASES.items()):
        random = numpy.random.default_rng(number)
        rows = table(random, 4000)
        filled = numpy.nan_to_num(rows, nan=-1.0)
        odds = filled[:, 0] - 0.01 * filled[:, 1] + 0.02 * filled[:, 4] - 0.1 * filled[:, 5]
        chance = 1.0 / (1.0 + numpy.exp(-odds))
        label = (random.random(len(rows)) < chance).astype(float)
        options = {
            "objective": "binary",
            "num_leaves": 12,
            "learning_rate": 0.15,
            "seed": number + 1,
            "deterministic": True,
            "num_threads": 1,
            "verbose": -1,
            **extra,
        }
        if options["objective"] == "cross_entropy":
            label = chance
        data = lightgbm.Dataset(rows, label, feature_name=FEATURES)
        model = lightgbm.train(options, data, 10)
        model.save_model(FOLDER / f"{name}.txt")
        rows = odd(random)
        raw = model.predict(rows, raw_score=True)
        if extra.get("boosting") == "rf":
            # LightGBM takes the mean only on the way to the probability.
            raw /= model.num_trees()
        probability = model.predict(rows)
        lines = [",".join([*FEATURES, "raw", "probability"])]
        for row, *scores in zip(rows, raw, probability):
            lines.append(",".join([*map(cell, row), *(f"{score:.17g}" for score in scores)]))
        (FOLDER / f"{name}.csv").write_text("\n".join(lines) + "\n")
        if name in EXPLAINED:
            parts = model.predict(rows[:40], pred_contrib=True)
            lines = [",".join([*FEATURES, "expected"])]
            lines += [",".join(f"{part:.17g}" for part in row) for row in parts]
            (FOLDER / f"{name}.contributions.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
