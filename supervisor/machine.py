"""The life of one application and of its configuration: every rule of behaviour lives in this file.

Pure: no I/O, clock, threads or logging. `step(state, event, now, policy)` returns the next state and the
actions to perform, in order. Time is an argument (seconds of a monotonic clock); `wake_at(state, policy)` says
when to call again with `DeadlinePassed` if nothing else happens.

Two things go on side by side: the phase of the app, and the pursuit of the newest configuration. The second is
level-triggered: `_pursue` runs after every event and compares what is wanted, what is in place and what the
app runs on, so that no order of events can leave a change behind.

The state belongs to one application; nothing here may assume that there is only one.
"""

from __future__ import annotations

from enum import Enum

from . import events as ev
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# signal(7); the numbers are the same on every Linux architecture that Python's wheels are built for.
INT, QUIT, KILL, TERM, CONT, STOP = 2, 3, 9, 15, 18, 19
JOB_CONTROL = frozenset({20, 21, 22})  # TSTP, TTIN, TTOU

BACKOFF_FIRST, BACKOFF_MOST, BACKOFF_RESET = 0.5, 30.0, 30.0  # seconds
RETRY_FIRST, RETRY_MOST = 2.0, 60.0  # seconds; applying or reloading once more after a failure
KILLED_GRACE = 1.0  # seconds that KILL may take to end what is left; a process in a hung mount never ends
RELOAD_SLACK = 1.0  # seconds after --reload-timeout, in which a method reports its own failure in its own words
QUIET_MOST = 10  # times --reload-quiet: content that never rests is applied all the same


class Phase(Enum):
    WAITING = "waiting"  # nothing started yet: for the set-up, or for the first configuration
    STARTING = "starting"  # Spawn was ordered; its report comes in the same turn
    RUNNING = "running"
    RELOADING = "reloading"
    STOPPING = "stopping"  # told to stop; the app may take its time
    KILLING = "killing"  # it took too long
    LEFTOVERS = "leftovers"  # the app has ended, others of its making have not
    BACKOFF = "backoff"  # before it is started again
    DONE = "done"


class Policy(Record):
    """What the user chose. Durations are seconds; None means never."""

    rewrite: Mapping[int, int] = {}
    group: bool = False  # signals go to the app's process group
    is_init: bool = False  # we are PID 1: stopping ourselves is impossible, and of no use
    stop_signal: int = TERM
    stop_delay: float = 0.0
    stop_timeout: float | None = None
    leftovers: bool = True  # end what the app leaves behind
    leftovers_timeout: float = 10.0
    restart: str = "never"  # never, on-failure, always
    ok_exit_codes: frozenset[int] = frozenset()
    configured: bool = False  # there is a configuration to wait for
    initial_sync_timeout: float = 60.0
    reload_interval: float = 10.0
    reload_quiet: float = 0.0
    reload_splay: float = 0.0
    reload_timeout: float = 30.0


class Config(Record):
    """Versions are digests of content; empty means none."""

    desired: str = ""  # what the sources hold
    live: str = ""  # what is in place for the app to read
    running: str = ""  # what the app runs on
    cached: bool = False  # `running` comes from an earlier run; the sources have not spoken yet
    rejected: str = ""  # a version that can never be put in place
    files: int = 0
    size: int = 0
    changes: str = ""  # of the last version put in place
    changed_at: float | None = None
    applying: bool = False
    first_offer: float = 0.0  # of the versions that are not in place yet
    last_offer: float = 0.0
    dice: float = 0.0
    coalesced: int = 0  # versions that a newer one overtook before they were applied
    failures: int = 0  # in a row, of applying
    error: str = ""  # why the last one failed
    retry_at: float = 0.0


class Reloads(Record):
    attempt: int = 0  # counts up; a report of an older attempt is stale
    began: float | None = None
    target: str = ""
    finished: int = 0  # ends of reloads, good or bad
    outcome: str = ""  # of the last one: empty before the first, `success`, or the reason of its failure
    error: str = ""
    failures: int = 0  # in a row
    retry_at: float = 0.0


