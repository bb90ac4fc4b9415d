"""Histories of gates and modes: validation, readiness, sidecars, orders from the control socket,
health.
"""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.actions import (
    Apply,
    Kill,
    KillOther,
    Recover,
    Reload,
    Reply,
    RollBack,
    Spawn,
    WaitReady,
)
from config_supervisor.core.health import live, ready
from config_supervisor.core.life_state import Ended
from tests.unit.histories import HUP, INT, TERM, App, changed, configured, rolled_back

# --- validate -------------------------------------------------------------------------------------


def test_rejected_version_leaves_the_live_version() -> None:
    app = configured()
    app.at(100, ev.ConfigOffered("b"))

    assert [] == app.at(100, ev.ConfigFailed("b", "validate", "exit code 1"))
    assert ("a", "a", True, None) == (
        app.versions.live,
        app.rollout.runs_on,
        app.rollout.stale,
        app.wakes_at(),
    )
    assert [] == app.at(110, ev.ConfigOffered("b"))
    assert [] == app.at(120, ev.ConfigOffered("a"))
    assert not app.rollout.stale


def test_return_after_a_rejection_within_a_proof_succeeds() -> None:
    """The proof ended while the newest version was rejected, and gave no outcome then."""
    app = App(configured=True)
    app.at(0, ev.Began())
    app.at(1, ev.ConfigOffered("a"), ev.ConfigApplied("a"), ev.Started(7))
    app.at(1.1, ev.ConfigOffered("b"), ev.ConfigFailed("b", "validate", "exit code 1"))
    app.at(100, ev.DeadlinePassed())
    assert ("a", "") == (app.versions.good, app.reloads.outcome)
    app.at(101, ev.ConfigOffered("a"))

    assert "success" == app.reloads.outcome


def test_rejected_version_is_tried_again_after_another() -> None:
    app = configured(reload_interval=0.0)
    app.at(100, ev.ConfigOffered("b"))
    app.at(100, ev.ConfigFailed("b", "validate", "exit code 1"))
    app.at(101, ev.ConfigOffered("a"))

    assert [Apply()] == app.at(102, ev.ConfigOffered("b"))


def test_rejected_first_version_gives_way_to_an_earlier_run() -> None:
    app = App(configured=True)
    app.at(0, ev.Began())
    app.at(1, ev.ConfigOffered("bad"))

    assert [Recover()] == app.at(2, ev.ConfigFailed("bad", "validate", "exit code 1"))
    assert [Spawn()] == app.at(2, ev.ConfigApplied("old", cached=True))
    app.at(2, ev.Started(7))
    assert app.rollout.stale


def test_start_rejected_first_version_waits_for_a_correction() -> None:
    app = App(configured=True)
    app.at(0, ev.Began())
    app.at(1, ev.ConfigOffered("bad"))
    assert [Recover()] == app.at(2, ev.ConfigFailed("bad", "validate", "exit code 1"))
    assert [] == app.at(2, ev.ConfigFailed("", "no_generation", "nothing"))

    assert [Apply()] == app.at(30, ev.ConfigOffered("good"))
    assert [Spawn()] == app.at(30, ev.ConfigApplied("good"))


def test_start_rejected_first_version_ends_when_the_time_is_over() -> None:
    app = App(configured=True, initial_sync_timeout=60.0)
    app.at(0, ev.Began())
    app.at(1, ev.ConfigOffered("bad"))
    app.at(
        2,
        ev.ConfigFailed("bad", "validate", "exit code 1"),
        ev.ConfigFailed("", "no_generation", "nothing"),
    )

    assert [Recover()] == app.at(60)
    assert [Ended(125)] == app.at(60, ev.ConfigFailed("", "no_generation", "nothing"))


# --- ready ----------------------------------------------------------------------------------------


def test_changes_during_the_start_are_a_single_reload() -> None:
    app = App(configured=True, ready=True)
    app.at(0, ev.Began())
    app.at(0, ev.ConfigOffered("a"), ev.ConfigApplied("a"))

    assert [WaitReady(7)] == app.at(0, ev.Started(7))
    assert [] == app.at(1, ev.ConfigOffered("b"), ev.ConfigOffered("c"))
    assert ("starting", False, True) == (
        app.phase,
        ready(app.state).ok,
        live(app.state).ok,
    )
    assert [Apply()] == app.at(5, ev.AppReady(7))
    assert [Reload(1)] == app.at(5, ev.ConfigApplied("c"))


def test_app_before_readiness_gets_signals_and_stops() -> None:
    app = App(ready=True)
    app.at(0, ev.Began(), ev.Started(7))

    assert [Kill(HUP)] == app.at(1, ev.SignalReceived(HUP))
    assert [] == app.at(1, ev.AppReady(6))
    assert [Kill(TERM)] == app.at(2, ev.SignalReceived(TERM))
    assert [] == app.at(3, ev.AppReady(7))


# --- sidecar --------------------------------------------------------------------------------------


def test_sidecar_reloads_a_first_version_that_is_new() -> None:
    app = App(configured=True, sidecar=True)
    app.at(0, ev.Began())

    assert [Apply()] == app.at(1, ev.ConfigOffered("a"))
    assert [Reload(1)] == app.at(1, ev.ConfigApplied("a", previous=""))
    assert ready(app.state).ok
    other = App(configured=True, sidecar=True)
    other.at(0, ev.Began(), ev.ConfigOffered("a"))
    assert [] == other.at(1, ev.ConfigApplied("a", previous="a"))
    assert not other.rollout.stale
    assert ("", "success") == (
        app.reloads.outcome,
        other.reloads.outcome,
    )  # as in the metrics


