"""The verdicts of the probes, from the state alone.

Liveness covers this process and its app, never the API server: an outage there must not restart a
container. Readiness covers the start of the app on its first configuration. Pure; it must not know
how a verdict is served.
"""

from __future__ import annotations

from .life_state import Phase
from .outcomes import NO_FAILURE
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .service import Policy, Service

# Phases shown under the name of another phase; all others have their own.
_SHOWN = {
    Phase.EXECUTING: Phase.STARTING,
    Phase.ABORTING: Phase.KILLING,
    Phase.ELSEWHERE: Phase.RUNNING,
    Phase.DELAYED: Phase.STOPPING,
    Phase.LEFTOVERS_KILLED: Phase.LEFTOVERS,
    Phase.HELD: Phase.BACKOFF,
}


class Verdict(Record):
    ok: bool
    reason: str


def phase(service: Service) -> str:
    """The phase of a service for people: the phase of its life, or `reloading`."""
    rollout, life = service.rollout, service.life
    if rollout is not None and rollout.reloads.active and life.up:
        return "reloading"
    return "done" if life.phase is Phase.ENDED else _SHOWN.get(life.phase, life.phase).value


def live(service: Service, policy: Policy | None = None) -> Verdict:
    """Whether to keep the container: the app is up, about to start, or stopping."""
    rollout, rules = service.rollout, policy.rollout if policy else None
    if rollout is not None and rules is not None and rules.unhealthy_on_failure:
        versions, reloads = rollout.versions, rollout.reloads
        back = versions.returning or versions.rolled_back
        if reloads.outcome not in NO_FAILURE and not back:
            return Verdict(ok=False, reason=f"the last reload failed: {reloads.error}")
    return Verdict(service.life.phase is not Phase.ENDED, phase(service))


def ready(service: Service) -> Verdict:
    """Whether the app has started, on a configuration where it has sources, and is not ending."""
    if service.life.phase is Phase.WAITING and service.sources:
        troubles = [source.error for source in service.sources if source.error]
        reason = "; ".join(["waiting for the first configuration", *troubles])
        return Verdict(ok=False, reason=reason)
    reason = "; ".join(filter(None, (phase(service), held(service))))
    return Verdict(service.life.ready, reason)


def held(service: Service) -> str:
    """Why a newer version waits for its time; mostly empty."""
    if service.rollout is None or service.rollout.hold is None:
        return ""
    from . import holds

    why = holds.words(service)
    return f"a newer configuration waits: {why}" if why else ""
