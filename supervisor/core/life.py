"""The life of the app's process: every rule about starts, ends, restarts and leftovers.

Pure: `step(life, event, now, policy)` gives the next life and, in order, the actions to perform and
the reports to the service above. Signals are ruled in `signalling.py`; no other module writes a
`Life`. It must not know of versions: the service decides their part in an end.
"""

from __future__ import annotations

from . import events as ev
from . import signalling
from .actions import Kill, KillLeftovers, Spawn, WaitReady
from .errors import BY_SIGNAL
from .life_state import (
    ALIVE,
    TOLD,
    End,
    Ending,
    GiveUp,
    Phase,
    Ready,
    Replace,
    Start,
    StartAgain,
    Starting,
    Then,
    Unready,
)
from .signal_numbers import INT, KILL, QUIT, TERM
from .signalling import ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .actions import Action
    from .life_state import Life, LifePolicy, Report, Request

    Result = tuple[Life, tuple[Action | Report, ...]]

BACKOFF_FIRST, BACKOFF_MOST, BACKOFF_RESET = 0.5, 30.0, 30.0  # seconds
READY_SLACK = 1.0  # seconds after its time, in which the readiness check reports in its own words
# Seconds after INT or QUIT within which most apps have ended, if the signal ends them.
DISMISSAL = 30.0
# Seconds for KILL to end leftovers; a process in a hung mount never ends.
KILLED_GRACE = 1.0


def step(life: Life, event: ev.Event | Request, now: float, policy: LifePolicy) -> Result:
    """The life after an event, or after a request of the service, with its orders and reports."""
    if policy.upkeep is not None and (kept := _kept(life, event, now, policy)) is not None:
        return kept
    match event:
        case ev.SignalReceived(signum):
            return signalling.signalled(life, signum, now, policy)
        case ev.Forked(pid, foreground) if life.phase is Phase.EXECUTING:
            return life.replace(pid=pid, foreground=foreground, suspended=False), ()
        case ev.Started() if life.phase is Phase.EXECUTING:
            return _started(life, event, now, policy)
        case ev.AppReady(pid) if pid == life.pid:
            return _ready(life)
        case ev.AppUnready(pid, error, asked, words) if pid == life.pid:
            return _unready(life, Unready(error, asked, words))
        case ev.StartFailed():
            return _start_failed(life, event, now, policy)
        case ev.Exited(pid) if pid == life.pid:
            return _exited(life, event, now, policy)
        case ev.AppSuspended(pid, signum) if pid == life.pid:
            return signalling.suspended(life, signum, policy)
        case ev.NothingLeft() if life.phase in (Phase.LEFTOVERS, Phase.LEFTOVERS_KILLED):
            return _conclude(life, now)
        case ev.DeadlinePassed() if life.deadline is not None and life.deadline <= now:
            return _deadline(life, now, policy)
    return _requested(life, event, now, policy)


def _kept(life: Life, event: ev.Event | Request, now: float, policy: LifePolicy) -> Result | None:
    """The answer of the rules for a service among several, if they have one."""
    from . import upkeep

    return upkeep.step(life, event, now, policy)


def _requested(life: Life, event: ev.Event | Request, now: float, policy: LifePolicy) -> Result:
    match event:
        case Start() if policy.sidecar:
            return life.replace(phase=Phase.ELSEWHERE), ()
        case Start():
            return _spawn(life)
        case Replace() if life.phase in ALIVE:
            return signalling.replace(life, now, policy)
        case StartAgain():
            return life.replace(then=Then.REPLACE), ()
        case GiveUp() if policy.restart == "never":
            return ended(life, life.exit_code)
        case GiveUp():
            return _back_off(life, now)
        case End(code, error):
            return ended(life.replace(error=error), code)
    return life, ()


def _spawn(life: Life) -> Result:
    life = life.replace(phase=Phase.EXECUTING, deadline=None, then=Then.OPEN, dismissed=0)
    return life, (Starting(), Spawn())


def _started(life: Life, event: ev.Started, now: float, policy: LifePolicy) -> Result:
    early = life.held
    life = life.replace(
        phase=Phase.STARTING,
        pid=event.pid,
        foreground=event.foreground,
        suspended=False,
        started_at=now,
        starts=life.starts + 1,
        held=(),
    )
    held: tuple[Action | Report, ...] = ()
    for signum in early:
        target = policy.rewrite.get(signum, signum)
        life, orders = signalling.forward(life, signum, target, now, policy)
        held += orders
    if policy.ready:
        deadline = now + policy.ready_timeout + READY_SLACK
        return life.replace(deadline=deadline), (*held, WaitReady(event.pid))
    life, reports = _ready(life)
    return life, (*held, *reports)


def _ready(life: Life) -> Result:
    if life.phase not in (Phase.STARTING, Phase.UNREADY):
        return life, ()
    return life.replace(phase=Phase.RUNNING, deadline=None), (Ready(),)


