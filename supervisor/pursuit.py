"""The pursuit of the newest configuration: what is wanted, what is in place, what the app runs on.

Pure, and part of the machine: `machine.step` calls the functions in the past tense with each report, and `pursue`
after every event. Level-triggered: `pursue` compares versions and never asks what happened, so that no order of
events can leave a change behind.

The rules about a version that fails: it is `rejected` until the content changes; if it may have reached the app,
the last `good` one is put back (`returning`) and the app reloaded, or started, on that.
"""

from __future__ import annotations

from . import events as ev
from .actions import Action, Apply, CancelReload, Kill, Reload, RollBack
from .state import Config, Phase, Policy, Reloads, State

RETRY_FIRST, RETRY_MOST = 2.0, 60.0  # seconds; applying or reloading once more after a failure
RELOAD_SLACK = 1.0  # seconds after its time, in which a method reports its own failure in its own words
QUIET_MOST = 10  # times --reload-quiet: content that never rests is applied all the same
# The app never heard of the version: going back would only keep it from a version that it may take up later.
CONT = 18  # signal(7)
UNDELIVERED = frozenset({"no_handler", "no_process", "permission", "connect", "hook", "internal"})

Result = tuple[State, tuple[Action, ...]]


def backoff(failures: int, first: float, most: float) -> float:
    """Seconds to wait after that many failures in a row (1 or more): `first`, doubling, up to `most`."""
    return float(min(most, first * 2 ** min(failures - 1, 20)))


def wake_at(state: State, policy: Policy) -> float | None:
    """When `pursue` will have something to do if nothing else happens before."""
    times = []
    if _wants_apply(state) or _wants_cancel(state):
        times.append(_apply_due(state, policy))
    if _wants_reload(state):
        times.append(state.reloads.retry_at)
    return min(times, default=None)


def pursue(state: State, now: float, policy: Policy) -> Result:
    """Order the next step towards the newest version, if one is due."""
    config, reloads = state.config, state.reloads
    if config.returning and _may_write(state):
        return state.replace(config=config.replace(applying=True)), (RollBack(config.returning),)
    if _wants_apply(state) and _apply_due(state, policy) <= now:
        return state.replace(config=config.replace(applying=True)), (Apply(),)
    if _wants_cancel(state) and (config.returning or config.hurry or _apply_due(state, policy) <= now):
        return state.replace(reloads=reloads.replace(cancelled=True)), (CancelReload(),)
    if _wants_reload(state) and reloads.retry_at <= now:
        return _reload(state, now, policy)
    if _settled(state) and reloads.outcome not in ("", "success"):
        # The sources came back to what the app runs on all the time: nothing is wrong any more.
        return state.replace(reloads=_succeeded(reloads)), ()
    return state, ()


def _reload(state: State, now: float, policy: Policy) -> Result:
    state = _begin(state, now, policy, trial=False)
    if not policy.restart_to_reload:
        return state, (Reload(state.reloads.attempt),)
    most = policy.reload_timeout if policy.stop_timeout is None else policy.stop_timeout
    resume = resumption(state, policy)
    state = state.replace(phase=Phase.STOPPING, replacing=True, stop_passed=True, deadline=now + most, suspended=False)
    return state, (Kill(policy.stop_signal, policy.group), *resume)


def resumption(state: State, policy: Policy) -> tuple[Action, ...]:
    """What goes with a stop: a stopped process takes no signal but KILL until it continues."""
    return (Kill(CONT, policy.group),) if state.suspended else ()


def _begin(state: State, now: float, policy: Policy, *, trial: bool) -> State:
    state = state.replace(config=state.config.replace(hurry=False))
    reloads = state.reloads
    if not trial or reloads.attempt <= reloads.finished:  # else a reload by restart goes on with its trial
        reloads = reloads.replace(attempt=reloads.attempt + 1, began=now)
    reloads = reloads.replace(target=state.config.live, cancelled=False, trial=trial)
    deadline = now + policy.reload_timeout + policy.verify_window + RELOAD_SLACK
    return state.replace(phase=Phase.RELOADING, deadline=deadline, reloads=reloads)


