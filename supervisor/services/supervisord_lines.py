"""The lines of supervisord's log about services, from an event and the services around it.

Pure: the log writes them, with its time in front. People and tests search for these lines, so they
read as supervisord writes them.
"""

from __future__ import annotations

import os

from ..core import events as ev
from ..core.actions import Kill
from ..core.life_state import TOLD, Phase
from ..core.signal_numbers import HUP, INT, KILL, QUIT, TERM, USR2
from ..core.upkeep import expects
from ..runtime import signals
from .service_orders import ServiceOrder, Verb
from .supervisord_states import DOWN, State, how_it_ended, passed, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conductor_state import Member, Out, Services

    Line = tuple[str, str]  # level, as supervisord abbreviates it; text

CRIT, ERRO, WARN, INFO, DEBG = "CRIT", "ERRO", "WARN", "INFO", "DEBG"

_STOPPED_BY = (*TOLD, Phase.ABORTING)


def lines(event: ev.Event, before: Services, after: Services, orders: Out) -> Iterator[Line]:
    """The lines of an event."""
    match event:
        case ev.SignalReceived(signum):
            yield from _signal(signum, before)
        case ev.Started(pid, service=name) if name in before.members:
            yield INFO, f"spawned: '{_name(before, name)}' with pid {pid}"
        case ev.OrphanReaped(pid, status):
            yield INFO, f"reaped unknown pid {pid} ({_status(status)})"
        case ev.StartFailed(error=error, service=name) if name in before.members:
            yield INFO, f"spawnerr: {error}"
        case ev.Exited(pid, code, signum, name) if name in before.members:
            if pid == before.members[name].life.pid:
                yield _ended(name, code, signum, before)
    for name in after.changed:
        if name in before.members:
            yield from _changed(name, before.members[name], after)
    for order in orders:
        if isinstance(order, Kill) and order.service in after.members:
            yield from _kill(order, after)
    yield from _waiting(event, before, after)


def _name(services: Services, name: str) -> str:
    return services.roster.places[name].service.name


def _signal(signum: int, before: Services) -> Iterator[Line]:
    stopping = before.stopping
    name = signals.name(signum)
    if signum in (TERM, INT, QUIT):
        yield WARN, f"received {name} indicating exit request"
    elif not before.roster.follows_supervisord:
        return
    elif signum == USR2:
        yield INFO, f"received {name} indicating log reopen request"
        yield INFO, "supervisord logreopen"
    elif signum == HUP and stopping is not None and not stopping.restart:
        yield WARN, f"ignored {name} indicating restart request (shutdown in progress)"
    elif signum == HUP:
        yield WARN, f"received {name} indicating restart request"


def _status(status: int) -> str:
    """The end of a process by its wait status."""
    if os.WIFSIGNALED(status):
        return how_it_ended(0, os.WTERMSIG(status))
    return how_it_ended(os.WEXITSTATUS(status), 0)


def _ended(name: str, code: int, signum: int, before: Services) -> Line:
    place = before.roster.places[name]
    life = before.members[name].life
    how = how_it_ended(code, signum)
    expected = expects(life.replace(exit_code=code, exit_signal=signum), place.policy.life)
    if life.phase in _STOPPED_BY:
        return (INFO if expected else WARN), f"stopped: {place.service.name} ({how})"
    if life.phase is Phase.RUNNING and expected:
        return INFO, f"exited: {place.service.name} ({how}; expected)"
    return WARN, f"exited: {place.service.name} ({how}; not expected)"


def _changed(name: str, was: Member, services: Services) -> Iterator[Line]:
    member = services.members.get(name)
    if member is None:
        return
    known = _name(services, name)
    for state in passed(state_of(was), state_of(member)):
        if state is State.RUNNING:
            settle = services.roster.places[name].service.startsecs
            lasted = f"process has stayed up for > than {settle} seconds (startsecs)"
            yield INFO, f"success: {known} entered RUNNING state, {lasted}"
        elif state is State.FATAL and (member.refused or not member.life.ordered):
            why = member.refused or "too many start retries too quickly"
            yield INFO, f"gave up: {known} entered FATAL state, {why}"


def _kill(order: Kill, services: Services) -> Iterator[Line]:
    life = services.members[order.service].life
    known = _name(services, order.service)
    name = signals.name(order.signum)
    if life.phase not in _STOPPED_BY:
        yield DEBG, f"sending {known} (pid {life.pid}) sig {name}"
        return
    group = " process group" if order.group else ""
    if order.signum == KILL:
        yield WARN, f"killing '{known}' ({life.pid}) with {name}"
    yield DEBG, f"killing {known} (pid {life.pid}){group} with signal {name}"


def _waiting(event: ev.Event, before: Services, after: Services) -> Iterator[Line]:
    if after.stopping is not None and before.stopping is None:
        alive = [
            _name(before, name)
            for name, member in before.members.items()
            if state_of(member) not in DOWN
        ]
        if alive:
            yield INFO, f"waiting for {', '.join(alive)} to die"
    if isinstance(event, ServiceOrder) and event.verb in (Verb.STOP, Verb.RESTART):
        for name in event.names:
            if name in after.members and state_of(after.members[name]) is State.STOPPING:
                yield INFO, f"waiting for {_name(after, name)} to stop"
