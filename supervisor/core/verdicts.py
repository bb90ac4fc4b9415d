"""Verdicts on a version, from the ends of reloads and of the app; part of the rollout.

Pure. Here a version becomes good or failed, and the last good version is asked back.
"""

from __future__ import annotations

from . import events as ev
from . import life_state as li
from . import reloads as rel
from . import versions as ver
from .actions import Action, CancelReload, Reload
from .life_state import Phase
from .outcomes import UNDELIVERED, Outcome
from .rollout_state import Doubt, Rollout, RolloutPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .life_state import Life, Request

    Result = tuple[Rollout, tuple[Action | Request, ...]]

RELOAD_SLACK = 1.0  # seconds after its time, in which a method reports its failure in its own words
_SIGNALLED = frozenset({Phase.STOPPING, Phase.KILLING})


def starting(rollout: Rollout) -> Rollout:
    """The app is about to start, on the version in place."""
    rollout = rollout.replace(reloads=rel.ready_to_start(rollout.reloads))
    return running(rollout, rollout.versions.live)


def finished(
    rollout: Rollout, event: ev.ReloadFinished, life: Life, now: float, policy: RolloutPolicy
) -> Rollout:
    """An attempt has ended: well if there is no reason."""
    reloads = rel.finish(rollout.reloads, now)
    rollout = rollout.replace(reloads=reloads)
    if event.reason == Outcome.SUPERSEDED:
        return rollout.replace(doubt=Doubt.UNKNOWN, reloads=rel.supersede(reloads))
    if event.reason:
        return failed(rollout, event, now, policy)
    if life.ready:
        return proven(rollout, reloads.target)
    # It took the version up; the readiness check tells whether it became ready.
    return running(rollout, reloads.target).replace(reloads=rel.retry_at_once(reloads))


def failed(
    rollout: Rollout, event: ev.ReloadFinished, now: float, policy: RolloutPolicy
) -> Rollout:
    """A version did not work: go back to the last good version, or try again later."""
    reloads = rel.fail(rollout.reloads, event, now)
    target = reloads.target
    if event.reason == Outcome.UNVERIFIED:  # the app took the version: no failure of an order
        return running(rollout, target).replace(reloads=reloads)
    rollout = tell_orders(rollout, event.error or event.reason, event.words)
    if event.reason in UNDELIVERED:
        return rollout.replace(reloads=rel.unpaced(reloads))
    versions = ver.failing(rollout.versions, target, event.error)
    rollout = rollout.replace(versions=versions, reloads=reloads, doubt=Doubt.UNKNOWN)
    if policy.rollback and versions.good not in ("", target):
        rollout = tell_orders(rollout, event.error or event.reason, event.words, back=True)
        return rollout.replace(
            versions=ver.going_back(versions, target), reloads=rel.retry_at_once(reloads)
        )
    # After a start on the version the app stays on it: another start would not help.
    return running(rollout, target) if reloads.trial else rollout


def proven(rollout: Rollout, version: str) -> Rollout:
    """The app was seen to work on a version."""
    versions = ver.proven(rollout.versions, version)
    reloads = rel.forgive(rel.rest(rollout.reloads))
    if versions.desired != versions.rejected:  # else the newest version has still failed
        reloads = rel.succeed(reloads)
    return running(rollout, version).replace(versions=versions, reloads=reloads)


def ready(rollout: Rollout, now: float, policy: RolloutPolicy) -> Result:
    """The app is ready on the live version, which has to prove itself unless it is known as good.

    A late app may be in a reload by now: the verdict comes from the reload.
    """
    versions = rollout.versions
    reloads = rollout.reloads
    if not versions.live or reloads.active:
        return rollout, ()
    if versions.live_is_good:
        if versions.desired != versions.rejected:  # else the newest version has still failed
            reloads = rel.succeed(reloads)
        versions = ver.taken_up(versions, versions.live)
        rollout = rollout.replace(versions=versions, reloads=rel.rest(reloads))
        return running(rollout, versions.live), ()
    if versions.good or policy.verify:
        return try_out(rollout, now, policy)
    # The first version ever, without a verification: the app's life is all there is to see.
    reloads = rel.prove(reloads, now + policy.verify_window)
    return running(rollout, versions.live).replace(reloads=reloads), ()


