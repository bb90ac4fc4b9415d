"""Every metric: its declaration, and what makes it change.

Imported in the web thread after the app was started. `Backlog` keeps what happened before that;
from then on the main thread calls `observe` after each turn. To add a metric: its declaration in
`__init__` and its case.
"""

from __future__ import annotations

import platform
import time

import prometheus_client as prom
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from .. import __version__
from ..core import events as ev
from ..core.actions import Kill
from ..core.quoting import encodable
from ..core.state import stale
from ..process import procfs
from ..reload.attempt import REASONS
from ..runtime import signals
from ..sources.protocol import RESTART_REASONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..core.actions import Action
    from ..core.state import State

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG_SECONDS = (*_SECONDS, 120, 300, 600)
_USUAL_SIGNALS = (
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGTERM",
    "SIGUSR1",
    "SIGUSR2",
    "SIGWINCH",
    "SIGCONT",
    "SIGTSTP",
)
_APPLY_FAILURES = ("write", "bad_key", "too_large", "validate", "rollback")
_WATCH_EVENTS = ("added", "modified", "deleted", "bookmark", "error")


class Metrics:
    """All metrics of one supervisor, in a registry of its own."""

    def __init__(self, state: Callable[[], State], method: str) -> None:
        prom.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = prom.CollectorRegistry(auto_describe=True)
        self._state, self._method = state, method
        self._declare_app()
        if method:
            self._declare_config()
            self._declare_sources()
        prom.ProcessCollector(registry=self.registry)
        self.registry.register(_AppTree(state))

    def _counter(
        self, name: str, text: str, labels: Mapping[str, tuple[str, ...]] | None = None
    ) -> prom.Counter:
        """A counter whose known label values all exist from the start."""
        names = tuple(labels or ())
        counter = prom.Counter(name, text, names, namespace="supervisor", registry=self.registry)
        for values in _product(tuple((labels or {}).values())):
            counter.labels(*values)
        return counter

    def _gauge(
        self,
        name: str,
        text: str,
        read: Callable[[State], float] | None = None,
        labels: tuple[str, ...] = (),
    ) -> prom.Gauge:
        gauge = prom.Gauge(name, text, labels, namespace="supervisor", registry=self.registry)
        if read is not None:
            gauge.set_function(lambda: read(self._state()))
        return gauge

    def _declare_app(self) -> None:
        build = self._gauge(
            "build_info", "1, with versions as labels", labels=("version", "python_version")
        )
        build.labels(__version__, platform.python_version()).set(1)
        self._gauge("app_up", "whether the app runs", lambda s: bool(s.pid))
        self._started = self._gauge("app_start_time_seconds", "when the app was last started")
        self._gauge(
            "app_last_exit_code",
            "how the app ended last (128+n: by signal n)",
            lambda s: s.exit_code,
        )
        self._starts = self._counter("app_starts", "starts of the app")
        self._exits = self._counter("app_exits", "ends of the app", {"kind": ("exit", "signal")})
        self._forwarded = self._counter(
            "signals_forwarded", "signals passed on to the app", {"signal": _USUAL_SIGNALS}
        )
        self._orphans = self._counter("orphans_reaped", "processes adopted and reaped")

    def _declare_config(self) -> None:
        method = {"method": (self._method,)}
        self._reloads = self._counter("reloads", "reloads begun", method)
        reasons = {**method, "reason": REASONS}
        self._failures = self._counter("reload_failures", "reloads that failed", reasons)
        self._retries = self._counter(
            "reload_retries", "reloads begun because the one before failed"
        )
        self._course = _Course(self.registry)
        self._coalesced = self._counter(
            "reloads_coalesced", "changes overtaken by a newer one before being applied"
        )
        self._updates = self._counter("config_updates", "versions put in place")
        self._apply_failures = self._counter(
            "config_apply_failures",
            "versions that could not be put in place",
            {"reason": _APPLY_FAILURES},
        )
        self._validations = self._counter(
            "config_validations", "verdicts on new versions", {"result": ("accepted", "rejected")}
        )
        self._rollbacks = self._counter(
            "config_rollbacks", "times that an earlier version was put back"
        )
        success = _Success(self.registry)
        self._success = success
        success.gauge.set_function(lambda: float(self._state().reloads.outcome == "success"))
        success.alias.set_function(lambda: float(self._state().reloads.outcome == "success"))
        self._gauge(
            "config_stale",
            "whether the app runs on something else than the source holds",
            stale,
        )
        hashes = self._gauge(
            "config_hash", "first 48 bits of the content's digest", labels=("state",)
        )
        hashes.labels("desired").set_function(lambda: _number(self._state().config.desired))
        hashes.labels("running").set_function(lambda: _number(self._state().config.running))
        self._gauge("config_files", "files in place", lambda s: s.config.files)
        self._gauge("config_bytes", "bytes in place", lambda s: s.config.size)

    def _declare_sources(self) -> None:
        names = ("kind", "namespace", "name")
        self._present = self._gauge("source_present", "whether the source exists", labels=names)
        self._synced = self._gauge(
            "source_last_sync_timestamp_seconds", "when it was last read wholly", labels=names
        )
        self._contact = self._gauge(
            "source_last_contact_timestamp_seconds", "when it last answered", labels=names
        )
        self._connected = self._gauge("watch_connected", "whether every watch is established")
        self._watch_events = self._counter("watch_events", "watch events", {"type": _WATCH_EVENTS})
        self._restarts = self._counter(
            "watch_restarts", "watches that ended", {"reason": RESTART_REASONS}
        )
        self._names: dict[int, tuple[str, str, str]] = {}
        self._up: dict[int, bool] = {}

    def observe(
        self, event: ev.Event, before: State, after: State, actions: tuple[Action, ...]
    ) -> None:
        """Count what happened; in the main thread, after each turn."""
        match event:
            case ev.OrphanReaped():
                self._orphans.inc()
            case ev.SignalReceived() | ev.Started():
                for action in actions:
                    if isinstance(action, Kill):
                        self._forwarded.labels(signals.name(action.signum)).inc()
                if isinstance(event, ev.Started):
                    self._starts.inc()
                    self._started.set_to_current_time()
            case ev.Exited() if after.exits > before.exits:
                self._exits.labels("signal" if event.signum else "exit").inc()
        if self._method:
            if after is not before:
                self._observe_config(event, before, after)
            self._observe_source(event)

    def _observe_config(self, event: ev.Event, before: State, after: State) -> None:
        self._coalesced.inc(after.config.coalesced - before.config.coalesced)
        self._rollbacks.inc(after.config.rollbacks - before.config.rollbacks)
        match event:
            case ev.ConfigApplied() if event.digest != before.config.live:
                self._course.apply(event)
                self._updates.inc(not event.cached)
                self._validations.labels("accepted").inc(event.validated)
            case ev.ConfigFailed() if event.reason in _APPLY_FAILURES:
                self._apply_failures.labels(event.reason).inc()
                self._validations.labels("rejected").inc(event.reason == "validate")
        if after.reloads.attempt > before.reloads.attempt and not after.reloads.trial:
            self._reloads.labels(self._method).inc()
            self._success.attempts.inc()
            self._retries.inc(after.reloads.failures > 0)
            self._course.begin()
        if after.reloads.finished > before.reloads.finished:
            self._course.finish(event)
        if after.reloads.failed > before.reloads.failed:
            self._failures.labels(self._method, after.reloads.outcome).inc()
            self._success.failures.inc()
        proven = (after.reloads.outcome, after.config.good) != (
            before.reloads.outcome,
            before.config.good,
        )
        if proven and after.reloads.outcome == "success" and not after.config.cached:
            self._success.stamp()
            self._course.succeed()

    def _observe_source(self, event: ev.Event) -> None:
        match event:
            case ev.SourceOpened(source, kind, namespace, name):
                self._names[source] = names = (kind, namespace, encodable(name))
                for gauge in (self._present, self._synced, self._contact):
                    gauge.labels(*names)
            case ev.SourceRead(source, present):
                self._present.labels(*self._names[source]).set(present)
                self._synced.labels(*self._names[source]).set_to_current_time()
                if event.saw:
                    self._watch_events.labels(event.saw).inc()
            case ev.WatchConnected(source) | ev.WatchDisconnected(source):
                self._up[source] = isinstance(event, ev.WatchConnected)
                self._connected.set(
                    len(self._up) == len(self._state().sources) and all(self._up.values())
                )
            case ev.WatchSaw(source, kind, count):
                self._watch_events.labels(kind).inc(count)
            case ev.WatchRestarted(reason):
                self._restarts.labels(reason).inc()
        match event:
            case (
                ev.SourceRead(source)
                | ev.SourceContacted(source)
                | ev.WatchConnected(source)
                | ev.WatchSaw(source)
            ):
                self._contact.labels(*self._names[source]).set_to_current_time()

    def page(self, accept: str) -> tuple[str, bytes]:
        """Content type and body of /metrics for an Accept header."""
        encode, kind = prom.exposition.choose_encoder(accept)
        return kind, encode(self.registry)