class SourceState(Record):
    name: str  # for people
    present: bool | None = None  # None until it was read once
    trouble: str = ""  # the reason why it cannot be read now
    error: str = ""


class State(Record):
    phase: Phase = Phase.WAITING
    since: float = 0.0  # when the phase began
    deadline: float | None = None  # of the phase
    pid: int = 0  # of the app; 0 when there is none
    foreground: bool = False
    suspended: bool = False
    started_at: float = 0.0
    starts: int = 0
    failures: int = 0  # restarts in a row
    held: tuple[int, ...] = ()  # signals that came before the app
    stop_passed: bool = False
    leftovers_killed: bool = False
    final: bool = False  # the app will not be started again
    exit_code: int = 0  # of the app's last end; ours, when done
    exit_signal: int = 0
    exits: int = 0
    error: str = ""  # why it could not start
    config: Config = Config()
    reloads: Reloads = Reloads()
    sources: tuple[SourceState, ...] = ()


class Action(Record):
    """Base of all orders."""


class Spawn(Action):
    pass


class Kill(Action):
    """Send the app a signal."""

    signum: int
    group: bool = False


class Suspend(Action):
    """Stop ourselves, as the app was stopped."""


class TakeForeground(Action):
    """Give the app the terminal again."""


class KillLeftovers(Action):
    signum: int
    everything: bool  # the container is ending: whatever PID 1 can reach


class Apply(Action):
    """Put the newest content of the sources in place."""


class Recover(Action):
    """Find the last generation of an earlier run."""


class Reload(Action):
    attempt: int


class Reply(Action):
    """Tell a reload whether its signal was sent: the signal first, in the same turn."""

    event: ev.SignalRequested
    sent: bool


class Done(Action):
    code: int


Result = tuple[State, tuple[Action, ...]]


def backoff(failures: int, first: float, most: float) -> float:
    """Seconds to wait after that many failures in a row (1 or more): `first`, doubling, up to `most`."""
    return float(min(most, first * 2 ** min(failures - 1, 20)))


def step(state: State, event: ev.Event, now: float, policy: Policy) -> Result:
    """What follows from an event."""
    if state.phase is Phase.DONE:
        return state, ()
    after, actions = _react(state, event, now, policy)
    after, more = _pursue(after, now, policy)
    if after.phase is not state.phase:
        after = after.replace(since=now)
    return after, actions + more


def wake_at(state: State, policy: Policy) -> float | None:
    """When `DeadlinePassed` is due if nothing else happens before."""
    times = [state.deadline] if state.deadline is not None else []
    if _wants_apply(state):
        times.append(_apply_due(state, policy))
    if _wants_reload(state):
        times.append(state.reloads.retry_at)
    return min(times, default=None)


def stale(state: State) -> bool:
    """Whether the app runs on something else than what the sources hold (or held, for all we know)."""
    config = state.config
    return config.cached or (config.desired not in ("", config.running))


def _react(  # noqa: C901, PLR0912 - the table of events
    state: State, event: ev.Event, now: float, policy: Policy
) -> Result:
    match event:
        case ev.Began():
            return _began(state, now, policy)
        case ev.SignalReceived(signum):
            return _signalled(state, signum, now, policy)
        case ev.Started(pid, foreground):
            return _started(state, pid, foreground, now)
        case ev.StartFailed():
            return _start_failed(state, event, now, policy)
        case ev.Exited():
            return _exited(state, event, now, policy)
        case ev.Stopped(pid) if pid == state.pid:
            return _stopped(state, policy)
        case ev.NothingLeft() if state.phase is Phase.LEFTOVERS:
            return _conclude(state, now)
        case ev.DeadlinePassed() if state.deadline is not None and state.deadline <= now:
            return _deadline(state, now, policy)
        case ev.ConfigOffered() | ev.ConfigApplied() | ev.ConfigFailed():
            return _config(state, event, now)
        case ev.SignalRequested():
            wanted = state.phase is Phase.RELOADING and event.attempt == state.reloads.attempt
            kill = (Kill(event.signum),) if wanted else ()
            return state, (*kill, Reply(event, sent=wanted))
        case ev.ReloadFinished() if event.attempt == state.reloads.attempt:
            if state.phase is Phase.RELOADING:
                return _reloaded(state, event.reason, event.error, now), ()
        case ev.SourceOpened() | ev.SourceRead() | ev.SourceFailed():
            return _source(state, event)
    return state, ()