def unready(
    rollout: Rollout, event: li.Unready, life: Life, now: float, policy: RolloutPolicy
) -> Result:
    """A failed start; the app is stopped only if there is a better version."""
    versions = rollout.versions
    if not versions.live:
        return rollout, ()
    reloads = rel.finish_start(rollout.reloads, versions.live, life.started_at)
    reason = Outcome.NOT_READY if event.asked else Outcome.UNVERIFIED
    finished = ev.ReloadFinished(reloads.number, reason, event.error, words=event.words)
    rollout = failed(rollout.replace(reloads=reloads), finished, now, policy)
    return rollout, (li.Replace(),) if rollout.versions.returning else ()


def ending(
    rollout: Rollout, event: li.Ending, life: Life, now: float, policy: RolloutPolicy
) -> Result:
    """The app has ended: a verdict on its version, if any, and whether to start it again."""
    reloads = rollout.reloads
    cancel = (CancelReload(reloads.number),) if reloads.active else ()
    unproven = reloads.active or _unproven(rollout, life)
    lost_handler = reloads.by_method and event.signum == policy.reload_signal > 0
    early = not reloads.active and life.phase in (Phase.STARTING, Phase.UNREADY)
    started = reloads.trial or early
    wished = event.wished or event.signum in li.WISHES
    if life.phase not in _SIGNALLED:  # else a reload by restart goes on
        rollout = rollout.replace(reloads=rel.rest(reloads))
    if not unproven or wished or (event.finished and started):
        return rollout, cancel
    reloads = rel.finish_death(reloads, rollout.versions.live)
    finished = _death(reloads.number, event, lost_handler=lost_handler)
    rollout = failed(rollout.replace(reloads=reloads), finished, now, policy)
    again = lost_handler or bool(rollout.versions.returning)
    return rollout, (*cancel, li.StartAgain()) if again else cancel


def _death(number: int, event: li.Ending, *, lost_handler: bool) -> ev.ReloadFinished:
    if lost_handler:
        # It lost its handler after the last look, as it does while it replaces itself: no version
        # is to blame.
        error = (
            "the reload signal ended it; it is started again; see --reload-restart and"
            " --reload-signal"
        )
        return ev.ReloadFinished(number, Outcome.NO_HANDLER, error)
    how = "it was ended by a signal, code" if event.signum else "it ended, with code"
    error = f"{how} {event.code}, within the verification of its new configuration"
    return ev.ReloadFinished(number, Outcome.CHILD_EXITED, error)


def _unproven(rollout: Rollout, life: Life) -> bool:
    """Whether the app's end speaks against its version, which has not proved itself yet.

    It was started on the version and is not ready, or a newer version cut the verification short.
    """
    early = life.phase in (Phase.STARTING, Phase.UNREADY) or (
        life.phase is Phase.RUNNING and rollout.runs_on == ""
    )
    return early and rollout.versions.good not in ("", rollout.versions.live)


def try_out(rollout: Rollout, now: float, policy: RolloutPolicy) -> Result:
    """Verify the live version, on which the app was started."""
    versions = rollout.versions
    deadline = deadline_of(now, policy)
    reloads = rel.begin_trial(rollout.reloads, versions.live, now, deadline)
    rollout = rollout.replace(versions=ver.unhurried(versions), reloads=reloads)
    return rollout, (Reload(reloads.number, told=True),)


def deadline_of(now: float, policy: RolloutPolicy) -> float:
    """When to give up an attempt from now on."""
    return now + policy.reload_timeout + policy.verify_window + RELOAD_SLACK


def tell_orders(rollout: Rollout, error: str, words: str, *, back: bool = False) -> Rollout:
    """Note a failure for the orders of clients, which are rare."""
    if not rollout.orders:
        return rollout
    from . import orders

    return orders.note_failure(rollout, error, words, back=back)


def running(rollout: Rollout, version: str) -> Rollout:
    """The app runs on a version, for certain."""
    return rollout.replace(running=version, doubt=Doubt.NONE)
