"""The rollout of versions to an app: the rules when to apply, reload, verify and roll back.

Pure. `step` takes each event, and each report of the app's life; `pursue` runs once after that and
orders the next step towards the newest version. Both give actions to perform and requests to the
life. `pursue` is level-triggered: it compares versions, whatever happened before, and so no order
of events can leave a change behind. Verdicts stand in `verdicts.py`, answers to clients in
`orders.py`; no module beside these three writes a `Rollout`, and its parts are written by the rules
in `versions.py` and `reloads.py`.

A failed version is `rejected` until the content changes; if it may have reached the app, the last
`good` version is put back (`returning`), and the app reloaded, or started, on it. A verification
without an answer is no verdict: it is asked again.
"""

from __future__ import annotations

from . import events as ev
from . import life_state as li
from . import reloads as rel
from . import rollout_conditions as cond
from . import verdicts
from . import versions as ver
from .actions import (
    Action,
    Apply,
    CancelReload,
    Check,
    Kill,
    KillOther,
    Mark,
    ReadClock,
    Recover,
    Reload,
    Reply,
    RollBack,
    SignalReload,
)
from .errors import CANNOT_RUN
from .life_state import Phase, Then
from .outcomes import ApplyFailure, Outcome
from .reloads import Stage
from .rollout_state import Doubt, Rollout, RolloutPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .life_state import Life, Report, Request
    from .versions import Versions

    Out = tuple[Action | Request, ...]
    Result = tuple[Rollout, Out]
    _OfApp = li.Starting | li.Ready | li.Unready | li.Ending


def step(
    rollout: Rollout, event: ev.Event | Report, life: Life, now: float, policy: RolloutPolicy
) -> Result:
    """The rollout after an event, or after a report of the app's life, with orders and requests."""
    match event:
        case ev.Began() if life.phase is Phase.WAITING:
            return rollout.replace(first_due=now + policy.initial_sync_timeout), ()
        case ev.DeadlinePassed():
            return _deadline(rollout, life, now, policy)
        case ev.ConfigApplied():
            return _applied(rollout, event, life, now, policy)
        case ev.ConfigFailed():
            return _not_applied(rollout, event, life, now, policy)
        case ev.ReloadOrdered() | ev.RollbackOrdered():
            return _ordered(rollout, event), ()
        case ev.SignalRequested():
            return rollout, _signal(rollout, event)
        case ev.ReloadSignalled() | ev.ReloadFinished():
            return _reload_reported(rollout, event, life, now, policy)
        case ev.SourceRead() | ev.ConfigOffered():
            return _source_told(rollout, event, life, now, policy), ()
        case ev.ClockRead() | ev.ConfigChecked() | ev.Remembered():
            return _told(rollout, event, now, policy), ()
        case li.Starting() | li.Ready() | li.Unready() | li.Ending():
            return _reported(rollout, event, life, now, policy)
        case _ if rollout.versions.gated:
            from . import version_gate

            return version_gate.step(rollout, event, life, policy)
    return rollout, ()


def _told(
    rollout: Rollout,
    event: ev.ClockRead | ev.ConfigChecked | ev.Remembered,
    now: float,
    policy: RolloutPolicy,
) -> Rollout:
    match event:
        case ev.ClockRead(clock):
            from . import holds

            hold = holds.clock_read(rollout.hold, clock, now, policy.windows)
            return rollout.replace(hold=hold)
        case ev.ConfigChecked(digest):
            return _with(rollout, ver.checked(rollout.versions, digest))
        case ev.Remembered(marks):
            return _with(rollout, ver.remembered(rollout.versions, marks))


def _source_told(
    rollout: Rollout,
    event: ev.SourceRead | ev.ConfigOffered,
    life: Life,
    now: float,
    policy: RolloutPolicy,
) -> Rollout:
    offer = event if isinstance(event, ev.ConfigOffered) else event.offer
    if offer is not None and cond.late(rollout, life):  # a version that came in the last moment
        rollout = rollout.replace(first_due=now + policy.initial_sync_timeout)
    if isinstance(event, ev.ConfigOffered):
        return _offered(rollout, event, now)
    if event.present and (event.paused or rollout.hold is not None):
        # The pause of a missing source stays, as its files do.
        from . import holds

        hold = holds.source_read(rollout.hold, event.source, now, paused=event.paused)
        rollout = rollout if hold is rollout.hold else rollout.replace(hold=hold)
    return rollout if offer is None else _offered(rollout, offer, now)


