"""The upkeep of a service among several: settled starts, retries, giving up, ordered stops.

Pure, and part of the life: `life.step` asks here first where a policy has an upkeep, and goes on
with its own rules for all that is not decided here. A single app never imports this module.
"""

from __future__ import annotations

from . import events as ev
from . import signalling
from .actions import Kill, KillLeftovers, WaitReady
from .backoff import backoff
from .errors import FAILED
from .life import BACKOFF_FIRST, BACKOFF_MOST, BACKOFF_RESET, KILLED_GRACE, READY_SLACK
from .life_state import ALIVE, TOLD, Phase, Ready, Start, Then, Unready
from .signal_numbers import KILL, TERM
from .upkeep_state import (
    KeptLife,
    ScriptEnded,
    SignalService,
    StartExtended,
    StatusReported,
    StopService,
    Upkeep,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .actions import Action
    from .life_state import Life, LifePolicy, Report, Request

    Result = tuple[Life, tuple[Action | Report, ...]]

TOO_QUICK = "Exited too quickly (process log may have details)"  # as in supervisord
UNREADY_END = "Exited before it was ready"
_JITTER = 0.5  # of a pause: from three quarters to five quarters of it
_BETWEEN_STARTS = 1.0  # seconds, where a pause after RUNNING is not wanted
EXEC_GRACE = 1.0  # seconds for the exec of a program that is to stop; a hung one never ends
_STARTING = (Phase.STARTING, Phase.UNREADY)
_LEFT = (Phase.LEFTOVERS, Phase.LEFTOVERS_KILLED)
PAUSED = (Phase.WAITING, Phase.BACKOFF, Phase.HELD)  # without a process


def step(life: Life, event: ev.Event | Request, now: float, policy: LifePolicy) -> Result | None:
    """The life after an event, or None where the rules of every life decide."""
    if not isinstance(life, KeptLife) or policy.upkeep is None:
        return None
    match event:
        case StopService() | SignalService() | Start() | ScriptEnded():
            return _told(life, event, now, policy)
        case StatusReported() | StartExtended() | ev.AppUnready():
            return _reported(life, event, now, policy.upkeep)
        case ev.Forked(pid) if life.phase is Phase.ABORTING:  # ordered in the same turn
            return life.replace(pid=pid), ()
        case ev.Started():
            return _runs(life, event, now, policy)
        case ev.AppReady(pid) if pid == life.pid and life.phase in _STARTING:
            return _rise(life.replace(answered=True), policy.upkeep)
        case ev.StartFailed(code, error):
            return _start_failed(life.replace(error=error), code, now, policy)
        case ev.Exited(pid, code) if pid == life.pid:
            if life.phase in (Phase.EXECUTING, Phase.ABORTING):  # its program never ran
                return _start_failed(life.replace(error=TOO_QUICK), code, now, policy)
            return _exited(life, event, now, policy)
        case ev.NothingLeft() if _awaits_leftovers(life):
            return _conclude(life, now, policy.upkeep)
        case ev.DeadlinePassed() if life.deadline is not None and life.deadline <= now:
            return _deadline(life, now, policy)
    return None


def _told(
    life: KeptLife, event: ev.Event | Request, now: float, policy: LifePolicy
) -> Result | None:
    """An order, a start without a program, or the end of a script."""
    upkeep = policy.upkeep or Upkeep()
    match event:
        case StopService():
            return _stop(life, event, now, policy)
        case SignalService(signum):
            return _signal(life, signum, policy)
        case ScriptEnded(script, code) if life.script is script:
            from .upkeep_scripts import ended

            return _go_on(ended(life, code, upkeep), now)
        case Start() if upkeep.empty:
            from .upkeep_scripts import complete

            return complete(life, now, upkeep)
    return None


# --- starts ---------------------------------------------------------------------------------------


def _runs(life: KeptLife, event: ev.Started, now: float, policy: LifePolicy) -> Result | None:
    """Its program runs; a stop that came before reaches it now."""
    if life.phase is Phase.EXECUTING:
        return _started(life, event, now, policy)
    if life.phase is not Phase.ABORTING or life.deadline is None:
        return None  # it is killed already
    started = _started(life, event, now, policy)[0].replace(then=Then.END)
    return _pass_stop(started, life.kill_by, now, policy)


def _started(life: KeptLife, event: ev.Started, now: float, policy: LifePolicy) -> Result:
    upkeep = policy.upkeep or Upkeep()
    held = tuple(Kill(signum) for signum in life.held)
    life = life.replace(
        phase=Phase.STARTING,
        pid=event.pid,
        foreground=event.foreground,
        suspended=False,
        started_at=now,
        starts=life.starts + 1,
        held=(),
        error="",
        settled=upkeep.settle <= 0,
        answered=not policy.ready,
        ready_by=0.0,
        status="",
    )
    checks = (WaitReady(event.pid),) if policy.ready and not upkeep.reports else ()
    after, reports = _rise(life, upkeep)
    return after, (*held, *checks, *reports)


def _rise(life: KeptLife, upkeep: Upkeep) -> Result:
    """The service runs once it is settled and ready; else the time to look again."""
    if life.settled and life.answered:
        failures = life.failures if upkeep.exponential else 0
        limit = upkeep.run_limit
        deadline = None if limit is None else life.started_at + limit
        life = life.replace(phase=Phase.RUNNING, deadline=deadline, failures=failures)
        return life, (Ready(),)
    times = []
    if not life.settled:
        times.append(life.started_at + upkeep.settle)
    if not life.answered and life.phase is Phase.STARTING and upkeep.ready_limit is not None:
        times.append(_unready_at(life, upkeep, upkeep.ready_limit))
    return life.replace(deadline=min(times, default=None)), ()


def _reported(
    life: KeptLife,
    report: StatusReported | StartExtended | ev.AppUnready,
    now: float,
    upkeep: Upkeep,
) -> Result:
    if report.pid != life.pid:
        return life, ()
    match report:
        case ev.AppUnready(_, error, asked, words):
            return _unready(life, Unready(error, asked, words), upkeep)
        case StatusReported(_, text):
            return life.replace(status=text), ()
        case StartExtended(_, seconds) if life.phase is Phase.STARTING:
            longer = life.replace(ready_by=max(life.ready_by, now + seconds))
            return _rise(longer, upkeep)
    return life, ()


def _unready_at(life: KeptLife, upkeep: Upkeep, limit: float) -> float:
    slack = 0.0 if upkeep.reports else READY_SLACK
    return max(life.ready_by, life.started_at + limit + slack)


def _unready(life: KeptLife, report: Unready, upkeep: Upkeep) -> Result:
    if life.phase is not Phase.STARTING:
        return life, ()
    life = life.replace(phase=Phase.UNREADY, error=report.error)
    return _rise(life, upkeep)[0], (report,)


def _rising(life: KeptLife, now: float, upkeep: Upkeep) -> Result:
    """The settle time, or that of the readiness check, has passed."""
    life = life.replace(settled=life.settled or life.started_at + upkeep.settle <= now)
    limit = upkeep.ready_limit
    late = limit is not None and _unready_at(life, upkeep, limit) <= now
    if late and not life.answered and life.phase is Phase.STARTING:
        error = f"not ready within {limit:g}s"
        return _unready(life, Unready(error, asked=False), upkeep)
    return _rise(life, upkeep)


def _start_failed(life: KeptLife, code: int, now: float, policy: LifePolicy) -> Result:
    if life.phase is Phase.ABORTING:
        return signalling.ended(life.replace(pid=0, error="", ended_at=now), life.exit_code)
    life = life.replace(pid=0, exit_code=code, exit_signal=0, settled=False, ended_at=now)
    return _conclude(_failed(life, now, policy), now, policy.upkeep or Upkeep())


# --- ends -----------------------------------------------------------------------------------------


def _exited(life: KeptLife, event: ev.Exited, now: float, policy: LifePolicy) -> Result:
    told = policy.group and life.phase in (Phase.STOPPING, Phase.KILLING)
    was = life.phase
    life = life.replace(
        pid=0,
        suspended=False,
        deadline=None,
        exit_code=event.code,
        exit_signal=event.signum,
        exits=life.exits + 1,
        ended_at=now,
    )
    life = _then(life, was, now, policy)
    if not policy.leftovers:
        return _conclude(life, now, policy.upkeep or Upkeep())
    deadline = now + policy.leftovers_timeout
    if life.kill_by is not None:
        deadline = min(deadline, max(now, life.kill_by))
    life = life.replace(phase=Phase.LEFTOVERS, deadline=deadline)
    return life, (KillLeftovers(TERM, everything=False, told=told),)


def _then(life: KeptLife, was: Phase, now: float, policy: LifePolicy) -> KeptLife:
    """How the life goes on after an end in a phase."""
    if life.then is Then.REPLACE and not life.ordered:
        return life
    if life.ordered:
        return life.replace(then=Then.END)
    upkeep = policy.upkeep or Upkeep()
    if was in _STARTING and not upkeep.steady:
        error = UNREADY_END if life.settled else TOO_QUICK
        return _failed(life.replace(error=error, settled=False), now, policy)
    expected = expects(life, policy)
    if policy.restart == "never" or (policy.restart == "on-failure" and expected):
        undo = upkeep.down is not None and expected
        return life.replace(then=Then.END, to_undo=undo)
    if upkeep.exponential:
        lasted = now - life.started_at >= BACKOFF_RESET
        return _failed(life.replace(failures=0) if lasted else life, now, policy)
    return life.replace(then=Then.RESTART, retry_at=life.started_at + _BETWEEN_STARTS)


def expects(life: Life, policy: LifePolicy) -> bool:
    """Whether the last end of the program was expected; a signal never is."""
    return not life.exit_signal and life.exit_code in policy.ok_exit_codes


def _failed(life: KeptLife, now: float, policy: LifePolicy) -> KeptLife:
    """A failure more: the time of the next try, or the end of all tries."""
    upkeep = policy.upkeep or Upkeep()
    failures = life.failures + 1
    counted = failures
    if upkeep.window is not None and upkeep.tries is not None:
        since = now - upkeep.window
        times = (*(at for at in life.failed_at if at > since), now)[-upkeep.tries - 1 :]
        life = life.replace(failed_at=times)
        counted = len(times)
    if upkeep.tries is not None and counted > upkeep.tries:
        return life.replace(failures=failures, then=Then.END, gave_up=True)
    retry_at = now + pause(failures, upkeep)
    return life.replace(failures=failures, then=Then.RESTART, retry_at=retry_at)


def pause(failures: int, upkeep: Upkeep) -> float:
    """Seconds until the next try after failures in a row."""
    if upkeep.steady:
        return _BETWEEN_STARTS
    if not upkeep.exponential:
        return float(failures)
    jitter = 1 + _JITTER * (upkeep.dice - 0.5)
    return backoff(failures, BACKOFF_FIRST, BACKOFF_MOST) * jitter


def _conclude(life: KeptLife, now: float, upkeep: Upkeep) -> Result:
    """Nothing of the program is left."""
    if upkeep.finish is not None:
        from .upkeep_scripts import finish

        return finish(life, now, upkeep.finish)
    return _go_on(life, now)


def _awaits_leftovers(life: KeptLife) -> bool:
    return life.phase in _LEFT and life.script is None


def _go_on(life: KeptLife, now: float) -> Result:
    """The end, or the way to the next start."""
    match life.then:
        case Then.RESTART:
            return life.replace(phase=Phase.BACKOFF, deadline=max(now, life.retry_at)), ()
        case Then.REPLACE:
            return life.replace(phase=Phase.HELD, deadline=None), ()
    code = (life.exit_code or FAILED) if life.gave_up else life.exit_code
    after, reports = signalling.ended(life, code)
    return after.replace(exit_code=life.exit_code), reports  # the code of the program stays


# --- orders ---------------------------------------------------------------------------------------


def _stop(life: KeptLife, order: StopService, now: float, policy: LifePolicy) -> Result:
    phase = life.phase
    if phase is Phase.ENDED:
        return life, ()
    life = life.replace(
        then=Then.END,
        ordered=True,
        kill_by=_sooner(life.kill_by, order.kill_by),
        end_by=_sooner(life.end_by, order.end_by),
    )
    if life.to_undo:
        from .upkeep_scripts import undo

        return undo(life, now, policy.upkeep or Upkeep())
    if phase in PAUSED:
        failing = phase is Phase.BACKOFF and bool(life.error)
        return signalling.ended(life.replace(gave_up=order.shutdown and failing), life.exit_code)
    if phase is Phase.EXECUTING:
        # A program that may run by now has its stop signal: it is killed only if it is not there.
        deadline = _sooner(now + EXEC_GRACE, order.kill_by)
        return life.replace(phase=Phase.ABORTING, held=(), deadline=deadline), ()
    if phase is Phase.ABORTING and life.deadline is not None:
        return life.replace(deadline=_sooner(life.deadline, life.kill_by)), ()
    if phase in ALIVE and policy.stop_delay > 0:
        deadline = _sooner(now + policy.stop_delay, order.kill_by)
        return life.replace(phase=Phase.DELAYED, deadline=deadline), ()
    if phase in ALIVE:
        return _pass_stop(life, life.kill_by, now, policy)
    if phase in (Phase.DELAYED, Phase.STOPPING, Phase.LEFTOVERS):
        return life.replace(deadline=_sooner(life.deadline, life.kill_by)), ()
    return life, ()


def _pass_stop(life: Life, kill_by: float | None, now: float, policy: LifePolicy) -> Result:
    after, orders = signalling.pass_stop(life, policy.stop_signal, now, policy)
    return after.replace(deadline=_sooner(after.deadline, kill_by)), orders


def _signal(life: KeptLife, signum: int, policy: LifePolicy) -> Result:
    if life.phase is Phase.EXECUTING:
        return life.replace(held=(*life.held, signum)), ()
    target = policy.rewrite.get(signum, signum)
    if target and (life.phase in ALIVE or life.phase in TOLD):
        return life, (Kill(target),)
    return life, ()


def _sooner(one: float | None, other: float | None) -> float | None:
    return min((time for time in (one, other) if time is not None), default=None)


# --- deadlines ------------------------------------------------------------------------------------


def _deadline(life: KeptLife, now: float, policy: LifePolicy) -> Result | None:
    upkeep = policy.upkeep or Upkeep()
    match life.phase:
        case Phase.ABORTING if not life.pid:  # its fork is to be reported
            return life.replace(deadline=now + EXEC_GRACE), ()
        case Phase.ABORTING:
            return life.replace(deadline=None), (Kill(KILL),)
        case Phase.STARTING | Phase.UNREADY:
            return _rising(life, now, upkeep)
        case Phase.DELAYED:
            return _pass_stop(life, life.kill_by, now, policy)
        case Phase.LEFTOVERS | Phase.LEFTOVERS_KILLED if life.script is not None:
            from .upkeep_scripts import late

            return late(life, now) or _go_on(life.replace(script=None), now)
        case Phase.STOPPING | Phase.KILLING | Phase.RUNNING:
            life = life.replace(phase=Phase.KILLING, deadline=now + upkeep.kill_again)
            return life, (Kill(KILL, upkeep.kill_group),)
        case Phase.LEFTOVERS:
            deadline = now + KILLED_GRACE
            if life.end_by is not None:
                deadline = min(deadline, max(now, life.end_by))
            life = life.replace(phase=Phase.LEFTOVERS_KILLED, deadline=deadline)
            return life, (KillLeftovers(KILL, everything=False),)
        case Phase.LEFTOVERS_KILLED:
            return _conclude(life, now, upkeep)
    return None
