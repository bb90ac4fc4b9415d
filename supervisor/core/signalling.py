"""Signals: what each means to the app in each phase, when it is a stop, and the end that is ours.

Pure, and part of the machine: `machine.step` calls these functions. They must not know of versions
or of starts.
"""

from __future__ import annotations

from . import events as ev
from .actions import Action, CancelReload, Done, Kill, KillOther, Reply, Suspend, TakeForeground
from .signal_numbers import CONT, INT, JOB_CONTROL, KILL, QUIT, STOP, TERM
from .state import Phase, Policy, State

Result = tuple[State, tuple[Action, ...]]


def done(state: State, code: int) -> Result:
    return state.replace(phase=Phase.DONE, deadline=None, exit_code=code), (Done(code),)


def signalled(state: State, signum: int, now: float, policy: Policy) -> Result:
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
        case Phase.STARTING | Phase.UNREADY | Phase.RUNNING | Phase.RELOADING if stop:
            return _stop(state, target, now, policy)
        case Phase.STOPPING if stop and (state.replacing or not state.stop_passed):
            return pass_stop(state.replace(replacing=False), target, now, policy)
        case Phase.KILLING if stop:
            return state.replace(replacing=False), ()
        case (
            Phase.STARTING
            | Phase.UNREADY
            | Phase.RUNNING
            | Phase.RELOADING
            | Phase.STOPPING
            | Phase.KILLING
        ):
            return forward(state, signum, target, now, policy)
        case Phase.WAITING | Phase.BACKOFF if stop or signum in (INT, QUIT):
            # There is no app to decide what these mean; they end a program that does not handle
            # them.
            return done(state, 128 + signum if state.exits == 0 else state.exit_code)
        case Phase.WAITING:
            return _hold(state, signum, policy), ()
        case Phase.LEFTOVERS if stop:
            return state.replace(final=True, replacing=False), ()
    return state, ()  # the app that it was meant for is gone


def _hold(state: State, signum: int, policy: Policy) -> State:
    """Keep a signal for the app's first moment, as the kernel would: but one that waits for its
    configuration may be sent HUP to reload, reads the newest when it starts, and would be ended
    before it can have a handler.
    """
    return state if policy.configured else state.replace(held=(*state.held, signum))


def _signalled_early(state: State, signum: int, policy: Policy, *, stop: bool) -> Result:
    """The app's program does not run yet: no signal could reach it, and nothing of it has to end
    well.
    """
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
    state, orders = done(state, 0 if stop else 128 + signum)
    return state, (CancelReload(), *orders)


def signal_requested(state: State, event: ev.SignalRequested) -> Result:
    current = state.phase is Phase.RELOADING and event.attempt == state.reloads.attempt
    if not current or state.reloads.cancelled:
        return state, (Reply(event, sent=False),)
    kill = KillOther(event.signum, event.pid) if event.pid else Kill(event.signum)
    return state, (kill, Reply(event, sent=True))


def forward(state: State, signum: int, target: int, now: float, policy: Policy) -> Result:
    """Pass a signal on, as `target`."""
    if target and {signum, target} & {INT, QUIT}:
        state = state.replace(dismissed=target, dismissed_at=now)
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


def stopped(state: State, signum: int, policy: Policy) -> Result:
    """`^Z` reaches the app alone, as the terminal's foreground group: its shell waits for us to
    stop too.
    """
    if state.suspended:
        return state, ()
    state = state.replace(suspended=True)
    if state.phase is Phase.STOPPING and state.stop_passed:
        return state, (
            Kill(CONT, policy.group),
        )  # once: one that ignores the stop may stop itself again and again
    job = state.foreground and signum in JOB_CONTROL and not policy.is_init
    return state, (Suspend(),) if job else ()


def _stop(state: State, target: int, now: float, policy: Policy) -> Result:
    cancel = (CancelReload(),) if state.phase is Phase.RELOADING else ()
    state = state.replace(phase=Phase.STOPPING, stop_passed=False)
    if policy.stop_delay > 0:
        return state.replace(deadline=now + policy.stop_delay), cancel
    state, orders = pass_stop(state, target, now, policy)
    return state, cancel + orders


def pass_stop(state: State, target: int, now: float, policy: Policy) -> Result:
    deadline = None if policy.stop_timeout is None else now + policy.stop_timeout
    resume = resumption(state, policy)
    state = state.replace(stop_passed=True, deadline=deadline, suspended=False)
    return state, (Kill(target, policy.group), *resume)


def resumption(state: State, policy: Policy) -> tuple[Action, ...]:
    """What goes with a stop: a stopped process takes no signal but KILL until it continues."""
    return (Kill(CONT, policy.group),) if state.suspended else ()
