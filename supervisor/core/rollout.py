"""The pursuit of the newest configuration: what is wanted, what is in place, what the app runs on.

Pure, and part of the machine: `machine.step` calls the functions in the past tense with each
report, and `pursue` after every event. Level-triggered: `pursue` compares versions and never asks
what happened, so that no order of events can leave a change behind.

The rules about a version that fails: it is `rejected` until the content changes; if it may have
reached the app, the last `good` one is put back (`returning`) and the app reloaded, or started, on
that. A check that could not be asked is no verdict: it is asked again.
"""

from __future__ import annotations

from . import events as ev
from .actions import Action, Apply, CancelReload, Check, Kill, Reload, RollBack
from .backoff import backoff
from .outcomes import OF_CONTENT, UNDELIVERED, Outcome
from .signalling import resumption
from .state import Config, Phase, Policy, Reloads, State

RETRY_FIRST, RETRY_MOST = 2.0, 60.0  # seconds; applying or reloading once more after a failure
RELOAD_SLACK = (
    1.0  # seconds after its time, in which a method reports its own failure in its own words
)
QUIET_MOST = 10  # times --reload-quiet: content that never rests is applied all the same
# The app runs: a version may be put in place, and the app be told.
_UP = frozenset({Phase.RUNNING, Phase.UNREADY})

Result = tuple[State, tuple[Action, ...]]


def wake_at(state: State, policy: Policy) -> float | None:
    """When `pursue` will have something to do if nothing else happens before."""
    times = []
    if _wants_apply(state) or _wants_cancel(state):
        times.append(_apply_due(state, policy))
    if _wants_reload(state) or _wants_trial(state):
        times.append(state.reloads.retry_at)
    if state.reloads.proven_at is not None and state.phase is Phase.RUNNING:
        times.append(state.reloads.proven_at)
    return min(times, default=None)


def pursue(state: State, now: float, policy: Policy) -> Result:
    """Order the next step towards the newest version, if one is due."""
    if (
        state.reloads.proven_at is not None
        and state.reloads.proven_at <= now
        and state.phase is Phase.RUNNING
    ):
        state = _proven(state, state.config.running)
    config, reloads = state.config, state.reloads
    if config.returning and state.phase is Phase.STARTING and state.pid and not state.executing:
        return replaced(
            state, now, policy
        )  # by order: a start that is not ready yet is not waited for
    if config.returning and _may_write(state):
        return state.replace(config=config.replace(applying=True)), (RollBack(config.returning),)
    if _wants_apply(state) and _apply_due(state, policy) <= now:
        return state.replace(config=config.replace(applying=True)), (Apply(),)
    if _wants_cancel(state) and (
        config.returning or config.hurry or _apply_due(state, policy) <= now
    ):
        return _overtake(state, policy)
    if _wants_reload(state) and state.phase is Phase.UNREADY and reloads.outcome == "no_handler":
        return replaced(
            state, now, policy
        )  # a start that failed, and cannot be told of anything newer
    if _wants_reload(state) and reloads.retry_at <= now:
        return _reload(state, now, policy)
    if _wants_trial(state) and reloads.retry_at <= now:
        return _try_out(state, now, policy)
    if _settled(state) and reloads.outcome not in ("", "success"):
        # The sources came back to what the app runs on all the time: nothing is wrong any more.
        return state.replace(reloads=_succeeded(reloads)), ()
    return state, ()


def _overtake(state: State, policy: Policy) -> Result:
    """A newer version does not wait for the window of an older one; if it is to be validated, that
    comes first.
    """
    config = state.config
    if (
        policy.validate
        and _pending(config)
        and config.checked != config.desired
        and not config.returning
    ):
        return state.replace(config=config.replace(checking=True)), (Check(),)
    return state.replace(reloads=state.reloads.replace(cancelled=True)), (CancelReload(),)


def _reload(state: State, now: float, policy: Policy) -> Result:
    config = state.config
    if not config.good and config.running not in ("", config.live) and state.phase is Phase.RUNNING:
        # Nothing is known to be better than the version that the app has lived on until now.
        state = state.replace(config=config.replace(good=config.running))
    if not policy.restart_to_reload:
        state = _begin(state, now, policy, trial=False)
        return state, (Reload(state.reloads.attempt),)
    return replaced(_begin(state, now, policy, trial=False), now, policy)


def replaced(state: State, now: float, policy: Policy) -> Result:
    """Stop the app, so that it starts again on another version."""
    most = policy.reload_timeout if policy.stop_timeout is None else policy.stop_timeout
    resume = resumption(state, policy)
    state = state.replace(
        phase=Phase.STOPPING, replacing=True, stop_passed=True, deadline=now + most, suspended=False
    )
    return state, (Kill(policy.stop_signal, policy.group), *resume)