# --- the app ----------------------------------------------------------------------------------------------


def _began(state: State, now: float, policy: Policy) -> Result:
    if policy.configured:
        return state.replace(deadline=now + policy.initial_sync_timeout), ()
    return _spawn(state)


def _spawn(state: State) -> Result:
    """Order a start. The app will read what is in place: no reload is owed for that any more."""
    config, reloads = state.config, state.reloads
    if config.live:
        reloads = reloads.replace(outcome="success", error="", failures=0, retry_at=0.0)
    state = state.replace(
        phase=Phase.STARTING,
        deadline=None,
        leftovers_killed=False,
        config=config.replace(running=config.live),
        reloads=reloads,
    )
    return state, (Spawn(),)


def _started(state: State, pid: int, foreground: bool, now: float) -> Result:
    held = tuple(Kill(signum) for signum in state.held)
    state = state.replace(
        phase=Phase.RUNNING,
        pid=pid,
        foreground=foreground,
        suspended=False,
        started_at=now,
        starts=state.starts + 1,
        held=(),
    )
    return state, held


def _start_failed(state: State, event: ev.StartFailed, now: float, policy: Policy) -> Result:
    state = state.replace(exit_code=event.code, exit_signal=0, error=event.error)
    if policy.restart == "never" or state.starts == 0:
        return _done(state, event.code)
    return _back_off(state.replace(failures=state.failures + 1), now)


def _exited(state: State, event: ev.Exited, now: float, policy: Policy) -> Result:
    if event.pid != state.pid:
        return state, ()
    code = 0 if event.code in policy.ok_exit_codes else event.code
    wanted = policy.restart == "always" or (policy.restart == "on-failure" and code != 0)
    stopping = state.phase in (Phase.STOPPING, Phase.KILLING)
    lasted = now - state.started_at >= BACKOFF_RESET
    reloads = state.reloads
    if state.phase is Phase.RELOADING:
        reloads = reloads.replace(
            outcome="child_exited",
            error="it ended during the reload",
            finished=reloads.finished + 1,
        )
    state = state.replace(
        pid=0,
        exit_code=code,
        exit_signal=event.signum,
        exits=state.exits + 1,
        failures=1 if lasted else state.failures + 1,
        final=stopping or not wanted,
        reloads=reloads,
    )
    if not policy.leftovers:
        return _conclude(state, now)
    state = state.replace(phase=Phase.LEFTOVERS, deadline=now + policy.leftovers_timeout)
    return state, (KillLeftovers(TERM, everything=state.final),)


def _conclude(state: State, now: float) -> Result:
    if state.final:
        return _done(state, state.exit_code)
    return _back_off(state, now)


def _back_off(state: State, now: float) -> Result:
    wait = backoff(state.failures, BACKOFF_FIRST, BACKOFF_MOST)
    return state.replace(phase=Phase.BACKOFF, deadline=now + wait), ()


def _done(state: State, code: int) -> Result:
    return state.replace(phase=Phase.DONE, deadline=None, exit_code=code), (Done(code),)


def _deadline(state: State, now: float, policy: Policy) -> Result:
    match state.phase:
        case Phase.WAITING:
            return state.replace(deadline=None), (Recover(),)
        case Phase.BACKOFF:
            return _spawn(state)
        case Phase.RELOADING:
            error = f"not finished within {policy.reload_timeout:g}s"
            return _reloaded(state, "timeout", error, now), ()
        case Phase.STOPPING if not state.stop_passed:
            return _pass_stop(state, policy.stop_signal, now, policy)
        case Phase.STOPPING:
            return state.replace(phase=Phase.KILLING, deadline=None), (Kill(KILL, policy.group),)
        case Phase.LEFTOVERS if not state.leftovers_killed:
            state = state.replace(leftovers_killed=True, deadline=now + KILLED_GRACE)
            return state, (KillLeftovers(KILL, everything=state.final),)
        case Phase.LEFTOVERS:
            return _conclude(state, now)
    return state.replace(deadline=None), ()