def started(state: State, now: float, policy: Policy) -> Result:
    """The app is up on what is in place. A version that it was not yet seen to run well on has to prove itself."""
    config = state.config
    if config.good in ("", config.live):
        return state.replace(phase=Phase.RUNNING, config=config.replace(good=config.live)), ()
    state = _begin(state, now, policy, trial=True)
    return state, (Reload(state.reloads.attempt, trial=True),)


def adopted(state: State, event: ev.ConfigApplied) -> State:
    """A sidecar's first version is in place; its app runs, if at all, on what was there before."""
    config = state.config.replace(running=event.previous, good=event.previous)
    # One that is what was there before is taken up already: nothing will be reloaded.
    reloads = state.reloads.replace(outcome="success") if event.previous == event.digest else state.reloads
    return state.replace(phase=Phase.RUNNING, deadline=None, config=config, reloads=reloads)


def took(state: State, event: ev.ConfigOffered | ev.ConfigApplied | ev.ConfigFailed, now: float) -> State:
    """What a report about a version changes."""
    match event:
        case ev.ConfigOffered():
            return state.replace(config=_offered(state.config, event, now))
        case ev.ConfigApplied() if event.cached and state.phase is not Phase.WAITING:
            return state  # the sources were faster than the recovery
        case ev.ConfigApplied():
            reloads = state.reloads.replace(retry_at=0.0, failures=0)
            return state.replace(config=_applied(state.config, event, now), reloads=reloads)
        case ev.ConfigFailed() if event.reason == "rollback":
            return _not_rolled_back(state, event, now)
        case ev.ConfigFailed():
            return state.replace(config=_failed(state.config, event, now))


def reloaded(state: State, reason: str, error: str, now: float, policy: Policy) -> State:
    """A reload ended: well if there is no reason."""
    reloads = state.reloads.replace(finished=state.reloads.finished + 1, cancelled=False)
    state = state.replace(phase=Phase.RUNNING, deadline=None, reloads=reloads)
    config = state.config
    if not reason:
        config = config.replace(running=reloads.target, good=reloads.target)
        if config.rejected == reloads.target:
            config = config.replace(rejected="")  # it could not be replaced, and works after all
        if config.desired != config.rejected:  # else we are back on an older one: the newest has still failed
            reloads = _succeeded(reloads)
        return state.replace(config=config, reloads=reloads.replace(retry_at=0.0, failures=0))
    if reason == "superseded":
        return state.replace(
            config=config.replace(running=""), reloads=reloads.replace(outcome=reason, error="", retry_at=0.0)
        )
    return failed(state, reason, error, now, policy)


def failed(state: State, reason: str, error: str, now: float, policy: Policy) -> State:
    """A version did not work out: go back to the last good one, or try again later."""
    config, reloads = state.config, state.reloads
    failures = reloads.failures + 1
    reloads = reloads.replace(outcome=reason, error=error, failures=failures, failed=reloads.failed + 1)
    config = config.replace(rolled_back=False)
    if reason not in UNDELIVERED:
        config = config.replace(running="")
        if policy.rollback and config.good not in ("", reloads.target):
            config = config.replace(rejected=reloads.target, returning=config.good)
            return state.replace(config=config, reloads=reloads.replace(retry_at=0.0))
        if reloads.trial:  # it was started on the version: starting it once more would help nobody
            config = config.replace(running=reloads.target)
    retry_at = now + backoff(failures, RETRY_FIRST, RETRY_MOST)
    return state.replace(config=config, reloads=reloads.replace(retry_at=retry_at))


def unproven(state: State) -> bool:
    """Whether the app's end now would speak against its version: it has not been seen to run well on that yet.

    It is being reloaded, or was started on it and is not ready, or its verification was cut short by a newer one.
    """
    config = state.config
    if state.phase is Phase.RELOADING:
        return True
    early = state.phase is Phase.STARTING or (state.phase is Phase.RUNNING and config.running == "")
    return early and config.good not in ("", config.live)