def _offered(rollout: Rollout, offer: ev.ConfigOffered, now: float) -> Rollout:
    hold = rollout.hold
    if hold is not None and not rollout.versions.pending:
        from . import holds

        hold = holds.renewed(hold)
    return rollout.replace(versions=ver.offered(rollout.versions, offer, now), hold=hold)


def _reload_reported(
    rollout: Rollout,
    event: ev.ReloadSignalled | ev.ReloadFinished,
    life: Life,
    now: float,
    policy: RolloutPolicy,
) -> Result:
    reloads = rollout.reloads
    if event.attempt != reloads.number or not reloads.active:
        return rollout, ()  # of an older attempt
    match event:
        case ev.ReloadSignalled(number, sent):
            return rollout, (Reload(number, told=sent),)
        case ev.ReloadFinished():
            return verdicts.finished(rollout, event, life, now, policy), ()


def _reported(
    rollout: Rollout, report: _OfApp, life: Life, now: float, policy: RolloutPolicy
) -> Result:
    match report:
        case li.Starting():
            return verdicts.starting(rollout), ()
        case li.Ready():
            return verdicts.ready(rollout, now, policy)
        case li.Unready():
            return verdicts.unready(rollout, report, life, now, policy)
        case li.Ending():
            return verdicts.ending(rollout, report, life, now, policy)


def wake_at(rollout: Rollout, life: Life, policy: RolloutPolicy) -> float | None:
    """When there will be something to do if nothing happens before."""
    times = []
    reloads = rollout.reloads
    if rollout.first_due is not None:
        times.append(rollout.first_due)
    if reloads.deadline is not None:
        times.append(reloads.deadline)
    if cond.wants_apply(rollout, life) or cond.wants_cancel(rollout):
        due = cond.apply_due(rollout, life, policy)
        times += [due] if due < ver.NEVER else []
    if cond.wants_reload(rollout, life) or cond.wants_trial(rollout, life):
        times.append(reloads.retry_at)
    return min(times, default=None)


# --- the next step --------------------------------------------------------------------------------


def pursue(rollout: Rollout, life: Life, now: float, policy: RolloutPolicy) -> Result:
    """Order the next step towards the newest version, if a step is due."""
    rollout, orders = _tidy(rollout, life, now)
    versions = rollout.versions
    reloads = rollout.reloads
    if versions.returning and life.phase is Phase.STARTING:
        return rollout, (*orders, li.Replace())  # by order: no start is awaited before it
    if versions.returning and cond.may_write(rollout, life):
        return _with(rollout, ver.apply(versions)), (*orders, RollBack(versions.returning))
    if life.phase is Phase.HELD and not versions.applying and not versions.returning:
        return rollout, (*orders, li.Start())
    if cond.needs_clock(rollout, life, now, policy):
        return rollout, (*orders, ReadClock())
    if cond.wants_apply(rollout, life) and cond.apply_due(rollout, life, policy) <= now:
        return _with(rollout, ver.apply(versions)), (*orders, Apply(version=_only(versions)))
    if _overtaken(rollout, life, now, policy):
        return _overtake(rollout, policy)
    if cond.wants_reload(rollout, life):
        if life.phase is Phase.UNREADY and reloads.outcome == Outcome.NO_HANDLER:
            # The start failed, and the app cannot hear of anything newer.
            return rollout, (*orders, li.Replace())
        if reloads.retry_at <= now:
            return _reload(rollout, now, policy)
    if cond.wants_trial(rollout, life) and reloads.retry_at <= now:
        return verdicts.try_out(rollout, now, policy)
    if life.ready and rollout.settled and versions.good and reloads.outcome != Outcome.SUCCESS:
        # The sources came back to the running version: nothing is wrong any more.
        return rollout.replace(reloads=rel.succeed(reloads)), orders
    return rollout, orders


