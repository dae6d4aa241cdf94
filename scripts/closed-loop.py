"""Sums up reports of `restage simulate --closed-loop --json` for scripts/closed-loop.sh.

    closed-loop.py gain|methods|"lift, ..."|"kill switch, ..." REPORT.json...
"""

import json
import statistics
import sys


def gain(runs):
    print(f"{len(runs)} runs of {runs[0]['sessions']} sessions: median (least to most)")
    figures = {
        "oracle gain": lambda run: run["oracle_gain"],
        "policy gain": lambda run: run["policy_gain"],
        "gain ratio": lambda run: run["gain_ratio"],
        "regret over uniform's": lambda run: run["regret"] / run["regret_uniform"],
    }
    for name, figure in figures.items():
        found = [figure(run) for run in runs]
        print(f"  {name}: {statistics.median(found):.3f} ({min(found):.3f} to {max(found):.3f})")


def methods(runs):
    def fixed(run):
        late = {rival["name"]: rival["conversion_late"] for rival in run["rivals"]}
        gain = late["fixed"] / late["default"] - 1
        return gain / run["oracle_gain"], run["regret_fixed"]

    figures = {
        "thompson": lambda run: (run["gain_ratio"], run["regret"]),
        "best fixed layout": fixed,
    }
    for place, other in enumerate(runs[0]["compared"]):
        figures[other["name"]] = lambda run, place=place: (
            run["compared"][place]["gain_ratio"],
            run["compared"][place]["regret"],
        )
    print(f"{len(runs)} runs of {runs[0]['sessions']} sessions: median gain ratio, regret over uniform's")
    for name, figure in figures.items():
        found = [figure(run) for run in runs]
        ratio = statistics.median(ratio for ratio, _ in found)
        uniform = [run["regret_uniform"] for run in runs]
        regret = statistics.median(own / even for (_, own), even in zip(found, uniform))
        print(f"  {name}: {ratio:.3f}, {regret:.3f}")


def lift(title, runs):
    lifts = [run["lift"] for run in runs]
    known = [lift for lift in lifts if lift and lift["interval"]]
    inside = sum(low <= lift["truth"] <= high for lift in known for low, high in [lift["interval"]])
    called = sum(not low <= 0 <= high for lift in known for low, high in [lift["interval"]])
    print(
        f"{title}: the interval holds the truth in {inside} of {len(known)} runs and leaves zero out "
        f"in {called}; {len(lifts) - len(known)} without an interval yet"
    )


def kill(title, runs):
    def barred(run):
        return [
            f"{slot['slot']}/{arm['arm']}"
            for slot in run["learned"]
            for arm in slot["arms"]
            if arm.get("barred_ms") is not None
        ]

    names = [name for run in runs for name in barred(run)]
    fired = sum(bool(barred(run)) for run in runs)
    counts = ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names)))
    print(f"{title}: some arm is barred in {fired} of {len(runs)} runs ({counts or 'none'})")


title, *files = sys.argv[1:]
runs = [run for file in files for run in json.load(open(file))["runs"]]
if title == "gain":
    gain(runs)
elif title == "methods":
    methods(runs)
elif title.startswith("lift"):
    lift(title, runs)
else:
    kill(title, runs)
