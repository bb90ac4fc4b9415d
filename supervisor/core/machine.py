"""The life of one application: every rule of behaviour lives in this file and, about signals and
versions, in `signalling.py` and `rollout.py`.

Pure: no I/O, clock, threads or logging. `step(state, event, now, policy)` returns the next state
and the actions to perform, in order. Time is an argument (seconds of a monotonic clock);
`wake_at(state, policy)` says when to call again with `DeadlinePassed` if nothing else happens.

Two things go on side by side: the phase of the app, and the pursuit of the newest configuration.
The second is level-triggered: `pursue` runs after every event and compares what is wanted, what is
in place and what the app runs on, so that no order of events can leave a change behind.

The state belongs to one application; nothing here may assume that there is only one.
"""

from __future__ import annotations

from . import events as ev
from . import signalling
from .actions import Action, CancelReload, Kill, KillLeftovers, Mark, Recover, Spawn, WaitReady
from .backoff import backoff
from .signal_numbers import INT, KILL, QUIT, TERM
from .signalling import done
from .state import Phase, Policy, SourceState, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import rollout
else:

    class _Late:
        """Stands for `rollout` until it is needed: a bare init has no versions, and does not pay
        for their rules.
        """

        def __getattr__(self, name: str) -> object:
            from . import rollout as rules

            globals()["rollout"] = rules
            return getattr(rules, name)

    rollout = _Late()

BACKOFF_FIRST, BACKOFF_MOST, BACKOFF_RESET = 0.5, 30.0, 30.0  # seconds
READY_SLACK = 1.0  # seconds after its time, in which the readiness check reports in its own words
DISMISSAL = (
    30.0  # seconds after INT or QUIT within which an app that takes it as "end" has usually ended
)
KILLED_GRACE = (
    1.0  # seconds that KILL may take to end what is left; a process in a hung mount never ends
)

Result = tuple[State, tuple[Action, ...]]


def step(state: State, event: ev.Event, now: float, policy: Policy) -> Result:
    """What follows from an event."""
    if state.phase is Phase.DONE:
        return state, ()
    after, actions = _react(state, event, now, policy)
    if not policy.configured:
        return after, actions
    after, more = rollout.pursue(after, now, policy)
    if (
        after.config.marks != state.config.marks
        and policy.rollback
        and not isinstance(event, ev.Remembered)
    ):
        more = (*more, Mark())
    return after, actions + more


def wake_at(state: State, policy: Policy) -> float | None:
    """When `DeadlinePassed` is due if nothing else happens before."""
    if not policy.configured:
        return state.deadline
    times = (state.deadline, rollout.wake_at(state, policy))
    return min((time for time in times if time is not None), default=None)


def _react(  # noqa: C901, PLR0912 - the table of events
    state: State, event: ev.Event, now: float, policy: Policy
) -> Result:
    match event:
        case ev.Began():
            return _began(state, now, policy)
        case ev.SignalReceived(signum):
            return signalling.signalled(state, signum, now, policy)
        case ev.Forked(pid, foreground):
            return (
                state.replace(pid=pid, foreground=foreground, suspended=False, executing=True),
                (),
            )
        case ev.Started():
            return _started(state, event, now, policy)
        case ev.AppReady(pid) if pid == state.pid:
            return _ready(state, now, policy)
        case ev.AppUnready(pid) if pid == state.pid and state.phase is Phase.STARTING:
            return rollout.unready(state, event, now, policy)
        case ev.StartFailed():
            return _start_failed(state, event, now, policy)
        case ev.Exited():
            return _exited(state, event, now, policy)
        case ev.Stopped(pid, signum) if pid == state.pid:
            return signalling.stopped(state, signum, policy)
        case ev.NothingLeft() if state.phase is Phase.LEFTOVERS:
            return _conclude(state, now)
        case ev.DeadlinePassed() if state.deadline is not None and state.deadline <= now:
            return _deadline(state, now, policy)
        case ev.Remembered():
            return rollout.remembered(state, event), ()
        case ev.ConfigOffered() | ev.ConfigChecked() | ev.ConfigApplied() | ev.ConfigFailed():
            return _config(state, event, now, policy)
        case ev.ReloadOrdered() | ev.RollbackOrdered():
            return rollout.ordered(state, event), ()
        case ev.SignalRequested():
            return signalling.signal_requested(state, event)
        case ev.ReloadFinished() if event.attempt == state.reloads.attempt:
            if state.phase is Phase.RELOADING:
                return rollout.reloaded(state, event, now, policy), ()
        case ev.SourceRead(offer=offer) if offer is not None:
            return _config(_source(state, event)[0], offer, now, policy)
        case ev.SourceOpened() | ev.SourceRead() | ev.SourceFailed():
            return _source(state, event)
    return state, ()


