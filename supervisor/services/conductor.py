"""The conductor: several lives, one decider.

Pure: `step(services, event, now)` gives the next services and, in order, the orders to perform,
`Over` among them once all has ended; `wake_at` tells when `DeadlinePassed` is due. It is
level-triggered: after a change of a service, that service and its neighbours are compared with
their wanted states, whatever happened before. A change of one service costs nothing for all
others. It must not know of plan files, processes, clients, or the words of supervisord.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.signal_numbers import HUP, INT, QUIT, TERM, USR2
from ..core.upkeep_state import SignalService
from . import dependencies, exit_code, plan_update, rest, start_limit
from .conductor_state import (
    AnswerOrder,
    Member,
    Over,
    PlanRead,
    ReadPlan,
    ReopenLogs,
    Services,
    StopAllOrdered,
    Stopping,
    TakeRoster,
    UpdateOrdered,
)
from .conductor_turn import Turn
from .service_orders import (
    Answer,
    OpenOrder,
    OrderResult,
    ServiceOrder,
    Verb,
    settled,
    signalled,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .conductor_state import Out
    from .roster import Roster

_SHUTDOWN = frozenset({TERM, INT, QUIT})


def fresh(roster: Roster) -> Services:
    """The services before their first event."""
    members = {name: Member(rest.first(place)) for name, place in roster.places.items()}
    return Services(roster, members)


def step(services: Services, event: ev.Event, now: float) -> tuple[Services, Out]:
    """The services after an event, and the orders."""
    if services.code is not None:
        return services, _refuse_after_the_end(event)
    turn = Turn(services, now)
    _handle(turn, event)
    turn.conduct()
    _conclude(turn)
    if turn.state.orders:
        _settle(turn)
    return turn.result()


def wake_at(services: Services) -> float | None:
    """When `DeadlinePassed` is due if nothing else happens before."""
    if services.code is not None:
        return None
    times = services.wakes.values()
    earliest = min(times) if times else None
    if services.start_by is not None:
        earliest = services.start_by if earliest is None else min(earliest, services.start_by)
    stopping = services.stopping
    if stopping is None or stopping.until is None:
        return earliest
    return stopping.until if earliest is None else min(earliest, stopping.until)


def _handle(turn: Turn, event: ev.Event) -> None:
    match event:
        case ev.DeadlinePassed():
            turn.pass_deadlines()
            start_limit.pass_deadline(turn)
        case ev.Began():
            _begin(turn)
        case ev.SignalReceived(signum):
            _signal(turn, signum)
        case ServiceOrder():
            _order(turn, event)
        case StopAllOrdered(restart):
            _stop_all(turn, restart=restart)
        case UpdateOrdered():
            plan_update.ordered(turn, event)
        case PlanRead(roster):
            _plan_read(turn, roster)
        case _:
            name = getattr(event, "service", None)
            if name in turn.members:
                turn.tell(name, event)


def _begin(turn: Turn) -> None:
    turn.change(begun=True)
    if turn.state.stopping is None:
        start_limit.begin(turn)
        turn.start_all(turn.state.roster.places)


def _signal(turn: Turn, signum: int) -> None:
    roster = turn.state.roster
    if signum in _SHUTDOWN:
        _stop_all(turn, restart=False)
        return
    if roster.follows_supervisord and signum == HUP:
        _stop_all(turn, restart=True)
        return
    if roster.follows_supervisord and signum == USR2:
        turn.order(ReopenLogs())
        return
    for name, place in roster.places.items():
        if place.service.signals:
            turn.tell(name, SignalService(signum, name))


def _stop_all(turn: Turn, *, restart: bool) -> None:
    """The stop of all; an order to end beats an order to start again, and not the other way."""
    stopping = turn.state.stopping
    if stopping is None:
        turn.stop_everything(Stopping(turn.now, restart=restart))
    elif stopping.restart and not restart:
        turn.change(stopping=stopping.replace(restart=False, awaiting_plan=False))


def _plan_read(turn: Turn, roster: Roster) -> None:
    stopping = turn.state.stopping
    if stopping is None or not stopping.awaiting_plan:
        return
    turn.members = plan_update.replaced_all(turn, roster)
    turn.change(stopping=None, roster=roster, wakes={})
    turn.order(TakeRoster(roster))
    turn.start_all(roster.places)


# --- orders about services ------------------------------------------------------------------------


def _order(turn: Turn, order: ServiceOrder) -> None:
    reply = order.reply or _unheard
    if turn.state.stopping is not None:
        refused = tuple(OrderResult(name, Answer.SHUTDOWN_STATE) for name in order.names)
        turn.order(AnswerOrder(reply, refused))
        return
    answers = {name: _take(turn, order, name) for name in order.names}
    pending = [name for name, answer in answers.items() if answer is None]
    results = [OrderResult(name, answer) for name, answer in answers.items() if answer]
    if order.verb is not Verb.STOP:
        for name in pending:
            for need in dependencies.stopped(name, turn.state.roster, turn.members):
                turn.want_up(need)
    if not order.wait:
        results += [OrderResult(name, Answer.SUCCESS) for name in pending]
    done = {one.name for one in results}
    opened = OpenOrder(order.verb, reply, tuple(results), frozenset(pending) - done)
    turn.change(orders=(*turn.state.orders, opened))


def _take(turn: Turn, order: ServiceOrder, name: str) -> Answer | None:
    """Note the state that an order wants; the answer, if there is one already."""
    member = turn.members.get(name)
    if member is None:
        return Answer.BAD_NAME
    match order.verb:
        case Verb.SIGNAL:
            answer = signalled(member)
            turn.tell(name, SignalService(order.signum, name))
            return answer
        case Verb.START | Verb.RESTART if name in turn.state.leaving:
            return Answer.FAILED  # an update replaces it, or takes it away
        case Verb.STOP if member.down and not member.up:
            return Answer.NOT_RUNNING
        case Verb.STOP:
            turn.want_down(name)
            return None
        case Verb.RESTART if not member.down:
            turn.want_down(name, again=True)
            return None
        case Verb.START if not member.down and (member.up or member.again):
            return Answer.ALREADY_STARTED
        case Verb.START if not member.down and member.life.ordered:  # it is about to end
            turn.want_down(name, again=True)
            return None
    turn.want_up(name)  # with a stop that has not begun called off
    return None


def _unheard(results: tuple[OrderResult, ...]) -> None:
    """For an order without a listener."""


def _settle(turn: Turn) -> None:
    """Answer the orders that are decided."""
    still = []
    for order in turn.state.orders:
        after = settled(order, turn.state.roster, turn.members)
        if after.verb is Verb.UPDATE and turn.state.next_roster is None:  # a stop overtook it
            turn.order(AnswerOrder(after.reply, ()))
            continue
        if after.pending and turn.state.code is None:
            still.append(after)
            continue
        rest = (OrderResult(name, Answer.SHUTDOWN_STATE) for name in sorted(after.pending))
        turn.order(AnswerOrder(after.reply, (*after.results, *rest)))
    turn.change(orders=tuple(still))


def _refuse_after_the_end(event: ev.Event) -> Out:
    match event:
        case ServiceOrder(_, names, reply) if reply is not None:
            results = tuple(OrderResult(name, Answer.SHUTDOWN_STATE) for name in names)
            return (AnswerOrder(reply, results),)
        case UpdateOrdered(_, reply) if reply is not None:
            return (AnswerOrder(reply, ()),)
    return ()


# --- the end --------------------------------------------------------------------------------------


def _conclude(turn: Turn) -> None:
    """A stop ends once all are down, or its time is over."""
    if turn.state.leaving or turn.state.next_roster is not None:
        plan_update.go_on(turn)
        turn.conduct()
    stopping = turn.state.stopping
    if stopping is None or stopping.awaiting_plan:
        return
    late = stopping.until is not None and stopping.until <= turn.now
    if not late and not all(member.down for member in turn.members.values()):
        return
    if stopping.restart and not late:
        turn.change(stopping=stopping.replace(awaiting_plan=True, until=None))
        turn.order(ReadPlan())
        return
    code = exit_code.of_stop(stopping, turn.state.roster, turn.members)
    turn.change(code=code)
    turn.order(Over(code))
