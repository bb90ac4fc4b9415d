"""Histories of versions that fail: rejected, gated, cancelled, rolled back; and of the app's place
among them.
"""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.actions import (
    Apply,
    Check,
    Kill,
    KillLeftovers,
    Reload,
    RollBack,
    Spawn,
)
from config_supervisor.core.life_state import Ended
from tests.unit.consistency import flaws
from tests.unit.histories import INT, QUIT, TERM, changed, configured, prove, rolled_back

# --- verify and roll back -------------------------------------------------------------------------


def test_failed_reload_puts_the_good_version_back() -> None:
    app = configured(rollback=True)
    changed(app, 100, "b")

    assert [RollBack("a")] == app.at(103, ev.ReloadFinished(1, "verify", "no"))
    assert [Reload(2)] == rolled_back(app, 103, "a")
    app.at(104, ev.ReloadFinished(2))
    config = app.versions
    assert ("a", "a", "b", 1) == (
        config.live,
        app.rollout.runs_on,
        config.rejected,
        config.rollbacks,
    )
    assert (True, "verify", None) == (app.rollout.stale, app.reloads.outcome, app.wakes_at())
    assert [] == app.at(200, ev.ConfigOffered("b"))


def test_new_version_after_a_rollback_ends_the_failure() -> None:
    app = configured(rollback=True, reload_interval=0.0)
    changed(app, 100, "b")
    app.at(103, ev.ReloadFinished(1, "verify", "no"))
    rolled_back(app, 103, "a")
    app.at(104, ev.ReloadFinished(2))

    assert [Apply(), Reload(3)] == changed(app, 110, "c")
    app.at(111, ev.ReloadFinished(3))
    assert ("c", "c", "success", False) == (
        app.rollout.runs_on,
        app.versions.good,
        app.reloads.outcome,
        app.rollout.stale,
    )


def test_source_back_after_a_rollback_ends_the_failure() -> None:
    app = configured(rollback=True, reload_interval=0.0)
    changed(app, 100, "b")
    app.at(103, ev.ReloadFinished(1, "verify", "no"))
    rolled_back(app, 103, "a")
    app.at(104, ev.ReloadFinished(2))

    assert [] == app.at(110, ev.ConfigOffered("a"))
    assert ("success", False) == (app.reloads.outcome, app.rollout.stale)


def test_failed_reload_without_rollback_is_retried() -> None:
    app = configured()
    changed(app, 100, "b")
    app.at(103, ev.ReloadFinished(1, "verify", "no"))

    assert ("b", 105) == (app.versions.live, app.wakes_at())
    assert [Reload(2)] == app.at(105)


@pytest.mark.parametrize("reason", ["no_handler", "no_process", "permission", "connect"])
def test_undelivered_reload_is_retried_and_not_rolled_back(
    reason: str,
) -> None:
    app = configured(rollback=True)
    changed(app, 100, "b")
    app.at(130, ev.ReloadFinished(1, reason, "no"))

    assert [Reload(2)] == app.at(132)
    app.at(133, ev.ReloadFinished(2))
    assert "b" == app.rollout.runs_on


def test_app_that_dies_of_a_reload_restarts_on_the_good_version() -> None:
    app = configured(
        rollback=True
    )  # --restart never: this is no restart, but the way back from our own deed
    changed(app, 100, "b")

    assert [app.cancel(), KillLeftovers(TERM, everything=False), RollBack("a")] == app.at(
        101, ev.Exited(7, 1)
    )
    app.at(101, ev.NothingLeft())
    assert ("backoff", None) == (app.phase, app.wakes_at())
    assert [Spawn()] == rolled_back(app, 101, "a")
    assert [] == app.at(101, ev.Started(8))
    assert ("a", "b", "running") == (
        app.rollout.runs_on,
        app.versions.rejected,
        app.phase,
    )
    assert "child_exited" == app.reloads.outcome
    assert [] == app.at(200, ev.ConfigOffered("b"))


@pytest.mark.parametrize(
    "end", [ev.Exited(7, 130, INT), ev.Exited(7, 131, QUIT)], ids=["ctrl-c", "ctrl-backslash"]
)
def test_app_ended_by_its_terminal_is_no_failed_version(end: ev.Exited) -> None:
    app = configured(rollback=True, leftovers=False)
    changed(app, 100, "b")

    assert [app.cancel(), Ended(end.code)] == app.at(101, end)
    assert (0, "") == (app.reloads.failed, app.versions.rejected)