def _try_out(state: State, now: float, policy: Policy) -> Result:
    state = _begin(state, now, policy, trial=True)
    return state, (Reload(state.reloads.attempt, trial=True),)


def _begin(state: State, now: float, policy: Policy, *, trial: bool) -> State:
    state = state.replace(config=state.config.replace(hurry=False))
    reloads = state.reloads
    if (
        not trial or reloads.attempt <= reloads.finished
    ):  # else a reload by restart goes on with its trial
        reloads = reloads.replace(attempt=reloads.attempt + 1, began=now)
    if not trial:
        reloads = reloads.replace(paced=now, reloaded=reloads.reloaded + 1)
    reloads = reloads.replace(
        target=state.config.live, cancelled=False, trial=trial, proven_at=None
    )
    deadline = now + policy.reload_timeout + policy.verify_window + RELOAD_SLACK
    return state.replace(phase=Phase.RELOADING, deadline=deadline, reloads=reloads)


def started(state: State, now: float, policy: Policy) -> Result:
    """The app is up on what is in place. A version that it was not yet seen to run well on has to
    prove itself.
    """
    config, reloads = state.config, state.reloads.replace(proven_at=None)
    state = state.replace(phase=Phase.RUNNING, deadline=None, ready=True)
    if not config.live:
        return state, ()
    if config.live in (config.good, *config.marks.good):
        config = config.replace(good=config.live, running=config.live)
        if (
            config.desired != config.rejected
        ):  # else this is an older one: the newest has still failed
            reloads = _succeeded(reloads)
        return state.replace(config=config, reloads=reloads), ()
    if config.good or policy.verify:
        return _try_out(state.replace(reloads=reloads), now, policy)
    # The first version ever, and nobody to ask: that the app lives on is all there is to see.
    reloads = reloads.replace(proven_at=now + policy.verify_window)
    return state.replace(config=config.replace(running=config.live), reloads=reloads), ()


def unready(state: State, event: ev.AppUnready, now: float, policy: Policy) -> Result:
    """The app was not ready in time: a failed start. It is stopped only if there is a better
    version.
    """
    if not state.config.live:
        return state.replace(phase=Phase.UNREADY, deadline=None), ()
    reloads = state.reloads.replace(target=state.config.live)
    reason = Outcome.NOT_READY if event.asked else Outcome.UNVERIFIED
    if reloads.attempt <= reloads.finished:  # else a reload by restart ends with this
        reloads = reloads.replace(attempt=reloads.attempt + 1, began=state.started_at)
    reloads = reloads.replace(finished=reloads.attempt, trial=True)
    state = state.replace(phase=Phase.UNREADY, deadline=None, reloads=reloads)
    state = failed(
        state,
        ev.ReloadFinished(reloads.attempt, reason, event.error, words=event.words),
        now,
        policy,
    )
    return replaced(state, now, policy) if state.config.returning else (state, ())


def adopted(state: State, event: ev.ConfigApplied) -> State:
    """A sidecar's first version is in place; its app runs, if at all, on what was there before."""
    known = state.config.marks.good
    # A version that was in place but never became good may not have reached the app.
    running = event.previous if event.previous in known or not known else ""
    config = state.config.replace(running=running, good=state.config.good or event.previous)
    # One that is what was there before is taken up already: nothing will be reloaded.
    reloads = state.reloads.replace(outcome="success") if running == event.digest else state.reloads
    return state.replace(
        phase=Phase.RUNNING, deadline=None, ready=True, config=config, reloads=reloads
    )


def remembered(state: State, event: ev.Remembered) -> State:
    """What configroot holds of earlier runs."""
    good = event.marks.good[0] if event.marks.good else ""
    return state.replace(config=state.config.replace(marks=event.marks, good=good))


def took(
    state: State,
    event: ev.ConfigOffered | ev.ConfigChecked | ev.ConfigApplied | ev.ConfigFailed,
    now: float,
) -> State:
    """What a report about a version changes."""
    match event:
        case ev.ConfigOffered():
            return state.replace(config=_offered(state.config, event, now))
        case ev.ConfigChecked(digest):
            return state.replace(config=state.config.replace(checking=False, checked=digest))
        case ev.ConfigApplied() if event.cached and state.phase is not Phase.WAITING:
            return state  # the sources were faster than the recovery
        case ev.ConfigApplied():
            reloads = state.reloads.replace(retry_at=0.0, failures=0)
            config = _applied(state.config, event, now).replace(applied_at=now)
            return state.replace(config=config, reloads=reloads)
        case ev.ConfigFailed() if event.reason == "rollback":
            return _not_rolled_back(state, event, now)
        case ev.ConfigFailed():
            return state.replace(config=_failed(state.config, event, now))