class _Success:
    """The outcome of reloads under our names and under those that existing alerts select on."""

    def __init__(self, registry: prom.CollectorRegistry) -> None:
        text = "whether the app runs on the last version that was tried"
        self.gauge = prom.Gauge("supervisor_config_last_reload_successful", text, registry=registry)
        self.alias = prom.Gauge("reloader_last_reload_successful", text, registry=registry)
        text = "when a version was last taken up"
        self._stamps = [
            prom.Gauge(
                "supervisor_config_last_reload_success_timestamp_seconds", text, registry=registry
            ),
            prom.Gauge("reloader_last_reload_success_timestamp_seconds", text, registry=registry),
        ]
        self.attempts = prom.Counter("reloader_reloads", "reloads begun", registry=registry)
        self.failures = prom.Counter(
            "reloader_reloads_failed", "reloads that failed", registry=registry
        )

    def stamp(self) -> None:
        for gauge in self._stamps:
            gauge.set_to_current_time()


class _Course:
    """How long a change takes: from its origin to the app, and until the app has proved itself on
    it.
    """

    def __init__(self, registry: prom.CollectorRegistry) -> None:
        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> prom.Histogram:
            return prom.Histogram(
                name, text, namespace="supervisor", registry=registry, buckets=buckets
            )

        self._duration = histogram(
            "reload_duration_seconds", "from the start of a reload to the app told", _SECONDS
        )
        self._proof = histogram(
            "reload_verification_seconds",
            "from the app told to the verdict, the verify window included",
            _SECONDS,
        )
        self._propagation = histogram(
            "config_propagation_seconds",
            "from a change at its origin to the app told, of changes that came while the app ran",
            _LONG_SECONDS,
        )
        self._began = self._told = 0.0  # of the last reload, time.monotonic()
        self._changed_at: float | None = None  # of the change that is under way, epoch seconds
        self._follows = False  # the source has been read: what comes now is a change

    def apply(self, event: ev.ConfigApplied) -> None:
        """A version is in place that was not before."""
        self._changed_at = event.changed_at if self._follows and not event.rolled_back else None
        self._follows = self._follows or not (event.cached or event.rolled_back)

    def begin(self) -> None:
        """A reload begins, or the app was started on a version that has yet to prove itself."""
        self._began = time.monotonic()

    def finish(self, event: ev.Event) -> None:
        """A reload ends, well or not."""
        now = time.monotonic()
        delivered = event.delivered if isinstance(event, ev.ReloadFinished) else None
        self._told = now if delivered is None else delivered
        self._duration.observe(max(0.0, self._told - self._began))
        if delivered is not None:
            self._proof.observe(now - delivered)

    def succeed(self) -> None:
        """The app runs on the version in place; after `finish`, if a reload brought it there."""
        if self._changed_at is not None:
            told = time.time() - (time.monotonic() - self._told)
            self._propagation.observe(max(0.0, told - self._changed_at))
            self._changed_at = None


