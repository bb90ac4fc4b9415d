"""A service: the life of its process and, where it has a configuration, the rollout of versions to
it.

Pure: no I/O, clock, threads or logging. `step(service, event, now, policy)` gives the next service
and, in order, the actions to perform, with `Ended` among them once its life is over. `now` is in
seconds of a monotonic clock; `wake_at(service, policy)` tells when `DeadlinePassed` is due if
nothing happens before. A service is replaced, never changed: any thread may read it.

A bare init has no rollout, and imports none of its rules.
"""

from __future__ import annotations

from . import events as ev
from . import life
from .life_state import Ended, Life, LifePolicy, Phase, Report, Start
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .actions import Action
    from .rollout_state import Rollout, RolloutPolicy
    from .source_states import SourceState

    Out = tuple[Action | Ended, ...]

    class FleetRules(Protocol):
        """The rules of a fleet, above this package; the state of a fleet is theirs alone."""

        def begin(self) -> Any:
            """The fleet before the first event."""

        def note(self, fleet: Any, event: ev.Event, now: float, /) -> Any:
            """The fleet after an event that comes while the service is down."""

        def step(
            self, fleet: Any, event: ev.Event, rollout: Rollout, life: Life, now: float, /
        ) -> tuple[Any, tuple[Action | ev.Event, ...]]:
            """The fleet after an event; its orders, and its words to the rollout."""

        def wake_at(self, fleet: Any, /) -> float | None:
            """When `DeadlinePassed` is due if nothing else happens before."""


class Policy(Record):
    """The options about a service."""

    life: LifePolicy = LifePolicy()
    rollout: RolloutPolicy | None = None
    fleet: FleetRules | None = None


class Service(Record):
    life: Life = Life()
    rollout: Rollout | None = None
    sources: tuple[SourceState, ...] = ()
    name: str = ev.APP
    fleet: Any = None  # the state of the fleet; None without one


def step(service: Service, event: ev.Event, now: float, policy: Policy) -> tuple[Service, Out]:
    """The service after an event, and its orders, which carry its name."""
    service, orders = _step(service, event, now, policy)
    if service.name == ev.APP:
        return service, orders
    return service, tuple(_named(order, service.name) for order in orders)


def _named(order: Action | Ended, name: str) -> Action | Ended:
    return order.replace(service=name) if "service" in order.__match_args__ else order


def _step(service: Service, event: ev.Event, now: float, policy: Policy) -> tuple[Service, Out]:
    if service.life.phase is Phase.ENDED:
        return service, ()
    if service.rollout is not None:
        from . import turn

        return turn.step(service, event, now, policy)
    told = Start() if isinstance(event, ev.Began) else event
    after, out = life.step(service.life, told, now, policy.life)
    if after is not service.life:
        service = service.replace(life=after)
    return service, tuple(
        one for one in out if isinstance(one, Ended) or not isinstance(one, Report)
    )


def wake_at(service: Service, policy: Policy) -> float | None:
    """When `DeadlinePassed` is due if nothing else happens before."""
    deadline = service.life.deadline
    ended = service.life.phase is Phase.ENDED
    if ended or service.rollout is None or policy.rollout is None:
        return deadline
    from . import rollout

    times = (
        deadline,
        rollout.wake_at(service.rollout, service.life, policy.rollout),
        None if policy.fleet is None else policy.fleet.wake_at(service.fleet),
    )
    return min((time for time in times if time is not None), default=None)
