"""Services as supervisord shows them: state, code, description, and the other fields of a process.

Pure but for the local time of a description. It must not know how a client asks.
"""

from __future__ import annotations

import time

from ..core import errors
from ..core.life_state import Phase
from ..core.record import Record, Words
from ..core.upkeep import TOO_QUICK, UNREADY_END, expects
from . import dependencies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.upkeep_state import KeptLife
    from .conductor_state import Member, Services


class State(Words):
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"
    UNKNOWN = "UNKNOWN"


CODES = {
    State.STOPPED: 0,
    State.STARTING: 10,
    State.RUNNING: 20,
    State.BACKOFF: 30,
    State.STOPPING: 40,
    State.EXITED: 100,
    State.FATAL: 200,
    State.UNKNOWN: 1000,
}
# States of a service without a process, and without one to come.
DOWN = frozenset({State.STOPPED, State.EXITED, State.FATAL, State.UNKNOWN})
# Of all together: name and code.
SUPERVISOR_RUNNING = ("RUNNING", 1)
SUPERVISOR_RESTARTING = ("RESTARTING", 0)
SUPERVISOR_SHUTDOWN = ("SHUTDOWN", -1)

BY_SIGNAL = -1  # the exit status of a program that a signal ended
_EARLY = {TOO_QUICK: " too quickly", UNREADY_END: " before it was ready"}
_DAY = 24 * 3600
_SHOWN = {
    Phase.WAITING: State.STARTING,
    Phase.EXECUTING: State.STARTING,
    Phase.STARTING: State.STARTING,
    Phase.UNREADY: State.STARTING,
    Phase.HELD: State.STARTING,
    Phase.RUNNING: State.RUNNING,
    Phase.ELSEWHERE: State.RUNNING,
}


class Shown(Record):
    """The fields of a process in supervisord's API, but for the paths of logs."""

    name: str
    group: str
    start: int  # seconds of the epoch; 0 for never
    stop: int
    now: int
    state: int
    statename: State
    spawnerr: str
    exitstatus: int
    pid: int
    description: str


def state_of(member: Member) -> State:
    life = member.life
    if member.refused:
        return State.FATAL
    if not member.begun:
        return State.STARTING if member.up else State.STOPPED
    if life.phase is Phase.ENDED:
        if member.failed:
            return State.FATAL
        return State.STOPPED if life.ordered else State.EXITED
    if life.phase is Phase.BACKOFF:  # a pause after RUNNING without a failure is not shown as one
        return State.BACKOFF if life.failures else State.EXITED
    return _SHOWN.get(life.phase, State.STOPPING)


def passed(before: State, after: State) -> tuple[State, ...]:
    """The states entered between two others, as supervisord tells its listeners."""
    if before is after:
        return ()
    match before, after:
        case State.STARTING, State.FATAL:
            return State.BACKOFF, after
        case State.RUNNING, State.STARTING | State.BACKOFF | State.FATAL:
            return State.EXITED, after
        case State.STOPPING, State.STARTING:
            return State.STOPPED, after
    return (after,)


def supervisor_state(services: Services) -> tuple[str, int]:
    stopping = services.stopping
    if stopping is None:
        return SUPERVISOR_RUNNING
    return SUPERVISOR_RESTARTING if stopping.restart else SUPERVISOR_SHUTDOWN


def shown(services: Services, name: str, now: float, epoch: float) -> Shown:
    """A service at `now`, monotonic; `epoch`: the seconds of the epoch at that moment."""
    member = services.members[name]
    place = services.roster.places[name]
    life = member.life
    state = state_of(member)
    moment = epoch - now
    return Shown(
        name=place.service.name,
        group=place.service.group,
        start=int(life.started_at + moment) if life.started_at else 0,
        stop=int(life.ended_at + moment) if life.ended_at is not None else 0,
        now=int(epoch),
        state=CODES[state],
        statename=state,
        spawnerr=_spawn_error(services, name, state),
        exitstatus=BY_SIGNAL if life.exit_signal else life.exit_code,
        pid=life.pid,
        description=description(services, name, now, epoch),
    )


def _spawn_error(services: Services, name: str, state: State) -> str:
    member = services.members[name]
    life = member.life
    if member.refused or life.error:
        return member.refused or life.error
    if state is State.EXITED and not expects(life, services.roster.places[name].policy.life):
        return f"Bad exit code {BY_SIGNAL if life.exit_signal else life.exit_code}"
    return ""


def description(services: Services, name: str, now: float, epoch: float) -> str:
    """The last column of `supervisorctl status`."""
    member = services.members[name]
    life = member.life
    state = state_of(member)
    match state:
        case State.RUNNING:
            return f"pid {life.pid}, uptime {_uptime(now - life.started_at)}"
        case State.STARTING:
            return _starting(services, name)
        case State.BACKOFF:
            return _pause(services, member, now)
        case State.FATAL:
            return _spawn_error(services, name, state) or f"exit status {life.exit_code}"
        case State.STOPPED | State.EXITED:
            if life.ended_at is None:
                return "Not started"
            return time.strftime("%b %d %I:%M %p", time.localtime(life.ended_at + epoch - now))
    return ""


def _starting(services: Services, name: str) -> str:
    member = services.members[name]
    if not member.begun:
        need = dependencies.waiting_for(name, services.roster, services.members)
        return f"waiting for {need}" if need else ""
    if member.life.phase is Phase.WAITING:
        return "waiting for the first configuration"
    unready = member.life.phase in (Phase.STARTING, Phase.UNREADY) and not member.life.answered
    if not unready:
        return ""
    return f"not ready yet: {member.life.status}" if member.life.status else "not ready yet"


def _pause(services: Services, member: Member, now: float) -> str:
    life = member.life
    if services.roster.follows_supervisord:
        return life.error
    why = life.error or how_it_ended(life.exit_code, life.exit_signal)
    need = dependencies.waiting_for(member.service.name, services.roster, services.members)
    left = (life.deadline or now) - now
    return f"{why}; waiting for {need}" if need else f"{why}; starting again in {left:.0f}s"


def how_it_failed(life: KeptLife) -> str:
    """The end of a start that failed; a code that is fine needs a reason."""
    early = "" if life.exit_code else _EARLY.get(life.error, "")
    return f"{how_it_ended(life.exit_code, life.exit_signal)}{early}"


def how_it_ended(code: int, signum: int) -> str:
    """The end of a program in the words of supervisord."""
    if not signum:
        return f"exit status {code}"
    from ..runtime import signals

    return f"terminated by {signals.name(signum)}"


def start_error(code: int, command: str, error: str) -> str:
    """The words of supervisord for a program that cannot be started, where these tell the cause."""
    match code:
        case errors.NOT_FOUND if not error.endswith(errors.NO_INTERPRETER):
            return f"can't find command '{command}'"
        case errors.NOT_EXECUTABLE:
            return not_executable(command, error)
    return error


def not_executable(command: str, error: str) -> str:
    is_directory = error.endswith(errors.IS_DIRECTORY)
    return f"command at '{command}' is {'a directory' if is_directory else 'not executable'}"


def _uptime(seconds: float) -> str:
    """`0:00:13`, and above a day `1 day, 2:03:04`."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, _DAY)
    hours, minutes = divmod(rest // 60, 60)
    clock = f"{hours}:{minutes:02d}:{rest % 60:02d}"
    return f"{days} day{'s' if days != 1 else ''}, {clock}" if days else clock