# --- the app --------------------------------------------------------------------------------------


def _began(state: State, now: float, policy: Policy) -> Result:
    if policy.configured:
        return state.replace(deadline=now + policy.initial_sync_timeout), ()
    return _spawn(state)


def _nothing_to_start_on(state: State, event: ev.ConfigFailed) -> Result:
    """The end, once the time is over; until then a correction may come."""
    if state.phase is not Phase.WAITING or state.deadline is not None:
        return state, ()
    return done(
        state.replace(error=event.error, config=state.config.replace(error=event.error, words="")),
        125,
    )


def _config(
    state: State,
    event: ev.ConfigOffered | ev.ConfigChecked | ev.ConfigApplied | ev.ConfigFailed,
    now: float,
    policy: Policy,
) -> Result:
    if isinstance(event, ev.ConfigFailed) and event.reason == "no_generation":
        return _nothing_to_start_on(state, event)
    before = state.phase
    state = rollout.took(state, event, now)
    match event:
        case ev.ConfigApplied() if before is Phase.WAITING and policy.once:
            return done(state, 0)
        case ev.ConfigApplied() if before is Phase.WAITING and policy.sidecar:
            return rollout.adopted(state, event), ()
        case ev.ConfigApplied() if before is Phase.WAITING:
            return _spawn(state)
        case ev.ConfigApplied() if before is Phase.BACKOFF and state.replacing:
            return _spawn(state)
        case ev.ConfigFailed() if before is Phase.WAITING:
            # An app that runs on an older version can wait for what keeps the newest away; an
            # overtaken one is none.
            lacking = event.digest == state.config.rejected or not (
                policy.once or event.reason == "overtaken"
            )
            return state, (Recover(),) if lacking else ()
        case ev.ConfigFailed() if before is Phase.BACKOFF and state.replacing:
            if state.config.returning:
                return state, ()  # an older good version is put back instead
            # What cannot be put back leaves the end to the restart policy; else the app starts on
            # what there is.
            final = event.reason == "rollback" and policy.restart == "never"
            return _conclude(state.replace(replacing=event.reason != "rollback", final=final), now)
    return state, ()