def _tidy(rollout: Rollout, life: Life, now: float) -> Result:
    """End an attempt overtaken by the app's life, and the proof of a first version."""
    reloads = rollout.reloads
    if reloads.stage is Stage.PROVING and life.ready and (reloads.deadline or now) <= now:
        return verdicts.proven(rollout, rollout.running), ()
    if reloads.active and not life.up:
        return rollout.replace(reloads=rel.rest(reloads)), (CancelReload(reloads.number),)
    moot = (reloads.stage is Stage.PROVING and not life.ready) or (
        reloads.stage is Stage.RESTARTING and life.then is Then.END
    )
    return (rollout.replace(reloads=rel.rest(reloads)) if moot else rollout), ()


def _overtaken(rollout: Rollout, life: Life, now: float, policy: RolloutPolicy) -> bool:
    """Whether the current attempt is to give way to a newer version now."""
    versions = rollout.versions
    by_order = bool(versions.returning) or versions.hurry
    return cond.wants_cancel(rollout) and (by_order or cond.apply_due(rollout, life, policy) <= now)


def _overtake(rollout: Rollout, policy: RolloutPolicy) -> Result:
    """A newer version ends the attempt on an older version, once it is validated."""
    versions = rollout.versions
    unchecked = versions.pending and versions.checked != versions.desired
    if policy.validate and unchecked and not versions.returning:
        return _with(rollout, ver.check(versions)), (Check(version=_only(versions)),)
    reloads = rollout.reloads
    cancelled = rollout.replace(reloads=rel.cancel(reloads))
    return cancelled, (CancelReload(reloads.number),)


def _reload(rollout: Rollout, now: float, policy: RolloutPolicy) -> Result:
    deadline = None if policy.restart_to_reload else verdicts.deadline_of(now, policy)
    versions = rollout.versions
    reloads = rel.begin_reload(rollout.reloads, versions.live, now, deadline)
    rollout = rollout.replace(versions=ver.unhurried(versions), reloads=reloads)
    if policy.restart_to_reload:
        return rollout, (li.Replace(),)
    if policy.reload_signal and not policy.verify:  # a verification looks at the app before
        signal = SignalReload(reloads.number, policy.reload_signal, policy.signal_checked)
        return rollout, (signal,)
    return rollout, (Reload(reloads.number),)


# --- versions put in place ------------------------------------------------------------------------


def _applied(
    rollout: Rollout, event: ev.ConfigApplied, life: Life, now: float, policy: RolloutPolicy
) -> Result:
    first = life.phase is Phase.WAITING
    if event.cached and not first:
        return rollout, ()  # the sources were faster than the recovery
    versions = ver.applied(rollout.versions, event, now)
    rollout = rollout.replace(versions=versions, reloads=rel.forgive(rollout.reloads))
    if versions.live in versions.condemned:
        from . import version_gate

        return version_gate.applied(rollout, life, policy)
    if not first:
        return rollout, ()
    rollout = rollout.replace(first_due=None)
    if policy.once:
        return rollout, (li.End(0),)
    return (_adopted(rollout, event) if policy.sidecar else rollout), (li.Start(),)


def _adopted(rollout: Rollout, event: ev.ConfigApplied) -> Rollout:
    """The app of a sidecar runs, if at all, on the version in place before the first."""
    versions = rollout.versions
    known = versions.marks.good
    # A version in place that never became good may not have reached the app.
    running = event.previous if event.previous in known or not known else ""
    doubt = Doubt.NONE if running else Doubt.UNKNOWN
    versions = ver.taken_up(versions, versions.good or event.previous)
    rollout = rollout.replace(versions=versions, running=running, doubt=doubt)
    if running != event.digest:
        return rollout
    return rollout.replace(reloads=rel.succeed(rollout.reloads))  # nothing will be reloaded