def ordered(state: State, event: ev.ReloadOrdered | ev.RollbackOrdered) -> State:
    """Somebody at the control socket wants something; what follows is as if it had come by itself."""
    config, reloads = state.config, state.reloads.replace(began=None, retry_at=0.0)
    if isinstance(event, ev.RollbackOrdered):
        config = config.replace(rejected=config.desired, returning=event.digest)
    else:
        config = config.replace(rejected="", running="", retry_at=0.0, hurry=True)
    return state.replace(config=config, reloads=reloads)


def _not_rolled_back(state: State, event: ev.ConfigFailed, now: float) -> State:
    """The good version is gone: what is live is all there is, and is tried again like any failure."""
    config = state.config.replace(applying=False, hurry=False, returning="", good="", error=event.error)
    failures = state.reloads.failures + 1
    reloads = state.reloads.replace(failures=failures, retry_at=now + backoff(failures, RETRY_FIRST, RETRY_MOST))
    return state.replace(config=config, reloads=reloads)


def _offered(config: Config, event: ev.ConfigOffered, now: float) -> Config:
    if not _pending(config):
        config = config.replace(first_offer=now, dice=event.dice)
    elif not config.applying:
        config = config.replace(coalesced=config.coalesced + 1)
    if event.digest != config.rejected:
        config = config.replace(rejected="")  # the content has changed: should it come back, it is tried again
    # A newer version owes nothing to the failures of an older.
    return config.replace(desired=event.digest, last_offer=now, cached=False, failures=0, retry_at=0.0)


def _applied(config: Config, event: ev.ConfigApplied, now: float) -> Config:
    if event.rolled_back:
        return config.replace(
            live=event.digest,
            returning="",
            applying=False,
            rolled_back=True,
            rollbacks=config.rollbacks + 1,
            files=event.files,
            size=event.size,
            changes=event.changes,
        )
    return config.replace(
        live=event.digest,
        applying=config.applying and event.cached,  # a recovery does not end an apply
        cached=event.cached,
        rolled_back=False,
        failures=0,
        error="",
        files=event.files,
        size=event.size,
        changes=event.changes,
        changed_at=event.changed_at,
        first_offer=now if config.desired != event.digest else config.first_offer,
    )


def _failed(config: Config, event: ev.ConfigFailed, now: float) -> Config:
    config = config.replace(applying=False, hurry=False, error=event.error)
    if event.reason not in ("write", "hook"):  # its content can never be used
        config = config.replace(rejected=event.digest)
    if event.digest != config.desired:
        return config
    failures = config.failures + 1
    return config.replace(failures=failures, retry_at=now + backoff(failures, RETRY_FIRST, RETRY_MOST))


def _succeeded(reloads: Reloads) -> Reloads:
    return reloads.replace(outcome="success", error="", failures=0, retry_at=0.0)


def _pending(config: Config) -> bool:
    return config.desired not in ("", config.live, config.rejected)


def _settled(state: State) -> bool:
    config = state.config
    return state.phase is Phase.RUNNING and config.live == config.running == config.desired == config.good


def _may_write(state: State) -> bool:
    return (
        not state.config.applying
        and (not state.final or state.replacing)
        and state.phase in (Phase.WAITING, Phase.RUNNING, Phase.LEFTOVERS, Phase.BACKOFF)
    )


def _wants_apply(state: State) -> bool:
    return _pending(state.config) and not state.config.returning and _may_write(state)


def _wants_cancel(state: State) -> bool:
    """Whether a newer version waits for a reload of an older one to end."""
    waiting = _pending(state.config) or bool(state.config.returning) or state.config.hurry
    return state.phase is Phase.RELOADING and not state.reloads.cancelled and waiting


def _apply_due(state: State, policy: Policy) -> float:
    """When the newest version may be put in place. Only a running app's pace counts."""
    config = state.config
    if config.hurry or state.phase not in (Phase.RUNNING, Phase.RELOADING):
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
    idle = state.phase is Phase.RUNNING and not config.applying and not config.returning
    return idle and config.live != config.running