def test_a_sidecar_rolls_back_to_what_was_there_before() -> None:
    app = App(configured=True, sidecar=True, rollback=True)
    app.at(0, ev.Began(), ev.ConfigOffered("b"))

    assert [Reload(1)] == app.at(1, ev.ConfigApplied("b", previous="a"))
    assert [RollBack("a")] == app.at(2, ev.ReloadFinished(1, "http_status", "500"))


@pytest.mark.parametrize(("signum", "code"), [(TERM, 0), (INT, 130)])
def test_a_sidecar_ends_when_it_is_told_to(signum: int, code: int) -> None:
    app = App(configured=True, sidecar=True)
    app.at(0, ev.Began(), ev.ConfigOffered("a"), ev.ConfigApplied("a"))

    assert [] == app.at(1, ev.SignalReceived(HUP))
    assert [Ended(code), app.cancel()] == app.at(1, ev.SignalReceived(signum))


def test_once_ends_with_the_first_version_in_place() -> None:
    app = App(configured=True, sidecar=True, once=True)
    app.at(0, ev.Began(), ev.ConfigOffered("a"))

    assert [Ended(0)] == app.at(1, ev.ConfigApplied("a"))


def test_a_reload_may_signal_a_process_of_another_container() -> None:
    app = App(configured=True, sidecar=True)
    app.at(0, ev.Began(), ev.ConfigOffered("a"), ev.ConfigApplied("a"))
    wanted = ev.SignalRequested(1, HUP, lambda _: None, pid=40)

    assert [KillOther(HUP, 40), Reply(wanted, sent=True)] == app.at(1, wanted)


# --- orders from the control socket ---------------------------------------------------------------


def test_a_reload_on_order_needs_no_change() -> None:
    app = configured()

    assert [Reload(1)] == app.at(1, ev.ReloadOrdered())
    app.at(1, ev.ReloadFinished(1))
    assert [Reload(2)] == app.at(2, ev.ReloadOrdered())


def test_ordered_reload_overtakes_and_keeps_no_pace() -> None:
    app = configured(reload_quiet=60.0, reload_splay=60.0)
    app.at(1, ev.ReloadOrdered())

    assert [app.cancel()] == app.at(2, ev.ReloadOrdered())
    assert [Reload(2)] == app.at(2, ev.ReloadFinished(1, "superseded"))
    app.at(3, ev.ReloadFinished(2), ev.ConfigOffered("b", 0.5))
    assert [Apply()] == app.at(3, ev.ReloadOrdered())
    assert [Reload(3)] == app.at(3, ev.ConfigApplied("b"))


def test_ordered_reload_keeps_the_pace_of_failed_writes() -> None:
    app = configured()
    app.at(1, ev.ConfigOffered("b"), ev.ConfigFailed("b", "write", "full"))
    app.at(2, ev.ReloadOrdered())

    assert [Reload(1)] == app.at(
        2, ev.ConfigFailed("b", "write", "full")
    )  # on the live version; no Apply without a pause
    assert [Apply()] == app.at(12, ev.ReloadFinished(1))


def test_a_reload_on_order_tries_a_rejected_version_again() -> None:
    app = configured()
    app.at(100, ev.ConfigOffered("b"))
    app.at(100, ev.ConfigFailed("b", "validate", "no"))

    assert [Apply()] == app.at(101, ev.ReloadOrdered())


def test_ordered_rollback_rejects_the_present_version() -> None:
    app = configured(reload_interval=0.0)
    changed(app, 100, "b")
    app.at(105, ev.ReloadFinished(1))

    assert [RollBack("a")] == app.at(110, ev.RollbackOrdered("a"))
    assert [Reload(2)] == rolled_back(app, 110, "a")
    app.at(115, ev.ReloadFinished(2))
    assert ("a", True, None) == (app.rollout.runs_on, app.rollout.stale, app.wakes_at())
    assert [Apply()] == app.at(120, ev.ConfigOffered("c"))


# --- health ---------------------------------------------------------------------------------------


def test_liveness_fails_on_a_failed_reload_only_by_option() -> None:
    app = configured(unhealthy_on_failure=True, rollback=True)
    changed(app, 100, "b")
    app.at(103, ev.ReloadFinished(1, "verify", "no"))
    assert live(app.state, app.policy).ok
    rolled_back(app, 103, "a")
    app.at(104, ev.ReloadFinished(2))
    assert live(app.state, app.policy).ok

    for wanted in (True, False):
        other = configured(unhealthy_on_failure=wanted)
        changed(other, 100, "b")
        other.at(103, ev.ReloadFinished(1, "verify", "no"))
        assert wanted is not live(other.state, other.policy).ok


def test_overtaken_validation_does_not_keep_a_restart_waiting() -> None:
    """The content went back to the live version while the app was stopped: nothing is awaited."""
    app = configured(restart_to_reload=True, reload_interval=0.0)
    changed(app, 100, "b")
    app.at(101, ev.Exited(7, 0))
    assert [Apply()] == app.at(101, ev.ConfigOffered("c"))
    assert [] == app.at(102, ev.NothingLeft(), ev.ConfigOffered("b"))

    assert [Spawn()] == app.at(
        103, ev.ConfigFailed("c", "overtaken", "a newer version ended the validation")
    )


def test_overtaken_validation_is_no_failure() -> None:
    app = configured(rollback=True)
    app.at(100, ev.ConfigOffered("b"))
    app.at(100, ev.ConfigOffered("c"))

    assert [Apply()] == app.at(
        101, ev.ConfigFailed("b", "overtaken", "a newer version ended the validation")
    )
