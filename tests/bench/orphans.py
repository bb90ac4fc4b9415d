"""The measure of reaping: 20,000 orphans in a row, and the time from the last fork to none left.

The app counts the processes of its pid namespace. A candidate that does not finish within the app's
patience appears with the orphans left, without a time.
"""

from __future__ import annotations

import os
import signal

from tests.bench import candidates, procfs, running
from tests.bench.bench import Bench, Live, Result, kinds, present
from tests.bench.running import Moment

ORPHANS = 20_000
FIGURES = {
    "orphans_time": ("{count:,} orphans: first fork to none left", "ms"),
    "orphans_after": ("{count:,} orphans: last fork to none left", "ms"),
    "orphans_peak": ("{count:,} orphans: most processes at once beside the app", "processes"),
    "orphans_cpu": ("{count:,} orphans: CPU time of the supervisor", "ms"),
}


def orphans(bench: Bench) -> list[Result]:
    """Three rounds."""
    chosen = candidates.inits()
    count = bench.times(ORPHANS, 500)
    of: dict[str, dict[str, list[float]]] = {figure: {} for figure in FIGURES}
    failed = {candidate.name: candidate.missing for candidate in chosen if candidate.missing}
    for _ in range(3 if bench.scale >= 1 else 1):
        for candidate in present(chosen):
            if candidate.name in failed:
                continue
            try:
                with bench.live(
                    candidate, bench.place(candidate), [("BENCH_ORPHANS", str(count))]
                ) as live:
                    live.run.settle()
                    found = _make(live)
            except running.SilentError as error:
                failed[candidate.name] = str(error)
                continue
            for figure, value in zip(FIGURES, found, strict=True):
                of[figure].setdefault(candidate.name, []).append(value)
    note = (
        "A child of the app forks each orphan and ends at once. 5 s after the last fork the app"
        " gives up."
    )
    return [
        Result(figure, title.format(count=count), unit, of[figure], kinds(chosen), note, failed)
        for figure, (title, unit) in FIGURES.items()
    ]


def _make(live: Live) -> tuple[float, float, float, float]:
    before = procfs.work(live.run.supervisors()).cpu
    os.kill(live.run.app_pid(), signal.SIGUSR2)
    first = live.run.next(Moment.FIRST_ORPHAN)
    last = live.run.next(Moment.LAST_ORPHAN, 120)
    none = live.run.next(Moment.NONE_LEFT, 20)
    peak = live.run.next(Moment.PEAK).value
    cpu = procfs.work(live.run.supervisors()).cpu - before
    if none.value > 0:
        raise running.SilentError(
            f"{none.value:,} of {first.value:,} were left 5 s after the last fork; {cpu * 1000:.0f}"
            " ms of CPU time"
        )
    return (none.ns - first.ns) / 1e6, (none.ns - last.ns) / 1e6, peak, cpu * 1000
