"""A fleet with a canary in virtual time: pods that a bad version hurts, requests, and times.

`python -m tests.bench.canary [--pods N] [--seed N] [--write]` prints the tables; with `--write` it
renews them in FLEET.md, and canary.png (matplotlib). The same seed gives the same figures. The pods
are in `canary_pod.py`. This module owns the courses and their report.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import random
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from config_supervisor.fleet.policy import FleetPolicy
from tests.bench import fleet_report
from tests.bench.canary_pod import NEW, OLD, SHAPE, FleetPod, FleetWorld
from tests.bench.fleet_server import Tally

PLACE = os.path.dirname(os.path.abspath(__file__))
BEGIN = "<!-- figures: renewed by python -m tests.bench.canary --write -->"
SPREADS = (60.0, 300.0, 1800.0)
SHARES = (0.01, 0.1, 0.5, 1.0)
GROUPS = (1, 3, 10, 100, 1000, 10_000)
SEEDS = 3
SETTLING = 60.0  # seconds after the last place of the spread
_LEASE = ("lease", "lease write")


@dataclass(frozen=True)
class Course:
    """A version in a fleet: `share` of the pods fail on it, the canary among them only if all do;
    without a `spread` the pods do not know of each other.
    """

    pods: int
    share: float
    spread: float | None = 60.0
    splay: float = 0.0
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    reloaded: int
    hurt: int
    peak: int  # requests for the Lease within a second
    requests: int
    verdict: float | None  # seconds after the change
    last: float | None  # when the last pod took the version up
    left: int  # pods that hold the version before
    hurt_at: tuple[float, ...]


def play(course: Course) -> Outcome:
    """The course of the version, from the change until the last place of the spread is over."""
    gc.disable()  # the process ends with the run
    random.seed(course.seed)
    failing = {number for number in range(course.pods) if random.random() < course.share}
    all_fail = course.share >= 1.0

    def fate(number: int, canary: bool) -> bool:
        return number in failing and (all_fail or not canary)

    fleet = None
    if course.spread is not None:
        fleet = FleetPolicy(name="web", identity="", shape=SHAPE, spread=course.spread)
    world = FleetWorld(fate, fleet, course.splay)
    pods = [FleetPod(world, number) for number in range(course.pods)]
    capacity = world.server.capacity
    for position, pod in enumerate(pods):
        delay = capacity.latency + position / capacity.fanout
        world.agenda.after(delay, pod.offer, NEW, random.random())
    world.agenda.run((course.spread or course.splay) + 150.0 + SETTLING)
    return _outcome(world.tally, pods)


def _outcome(tally: Tally, pods: Sequence[FleetPod]) -> Outcome:
    seconds = [tally.per_second[kind] for kind in _LEASE]
    last = max((second for one in seconds for second in one), default=0)
    series = [sum(one[second] for one in seconds) for second in range(last + 1)]
    verdicts = tally.times["verdict"]
    reloaded = tally.times["reloaded"]
    return Outcome(
        reloaded=len(reloaded),
        hurt=len(tally.times["hurt"]),
        peak=max(series),
        requests=sum(series),
        verdict=verdicts[0] if verdicts else None,
        last=max(reloaded) if all(pod.runs_on == NEW for pod in pods) else None,
        left=sum(pod.runs_on == OLD for pod in pods),
        hurt_at=tuple(tally.times["hurt"]),
    )


def courses(pods: int, seed: int) -> dict[str, list[Course]]:
    """Every course by name, for several seeds."""
    runs: dict[str, Course] = {"good": Course(pods, 0.0)}
    for share in SHARES:
        runs[f"{share:g} alone"] = Course(pods, share, None)
        runs[f"{share:g} splay"] = Course(pods, share, None, splay=60.0)
        for spread in SPREADS:
            runs[f"{share:g} {spread:g}"] = Course(pods, share, spread)
    for size in GROUPS:
        if size <= pods:
            runs[f"group {size}"] = Course(size, 0.0)
    found = {}
    for name, course in runs.items():
        small = name.startswith("group") and course.pods <= 100
        seeds = 10 * SEEDS if small else SEEDS if "alone" not in name else 1
        found[name] = [replace(course, seed=seed + more) for more in range(seeds)]
    return found


def simulate(pods: int, seed: int) -> dict[str, list[Outcome]]:
    """The outcomes of every course, by name; two processes work at a time."""
    runs = [(name, one) for name, some in courses(pods, seed).items() for one in some]
    outcomes: dict[str, list[Outcome]] = {}
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), max_tasks_per_child=1) as pool:
        for (name, _), outcome in zip(runs, pool.map(play, (one for _, one in runs)), strict=True):
            outcomes.setdefault(name, []).append(outcome)
    return outcomes


def figures(outcomes: Mapping[str, Sequence[Outcome]], pods: int) -> str:
    """The tables, in Markdown: medians."""
    head = ("a version that fails on", "all at once", "--reload-splay 60 s")
    spreads = tuple(f"--fleet, spread {spread:g} s" for spread in SPREADS)
    rows = [(*head, *spreads), ("---", *["--:"] * (1 + 1 + len(SPREADS)))]
    for share in SHARES:
        names = ("alone", "splay", *(f"{spread:g}" for spread in SPREADS))
        hurt = [_median([one.hurt for one in outcomes[f"{share:g} {name}"]]) for name in names]
        what = "all pods, the canary too" if share == 1 else f"{share:.0%} of the pods"
        rows.append((what, *(f"{number:,.0f}" for number in hurt)))
    tables = [f"Pods hurt, of {pods:,}:\n\n" + _table(rows)]
    groups: list[tuple[str, ...]] = [
        ("pods", "verdict, s", "all on it, s", "requests/s, at most", "requests in all"),
        ("--:",) * 5,
    ]
    for size in GROUPS:
        seen = outcomes.get(f"group {size}")
        if seen is not None:
            groups.append((f"{size:,}", *_course(seen)))
    tables.append(
        "A good version (bake 30 s, spread 60 s), the median and the highest:\n\n" + _table(groups)
    )
    return "\n\n".join(tables)


def _course(seen: Sequence[Outcome]) -> tuple[str, ...]:
    columns: Sequence[Sequence[float | None]] = (
        [one.verdict for one in seen],
        [one.last for one in seen],
        [one.peak for one in seen],
        [one.requests for one in seen],
    )
    return tuple(map(_cell, columns))


def _cell(numbers: Sequence[float | None]) -> str:
    """The median and the highest."""
    found = [number for number in numbers if number is not None]
    if len(found) < len(numbers):
        return "never"
    return f"{_median(found):,.0f}, {max(found):,.0f}"


def _median(numbers: Sequence[Any]) -> float:
    return float(statistics.median(numbers))


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def draw(path: str, outcomes: Mapping[str, Sequence[Outcome]]) -> None:
    """Draw the hurt pods over time into a PNG. Raises ImportError without matplotlib."""
    figure: Any = importlib.import_module("matplotlib.figure").Figure(
        figsize=(12, 4), layout="constrained"
    )
    for axes, share in zip(figure.subplots(1, 3), (1.0, 0.1, 0.01), strict=True):
        lines = {"alone": "all at once", "splay": "splay 60 s", "60": "fleet, spread 60 s"}
        for name, label in lines.items():
            times = sorted(outcomes[f"{share:g} {name}"][0].hurt_at)
            counts = [0, *range(1, len(times) + 1), len(times)]
            axes.step([0, *times, 160], counts, where="post", label=label)
        title = "fails on all pods" if share == 1 else f"fails on {share:.0%} of the pods"
        axes.set(title=title, xlabel="seconds", ylabel="pods hurt", yscale="symlog", ylim=(0, None))
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.canary", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--pods", type=int, default=10_000, help="pods (default 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="first seed of the dice (default 1)")
    parser.add_argument(
        "--write", action="store_true", help="write the figures to FLEET.md and canary.png"
    )
    chosen = parser.parse_args()
    outcomes = simulate(chosen.pods, chosen.seed)
    text = figures(outcomes, chosen.pods)
    print(text)
    if chosen.write:
        fleet_report.renew(os.path.join(PLACE, "FLEET.md"), text, BEGIN)
        try:
            draw(os.path.join(PLACE, "canary.png"), outcomes)
        except ImportError:
            sys.exit("cannot draw canary.png: matplotlib is not installed; pip install '.[dev]'")


if __name__ == "__main__":
    main()
