"""Measures of a scrape of an application with many processes: its time, and the signals meanwhile.

The CPU time of a scrape is the most that it can hold the interpreter; the longest signal shows how
long at a time. tini, without scrapes, shows what the scheduler adds.
"""

from __future__ import annotations

import threading
import time
import urllib.request

from tests.bench import candidates, latency, procfs
from tests.bench.bench import Bench, Live, Result, kinds

WORKERS = 200
BESIDE_SCRAPES = "tini, beside the scrapes"
_SCRAPES = 100


def scraping(bench: Bench) -> list[Result]:
    """CPU time of a scrape, and signal latency while one scrape follows the other."""
    ours = candidates.OURS_DIRECTORY
    tini = latency.bystander(BESIDE_SCRAPES)
    chosen = [ours, *([tini] if tini else [])]
    with (
        bench.live(ours, bench.place(ours), [("BENCH_WORKERS", str(WORKERS))]) as live,
        bench.side_by_side(chosen[1:]) as (beside, failed),
    ):
        live.run.settle()
        _scrape(live)  # the imports of a first scrape count elsewhere
        cpu = [_cost(live) for _ in range(bench.times(_SCRAPES))]
        latencies = {live.candidate.name: _probe(bench, live, live)}
        latencies |= {other.candidate.name: _probe(bench, other, live) for other in beside}
    title = f"A scrape of /metrics with {WORKERS} processes of the app"
    note = "The CPU time of all threads of the supervisor: the most that the interpreter was held."
    during = f"{latency.TITLE}, while scrapes with {WORKERS} processes follow each other"
    return [
        Result("scrape_cpu", title, "ms of CPU", {ours.name: cpu}, kinds([ours]), note, failed),
        Result("signal_scrape", during, "ms", latencies, kinds(chosen), "", failed),
    ]


def _scrape(live: Live) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{live.place.port}/metrics", timeout=10) as page:
        found: bytes = page.read()
    return found


def _cost(live: Live) -> float:
    before = procfs.cpu(live.run.pid)
    page = _scrape(live)
    spent = procfs.cpu(live.run.pid) - before
    assert f"supervisor_app_processes {WORKERS + 1:.1f}".encode() in page
    return spent * 1000


def _probe(bench: Bench, probed: Live, scraped: Live) -> list[float]:
    """Signals to one candidate while the other is scraped without a pause."""
    ended = threading.Event()

    def scrape() -> None:
        while not ended.is_set():
            _scrape(scraped)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        end = time.monotonic() + bench.seconds(5)
        samples = []
        while time.monotonic() < end:
            samples.append(latency.probe(probed.run))
    finally:
        ended.set()
        thread.join()
    return samples
