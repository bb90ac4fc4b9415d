"""The life of one application: every rule of behaviour lives in this file and, about versions, in
`pursuit.py`.

Pure: no I/O, clock, threads or logging. `step(state, event, now, policy)` returns the next state and the
actions to perform, in order. Time is an argument (seconds of a monotonic clock); `wake_at(state, policy)` says
when to call again with `DeadlinePassed` if nothing else happens.

Two things go on side by side: the phase of the app, and the pursuit of the newest configuration. The second is
level-triggered: `pursue` runs after every event and compares what is wanted, what is in place and what the
app runs on, so that no order of events can leave a change behind.

The state belongs to one application; nothing here may assume that there is only one.
"""

from __future__ import annotations

from . import events as ev
from . import pursuit
from .actions import (
    Action,
    CancelReload,
    Done,
    Kill,
    KillLeftovers,
    KillOther,
    Recover,
    Reply,
    Spawn,
    Suspend,
    TakeForeground,
    WaitReady,
)
from .pursuit import CONT, backoff
from .state import Phase, Policy, SourceState, State

# signal(7); the numbers are the same on every Linux architecture that Python's wheels are built for.
INT, QUIT, KILL, TERM, STOP = 2, 3, 9, 15, 19
JOB_CONTROL = frozenset({20, 21, 22})  # TSTP, TTIN, TTOU

BACKOFF_FIRST, BACKOFF_MOST, BACKOFF_RESET = 0.5, 30.0, 30.0  # seconds
KILLED_GRACE = 1.0  # seconds that KILL may take to end what is left; a process in a hung mount never ends

Result = tuple[State, tuple[Action, ...]]


def step(state: State, event: ev.Event, now: float, policy: Policy) -> Result:
    """What follows from an event."""
    if state.phase is Phase.DONE:
        return state, ()
    after, actions = _react(state, event, now, policy)
    after, more = pursuit.pursue(after, now, policy)
    return after, actions + more


def wake_at(state: State, policy: Policy) -> float | None:
    """When `DeadlinePassed` is due if nothing else happens before."""
    times = (state.deadline, pursuit.wake_at(state, policy))
    return min((time for time in times if time is not None), default=None)


def _react(  # noqa: C901, PLR0912 - the table of events
    state: State, event: ev.Event, now: float, policy: Policy
) -> Result:
    match event:
        case ev.Began():
            return _began(state, now, policy)
        case ev.SignalReceived(signum):
            return _signalled(state, signum, now, policy)
        case ev.Forked(pid, foreground):
            return state.replace(pid=pid, foreground=foreground, suspended=False, executing=True), ()
        case ev.Started():
            return _started(state, event, now, policy)
        case ev.AppReady(pid) if pid == state.pid and state.phase is Phase.STARTING:
            return pursuit.started(state, now, policy)
        case ev.StartFailed():
            return _start_failed(state, event, now, policy)
        case ev.Exited():
            return _exited(state, event, now, policy)
        case ev.Stopped(pid, signum) if pid == state.pid:
            return _stopped(state, signum, policy)
        case ev.NothingLeft() if state.phase is Phase.LEFTOVERS:
            return _conclude(state, now)
        case ev.DeadlinePassed() if state.deadline is not None and state.deadline <= now:
            return _deadline(state, now, policy)
        case ev.ConfigFailed() if event.reason == "no_generation":
            return _nothing_to_start_on(state, event)
        case ev.ConfigOffered() | ev.ConfigApplied() | ev.ConfigFailed():
            return _config(state, event, now, policy)
        case ev.ReloadOrdered() | ev.RollbackOrdered():
            return pursuit.ordered(state, event), ()
        case ev.SignalRequested():
            return _signal_requested(state, event)
        case ev.ReloadFinished() if event.attempt == state.reloads.attempt:
            if state.phase is Phase.RELOADING:
                return pursuit.reloaded(state, event.reason, event.error, now, policy), ()
        case ev.SourceOpened() | ev.SourceRead() | ev.SourceFailed():
            return _source(state, event)
    return state, ()


# --- the app ----------------------------------------------------------------------------------------------


def _began(state: State, now: float, policy: Policy) -> Result:
    if policy.configured:
        return state.replace(deadline=now + policy.initial_sync_timeout), ()
    return _spawn(state)


def _nothing_to_start_on(state: State, event: ev.ConfigFailed) -> Result:
    state = state.replace(config=state.config.replace(error=event.error))
    return _done(state.replace(error=event.error), 125) if state.phase is Phase.WAITING else (state, ())


