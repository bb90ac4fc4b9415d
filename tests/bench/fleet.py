"""A fleet of pods against one API server, in virtual time.

`python -m tests.bench.fleet [--pods N] [--seed N] [--write]` prints the load of the program's
defaults on the server and the duration of a change, beside other values; with `--write` it renews
the figures in FLEET.md and fleet.png (matplotlib). The same seed gives the same figures. This
module owns the list of runs; their courses are in `fleet_runs.py`, their tables in
`fleet_report.py`.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from config_supervisor.sources.kubernetes.retry_pace import Timing
from tests.bench import fleet_report
from tests.bench.fleet_runs import SPREAD, Outcome, Setup, change, granted, outage, rollout
from tests.bench.fleet_server import Capacity

DEPLOYMENT_PACE = 20.0  # pods per second: kube-controller-manager's default --kube-api-qps
AWAY = 600.0  # seconds of the long outage
SHORT = (20.0, 60.0)  # seconds of the outages of every week
# Seconds until the grant of a role to pods that wait for 60 s.
GRANTS = (30, 40, 45, 50, 55, 58, 59)
RESTART = 1.0  # seconds without an API server during its restart behind a load balancer
WATCHED = 220.0  # seconds after a return that the report covers
PLACE = os.path.dirname(os.path.abspath(__file__))

SEEDS = 3  # for runs with refusals of the server, whose outcomes differ from seed to seed

Plan = tuple[Callable[..., Outcome], Setup, tuple[Any, ...]]


def plans(base: Setup) -> dict[str, Plan]:
    """Every run by name: the program's defaults, another server, other values of a setting."""
    return {**_defaults(base), **_other_timings(base), **_splays(base)}


def _defaults(base: Setup) -> dict[str, Plan]:
    runs: dict[str, Plan] = {
        "rollout": (rollout, base, (DEPLOYMENT_PACE, base.pods / DEPLOYMENT_PACE + 1500))
    }
    old = dataclasses.replace(base, streams=False)
    runs["listing"] = rollout, old, (DEPLOYMENT_PACE, base.pods / DEPLOYMENT_PACE + 1500)
    small = dataclasses.replace(base, capacity=Capacity(rate=300))
    for name, setup in (("", base), (" small", small)):
        runs["at once" + name] = rollout, setup, (base.pods, 600.0 if name else 120.0)
        runs["refused" + name] = outage, setup, ("refused", AWAY, WATCHED)
        runs["restart" + name] = outage, setup, ("refused", RESTART, WATCHED)
    runs["silent"] = outage, base, ("silent", AWAY, WATCHED)
    for away in SHORT:
        runs[f"away {away:g}"] = outage, base, ("refused", away, WATCHED)
    few = dataclasses.replace(base, pods=max(1, base.pods // 10))
    for grant in GRANTS:
        runs[f"grant {grant}"] = granted, few, (float(grant), 120.0)
    return runs


def _other_timings(base: Setup) -> dict[str, Plan]:
    minute = "refused", SHORT[1], WATCHED
    moment = "refused", RESTART, WATCHED
    runs: dict[str, Plan] = {
        "cap 15": (outage, _timed(base, cap=15), ("refused", AWAY, WATCHED)),
        "base 2": (outage, _timed(base, base=2.0), moment),
    }
    for short in (2.5, 10):
        runs[f"short {short:g}"] = outage, _timed(base, short=short), minute
    for crowd in ((5, 5), (10, 20), (30, 60)):
        runs[f"crowd {crowd[0]}"] = outage, _timed(base, crowd=crowd), minute
    for relist in (0.5, 15.0):
        runs[f"relist {relist:g}"] = outage, _timed(base, relist=relist), moment
    for cycle in ((120, 180), (540, 660)):
        pace = base.pods / SPREAD
        runs[f"watch {cycle[0]}"] = (
            rollout,
            _timed(base, watch=cycle),
            (pace, SPREAD + 4 * cycle[1]),
        )
    return runs


def _splays(base: Setup) -> dict[str, Plan]:
    return {
        f"splay {splay:g}": (change, dataclasses.replace(base, splay=splay), (splay + 30,))
        for splay in (0.0, 60.0, 300.0)
    }


def _timed(setup: Setup, **timing: Any) -> Setup:
    return dataclasses.replace(setup, timing=Timing(**timing))


def simulate(base: Setup) -> dict[str, list[Outcome]]:
    """The outcomes of every run, by name; two processes work at a time."""
    runs = [
        (name, (scenario, dataclasses.replace(setup, seed=base.seed + more), arguments))
        for name, (scenario, setup, arguments) in plans(base).items()
        for more in range(SEEDS if _refuses(name) else 1)
    ]
    outcomes: dict[str, list[Outcome]] = {name: [] for name, _ in runs}
    with ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        for (name, _), outcome in zip(
            runs, pool.map(_simulated, (plan for _, plan in runs)), strict=True
        ):
            outcomes[name].append(outcome)
    return outcomes


def _refuses(name: str) -> bool:
    return name.startswith(
        ("at once", "restart", "relist", "base", "away", "short", "crowd", "refused small")
    )


def _simulated(plan: Plan) -> Outcome:
    gc.disable()  # saves a quarter of the time; the process ends with the run
    scenario, setup, arguments = plan
    return scenario(setup, *arguments)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.fleet", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--pods", type=int, default=10_000, help="pods of the fleet (default 10,000)"
    )
    parser.add_argument("--seed", type=int, default=1, help="first seed of the dice (default 1)")
    parser.add_argument(
        "--write", action="store_true", help="write the figures to FLEET.md and fleet.png"
    )
    chosen = parser.parse_args()
    outcomes = simulate(Setup(pods=chosen.pods, seed=chosen.seed))
    figures = fleet_report.figures(outcomes, chosen.seed)
    print(figures)
    if chosen.write:
        fleet_report.renew(os.path.join(PLACE, "FLEET.md"), figures)
        try:
            fleet_report.draw(os.path.join(PLACE, "fleet.png"), outcomes)
        except ImportError:
            sys.exit("cannot draw fleet.png: matplotlib is not installed; pip install '.[dev]'")


if __name__ == "__main__":
    main()