def _spawn(state: State) -> Result:
    """Order a start. The app will read what is in place: no reload is owed for that any more."""
    state = state.replace(
        phase=Phase.STARTING,
        deadline=None,
        leftovers_killed=False,
        final=False,
        replacing=False,
        ready=False,
        dismissed=0,
        config=state.config.replace(running=state.config.live),
        reloads=state.reloads.replace(retry_at=0.0, proven_at=None),
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
        state, orders = signalling.forward(
            state, signum, policy.rewrite.get(signum, signum), now, policy
        )
        held += orders
    if policy.ready:
        deadline = now + policy.reload_timeout + READY_SLACK
        return state.replace(deadline=deadline), (*held, WaitReady(event.pid))
    state, orders = _ready(state, now, policy)
    return state, (*held, *orders)


def _ready(state: State, now: float, policy: Policy) -> Result:
    if state.phase not in (Phase.STARTING, Phase.UNREADY):
        return state.replace(ready=True), ()
    if not policy.configured:
        return state.replace(phase=Phase.RUNNING, deadline=None, ready=True), ()
    return rollout.started(state, now, policy)


def _start_failed(state: State, event: ev.StartFailed, now: float, policy: Policy) -> Result:
    told = state.phase is Phase.KILLING
    state = state.replace(pid=0, executing=False, error=event.error)
    if told:
        return done(state, state.exit_code)
    state = state.replace(exit_code=event.code, exit_signal=0)
    if state.starts == 0 or (policy.restart == "never" and not event.short):
        return done(state, event.code)
    return _back_off(state.replace(failures=state.failures + 1), now)


def _exited(state: State, event: ev.Exited, now: float, policy: Policy) -> Result:
    if event.pid != state.pid:
        return state, ()
    if state.executing:  # stopped before its program ran: there was no app
        return done(state.replace(pid=0, executing=False), state.exit_code)
    code = 0 if event.code in policy.ok_exit_codes else event.code
    wanted = policy.restart == "always" or (policy.restart == "on-failure" and code != 0)
    wished = _wished(state, event, now)
    stopped = state.phase in (Phase.STOPPING, Phase.KILLING)
    group_told = stopped and state.stop_passed and policy.group
    lasted = now - state.started_at >= BACKOFF_RESET
    unproven = policy.configured and rollout.unproven(state)
    state = state.replace(
        pid=0,
        exit_code=code,
        exit_signal=event.signum,
        exits=state.exits + 1,
        failures=1 if lasted else state.failures + 1,
        final=not state.replacing and (stopped or wished or not wanted),
    )
    cancel = (CancelReload(),) if unproven else ()
    # An end that a person wanted says nothing about the version.
    if unproven and not wished and event.signum not in (INT, QUIT) and not _finished(state, policy):
        state = _died_unproven(state, event, now, policy)
    if not policy.leftovers:
        state, orders = _conclude(state, now)
        return state, cancel + orders
    state = state.replace(phase=Phase.LEFTOVERS, deadline=now + policy.leftovers_timeout)
    return state, (*cancel, KillLeftovers(TERM, everything=state.final, told=group_told))


def _finished(state: State, policy: Policy) -> bool:
    """Whether an app that was just started on its version has done its work: a job, for which 0 is
    no failure.
    """
    started = state.phase in (Phase.STARTING, Phase.UNREADY) or state.reloads.trial
    return started and state.exit_code == 0 and not state.exit_signal and policy.restart != "always"


def _died_unproven(state: State, event: ev.Exited, now: float, policy: Policy) -> State:
    """The app ended before it was seen to work on its version."""
    reloads = state.reloads.replace(
        finished=state.reloads.finished + 1, cancelled=False, target=state.config.live
    )
    ours = event.signum > 0 and event.signum == policy.reload_signal
    if ours and state.phase is Phase.RELOADING and not reloads.trial:
        # It lost its handler after the last look, as it does while it replaces itself. No version
        # is to blame.
        error = (
            "the reload signal ended it; it is started again; see --reload-restart and"
            " --reload-signal"
        )
        finished = ev.ReloadFinished(reloads.attempt, "no_handler", error)
        state = rollout.failed(state.replace(reloads=reloads), finished, now, policy)
        return state.replace(final=False, replacing=True)
    how = (
        "it ended, with code {code},"
        if not event.signum
        else "it was ended by a signal, code {code},"
    )
    error = f"{how.format(code=event.code)} within the verification of its new configuration"
    finished = ev.ReloadFinished(reloads.attempt, "child_exited", error)
    state = rollout.failed(state.replace(reloads=reloads), finished, now, policy)
    return state.replace(final=False, replacing=True) if state.config.returning else state


def _wished(state: State, event: ev.Exited, now: float) -> bool:
    """Whether the app ended because of INT or QUIT, from us or from its terminal: as a program ends
    by them.

    One that survived such a signal (a JVM prints its threads on QUIT) and ends later, or otherwise,
    was not told to.
    """
    if event.signum:
        return event.signum == state.dismissed or (state.foreground and event.signum in (INT, QUIT))
    soon = state.dismissed > 0 and now - state.dismissed_at <= DISMISSAL
    return soon and event.code in (0, 128 + state.dismissed)


def _conclude(state: State, now: float) -> Result:
    """Nothing of the app is left: the end, or what comes before the next start."""
    if state.final:
        return done(state, state.exit_code)
    if not state.replacing:
        return _back_off(state, now)
    if state.config.returning or state.config.applying:
        return state.replace(phase=Phase.BACKOFF, deadline=None), ()  # until the files are in place
    return _spawn(state)


def _back_off(state: State, now: float) -> Result:
    wait = backoff(state.failures, BACKOFF_FIRST, BACKOFF_MOST)
    return state.replace(phase=Phase.BACKOFF, deadline=now + wait), ()


def _deadline(state: State, now: float, policy: Policy) -> Result:
    match state.phase:
        case Phase.WAITING:
            return state.replace(deadline=None), (Recover(),)
        case Phase.BACKOFF:
            return _spawn(state)
        case Phase.STARTING:
            late = ev.AppUnready(
                state.pid, f"not ready within {policy.reload_timeout:g}s", asked=False
            )
            return rollout.unready(state, late, now, policy)
        case Phase.RELOADING:
            error = f"not finished within {policy.reload_timeout + policy.verify_window:g}s"
            finished = ev.ReloadFinished(state.reloads.attempt, "timeout", error)
            return rollout.reloaded(state, finished, now, policy), (CancelReload(),)
        case Phase.STOPPING if not state.stop_passed:
            return signalling.pass_stop(
                state, policy.rewrite.get(TERM, policy.stop_signal), now, policy
            )
        case Phase.STOPPING:
            return state.replace(phase=Phase.KILLING, deadline=None), (Kill(KILL, policy.group),)
        case Phase.LEFTOVERS if not state.leftovers_killed:
            state = state.replace(leftovers_killed=True, deadline=now + KILLED_GRACE)
            return state, (KillLeftovers(KILL, everything=state.final),)
        case Phase.LEFTOVERS:
            return _conclude(state, now)
    return state.replace(deadline=None), ()


# --- the sources ----------------------------------------------------------------------------------


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
        return done(state.replace(error=event.error), 125)
    return state, ()
