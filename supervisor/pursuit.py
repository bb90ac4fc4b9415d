"""The pursuit of the newest configuration: what is wanted, what is in place, what the app runs on.

Pure, and part of the machine: `machine.step` calls `took` with each report and `pursue` after every event.
Level-triggered: `pursue` compares the three and never asks what happened, so that no order of events can leave
a change behind.
"""

from __future__ import annotations

from . import events as ev
from .actions import Action, Apply, Reload
from .state import Config, Phase, Policy, State

RETRY_FIRST, RETRY_MOST = 2.0, 60.0  # seconds; applying or reloading once more after a failure
RELOAD_SLACK = 1.0  # seconds after --reload-timeout, in which a method reports its own failure in its own words
QUIET_MOST = 10  # times --reload-quiet: content that never rests is applied all the same


def backoff(failures: int, first: float, most: float) -> float:
    """Seconds to wait after that many failures in a row (1 or more): `first`, doubling, up to `most`."""
    return float(min(most, first * 2 ** min(failures - 1, 20)))


def wake_at(state: State, policy: Policy) -> float | None:
    """When `pursue` will have something to do if nothing else happens before."""
    times = []
    if _wants_apply(state):
        times.append(_apply_due(state, policy))
    if _wants_reload(state):
        times.append(state.reloads.retry_at)
    return min(times, default=None)


def pursue(state: State, now: float, policy: Policy) -> tuple[State, tuple[Action, ...]]:
    """Order the next step towards the newest version, if one is due."""
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
        case ev.ConfigFailed():
            return state.replace(config=_failed(state.config, event, now))


def _offered(config: Config, event: ev.ConfigOffered, now: float) -> Config:
    if not _pending(config):
        config = config.replace(first_offer=now, dice=event.dice)
    elif not config.applying:
        config = config.replace(coalesced=config.coalesced + 1)
    # A newer version owes nothing to the failures of an older.
    return config.replace(desired=event.digest, last_offer=now, cached=False, failures=0, retry_at=0.0)


def _applied(config: Config, event: ev.ConfigApplied, now: float) -> Config:
    return config.replace(
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


def _failed(config: Config, event: ev.ConfigFailed, now: float) -> Config:
    config = config.replace(applying=False, error=event.error)
    if event.reason != "write":  # its content can never be written
        config = config.replace(rejected=event.digest)
    if event.digest != config.desired:
        return config
    failures = config.failures + 1
    return config.replace(failures=failures, retry_at=now + backoff(failures, RETRY_FIRST, RETRY_MOST))


def reloaded(state: State, reason: str, error: str, now: float) -> State:
    """A reload ended: well if there is no reason, else to be tried again."""
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