def _config(
    state: State, event: ev.ConfigOffered | ev.ConfigApplied | ev.ConfigFailed, now: float, policy: Policy
) -> Result:
    before = state.phase
    state = pursuit.took(state, event, now)
    match event:
        case ev.ConfigApplied() if before is Phase.WAITING and policy.once:
            return _done(state, 0)
        case ev.ConfigApplied() if before is Phase.WAITING and policy.sidecar:
            return pursuit.adopted(state, event), ()
        case ev.ConfigApplied() if before is Phase.WAITING:
            return _spawn(state)
        case ev.ConfigApplied() if before is Phase.BACKOFF and state.replacing:
            return _spawn(state)
        case ev.ConfigFailed() if before is Phase.WAITING and event.reason not in ("write", "hook"):
            return state, (Recover(),)
        case ev.ConfigFailed() if before is Phase.BACKOFF and state.replacing:
            # What cannot be put back leaves the end to the restart policy; else the app starts on what there is.
            final = event.reason == "rollback" and policy.restart == "never"
            return _conclude(state.replace(replacing=event.reason != "rollback", final=final), now)
    return state, ()


def _spawn(state: State) -> Result:
    """Order a start. The app will read what is in place: no reload is owed for that any more."""
    config, reloads = state.config, state.reloads
    if config.live and config.desired != config.rejected:
        reloads = reloads.replace(outcome="success", error="", failures=0, retry_at=0.0)
    state = state.replace(
        phase=Phase.STARTING,
        deadline=None,
        leftovers_killed=False,
        final=False,
        replacing=False,
        dismissed=-1,
        config=config.replace(running=config.live),
        reloads=reloads,
    )
    return state, (Spawn(),)


def _started(state: State, event: ev.Started, now: float, policy: Policy) -> Result:
    if state.phase is not Phase.STARTING:
        return state, ()  # it was stopped just before
    early = state.held
    state = state.replace(
        pid=event.pid,
        foreground=event.foreground,
        suspended=False,
        executing=False,
        started_at=now,
        starts=state.starts + 1,
        held=(),
    )
    held: tuple[Action, ...] = ()
    for signum in early:
        state, orders = _forward(state, signum, policy.rewrite.get(signum, signum), policy)
        held += orders
    if policy.ready:
        return state, (*held, WaitReady(event.pid))
    state, orders = pursuit.started(state, now, policy)
    return state, (*held, *orders)


def _start_failed(state: State, event: ev.StartFailed, now: float, policy: Policy) -> Result:
    told = state.phase is Phase.KILLING
    state = state.replace(pid=0, executing=False, error=event.error)
    if told:
        return _done(state, state.exit_code)
    state = state.replace(exit_code=event.code, exit_signal=0)
    if state.starts == 0 or (policy.restart == "never" and not event.short):
        return _done(state, event.code)
    return _back_off(state.replace(failures=state.failures + 1), now)


def _exited(state: State, event: ev.Exited, now: float, policy: Policy) -> Result:
    if event.pid != state.pid:
        return state, ()
    if state.executing:  # stopped before its program ran: there was no app
        return _done(state.replace(pid=0, executing=False), state.exit_code)
    code = 0 if event.code in policy.ok_exit_codes else event.code
    wanted = policy.restart == "always" or (policy.restart == "on-failure" and code != 0)
    told = state.phase in (Phase.STOPPING, Phase.KILLING)
    lasted = now - state.started_at >= BACKOFF_RESET
    unproven = pursuit.unproven(state)
    # What ends because somebody wanted it to says nothing about its version.
    wished = event.signum in (INT, QUIT) or state.dismissed == state.reloads.attempt
    state = state.replace(
        pid=0,
        exit_code=code,
        exit_signal=event.signum,
        exits=state.exits + 1,
        failures=1 if lasted else state.failures + 1,
        final=not state.replacing and (told or not wanted),
    )
    cancel = (CancelReload(),) if unproven else ()
    if unproven and not wished:
        reloads = state.reloads.replace(finished=state.reloads.finished + 1, cancelled=False, target=state.config.live)
        how = "it ended, with code {code}," if not event.signum else "it was ended by a signal, code {code},"
        error = f"{how.format(code=event.code)} within the verification of its new configuration"
        state = pursuit.failed(state.replace(reloads=reloads), "child_exited", error, now, policy)
        if state.config.returning:
            state = state.replace(final=False, replacing=True)
    if not policy.leftovers:
        state, orders = _conclude(state, now)
        return state, cancel + orders
    state = state.replace(phase=Phase.LEFTOVERS, deadline=now + policy.leftovers_timeout)
    return state, (*cancel, KillLeftovers(TERM, everything=state.final))


