"""The orders of clients about services, from the order to its answer.

Pure, and part of the conductor. An order names services by identity; `named` finds them by the
words that supervisorctl takes. Each order is answered once, with a result for each of its services.
"""

from __future__ import annotations

from ..core.errors import NOT_EXECUTABLE, NOT_FOUND
from ..core.events import Event
from ..core.life_state import ALIVE, TOLD, Phase
from ..core.record import Record, Words
from ..core.upkeep import TOO_QUICK, UNREADY_END
from . import dependencies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..core.upkeep_state import KeptLife
    from .conductor_state import Member
    from .roster import Roster

    Reply = Callable[[tuple["OrderResult", ...]], None]


class Verb(Words):
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    SIGNAL = "signal"
    UPDATE = "update"


class Answer(Words):
    """The words of supervisord's faults, and of `supervisorctl update`."""

    SUCCESS = "SUCCESS"
    BAD_NAME = "BAD_NAME"
    SHUTDOWN_STATE = "SHUTDOWN_STATE"
    NO_FILE = "NO_FILE"
    NOT_EXECUTABLE = "NOT_EXECUTABLE"
    FAILED = "FAILED"  # a newer order overtook this one
    SPAWN_ERROR = "SPAWN_ERROR"
    UNREADY = "UNREADY"  # it goes on to start, later than a client waits
    ALREADY_STARTED = "ALREADY_STARTED"
    NOT_RUNNING = "NOT_RUNNING"
    STILL_RUNNING = "STILL_RUNNING"
    ALREADY_ADDED = "ALREADY_ADDED"
    ADDED = "ADDED"
    UPDATED = "UPDATED"
    REMOVED = "REMOVED"


_NOT_STARTED = {NOT_FOUND: Answer.NO_FILE, NOT_EXECUTABLE: Answer.NOT_EXECUTABLE}


class OrderResult(Record):
    name: str  # of a service; of a group, after an update
    answer: Answer
    error: str = ""


class ServiceOrder(Event):
    verb: Verb
    names: tuple[str, ...]
    reply: Reply | None = None
    wait: bool = True  # for the start, or the end; without it the order is answered at once
    signum: int = 0


class OpenOrder(Record):
    verb: Verb
    reply: Reply
    results: tuple[OrderResult, ...] = ()  # of services that are decided
    pending: frozenset[str] = frozenset()


def named(roster: Roster, word: str) -> tuple[str, ...]:
    """The services of a word: `all`, `GROUP:*`, `GROUP:NAME`, or `NAME`; none if unknown."""
    if word == "all":
        return tuple(roster.places)
    group, colon, rest = word.partition(":")
    if colon and rest in ("", "*"):
        members = roster.groups[group].services if group in roster.groups else ()
        return tuple(one.identity for one in members)
    if colon and group == rest:
        word = group
    return (word,) if word in roster.places else ()


def settled(order: OpenOrder, roster: Roster, members: Mapping[str, Member]) -> OpenOrder:
    """The order with the results of services that are decided by now."""
    if order.verb is Verb.UPDATE:
        return order
    found = []
    for name in sorted(order.pending):
        member = members.get(name)
        if member is None:
            found.append(OrderResult(name, Answer.BAD_NAME))
        elif order.verb is Verb.STOP:
            found += [OrderResult(name, answer) for answer in _stopped(member)]
        else:
            found += _started(name, member) or _late(name, roster, members)
    if not found:
        return order
    done = {one.name for one in found}
    return order.replace(results=(*order.results, *found), pending=order.pending - done)


def _stopped(member: Member) -> tuple[Answer, ...]:
    if member.down:
        return (Answer.SUCCESS,)
    return (Answer.FAILED,) if member.up else ()


def _started(name: str, member: Member) -> tuple[OrderResult, ...]:
    life = member.life
    if member.again:
        return ()
    if member.refused:
        return (OrderResult(name, Answer.SPAWN_ERROR, member.refused),)
    if member.up and member.down:  # its turn has not come yet
        return ()
    if not member.begun:
        return (OrderResult(name, Answer.FAILED, "stopped before it was started"),)
    if life.phase is Phase.RUNNING or (life.phase is Phase.ENDED and life.finished):
        return (OrderResult(name, Answer.SUCCESS),)
    if life.ordered or not (member.up or member.spent):
        return (OrderResult(name, Answer.FAILED, "stopped before it was running"),)
    if member.spent or (life.phase is Phase.BACKOFF and life.error):
        return (OrderResult(name, _why(life), life.error),)
    return ()


def _late(name: str, roster: Roster, members: Mapping[str, Member]) -> tuple[OrderResult, ...]:
    """A start that goes on for an unknown time: nothing tells whether it ever succeeds."""
    member = members[name]
    if member.again:
        return ()
    if member.life.phase is Phase.UNREADY:
        return (OrderResult(name, Answer.UNREADY, member.life.error),)
    need = dependencies.waiting_for(name, roster, members) if member.down else ""
    if need not in members:
        return ()
    life = members[need].life
    failing = life.phase is Phase.BACKOFF and bool(life.error)
    if not failing and life.phase is not Phase.UNREADY:
        return ()
    return (OrderResult(name, Answer.UNREADY, f"waiting for {need}: {life.error}"),)


def _why(life: KeptLife) -> Answer:
    ran = life.error in ("", TOO_QUICK, UNREADY_END)
    return Answer.SPAWN_ERROR if ran else _NOT_STARTED.get(life.exit_code, Answer.SPAWN_ERROR)


def signalled(member: Member) -> Answer:
    """The answer to an order to signal a service."""
    phase = member.life.phase
    reached = phase in ALIVE or phase in TOLD or phase is Phase.EXECUTING
    return Answer.SUCCESS if member.begun and reached else Answer.NOT_RUNNING