# --- signals ----------------------------------------------------------------------------------------------


def _signalled(state: State, signum: int, now: float, policy: Policy) -> Result:
    target = policy.rewrite.get(signum, signum)
    if target == 0:
        return state, ()
    # The runtime may send the app's own stop signal (an image's STOPSIGNAL) instead of TERM.
    stop = signum in (TERM, policy.stop_signal)
    if signum == TERM and TERM not in policy.rewrite:
        target = policy.stop_signal
    match state.phase:
        case Phase.RUNNING | Phase.RELOADING if stop:
            return _stop(state, target, now, policy)
        case Phase.STOPPING if stop and not state.stop_passed:
            return _pass_stop(state, target, now, policy)
        case Phase.RUNNING | Phase.RELOADING | Phase.STOPPING | Phase.KILLING:
            return _forward(state, signum, target, policy)
        case Phase.WAITING | Phase.BACKOFF if stop or signum in (INT, QUIT):
            # There is no app to decide what these mean; they end a program that does not handle them.
            return _done(state, 128 + signum if state.exits == 0 else state.exit_code)
        case Phase.WAITING:
            return state.replace(held=(*state.held, target)), ()
        case Phase.LEFTOVERS if stop:
            return state.replace(final=True), ()
    return state, ()  # the app that it was meant for is gone


def _forward(state: State, signum: int, target: int, policy: Policy) -> Result:
    if signum in JOB_CONTROL:
        if policy.group and target == signum:
            target = STOP  # a group without a controlling terminal ignores the gentle three
        kill = Kill(target, policy.group)
        if policy.is_init:
            return state.replace(suspended=True), (kill,)
        return state.replace(suspended=True), (kill, Suspend())
    if signum == CONT:
        front = (TakeForeground(),) if state.foreground else ()
        return state.replace(suspended=False), (*front, Kill(target, policy.group))
    return state, (Kill(target, policy.group),)


def _stopped(state: State, policy: Policy) -> Result:
    """`^Z` reaches the app alone, as the terminal's foreground group: its shell waits for us to stop too."""
    if state.foreground and not state.suspended and not policy.is_init:
        return state.replace(suspended=True), (Suspend(),)
    return state, ()


def _stop(state: State, target: int, now: float, policy: Policy) -> Result:
    state = state.replace(phase=Phase.STOPPING, stop_passed=False)
    if policy.stop_delay > 0:
        return state.replace(deadline=now + policy.stop_delay), ()
    return _pass_stop(state, target, now, policy)


def _pass_stop(state: State, target: int, now: float, policy: Policy) -> Result:
    deadline = None if policy.stop_timeout is None else now + policy.stop_timeout
    # A stopped process takes no signal but KILL until it continues.
    resume = (Kill(CONT, policy.group),) if state.suspended else ()
    state = state.replace(stop_passed=True, deadline=deadline, suspended=False)
    return state, (Kill(target, policy.group), *resume)


# --- the configuration ------------------------------------------------------------------------------------


def _config(state: State, event: ev.Event, now: float) -> Result:
    config, reloads = state.config, state.reloads
    match event:
        case ev.ConfigOffered(digest, dice):
            pending = _pending(config)
            config = config.replace(desired=digest, last_offer=now, cached=False)
            if not pending:
                config = config.replace(first_offer=now, dice=dice)
            elif not config.applying:
                config = config.replace(coalesced=config.coalesced + 1)
            config = config.replace(failures=0, retry_at=0.0)  # a newer version owes nothing to an older
        case ev.ConfigApplied():
            if event.cached and state.phase is not Phase.WAITING:
                return state, ()  # the sources were faster after all
            config = config.replace(
                live=event.digest,
                applying=config.applying and event.cached,  # a recovery does not end an apply
                cached=event.cached,
                failures=0,
                error="",
                files=event.files,
                size=event.size,
                changes=event.changes,
                changed_at=event.changed_at,
                first_offer=now if config.desired != event.digest else config.first_offer,
            )
            reloads = reloads.replace(retry_at=0.0, failures=0)
        case ev.ConfigFailed(digest, reason, error):
            if reason == "no_generation":
                state = state.replace(config=config.replace(error=error), error=error)
                return _done(state, 125) if state.phase is Phase.WAITING else (state, ())
            config = config.replace(applying=False, error=error, failures=config.failures + 1)
            wait = backoff(config.failures, RETRY_FIRST, RETRY_MOST)
            config = config.replace(
                rejected=digest if reason != "write" else config.rejected,
                retry_at=now + wait,
            )
    state = state.replace(config=config, reloads=reloads)
    if isinstance(event, ev.ConfigApplied) and state.phase is Phase.WAITING:
        return _spawn(state)
    return state, ()


