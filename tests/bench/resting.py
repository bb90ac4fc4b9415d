"""Measures of rest: memory, threads, context switches and CPU time at rest; requests per hour.

All candidates rest side by side: at rest they do not disturb each other. Those with /metrics are
scraped once before, since the imports of a first scrape stay in memory.
"""

from __future__ import annotations

import statistics
import time
import urllib.request

from tests.bench import candidates, procfs
from tests.bench.bench import Bench, Live, Result, kinds

FIGURES = {
    "rss": ("RSS at rest", "MiB"),
    "pss": ("PSS at rest", "MiB"),
    "dirty": ("Private dirty at rest", "MiB"),
    "threads": ("Threads", "threads"),
    "switches": ("Context switches at rest", "per s"),
    "cpu": ("CPU time at rest", "µs per s"),
}
SETTLED = 3.0  # seconds of rest before the count


def rest(bench: Bench) -> list[Result]:
    """All figures of rest, from two rounds of starts."""
    chosen = [*candidates.inits(), *candidates.followers(), candidates.OURS_KUBECONFIG]
    of: dict[str, dict[str, list[float]]] = {figure: {} for figure in FIGURES}
    failed: dict[str, str] = {}
    seconds = bench.seconds(60, 5)
    for _ in range(2):
        with bench.side_by_side(chosen) as (lives, silent):
            failed |= silent
            for live in lives:
                _scrape(live)
            time.sleep(SETTLED)
            before = [procfs.work(live.run.supervisors()) for live in lives]
            time.sleep(seconds)
            for live, was in zip(lives, before, strict=True):
                for figure, value in look(live, was, seconds).items():
                    of[figure].setdefault(live.candidate.name, []).append(value)
    note = (
        "All processes of the candidate but the app, after a scrape of /metrics where there is one;"
        f" {seconds:.0f} s."
    )
    failed |= {candidate.name: candidate.missing for candidate in chosen if candidate.missing}
    return [
        Result(f"rest_{figure}", title, unit, of[figure], kinds(chosen), note, failed)
        for figure, (title, unit) in FIGURES.items()
    ]


def _scrape(live: Live) -> None:
    if live.candidate.serves:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{live.place.port}/metrics", timeout=10
        ) as page:
            page.read()


def look(live: Live, before: procfs.Work, seconds: float) -> dict[str, float]:
    pids = live.run.supervisors()
    now = procfs.work(pids)
    memory = procfs.memory(pids)
    return {
        "rss": memory.rss,
        "pss": memory.pss,
        "dirty": memory.dirty,
        "threads": now.threads,
        "switches": (now.switches - before.switches) / seconds,
        "cpu": (now.cpu - before.cpu) / seconds * 1e6,
    }


def requests(bench: Bench) -> list[Result]:
    """Requests per hour and object, from a few watches that the server ends early.

    A client asks for a watch with a timeout; the server ends it after a few seconds instead, and
    counts the requests up to the next watch. A cycle at rest takes the average timeout and a pause.
    """
    chosen = candidates.followers()
    cycles = bench.times(8, 3)
    lasting = 6.0  # a shorter watch counts as broken: see CLEAN_LIFE in sources/kubernetes
    with bench.side_by_side(chosen) as (lives, failed):
        began = {live.candidate.name: len(_asked(bench, live)) for live in lives}
        for _ in range(cycles):
            time.sleep(lasting)
            bench.kube.order("cut")
        time.sleep(lasting)
        samples = {}
        for live in lives:
            asked = _asked(bench, live)[began[live.candidate.name] :]
            timeouts = [timeout for verb, timeout in asked if verb == "watch"]
            if timeouts:
                samples[live.candidate.name] = [
                    len(asked) / len(timeouts) * 3600 / statistics.mean(timeouts)
                ]
    note = (
        f"Computed: requests per cycle, counted over {cycles} watches that the server ended after"
        f" {lasting:.0f} s, by the timeout of each watch. The pauses between cycles would lower the"
        " figure a little."
    )
    return [
        Result("requests", "API requests at rest", "per hour", samples, kinds(chosen), note, failed)
    ]


def _asked(bench: Bench, live: Live) -> list[tuple[str, float]]:
    assert live.place.api is not None
    found: list[tuple[str, float]] = bench.kube.order("asked", live.place.api.namespace)
    return found
