"""Metrics of the app's processes, descendants included: read from /proc at each scrape.

psutil knows the same figures, for 20 ms and 1 MiB at the first scrape.
"""

from __future__ import annotations

from ..process import procfs
from .metrics_library import Collector, CounterMetricFamily, GaugeMetricFamily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ProcessMetrics(Collector):
    """`pid` gives the app's, 0 while it does not run."""

    def __init__(self, pid: Callable[[], int]) -> None:
        self._pid = pid

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        figures = self._figures()
        yield GaugeMetricFamily(
            "supervisor_app_processes",
            "Processes of the app, descendants included",
            figures["processes"],
        )
        yield GaugeMetricFamily(
            "supervisor_app_resident_memory_bytes",
            "Resident memory of all processes of the app, in bytes",
            figures["memory"],
        )
        yield CounterMetricFamily(
            "supervisor_app_cpu_seconds",
            "CPU seconds of the app's processes that run now",
            figures["cpu"],
        )
        yield GaugeMetricFamily(
            "supervisor_app_open_fds", "Open files of all processes of the app", figures["fds"]
        )
        yield GaugeMetricFamily(
            "supervisor_app_threads", "Threads of all processes of the app", figures["threads"]
        )

    def _figures(self) -> dict[str, float]:
        figures = {"processes": 0.0, "memory": 0.0, "cpu": 0.0, "fds": 0.0, "threads": 0.0}
        app = self._pid()
        if not app:
            return figures
        table = procfs.processes()
        ticks = 0
        for pid in (app, *procfs.below(table, [app])):
            try:
                # Not the resident pages of `stat`, which the kernel rounds by the processor.
                figures["memory"] += procfs.resident_bytes(pid)
                ticks += table[pid].cpu
                figures["threads"] += table[pid].threads
                figures["processes"] += 1
                figures["fds"] += procfs.count_of_open_files(pid)
            except (OSError, KeyError):
                continue  # it ended, or became another user's
        figures["cpu"] = procfs.seconds(ticks)
        return figures
