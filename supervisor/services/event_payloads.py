"""The events of services, with their payloads, as supervisord gives them to its listeners.

Pure: from the services before and after an event of the loop. It must not know of listeners.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.life_state import Phase, Then
from ..core.upkeep import expects
from .conductor_state import PlanRead
from .supervisord_states import State, passed, state_of

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
    if isinstance(event, (ev.Began, PlanRead)) and after.stopping is None:
        for name in after.roster.groups:
            yield _group("ADDED", name)
        yield "SUPERVISOR_STATE_CHANGE_RUNNING", ""
    elif after.roster is not before.roster:
        yield from _groups(before, after)
    if after.stopping is not None and before.stopping is None:
        yield "SUPERVISOR_STATE_CHANGE_STOPPING", ""
    for name in after.changed:
        if name in before.members and name in after.members:
            yield from _states(name, event, before, after)


def _groups(before: Services, after: Services) -> Iterator[Named]:
    old, new = before.roster.groups, after.roster.groups
    for name, group in old.items():
        if new.get(name) != group:
            yield _group("REMOVED", name)
    for name, group in new.items():
        if old.get(name) != group:
            yield _group("ADDED", name)


def _group(change: str, name: str) -> Named:
    return f"PROCESS_GROUP_{change}", f"groupname:{name}\n"


def shown_state(member: Member) -> State:
    """The state of a service, which a wait for the processes that it left does not delay."""
    life = member.life
    if life.phase in _LEFT:
        phase = Phase.BACKOFF if life.then is Then.RESTART and not life.ordered else Phase.ENDED
        service = member.service.replace(life=life.replace(phase=phase))
        return state_of(member.replace(service=service))
    return state_of(member)


def _states(name: str, event: ev.Event, before: Services, after: Services) -> Iterator[Named]:
    was = before.members[name]
    member = after.members[name]
    origin = shown_state(was)
    for state in passed(origin, shown_state(member)):
        one = before.roster.places[name].service
        head = f"{_process(one)} from_state:{origin}"
        more = _more(state, was, member)
        if state is State.EXITED:
            life = was.life
            if isinstance(event, ev.Exited):
                life = life.replace(exit_code=event.code, exit_signal=event.signum)
            expected = expects(life, before.roster.places[name].policy.life)
            more = f" expected:{int(expected)}{more}"
        yield f"PROCESS_STATE_{state}", head + more
        origin = state


def _more(state: State, was: Member, member: Member) -> str:
    match state:
        case State.STARTING | State.BACKOFF:
            return f" tries:{member.life.failures}"
        case State.RUNNING | State.STOPPING:
            return f" pid:{member.life.pid}"
        case State.EXITED | State.STOPPED:
            return f" pid:{was.life.pid}"
    return ""


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