def _pending(config: Config) -> bool:
    return config.desired not in ("", config.live, config.rejected)


def _wants_apply(state: State) -> bool:
    return (
        _pending(state.config)
        and not state.config.applying
        and not state.final
        and state.phase in (Phase.WAITING, Phase.RUNNING, Phase.LEFTOVERS, Phase.BACKOFF)
    )


def _apply_due(state: State, policy: Policy) -> float:
    """When the newest version may be put in place. Only a running app's pace counts."""
    config = state.config
    if state.phase is not Phase.RUNNING:
        return config.retry_at
    due = config.last_offer
    if policy.reload_quiet > 0:
        most = config.first_offer + QUIET_MOST * policy.reload_quiet
        due = min(config.last_offer + policy.reload_quiet, most)
    if state.reloads.began is not None:
        due = max(due, state.reloads.began + policy.reload_interval)
    return max(due + config.dice * policy.reload_splay, config.retry_at)


def _wants_reload(state: State) -> bool:
    config = state.config
    return state.phase is Phase.RUNNING and not config.applying and config.live != config.running


def _pursue(state: State, now: float, policy: Policy) -> Result:
    if _wants_apply(state) and _apply_due(state, policy) <= now:
        return state.replace(config=state.config.replace(applying=True)), (Apply(),)
    if _wants_reload(state) and state.reloads.retry_at <= now:
        attempt = state.reloads.attempt + 1
        reloads = state.reloads.replace(attempt=attempt, began=now, target=state.config.live)
        deadline = now + policy.reload_timeout + RELOAD_SLACK
        return state.replace(phase=Phase.RELOADING, deadline=deadline, reloads=reloads), (Reload(attempt),)
    if (
        state.phase is Phase.RUNNING
        and state.config.live == state.config.running == state.config.desired
        and state.reloads.outcome not in ("", "success")
    ):
        # The sources came back to what the app runs on all the time: nothing is wrong any more.
        return state.replace(reloads=state.reloads.replace(outcome="success", error="", failures=0)), ()
    return state, ()


def _reloaded(state: State, reason: str, error: str, now: float) -> State:
    config, reloads = state.config, state.reloads.replace(finished=state.reloads.finished + 1)
    if reason:
        failures = reloads.failures + 1
        reloads = reloads.replace(
            outcome=reason,
            error=error,
            failures=failures,
            retry_at=now + backoff(failures, RETRY_FIRST, RETRY_MOST),
        )
    else:
        reloads = reloads.replace(outcome="success", error="", failures=0, retry_at=0.0)
        config = config.replace(running=reloads.target)
    return state.replace(phase=Phase.RUNNING, deadline=None, reloads=reloads, config=config)


def _source(state: State, event: ev.SourceOpened | ev.SourceRead | ev.SourceFailed) -> Result:
    sources = list(state.sources)
    match event:
        case ev.SourceOpened(source, kind, namespace, name):
            full = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
            sources[source] = sources[source].replace(name=full)
        case ev.SourceRead(source, present):
            sources[source] = SourceState(sources[source].name, present=present)
        case ev.SourceFailed(source, reason, error):
            sources[source] = sources[source].replace(trouble=reason, error=error)
    state = state.replace(sources=tuple(sources))
    if isinstance(event, ev.SourceFailed) and event.fatal and state.phase is Phase.WAITING:
        return _done(state.replace(error=event.error), 125)
    return state, ()