def _not_applied(
    rollout: Rollout, event: ev.ConfigFailed, life: Life, now: float, policy: RolloutPolicy
) -> Result:
    waiting = life.phase is Phase.WAITING
    match event.reason:
        case ApplyFailure.NO_GENERATION:
            if not waiting or rollout.first_due is not None:  # a correction may still come
                return rollout, ()
            if cond.undecided(rollout):
                return rollout.replace(first_due=now + policy.initial_sync_timeout), ()
            versions = ver.unfound(rollout.versions, event.error)
            return _with(rollout, versions), (li.End(CANNOT_RUN, versions.error),)
        case ApplyFailure.ROLLBACK:
            versions = ver.not_put_back(rollout.versions, event)
            rollout = rollout.replace(versions=versions, reloads=rel.wait(rollout.reloads, now))
            rollout = verdicts.tell_orders(rollout, event.error, event.words)
            held = life.phase is Phase.HELD and not versions.returning
            return rollout, (li.GiveUp(),) if held else ()
    versions = ver.failed(rollout.versions, event, now)
    if versions.rejected or versions.retry_at:  # else a newer version goes on
        rollout = verdicts.tell_orders(rollout, event.error, event.words)
    # A passing trouble with the newest version is no reason to start on an older version with
    # --once, nor is a version overtaken by a newer version.
    lacking = versions.rejected == event.digest or not (
        policy.once or event.reason == ApplyFailure.OVERTAKEN
    )
    return _with(rollout, versions), (recovery(versions),) if waiting and lacking else ()


def _ordered(rollout: Rollout, event: ev.ReloadOrdered | ev.RollbackOrdered) -> Rollout:
    """An order of a client; from here on it is pursued like any change.

    A rollback to the newest version, named by a person, is another try of that version.
    """
    from .orders import OpenOrder

    if rollout.versions.gated:
        from . import version_gate

        if why := version_gate.objection(rollout.versions, event):
            refused = OpenOrder(event, failed=True, error=why)
            return rollout.replace(orders=(*rollout.orders, refused))
    opened = (*rollout.orders, OpenOrder(event)) if event.reply is not None else rollout.orders
    rollout = rollout.replace(orders=opened, reloads=rel.ordered(rollout.reloads))
    if isinstance(event, ev.RollbackOrdered) and event.digest != rollout.versions.newest:
        return _with(rollout, ver.rollback_ordered(rollout.versions, event.digest))
    return _with(rollout, ver.reload_ordered(rollout.versions)).replace(doubt=Doubt.ORDERED)


# --- reloads --------------------------------------------------------------------------------------


def _signal(rollout: Rollout, event: ev.SignalRequested) -> Out:
    """A reload asks for a signal, which only the current attempt gets."""
    reloads = rollout.reloads
    wanted = reloads.stage in (Stage.RELOADING, Stage.TRIAL)
    if not wanted or event.attempt != reloads.number:
        return (Reply(event, sent=False),)
    kill = KillOther(event.signum, event.pid) if event.pid else Kill(event.signum)
    return kill, Reply(event, sent=True)


def _deadline(rollout: Rollout, life: Life, now: float, policy: RolloutPolicy) -> Result:
    if rollout.first_due is not None and rollout.first_due <= now:
        recover = (recovery(rollout.versions),) if life.phase is Phase.WAITING else ()
        return rollout.replace(first_due=None), recover
    reloads = rollout.reloads
    if not reloads.active or reloads.deadline is None or reloads.deadline > now:
        return rollout, ()
    error = f"not finished within {policy.reload_timeout + policy.verify_window:g}s"
    late = ev.ReloadFinished(reloads.number, Outcome.TIMEOUT, error)
    return verdicts.finished(rollout, late, life, now, policy), (CancelReload(reloads.number),)


# --- marks ----------------------------------------------------------------------------------------


def to_mark(
    before: Rollout, after: Rollout, event: ev.Event, policy: RolloutPolicy
) -> tuple[Action, ...]:
    """The order to write the good and the failed versions down, after a change."""
    changed = after.versions.marks != before.versions.marks
    remembered = isinstance(event, ev.Remembered) and not after.versions.marks.baking
    return (Mark(),) if changed and policy.rollback and not remembered else ()


def _with(rollout: Rollout, versions: Versions) -> Rollout:
    return rollout.replace(versions=versions)


def recovery(versions: Versions) -> Recover:
    """The order to find a version of an earlier run; in a fleet a failed version is none, and a
    good version alone is once the sources have spoken.
    """
    if not versions.gated:
        return Recover()
    known = versions.desired != ""
    return Recover(condemned=versions.condemned, proven=known, unfailed=not known)


def _only(versions: Versions) -> str:
    """The version to which an order to apply is limited: no later one passes the gate with it."""
    return versions.cleared if versions.gated else ""
