"""Metrics of a fleet: the part of this pod, and its own verdicts.

Imported by a role with --fleet only.
"""

from __future__ import annotations

from functools import partial

from ..core.outcomes import FAILURES, OF_CONTENT
from ..fleet import summary
from ..fleet.amendments import MANUAL
from ..fleet.state import Own, State, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..core import events as ev
    from ..core.service import Service
    from ..runtime.protocols import Order
    from .metric_registry import MetricRegistry

_SECONDS = (5, 10, 30, 60, 120, 300, 600, 1800)


class FleetMetrics:
    def __init__(self, registry: MetricRegistry) -> None:
        state = registry.state
        states = registry.gauge(
            "fleet_state",
            "State of the pod in the fleet for the newest configuration version: 1 for the present"
            " state, 0 for all others",
            ("state",),
        )
        for one in State:
            states.labels(one).set_function(partial(_is, state, one))
        registry.shown(
            "fleet_holder",
            "Whether the pod tries the newest configuration version for the fleet",
            lambda service: _state(service) is State.CANARY,
        )
        self._verdicts = registry.counter(
            "fleet_verdicts",
            "Verdicts of this pod on configuration versions, by verdict and reason",
            {"verdict": (), "reason": ()},
        )
        for verdict, reason in _known():
            self._verdicts.labels(verdict, reason)
        self._seconds = registry.histogram(
            "fleet_trial_seconds",
            "Duration of the trials of configuration versions by this pod, in seconds",
            _SECONDS,
        )

    def observe(self, event: ev.Event, before: Service, after: Service, _: Sequence[Order]) -> None:
        del event
        old, new = before.fleet, after.fleet
        if new is old or new is None or old is None:
            return
        for one in summary.given(old, new):
            self._verdicts.labels(one.verdict, one.reason).inc()
        if new.trial_seconds != old.trial_seconds:
            self._seconds.observe(new.trial_seconds)


def _is(current: Callable[[], Service], state: State) -> bool:
    return _state(current()) is state


def _state(service: Service) -> State | None:
    return service.fleet.state if service.fleet is not None else None


def _known() -> Sequence[tuple[str, str]]:
    bad = dict.fromkeys((*Own, MANUAL, *FAILURES, *sorted(OF_CONTENT)))
    return [(Verdict.GOOD, ""), (Verdict.RESIGNED, ""), *((Verdict.BAD, one) for one in bad)]