def _conclude(state: State, now: float) -> Result:
    """Nothing of the app is left: the end, or what comes before the next start."""
    if state.final:
        return _done(state, state.exit_code)
    if not state.replacing:
        return _back_off(state, now)
    if state.config.returning or state.config.applying:
        return state.replace(phase=Phase.BACKOFF, deadline=None), ()  # until the files are in place
    return _spawn(state)


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
            error = f"not finished within {policy.reload_timeout + policy.verify_window:g}s"
            return pursuit.reloaded(state, "timeout", error, now, policy), (CancelReload(),)
        case Phase.STOPPING if not state.stop_passed:
            return _pass_stop(state, policy.rewrite.get(TERM, policy.stop_signal), now, policy)
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
    if policy.sidecar:
        return _signalled_sidecar(state, signum, stop=stop)
    if state.executing:
        return _signalled_early(state, signum, policy, stop=stop)
    match state.phase:
        case Phase.STARTING | Phase.RUNNING | Phase.RELOADING if stop:
            return _stop(state, target, now, policy)
        case Phase.STOPPING if stop and (state.replacing or not state.stop_passed):
            return _pass_stop(state.replace(replacing=False), target, now, policy)
        case Phase.KILLING if stop:
            return state.replace(replacing=False), ()
        case Phase.STARTING | Phase.RUNNING | Phase.RELOADING | Phase.STOPPING | Phase.KILLING:
            return _forward(state, signum, target, policy)
        case Phase.WAITING | Phase.BACKOFF if stop or signum in (INT, QUIT):
            # There is no app to decide what these mean; they end a program that does not handle them.
            return _done(state, 128 + signum if state.exits == 0 else state.exit_code)
        case Phase.WAITING:
            return _hold(state, signum, policy), ()
        case Phase.LEFTOVERS if stop:
            return state.replace(final=True, replacing=False), ()
    return state, ()  # the app that it was meant for is gone


def _hold(state: State, signum: int, policy: Policy) -> State:
    """Keep a signal for the app's first moment, as the kernel would: but one that waits for its configuration may be
    sent HUP to reload, reads the newest when it starts, and would be ended before it can have a handler.
    """
    return state if policy.configured else state.replace(held=(*state.held, signum))


def _signalled_early(state: State, signum: int, policy: Policy, *, stop: bool) -> Result:
    """The app's program does not run yet: no signal could reach it, and nothing of it has to end well."""
    if state.phase is Phase.KILLING:
        return state, ()
    if not stop and signum not in (INT, QUIT):
        return _hold(state, signum, policy), ()
    code = 128 + signum if state.exits == 0 else state.exit_code
    state = state.replace(phase=Phase.KILLING, deadline=None, final=True, held=(), exit_code=code)
    return state, (Kill(KILL),)


def _signalled_sidecar(state: State, signum: int, *, stop: bool) -> Result:
    """There is no app of ours: what would end it ends us, and nothing else means anything."""
    if not stop and signum not in (INT, QUIT):
        return state, ()
    state, orders = _done(state, 0 if stop else 128 + signum)
    return state, (CancelReload(), *orders)


def _signal_requested(state: State, event: ev.SignalRequested) -> Result:
    current = state.phase is Phase.RELOADING and event.attempt == state.reloads.attempt
    if not current or state.reloads.cancelled:
        return state, (Reply(event, sent=False),)
    kill = KillOther(event.signum, event.pid) if event.pid else Kill(event.signum)
    return state, (kill, Reply(event, sent=True))


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
    if target in (INT, QUIT):
        state = state.replace(dismissed=state.reloads.attempt)
    return state, (Kill(target, policy.group),)


def _stopped(state: State, signum: int, policy: Policy) -> Result:
    """`^Z` reaches the app alone, as the terminal's foreground group: its shell waits for us to stop too."""
    if state.suspended:
        return state, ()
    state = state.replace(suspended=True)
    if state.phase is Phase.STOPPING and state.stop_passed:
        return state, (Kill(CONT, policy.group),)  # once: one that ignores the stop may stop itself again and again
    job = state.foreground and signum in JOB_CONTROL and not policy.is_init
    return state, (Suspend(),) if job else ()


def _stop(state: State, target: int, now: float, policy: Policy) -> Result:
    cancel = (CancelReload(),) if state.phase is Phase.RELOADING else ()
    state = state.replace(phase=Phase.STOPPING, stop_passed=False)
    if policy.stop_delay > 0:
        return state.replace(deadline=now + policy.stop_delay), cancel
    state, orders = _pass_stop(state, target, now, policy)
    return state, cancel + orders


def _pass_stop(state: State, target: int, now: float, policy: Policy) -> Result:
    deadline = None if policy.stop_timeout is None else now + policy.stop_timeout
    resume = pursuit.resumption(state, policy)
    state = state.replace(stop_passed=True, deadline=deadline, suspended=False)
    return state, (Kill(target, policy.group), *resume)


# --- the sources -----------------------------------------------------------------------------------------


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
