"""Metrics of the app: starts, ends, forwarded signals, reaped orphans. No versions here."""

from __future__ import annotations

import platform

from .. import __version__
from ..core import events as ev
from ..core.actions import Kill
from ..runtime import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    import prometheus_client as prom

    from ..core.service import Service
    from ..runtime.protocols import Order
    from .metric_registry import MetricRegistry

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


class AppMetrics:
    def __init__(self, registry: MetricRegistry) -> None:
        build = registry.gauge(
            "build_info",
            "Versions of config-supervisor and Python, as labels; always 1",
            ("version", "python_version"),
        )
        build.labels(__version__, platform.python_version()).set(1)
        registry.shown("app_up", "Whether the app runs", lambda s: bool(s.life.pid))
        self._started = registry.gauge(
            "app_start_time_seconds", "Time of the last start of the app, in seconds since 1970"
        )
        registry.shown(
            "app_last_exit_code",
            "Exit code of the app's last run; 128+n after an end by signal n",
            lambda s: s.life.exit_code,
        )
        self._starts = registry.counter("app_starts", "Starts of the app")
        self._exits = registry.counter(
            "app_exits",
            "Ends of the app, by kind: exit code or signal",
            {"kind": ("exit", "signal")},
        )
        self._forwarded = registry.counter(
            "signals_forwarded",
            "Signals forwarded to the app, by name of the signal",
            {"signal": _USUAL_SIGNALS},
        )
        self._of_signal: dict[int, prom.Counter] = {}  # the next signal waits for the count
        self._orphans = registry.counter(
            "orphans_reaped", "Orphaned processes that the supervisor adopted and reaped"
        )

    def observe(
        self, event: ev.Event, before: Service, after: Service, actions: Sequence[Order]
    ) -> None:
        match event:
            case ev.OrphanReaped():
                self._orphans.inc()
            case ev.SignalReceived():
                self._count_signals(actions)
            case ev.Started():
                self._count_signals(actions)  # held until the start
                self._starts.inc()
                self._started.set_to_current_time()
            case ev.Exited() if after.life.exits > before.life.exits:
                self._exits.labels("signal" if event.signum else "exit").inc()

    def _count_signals(self, actions: Sequence[Order]) -> None:
        for action in actions:
            if isinstance(action, Kill):
                self._counter(action.signum).inc()

    def _counter(self, signum: int) -> prom.Counter:
        counter = self._of_signal.get(signum)
        if counter is None:
            counter = self._forwarded.labels(signals.name(signum))
            self._of_signal[signum] = counter
        return counter