@pytest.mark.parametrize("signum", [INT, QUIT])
def test_app_that_ends_as_told_is_no_failed_version(signum: int) -> None:
    app = configured(rollback=True, leftovers=False)
    changed(app, 100, "b")

    assert [Kill(signum)] == app.at(101, ev.SignalReceived(signum))
    assert [app.cancel(), Ended(0)] == app.at(102, ev.Exited(7, 0))
    assert (0, "") == (app.reloads.failed, app.versions.rejected)


def test_app_that_survived_int_is_judged_by_its_reload() -> None:
    app = configured(rollback=True, leftovers=False, reload_interval=0.0)
    changed(app, 100, "b")
    app.at(101, ev.SignalReceived(INT))
    app.at(102, ev.ReloadFinished(1))
    changed(app, 110, "c")

    assert [app.cancel(), RollBack("b")] == app.at(111, ev.Exited(7, 1))


@pytest.mark.parametrize(
    "end", [ev.Exited(7, 1), ev.ReloadFinished(1, "verify", "503")], ids=["dies", "fails"]
)
def test_good_version_stays_good_if_an_ordered_reload_fails(end: ev.Event) -> None:
    """The app has worked on it, and there is no better one."""
    app = configured(rollback=True, restart="always")
    assert [Reload(1)] == app.at(100, ev.ReloadOrdered())
    app.at(101, end)

    assert ("a", ("a",), frozenset()) == (
        app.versions.good,
        app.versions.marks.good,
        app.versions.marks.rejected,
    )
    assert [] == flaws(app.state, app.policy)


def test_ordered_rollback_from_the_good_version_leaves_it() -> None:
    app = configured(rollback=True)
    changed(app, 100, "b")
    app.at(103, ev.ReloadFinished(1))
    assert "b" == app.versions.good
    app.at(110, ev.RollbackOrdered("a"))

    assert ("a", "b") == (app.versions.good, app.versions.rejected)
    assert [] == flaws(app.state, app.policy)


def test_end_of_a_check_is_not_the_end_of_a_rollback() -> None:
    app = configured(rollback=True, validate=True, reload_interval=0.0)
    changed(app, 100, "b")
    assert [Check()] == app.at(101, ev.ConfigOffered("c"))
    assert [RollBack("a")] == app.at(102, ev.ReloadFinished(1, "verify", "no"))

    assert [] == app.at(102.1, ev.ConfigFailed("c", "overtaken", "overtaken"))
    assert [Reload(2)] == rolled_back(app, 103, "a")


def test_an_app_that_dies_later_is_no_rollback() -> None:
    app = configured(rollback=True, leftovers=False)
    changed(app, 100, "b")
    app.at(105, ev.ReloadFinished(1))

    assert [Ended(1)] == app.at(106, ev.Exited(7, 1))


def test_failed_rollback_leaves_the_end_to_the_restart_policy() -> None:
    app = configured(rollback=True, leftovers=False)
    changed(app, 100, "b")
    app.at(101, ev.Exited(7, 3))

    assert [Ended(3)] == app.at(101, ev.ConfigFailed("a", "rollback", "gone"))


def test_missing_good_version_leaves_a_reload_its_pace() -> None:
    app = configured(rollback=True)
    changed(app, 100, "b")
    app.at(103, ev.ReloadFinished(1, "verify", "no"))

    assert [] == app.at(103, ev.ConfigFailed("a", "rollback", "gone"))
    assert 107 == app.wakes_at()
    assert [Reload(2)] == app.at(107)
    assert [] == app.at(108, ev.ReloadFinished(2, "verify", "no"))
    assert 116 == app.wakes_at()
    app.at(116)
    app.at(117, ev.ReloadFinished(3))
    assert ("b", "", "success", False) == (
        app.versions.good,
        app.versions.rejected,
        app.reloads.outcome,
        app.rollout.stale,
    )


def test_app_that_dies_between_two_versions_is_rolled_back() -> None:
    app = configured(rollback=True, reload_interval=0.0, leftovers=False)
    changed(app, 100, "b")
    app.at(101, ev.ConfigOffered("c"))
    app.at(101, ev.ReloadFinished(1, "superseded"))
    app.at(102, ev.Exited(7, 1))

    assert [RollBack("a")] == app.at(103, ev.ConfigFailed("c", "validate", "no"))
    assert [Spawn()] == rolled_back(app, 103, "a")


