"""A service without a life: before its start, and after its end.

Pure, and part of the conductor. Sources go on meanwhile; their news are kept for the next start.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.life_state import Phase
from ..core.service import Service
from ..core.upkeep_state import KeptLife

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.actions import Action
    from ..core.service import Policy
    from .roster import Place


def first(place: Place) -> Service:
    """The service of a place before its first life."""
    return configured(Service(life=KeptLife(), name=place.service.identity), place)


def configured(service: Service, place: Place) -> Service:
    """The service without any version yet, where its place has a configuration."""
    if place.policy.rollout is None:
        return service.replace(rollout=None, sources=(), fleet=None)
    from ..core.rollout_state import Rollout

    rules = place.policy.fleet
    if rules is None:
        return service.replace(rollout=Rollout(), sources=place.sources, fleet=None)
    from ..core.versions import Versions

    gated = Rollout(versions=Versions(gated=True))
    return service.replace(rollout=gated, sources=place.sources, fleet=rules.begin())


def same_configuration(old: Place, new: Place) -> bool:
    """Whether the versions of a service have a meaning in its new place too."""
    before = old.service
    after = new.service
    return (before.settings, before.config_keys) == (after.settings, after.config_keys)


def told(service: Service, event: ev.Event, now: float, policy: Policy) -> Service:
    """The service after an event of its sources; all other events are of its last life."""
    if service.rollout is None or policy.rollout is None:
        return service
    from ..core import rollout, source_states

    sources = source_states.step(service.sources, event, now)
    after = service.rollout
    kept = ev.SourceRead, ev.ConfigOffered, ev.ConfigApplied, ev.ConfigFailed, ev.Remembered
    if isinstance(event, kept):
        down = service.life.replace(phase=Phase.ENDED)  # no version leads to a start
        after, _ = rollout.step(after, event, down, now, policy.rollout)
    fleet = service.fleet
    if policy.fleet is not None:
        fleet = policy.fleet.note(fleet, event, now)
    if after is service.rollout and sources is service.sources and fleet is service.fleet:
        return service
    return service.replace(rollout=after, sources=sources, fleet=fleet)


def refused(event: ev.Event) -> tuple[Action, ...]:
    """The answer to a client who orders a version while the service is down."""
    if not isinstance(event, (ev.ReloadOrdered, ev.RollbackOrdered)) or event.reply is None:
        return ()
    from ..core.actions import Answer
    from ..core.orders import Result, Settled

    return (Answer(event, Settled(Result.ENDING)),)


def ready_to_begin(service: Service) -> Service:
    """The service before `Began`: it starts on the version in place, unless a newer version is to
    be put in place first.
    """
    rollout = service.rollout
    if rollout is None or not rollout.versions.live or rollout.versions.pending:
        return service
    return service.replace(life=service.life.replace(phase=Phase.HELD))


def ready_to_stop(service: Service) -> Service:
    """The service before its stop; a oneshot that has completed has it still to undo."""
    life = service.life
    if life.phase is Phase.ENDED and isinstance(life, KeptLife) and life.to_undo:
        return service.replace(life=life.replace(phase=Phase.HELD))
    return service
