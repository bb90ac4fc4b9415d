"""The events of services, with their payloads, as supervisord gives them to its listeners.

Pure: from the services before and after an event of the loop. It must not know of listeners.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.life_state import Phase, Then
from ..core.upkeep import expects
from .conductor_state import PlanRead
from .supervisord_states import DOWN, State, passed, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conductor_state import Member, Services
    from .plan import Service

    Named = tuple[str, str]  # the name of an event, its payload

TICKS = (5, 60, 3600)  # seconds
LOG = "PROCESS_LOG"
COMMUNICATION = "PROCESS_COMMUNICATION"
_LEFT = (Phase.LEFTOVERS, Phase.LEFTOVERS_KILLED)


def of_step(event: ev.Event, before: Services, after: Services) -> Iterator[Named]:
    """The events that follow from an event of the loop."""
    all_new = isinstance(event, PlanRead)
    old = {} if all_new else before.roster.groups
    new = after.roster.groups
    gone: list[str] = []
    if old is not new:  # a comparison of all groups takes longer than all the rest
        gone = [name for name, group in old.items() if new.get(name) != group]
    if isinstance(event, (ev.Began, PlanRead)) and after.stopping is None:
        for name in new:
            yield _group("ADDED", name)
        yield "SUPERVISOR_STATE_CHANGE_RUNNING", ""
    elif old is not new:
        yield from _groups(gone, before, after)
    if after.stopping is not None and before.stopping is None:
        yield "SUPERVISOR_STATE_CHANGE_STOPPING", ""
    for name in after.changed:
        if name not in after.members:
            continue
        was = None
        if not all_new and name in before.members:
            stays = before.roster.places[name].service.group not in gone
            was = before.members[name] if stays else None
        yield from _states(name, event, was, after)


def _groups(gone: list[str], before: Services, after: Services) -> Iterator[Named]:
    """The changes of an update, which came with the end of the last service that leaves."""
    for name in gone:
        for one in before.roster.groups[name].services:
            was = before.members.get(one.identity)
            origin = State.STOPPED if was is None else shown_state(was)
            if was is not None and origin not in DOWN:
                yield _state(one, State.STOPPED, origin, f" pid:{was.life.pid}")
    for name in gone:
        yield _group("REMOVED", name)
    for name, group in after.roster.groups.items():
        if before.roster.groups.get(name) != group:
            yield _group("ADDED", name)


def _group(change: str, name: str) -> Named:
    return f"PROCESS_GROUP_{change}", f"groupname:{name}\n"


def shown_state(member: Member) -> State:
    """The state of a service for listeners: it starts when its dependencies are there, and a wait
    for the processes that it left does not delay its end.
    """
    if not member.begun and not member.refused:
        return State.STOPPED
    life = member.life
    if life.phase in _LEFT:
        phase = Phase.BACKOFF if life.then is Then.RESTART and not life.ordered else Phase.ENDED
        service = member.service.replace(life=life.replace(phase=phase))
        return state_of(member.replace(service=service))
    return state_of(member)


def _states(name: str, event: ev.Event, was: Member | None, after: Services) -> Iterator[Named]:
    """The states that a service entered; without `was`, it was STOPPED."""
    member = after.members[name]
    place = after.roster.places[name]
    origin = State.STOPPED if was is None else shown_state(was)
    for state in _path(origin, shown_state(member)):
        life = member.life if was is None else was.life
        match state:
            case State.STARTING | State.BACKOFF:
                more = f" tries:{member.life.failures}"
            case State.RUNNING | State.STOPPING:
                more = f" pid:{member.life.pid}"
            case State.EXITED:
                if isinstance(event, ev.Exited):
                    life = life.replace(exit_code=event.code, exit_signal=event.signum)
                more = f" expected:{int(expects(life, place.policy.life))} pid:{life.pid}"
            case State.STOPPED:
                more = f" pid:{life.pid}"
            case _:
                more = ""
        yield _state(place.service, state, origin, more)
        origin = state


def _path(origin: State, target: State) -> tuple[State, ...]:
    """The states entered on the way; a program may end by itself before its turn to stop."""
    match origin, target:
        case State.RUNNING, State.STOPPED:
            return (State.EXITED,)
        case State.STARTING, State.STOPPED:
            return State.BACKOFF, target
    return passed(origin, target)


def _state(service: Service, state: State, origin: State, more: str) -> Named:
    return f"PROCESS_STATE_{state}", f"{_process(service)} from_state:{origin}{more}"


def _process(service: Service) -> str:
    return f"processname:{service.name} groupname:{service.group}"


def log_data(service: Service, channel: str, pid: int, data: bytes) -> Named:
    """The event of bytes that a program wrote."""
    head = f"{_process(service)} pid:{pid} channel:{channel}\n"
    return f"{LOG}_{channel.upper()}", head + _text(data)


def communication(service: Service, channel: str, pid: int, data: bytes) -> Named:
    """The event of a text that a program wrote between the tokens of the capture mode."""
    return f"{COMMUNICATION}_{channel.upper()}", f"{_process(service)} pid:{pid}\n{_text(data)}"


def remote_communication(kind: str, data: str) -> Named:
    """The event that a client orders by sendRemoteCommEvent."""
    return "REMOTE_COMMUNICATION", f"type:{kind}\n{data}"


def ticks(before: float, now: float) -> Iterator[Named]:
    """The ticks since an earlier time; both in seconds of the epoch."""
    for period in TICKS:
        when = int(now - now % period)
        if when != int(before - before % period):
            yield f"TICK_{period}", f"when:{when}"


def next_tick(names: frozenset[str], now: float) -> float | None:
    """Seconds until the next tick among the events of these names; None without ticks."""
    waits = [period - now % period for period in TICKS if f"TICK_{period}" in names]
    return min(waits, default=None)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"Undecodable: {data!r}"