def reloaded(state: State, event: ev.ReloadFinished, now: float, policy: Policy) -> State:
    """A reload ended: well if there is no reason."""
    reason = event.reason
    reloads = state.reloads.replace(
        finished=state.reloads.finished + 1, finished_at=now, cancelled=False
    )
    state = state.replace(
        phase=Phase.RUNNING if state.ready else Phase.UNREADY, deadline=None, reloads=reloads
    )
    config = state.config
    if not reason and not state.ready:
        # It took the version up; whether that made it ready is told by the readiness check.
        return state.replace(
            config=config.replace(running=reloads.target), reloads=reloads.replace(retry_at=0.0)
        )
    if not reason:
        return _proven(state, reloads.target)
    if reason == "superseded":
        # The app was started on its first version: nothing is known to be better.
        good = config.good or (reloads.target if reloads.trial else "")
        return state.replace(
            config=config.replace(running="", good=good),
            reloads=reloads.replace(outcome=reason, error="", words="", retry_at=0.0),
        )
    return failed(state, event, now, policy)


def _proven(state: State, version: str) -> State:
    """The app was seen to work on a version."""
    config, reloads = state.config, state.reloads.replace(proven_at=None, retry_at=0.0, failures=0)
    config = config.replace(running=version, good=version, marks=config.marks.proving(version))
    if config.rejected == version:
        config = config.replace(rejected="")  # it could not be replaced, and works after all
    if (
        config.desired != config.rejected
    ):  # else we are back on an older one: the newest has still failed
        reloads = _succeeded(reloads)
    return state.replace(config=config, reloads=reloads)


def failed(state: State, event: ev.ReloadFinished, now: float, policy: Policy) -> State:
    """A version did not work out: go back to the last good one, or try again later."""
    config, reloads, reason = state.config, state.reloads, event.reason
    failures = reloads.failures + 1
    reloads = reloads.replace(outcome=reason, error=event.error, words=event.words, finished_at=now)
    reloads = reloads.replace(failures=failures, failed=reloads.failed + 1)
    retry_at = now + backoff(failures, RETRY_FIRST, RETRY_MOST)
    if reason in UNDELIVERED:
        return state.replace(config=config, reloads=reloads.replace(retry_at=retry_at, paced=None))
    if reason == Outcome.UNVERIFIED:
        config = config.replace(running=reloads.target)
        return state.replace(config=config, reloads=reloads.replace(retry_at=retry_at))
    config = config.replace(
        rolled_back=False, running="", marks=config.marks.failing(reloads.target, event.error)
    )
    if policy.rollback and config.good not in ("", reloads.target):
        config = config.replace(rejected=reloads.target, returning=config.good)
        return state.replace(config=config, reloads=reloads.replace(retry_at=0.0))
    if reloads.trial:  # it was started on the version: starting it once more would help nobody
        config = config.replace(running=reloads.target)
    return state.replace(config=config, reloads=reloads.replace(retry_at=retry_at))


def unproven(state: State) -> bool:
    """Whether the app's end now would speak against its version: it has not been seen to run well
    on that yet.

    It is being reloaded, or was started on it and is not ready, or its verification was cut short
    by a newer one.
    """
    config = state.config
    if state.phase is Phase.RELOADING:
        return True
    early = state.phase in (Phase.STARTING, Phase.UNREADY) or (
        state.phase is Phase.RUNNING and config.running == ""
    )
    return early and config.good not in ("", config.live)


def ordered(state: State, event: ev.ReloadOrdered | ev.RollbackOrdered) -> State:
    """Somebody at the control socket wants something; what follows is as if it had come
    by itself.
    """
    config, reloads = state.config, state.reloads.replace(paced=None, retry_at=0.0)
    if isinstance(event, ev.RollbackOrdered):
        left = config.marks.failing(
            config.desired or config.live, "a rollback to another version was ordered"
        )
        config = config.replace(rejected=config.desired, returning=event.digest, marks=left)
    else:
        forgiven = config.marks.forgiving(config.desired)
        config = config.replace(rejected="", running="", retry_at=0.0, hurry=True, marks=forgiven)
    return state.replace(config=config, reloads=reloads)


