"""Metrics of several services: a series for each, from their state, their counts and /proc.

Everything is read at a scrape: an event costs nothing here. Besides `supervisor_service_*` there
are the four names that node_exporter has for supervisord, so that existing alerts go on.

The names: https://github.com/prometheus/node_exporter/blob/master/collector/supervisord.go
"""

from __future__ import annotations

import platform
import time

from .. import __version__
from ..core.quoting import encodable
from ..observe import metrics_library as prom
from ..observe.metric_registry import MetricRegistry
from . import service_health, service_processes, supervisord_states
from .service_configuration_metrics import ConfigurationMetrics
from .service_processes import Figures
from .stream_routes import CHANNELS
from .supervisord_states import CODES, State, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ..runtime.loop import Current
    from .conductor_state import Services
    from .service_tally import Counts, ServiceTally

    Dropped = Callable[[str, str], int]
    Family = prom.GaugeMetricFamily | prom.CounterMetricFamily

_STATES = tuple(state for state in State if state is not State.UNKNOWN)
_RUNNING = frozenset({State.STARTING, State.RUNNING, State.STOPPING})  # as node_exporter has it


class ServiceMetrics:
    """All metrics of this role."""

    def __init__(self, current: Current, tally: ServiceTally, dropped: Dropped) -> None:
        """`dropped` gives the lost lines of a channel, `stdout` or `stderr`, of a service."""
        registry = MetricRegistry(lambda: current.state)
        build = registry.gauge(
            "build_info",
            "Versions of config-supervisor and Python, as labels; always 1",
            ("version", "python_version"),
        )
        build.labels(__version__, platform.python_version()).set(1)
        prom.ProcessCollector(registry=registry.collectors)
        registry.register(_Services(current, tally, dropped))
        self.observe = ConfigurationMetrics(registry, lambda: _services(current)).observe
        self.registry = registry
        self.page = registry.page


class _Services(prom.Collector):
    """Collects the series of all services."""

    def __init__(self, current: Current, tally: ServiceTally, dropped: Dropped) -> None:
        self._current = current
        self._tally = tally
        self._dropped = dropped

    def collect(self) -> Iterator[Family]:
        services = _services(self._current)
        counts = {name: self._tally.of(name) for name in services.members}
        yield from _states(services)
        yield from _counted(counts)
        yield _lost_lines(services, self._dropped)
        yield from _processes(services)
        yield from _of_node_exporter(services)


def _services(current: Current) -> Services:
    state: Any = current.state
    found: Services = state
    return found


def _gauge(name: str, text: str, labels: Sequence[str] = ("service",)) -> prom.GaugeMetricFamily:
    return prom.GaugeMetricFamily(f"supervisor_service_{name}", text, labels=labels)


def _counter(
    name: str, text: str, labels: Sequence[str] = ("service",)
) -> prom.CounterMetricFamily:
    return prom.CounterMetricFamily(f"supervisor_service_{name}", text, labels=labels)


def _states(services: Services) -> Iterator[Family]:
    states = _gauge(
        "state",
        "State of the service in the words of supervisord: 1 for the state that it is in",
        ("service", "state"),
    )
    up = _gauge("up", "Whether a process of the service runs")
    ready = _gauge("ready", "Whether the service lets /readyz pass")
    now = time.monotonic()
    for name, member in services.members.items():
        label = encodable(name)
        state = state_of(member)
        for one in _STATES:
            states.add_metric((label, one.value), float(one is state))
        up.add_metric((label,), float(bool(member.life.pid)))
        ready.add_metric((label,), float(not service_health.lacking(services, name, now)))
    yield from (states, up, ready)


def _counted(counts: dict[str, Counts]) -> Iterator[Family]:
    starts = _counter("starts", "Starts of the service")
    failed = _counter("start_failures", "Starts of the service whose program could not be run")
    exits = _counter(
        "exits", "Ends of the service, by kind: exit code or signal", ("service", "kind")
    )
    oom = _counter("oom_kills", "Ends of the service by the kernel, which was short of memory")
    code = _gauge(
        "last_exit_code", "Exit code of the last run of the service; 128+n after an end by signal n"
    )
    started = _gauge(
        "start_time_seconds", "Time of the last start of the service, in seconds since 1970"
    )
    for name, count in counts.items():
        labels = (encodable(name),)
        starts.add_metric(labels, count.starts)
        failed.add_metric(labels, count.failed_starts)
        oom.add_metric(labels, count.oom_kills)
        for kind, number in count.exits.items():
            exits.add_metric((*labels, str(kind)), number)
        if count.last_code is not None:
            code.add_metric(labels, count.last_code)
        if count.started_at is not None:
            started.add_metric(labels, count.started_at)
    yield from (starts, failed, exits, oom, code, started)


def _lost_lines(services: Services, dropped: Dropped) -> Family:
    lost = _counter(
        "log_lines_dropped",
        "Lines of the service that a full output did not take, or a system log",
        ("service", "stream"),
    )
    for name in services.members:
        for stream in CHANNELS:
            lost.add_metric((encodable(name), stream), dropped(name, stream))
    return lost


# Each with its name, its meaning, its value, and whether it is a counter.
_FIGURES: tuple[tuple[str, str, Callable[[Figures], float], bool], ...] = (
    (
        "processes",
        "Processes of the service, descendants included",
        lambda found: found.processes,
        False,
    ),
    (
        "resident_memory_bytes",
        "Resident memory of all processes of the service, in bytes",
        lambda found: found.memory,
        False,
    ),
    (
        "cpu_seconds",
        "CPU seconds of the processes of the service that run now",
        lambda found: found.cpu,
        True,
    ),
    ("open_fds", "Open files of all processes of the service", lambda found: found.files, False),
    ("threads", "Threads of all processes of the service", lambda found: found.threads, False),
)


def _processes(services: Services) -> Iterator[Family]:
    pids = {member.life.pid: name for name, member in services.members.items() if member.life.pid}
    found = service_processes.figures(pids)
    none = Figures()
    for name, text, read, counts in _FIGURES:
        family: Family = _counter(name, text) if counts else _gauge(name, text)
        for service in services.members:
            family.add_metric((encodable(service),), read(found.get(service, none)))
        yield family


def _of_node_exporter(services: Services) -> Iterator[Family]:
    names = ("name", "group")
    up = prom.GaugeMetricFamily("node_supervisord_up", "Process Up", labels=names)
    state = prom.GaugeMetricFamily("node_supervisord_state", "Process State", labels=names)
    status = prom.GaugeMetricFamily(
        "node_supervisord_exit_status", "Process Exit Status", labels=names
    )
    start = prom.GaugeMetricFamily(
        "node_supervisord_start_time_seconds", "Process start time", labels=names
    )
    now = time.monotonic()
    clock = time.time()
    for name in services.members:
        shown = supervisord_states.shown(services, name, now, clock)
        labels = (encodable(shown.name), encodable(shown.group))
        runs = shown.statename in _RUNNING
        up.add_metric(labels, float(runs))
        state.add_metric(labels, CODES[shown.statename])
        status.add_metric(labels, shown.exitstatus)
        if runs:
            start.add_metric(labels, shown.start)
    yield from (up, state, status, start)
