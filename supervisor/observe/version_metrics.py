"""Metrics of configuration versions: desired, in place, running, rejected, put back.

A metric shows 48 bits of a digest; names of keys and content stay out.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.outcomes import ApplyFailure
from ..core.primitives import partial
from ..core.rollout_state import rollout_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..core.service import Service
    from ..runtime.protocols import Order
    from .metric_registry import MetricRegistry

_APPLY_FAILURES = (
    ApplyFailure.WRITE,
    ApplyFailure.BAD_KEY,
    ApplyFailure.TOO_LARGE,
    ApplyFailure.VALIDATE,
    ApplyFailure.ROLLBACK,
)

HOLDS = ("window", "pause")  # the values of `core.holds.Reason`


class VersionMetrics:
    def __init__(self, registry: MetricRegistry) -> None:
        self._coalesced = registry.counter(
            "reloads_coalesced",
            "Configuration versions overtaken by a newer version before being put in place",
        )
        self._updates = registry.counter(
            "config_updates", "Configuration versions that were put in place"
        )
        self._apply_failures = registry.counter(
            "config_apply_failures",
            "Configuration versions that could not be put in place, by reason",
            {"reason": _APPLY_FAILURES},
        )
        self._validations = registry.counter(
            "config_validations",
            "Verdicts of --validate on new configuration versions, by result",
            {"result": ("accepted", "rejected")},
        )
        self._rollbacks = registry.counter(
            "config_rollbacks", "Rollbacks to an earlier configuration version"
        )
        _show_gauges(registry)

    def observe(self, event: ev.Event, before: Service, after: Service, _: Sequence[Order]) -> None:
        if after.rollout is before.rollout:
            return
        old, new = rollout_of(before).versions, rollout_of(after).versions
        self._coalesced.inc(new.coalesced - old.coalesced)
        self._rollbacks.inc(new.rollbacks - old.rollbacks)
        match event:
            case ev.ConfigApplied() if event.digest != old.live:
                self._updates.inc(not event.cached)
                self._validations.labels("accepted").inc(event.validated)
            case ev.ConfigFailed() if event.reason in _APPLY_FAILURES:
                self._apply_failures.labels(event.reason).inc()
                self._validations.labels("rejected").inc(event.reason == ApplyFailure.VALIDATE)


def _show_gauges(registry: MetricRegistry) -> None:
    registry.shown(
        "config_stale",
        "Whether the app runs on another configuration version than the sources hold",
        lambda s: rollout_of(s).stale,
    )
    held = registry.gauge(
        "config_held",
        "Whether the newest configuration version waits, by reason: for a reload window, or for the"
        " end of a pause",
        ("reason",),
    )
    for reason in HOLDS:
        held.labels(reason).set_function(partial(_held, registry.state, reason))
    hashes = registry.gauge(
        "config_hash",
        "First 48 bits of the digest of a configuration version: desired by the sources, or"
        " running in the app",
        ("state",),
    )
    state = registry.state
    hashes.labels("desired").set_function(lambda: _number(rollout_of(state()).versions.desired))
    hashes.labels("running").set_function(lambda: _number(rollout_of(state()).runs_on))
    registry.shown(
        "config_files",
        "Files of the configuration in place",
        lambda s: rollout_of(s).versions.files,
    )
    registry.shown(
        "config_bytes",
        "Bytes of the configuration in place",
        lambda s: rollout_of(s).versions.size,
    )


def _held(state: Callable[[], Service], reason: str) -> bool:
    service = state()
    rollout = service.rollout
    if rollout is None or rollout.hold is None:
        return False
    from ..core import holds

    return holds.reason(rollout, service.life) == reason


def _number(digest: str) -> float:
    """The first 48 bits of a digest, which a float holds exactly; 0 without a digest."""
    try:
        return float(int(digest[:12], 16))
    except ValueError:
        return 0.0