def _unready(life: Life, report: Unready) -> Result:
    if life.phase is not Phase.STARTING:
        return life, ()
    return life.replace(phase=Phase.UNREADY, deadline=None), (report,)


def _start_failed(life: Life, event: ev.StartFailed, now: float, policy: LifePolicy) -> Result:
    aborted = life.phase is Phase.ABORTING
    life = life.replace(pid=0, error=event.error)
    if aborted:
        return ended(life, life.exit_code)
    life = life.replace(exit_code=event.code, exit_signal=0)
    if life.starts == 0 or (policy.restart == "never" and not event.short):
        return ended(life, event.code)
    return _back_off(life.replace(failures=life.failures + 1), now)


def ending(life: Life, event: ev.Exited, now: float, policy: LifePolicy) -> Ending | None:
    """The report about the app's end, for the service to answer before the life goes on.

    None where no app has ended: it is another process, or its program never ran.
    """
    if event.pid != life.pid or life.phase in (Phase.EXECUTING, Phase.ABORTING):
        return None
    succeeded = _code(event, policy) == 0 and not event.signum
    finished = succeeded and policy.restart != "always"
    return Ending(event.code, event.signum, wished(life, event, now), finished)


def _exited(life: Life, event: ev.Exited, now: float, policy: LifePolicy) -> Result:
    if life.phase in (Phase.EXECUTING, Phase.ABORTING):  # its program never ran
        return ended(life.replace(pid=0), life.exit_code)
    group_told = policy.group and life.phase in (Phase.STOPPING, Phase.KILLING)
    lasted = now - life.started_at >= BACKOFF_RESET
    life = life.replace(
        pid=0,
        suspended=False,
        deadline=None,
        then=_then(life, event, now, policy),
        exit_code=_code(event, policy),
        exit_signal=event.signum,
        exits=life.exits + 1,
        failures=1 if lasted else life.failures + 1,
    )
    if not policy.leftovers:
        return _conclude(life, now)
    life = life.replace(phase=Phase.LEFTOVERS, deadline=now + policy.leftovers_timeout)
    return life, (KillLeftovers(TERM, everything=life.then is Then.END, told=group_told),)


def _then(life: Life, event: ev.Exited, now: float, policy: LifePolicy) -> Then:
    if life.then is Then.REPLACE:
        return Then.REPLACE
    failed = _code(event, policy) != 0
    wanted = policy.restart == "always" or (policy.restart == "on-failure" and failed)
    if life.phase in TOLD or wished(life, event, now) or not wanted:
        return Then.END
    return Then.RESTART


def _code(event: ev.Exited, policy: LifePolicy) -> int:
    return 0 if event.code in policy.ok_exit_codes else event.code


def wished(life: Life, event: ev.Exited, now: float) -> bool:
    """Whether INT or QUIT, from us or from the app's terminal, ended the app as it ends a program.

    After such a signal an app may live on (a JVM prints its threads on QUIT): if it ends later, or
    otherwise, it ends by itself.
    """
    if event.signum:
        return event.signum == life.dismissed or (life.foreground and event.signum in (INT, QUIT))
    soon = life.dismissed > 0 and now - life.dismissed_at <= DISMISSAL
    return soon and event.code in (0, BY_SIGNAL + life.dismissed)


def _conclude(life: Life, now: float) -> Result:
    """Nothing of the app is left: the end, or the way to the next start."""
    match life.then:
        case Then.RESTART:
            return _back_off(life, now)
        case Then.REPLACE:
            return life.replace(phase=Phase.HELD, deadline=None), ()
    return ended(life, life.exit_code)


def _back_off(life: Life, now: float) -> Result:
    deadline = now + restart_pause(life)
    return life.replace(phase=Phase.BACKOFF, deadline=deadline, then=Then.RESTART), ()


def restart_pause(life: Life) -> float:
    """Seconds between the app's end and its restart."""
    from .backoff import backoff  # an app that never restarts does without it

    return backoff(life.failures, BACKOFF_FIRST, BACKOFF_MOST)


def _deadline(life: Life, now: float, policy: LifePolicy) -> Result:
    match life.phase:
        case Phase.BACKOFF:
            return _spawn(life)
        case Phase.STARTING:
            error = f"not ready within {policy.ready_timeout:g}s"
            return _unready(life, Unready(error, asked=False))
        case Phase.DELAYED:
            target = policy.rewrite.get(TERM, policy.stop_signal)
            return signalling.pass_stop(life, target, now, policy)
        case Phase.STOPPING:
            return life.replace(phase=Phase.KILLING, deadline=None), (Kill(KILL, policy.group),)
        case Phase.LEFTOVERS:
            life = life.replace(phase=Phase.LEFTOVERS_KILLED, deadline=now + KILLED_GRACE)
            return life, (KillLeftovers(KILL, everything=life.then is Then.END),)
        case Phase.LEFTOVERS_KILLED:
            return _conclude(life, now)
    return life.replace(deadline=None), ()