def _not_rolled_back(state: State, event: ev.ConfigFailed, now: float) -> State:
    """The good version is gone: an older good one is put back, else what is live is tried again
    like any failure.
    """
    config = state.config
    good = tuple(version for version in config.marks.good if version != config.returning)
    other = next((version for version in good if version not in (config.live, config.good)), "")
    config = config.replace(
        applying=False,
        hurry=False,
        returning=other,
        good=other,
        error=event.error,
        words="",
        marks=config.marks.replace(good=good),
    )
    failures = state.reloads.failures + 1
    reloads = state.reloads.replace(
        failures=failures, retry_at=now + backoff(failures, RETRY_FIRST, RETRY_MOST)
    )
    return state.replace(config=config, reloads=reloads)


def _offered(config: Config, event: ev.ConfigOffered, now: float) -> Config:
    if not _pending(config):
        config = config.replace(first_offer=now, dice=event.dice)
    elif not config.applying:
        config = config.replace(coalesced=config.coalesced + 1)
    if event.digest != config.rejected:
        config = config.replace(
            rejected=""
        )  # the content has changed: should it come back, it is tried again
    # A newer version owes nothing to the failures of an older.
    config = config.replace(secret=config.secret or event.secret)
    return config.replace(
        desired=event.digest, last_offer=now, cached=False, failures=0, retry_at=0.0
    )


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
    good = config.good
    if not good and not event.cached and event.previous != event.digest:
        good = (
            event.previous
        )  # nothing is known to be better than the version that was in place until now
    return config.replace(
        live=event.digest,
        good="" if good in config.marks.rejected else good,
        applying=config.applying and event.cached,  # a recovery does not end an apply
        checked="",
        cached=event.cached,
        rolled_back=False,
        failures=0,
        error=config.error if event.cached else "",
        words=config.words if event.cached else "",
        files=event.files,
        size=event.size,
        changes=event.changes,
        changed_at=event.changed_at,
        first_offer=now if config.desired != event.digest else config.first_offer,
    )


def _failed(config: Config, event: ev.ConfigFailed, now: float) -> Config:
    config = config.replace(
        applying=False,
        checking=False,
        checked="",
        hurry=False,
        error=event.error,
        words=event.words,
    )
    if event.reason in OF_CONTENT:
        config = config.replace(rejected=event.digest)
    if event.digest != config.desired:
        return config
    failures = config.failures + 1
    return config.replace(
        failures=failures, retry_at=now + backoff(failures, RETRY_FIRST, RETRY_MOST)
    )


def _succeeded(reloads: Reloads) -> Reloads:
    return reloads.replace(outcome="success", error="", words="", failures=0, retry_at=0.0)


def _pending(config: Config) -> bool:
    return config.desired not in ("", config.live, config.rejected)


def _settled(state: State) -> bool:
    config = state.config
    return (
        state.phase is Phase.RUNNING
        and config.live == config.running == config.desired == config.good
    )


def _may_write(state: State) -> bool:
    return (
        not state.config.applying
        and (not state.final or state.replacing)
        and (state.phase in _UP or state.phase in (Phase.WAITING, Phase.LEFTOVERS, Phase.BACKOFF))
    )


def _wants_apply(state: State) -> bool:
    config = state.config
    return _pending(config) and not config.returning and not config.checking and _may_write(state)


def _wants_cancel(state: State) -> bool:
    """Whether a newer version waits for a reload of an older one to end."""
    config = state.config
    waiting = (_pending(config) and not config.checking) or bool(config.returning) or config.hurry
    return state.phase is Phase.RELOADING and not state.reloads.cancelled and waiting


def _apply_due(state: State, policy: Policy) -> float:
    """When the newest version may be put in place. Only a running app's pace counts."""
    config = state.config
    if config.hurry or not state.ready or state.phase not in (Phase.RUNNING, Phase.RELOADING):
        return config.retry_at
    due = config.last_offer
    if policy.reload_quiet > 0:
        most = config.first_offer + QUIET_MOST * policy.reload_quiet
        due = min(config.last_offer + policy.reload_quiet, most)
    if state.reloads.paced is not None:
        due = max(due, state.reloads.paced + policy.reload_interval)
    return max(due + config.dice * policy.reload_splay, config.retry_at)


def _wants_reload(state: State) -> bool:
    config = state.config
    return _idle(state) and config.live != config.running


def _wants_trial(state: State) -> bool:
    """Whether the app runs on a version whose verification failed, or could not be asked, and
    should be asked again.
    """
    config, reloads = state.config, state.reloads
    unsure = reloads.outcome == Outcome.UNVERIFIED or (
        reloads.trial and reloads.outcome not in ("", "success", "superseded")
    )
    waits = state.phase is Phase.RUNNING and _idle(state) and reloads.proven_at is None
    return waits and unsure and reloads.target == config.live == config.running != ""


def _idle(state: State) -> bool:
    config = state.config
    return state.phase in _UP and not config.applying and not config.returning