def test_a_stop_during_a_rollback_ends_with_the_apps_code() -> None:
    app = configured(rollback=True, leftovers=False)
    changed(app, 100, "b")
    app.at(101, ev.Exited(7, 3))

    assert [Ended(3)] == app.at(101, ev.SignalReceived(TERM))


def test_restarted_app_has_to_prove_a_new_version() -> None:
    app = configured(rollback=True, restart="always", leftovers=False)
    app.at(100, ev.Exited(7, 1))
    app.at(100.1, ev.ConfigOffered("b"), ev.ConfigApplied("b"))
    app.at(100.5)

    assert [Reload(1, told=True)] == app.at(100.5, ev.Started(8))
    assert [app.cancel(), RollBack("a")] == app.at(101, ev.Exited(8, 1))
    assert [Spawn()] == rolled_back(app, 101, "a")


def test_newer_version_does_not_wait_for_a_window() -> None:
    app = configured(rollback=True, reload_interval=1.0)
    changed(app, 100, "b")

    assert [] == app.at(100.5, ev.ConfigOffered("c"))
    assert 101 == app.wakes_at()
    assert [app.cancel()] == app.at(101)
    assert [] == app.at(101)
    assert [Apply()] == app.at(101.1, ev.ReloadFinished(1, "superseded"))
    assert [Reload(2)] == app.at(101.2, ev.ConfigApplied("c"))
    assert [RollBack("a")] == app.at(102, ev.ReloadFinished(2, "verify", "no"))


def test_a_stop_cancels_the_reload() -> None:
    app = configured(stop_delay=1.0)
    changed(app, 100, "b")

    assert [app.cancel()] == app.at(101, ev.SignalReceived(TERM))
    assert [] == app.at(101, ev.ReloadFinished(1, "superseded"))
    assert [Kill(TERM)] == app.at(102)


# --- reload by restart ----------------------------------------------------------------------------


def test_reload_by_restart_starts_the_app_on_the_new_version() -> None:
    app = configured(restart_to_reload=True, stop_signal=QUIT, stop_timeout=5.0)

    assert [Apply(), Kill(QUIT)] == changed(app, 100, "b")
    assert 105 == app.wakes_at()
    assert [KillLeftovers(TERM, everything=False)] == app.at(101, ev.Exited(7, 0))
    assert [Spawn()] == app.at(101, ev.NothingLeft())
    assert [Reload(1, told=True)] == app.at(101, ev.Started(8))
    app.at(106, ev.ReloadFinished(1))
    assert ("b", "b", False) == (app.rollout.runs_on, app.versions.good, app.rollout.stale)


def test_app_that_dies_before_readiness_restarts_on_the_old() -> None:
    app = configured(restart_to_reload=True, rollback=True, leftovers=False, ready=True)
    app.at(1, ev.AppReady(7))
    changed(app, 100, "b")
    app.at(101, ev.Exited(7, 0))
    app.at(101, ev.Started(8))

    assert [RollBack("a")] == app.at(102, ev.Exited(8, 1))
    assert [Spawn()] == rolled_back(app, 102, "a")
    app.at(102, ev.Started(9))
    assert [] == app.at(103, ev.AppReady(9))
    assert ("a", "b") == (app.rollout.runs_on, app.versions.rejected)


def test_trial_after_an_early_end_is_another_attempt() -> None:
    app = configured(rollback=True, restart="always", leftovers=False, ready=True)
    app.at(1, ev.AppReady(7))
    prove(app)
    app.at(10, ev.Exited(7, 1))
    app.at(10.1, ev.ConfigOffered("b"), ev.ConfigApplied("b"))
    app.at(11)
    app.at(11, ev.Started(8), ev.Exited(8, 1))
    rolled_back(app, 11, "a")
    app.at(11, ev.Started(9), ev.AppReady(9), ev.Exited(9, 1))
    app.at(11.1, ev.ConfigOffered("c"), ev.ConfigApplied("c"))
    app.at(app.wakes_at() or 0)
    app.at(app.now, ev.Started(10))

    assert [Reload(1, told=True)] == app.at(app.now, ev.AppReady(10))


def test_a_stop_during_a_reload_by_restart_is_a_stop() -> None:
    app = configured(restart_to_reload=True, leftovers=False)
    changed(app, 100, "b")

    assert [Kill(TERM)] == app.at(100, ev.SignalReceived(TERM))
    assert [Ended(0)] == app.at(101, ev.Exited(7, 0))
