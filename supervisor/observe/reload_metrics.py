"""Metrics of reloads: how many, how they end, and how long a change takes to the app.

The outcome stands under `supervisor_` and under `reloader_`, the names in existing alerts on
reloaders.
"""

from __future__ import annotations

import time

from ..core import events as ev
from ..core.outcomes import FAILURES, Outcome
from ..core.rollout_state import Rollout, rollout_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.reloads import Reloads
    from ..core.service import Service
    from ..runtime.protocols import Order
    from .metric_registry import MetricRegistry

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG_SECONDS = (*_SECONDS, 120, 300, 600)
_ALIAS = "reloader"


class ReloadMetrics:
    def __init__(self, registry: MetricRegistry, method: str) -> None:
        self._method = method
        methods = {"method": (method,)}
        self._begun = registry.counter(
            "reloads", "Reloads of the app that began, by method", methods
        )
        self._failed = registry.counter(
            "reload_failures",
            "Reloads of the app that failed, by method and reason",
            {**methods, "reason": FAILURES},
        )
        self._retries = registry.counter(
            "reload_retries", "Reloads of the app that retry a failed reload"
        )
        self._alias_begun = registry.counter(
            "reloads", "Reloads of the app that began", prefix=_ALIAS
        )
        self._alias_failed = registry.counter(
            "reloads_failed", "Reloads of the app that failed", prefix=_ALIAS
        )
        text = "Whether the app runs on the configuration version that was tried last"
        registry.shown("config_last_reload_successful", text, _successful)
        registry.shown("last_reload_successful", text, _successful, prefix=_ALIAS)
        text = "Time at which the app last took up a configuration version, in seconds since 1970"
        self._stamps = (
            registry.gauge("config_last_reload_success_timestamp_seconds", text),
            registry.gauge("last_reload_success_timestamp_seconds", text, prefix=_ALIAS),
        )
        self._times = _ChangeTimes(registry)

    def observe(self, event: ev.Event, before: Service, after: Service, _: Sequence[Order]) -> None:
        if after.rollout is before.rollout:
            return
        old, new = rollout_of(before), rollout_of(after)
        was, now = old.reloads, new.reloads
        if isinstance(event, ev.ConfigApplied) and event.digest != old.versions.live:
            self._times.apply(event, waited=_waited(old))
        if now.number > was.number and not now.trial:
            self._begin(now)
        if now.finished > was.finished:
            self._times.finish(event)
        if now.failed > was.failed:
            self._failed.labels(self._method, now.outcome).inc()
            self._alias_failed.inc()
        if _taken_up(old, new):
            for stamp in self._stamps:
                stamp.set_to_current_time()
            self._times.succeed()

    def _begin(self, reloads: Reloads) -> None:
        self._begun.labels(self._method).inc()
        self._alias_begun.inc()
        self._retries.inc(reloads.failures > 0)
        self._times.begin()


def _successful(service: Service) -> float:
    return float(rollout_of(service).reloads.outcome == Outcome.SUCCESS)


def _taken_up(before: Rollout, after: Rollout) -> bool:
    """Whether the app has just proved itself on a version from the sources."""
    was, now = before.reloads.outcome, after.reloads.outcome
    proven = (now, after.versions.good) != (was, before.versions.good)
    return proven and now == Outcome.SUCCESS and not after.versions.cached


def _waited(rollout: Rollout) -> bool:
    """Whether the newest version came before the end of a hold."""
    return rollout.hold is not None and rollout.hold.until > rollout.versions.last_offer


class _ChangeTimes:
    """The times of a change: from its origin to the app, and to the verdict on the app."""

    def __init__(self, registry: MetricRegistry) -> None:
        self._duration = registry.histogram(
            "reload_duration_seconds",
            "Seconds from the start of a reload to the delivery to the app",
            _SECONDS,
        )
        self._proof = registry.histogram(
            "reload_verification_seconds",
            "Seconds from the delivery of a reload to the verdict, --verify-window included",
            _SECONDS,
        )
        self._propagation = registry.histogram(
            "config_propagation_seconds",
            "Seconds from a change at the origin to the delivery to the app, for changes while the"
            " app runs",
            _LONG_SECONDS,
        )
        self._began = self._told = 0.0  # of the last reload, time.monotonic()
        self._changed_at: float | None = None  # of the change under way, epoch seconds
        self._follows = False  # the source was read before: a further version is a change

    def apply(self, event: ev.ConfigApplied, *, waited: bool) -> None:
        """A new version is in place; `waited`: it was held, and is late by intent."""
        late = event.rolled_back or waited
        self._changed_at = event.changed_at if self._follows and not late else None
        self._follows = self._follows or not (event.cached or event.rolled_back)

    def begin(self) -> None:
        """A reload begins, or the app was started on a version without a verdict yet."""
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