class _AppTree(Collector):
    """The app and its descendants, looked up at each scrape."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        figures = {"processes": 0.0, "memory": 0.0, "cpu": 0.0, "fds": 0.0, "threads": 0.0}
        pid = self._state().pid
        for one in [pid, *procfs.descendants(pid)] if pid else ():
            try:
                _add(figures, one)
            except OSError:
                continue  # it ended, or became another user's
        yield GaugeMetricFamily(
            "supervisor_app_processes", "processes of the app", figures["processes"]
        )
        yield GaugeMetricFamily(
            "supervisor_app_resident_memory_bytes", "their memory", figures["memory"]
        )
        yield CounterMetricFamily(
            "supervisor_app_cpu_seconds", "CPU time of those that run now", figures["cpu"]
        )
        yield GaugeMetricFamily("supervisor_app_open_fds", "their open files", figures["fds"])
        yield GaugeMetricFamily("supervisor_app_threads", "their threads", figures["threads"])


def _add(figures: dict[str, float], pid: int) -> None:
    # psutil would know all this too, for 20 ms and 1 MiB at the first scrape.
    stat = procfs.stat(pid)
    figures["memory"] += procfs.resident_bytes(pid)
    figures["cpu"] += procfs.seconds(stat.cpu)
    figures["threads"] += stat.threads
    figures["processes"] += 1
    figures["fds"] += len(procfs.open_files(pid))


def _product(values: tuple[tuple[str, ...], ...]) -> Iterator[tuple[str, ...]]:
    if not values:
        return
    first, *rest = values
    for one in first:
        if rest:
            for others in _product(tuple(rest)):
                yield (one, *others)
        else:
            yield (one,)


def _number(digest: str) -> float:
    """The first 48 bits of a digest: what a float can hold exactly."""
    try:
        return float(int(digest[:12], 16))
    except ValueError:
        return 0.0  # none yet, or refused
