"""Histories of late starts, of checks without an answer, of versions of earlier runs."""

from __future__ import annotations

from typing import Any

from config_supervisor.core import events as ev
from config_supervisor.core import health
from config_supervisor.core.actions import (
    Apply,
    Check,
    Kill,
    Recover,
    Reload,
    RollBack,
    Spawn,
)
from config_supervisor.core.life_state import Ended
from config_supervisor.core.versions import Marks
from tests.unit.histories import (
    INT,
    QUIT,
    TERM,
    App,
    changed,
    configured,
    prove,
    rolled_back,
    started,
)

# --- late starts ----------------------------------------------------------------------------------


def unready_first(**policy: Any) -> App:
    """An app whose first version `a` was not ready in time."""
    app = configured(ready=True, rollback=True, **policy)
    assert "" == app.reloads.outcome
    app.at(30, ev.AppUnready(7, "not ready within 30s: 503"))
    return app


def restarted_on_b() -> App:
    """An app, good on `a`, started again on `b`, and not ready yet."""
    app = configured(restart_to_reload=True, rollback=True, leftovers=False, ready=True)
    app.at(1, ev.AppReady(7))
    prove(app)
    changed(app, 100, "b")
    app.at(101, ev.Exited(7, 0))
    app.at(101, ev.Started(8))
    return app


def test_start_unready_first_version_is_a_failure_and_lives_on() -> None:
    app = unready_first()

    assert ("unready", "not_ready", 7) == (
        app.phase,
        app.reloads.outcome,
        app.life.pid,
    )
    assert (False, True) == (health.ready(app.state).ok, health.live(app.state).ok)
    assert "not ready within 30s: 503" == app.versions.marks.why("a")


def test_start_unready_correction_is_applied_at_once() -> None:
    app = unready_first()

    assert [Apply(), Reload(2)] == changed(app, 31, "b")
    assert [] == app.at(32, ev.ReloadFinished(2))
    assert ("b", "not_ready", "unready") == (
        app.rollout.runs_on,
        app.reloads.outcome,
        app.phase,
    )
    app.at(33, ev.AppReady(7))
    prove(app)
    assert ("success", "b") == (app.reloads.outcome, app.versions.good)


def test_start_unready_app_without_a_handler_is_replaced() -> None:
    app = unready_first(leftovers=False)
    changed(app, 31, "b")

    assert [Kill(TERM)] == app.at(
        61, ev.ReloadFinished(2, "no_handler", "it does not catch SIGHUP")
    )
    assert [Spawn()] == app.at(62, ev.Exited(7, 143, TERM))


def test_start_unready_app_may_become_ready_later() -> None:
    app = unready_first()

    assert [] == app.at(100, ev.AppReady(7))
    prove(app)
    assert ("running", "success", "a") == (
        app.phase,
        app.reloads.outcome,
        app.versions.good,
    )


def test_start_unready_new_version_gives_way_to_the_good_one() -> None:
    app = restarted_on_b()

    assert [Kill(TERM)] == app.at(131, ev.AppUnready(8, "not ready within 30s: 503"))
    assert [RollBack("a")] == app.at(132, ev.Exited(8, 143, TERM))
    assert [Spawn()] == rolled_back(app, 132, "a")
    app.at(133, ev.Started(9))
    app.at(134, ev.AppReady(9))
    assert ("a", "b", "not_ready") == (
        app.rollout.runs_on,
        app.versions.rejected,
        app.reloads.outcome,
    )


def test_start_readiness_that_cannot_be_asked_is_no_verdict() -> None:
    app = restarted_on_b()

    assert [] == app.at(131, ev.AppUnready(8, "nginxx: not found", asked=False))
    assert ("", "unverified", "unready") == (
        app.versions.rejected,
        app.reloads.outcome,
        app.phase,
    )


def test_start_silent_readiness_check_is_given_up() -> None:
    app = configured(ready=True, reload_timeout=30.0)

    assert 31 == app.wakes_at()
    app.at(31)
    assert ("unready", "unverified") == (app.phase, app.reloads.outcome)


def test_start_unready_app_without_a_configuration_is_waited_for() -> None:
    app = App(ready=True)
    app.at(0, ev.Began(), ev.Started(7))

    assert [] == app.at(30, ev.AppUnready(7, "503"))
    assert ("unready", ()) == (app.phase, app.versions.marks.failed)
    app.at(40, ev.AppReady(7))
    assert "running" == app.phase


# --- survived signals -----------------------------------------------------------------------------


def test_death_after_a_thread_dump_is_the_versions() -> None:
    """A JVM prints its threads on QUIT and lives on."""
    app = configured(rollback=True, leftovers=False)
    changed(app, 100, "b")
    app.at(101, ev.SignalReceived(QUIT))

    assert [app.cancel(), RollBack("a")] == app.at(103, ev.Exited(7, 1))
    assert "b" == app.versions.rejected


def test_app_ended_by_its_stop_signal_is_not_started_again() -> None:
    """The runtime sends an image's STOPSIGNAL when the pod is deleted, and knows no
    --stop-signal.
    """
    app = started(restart="always", leftovers=False)
    app.at(1, ev.SignalReceived(INT))

    assert [Ended(130)] == app.at(2, ev.Exited(7, 130, INT))


def test_app_that_outlives_quit_is_restarted_after_a_crash() -> None:
    app = started(restart="always", leftovers=False)
    app.at(1, ev.SignalReceived(QUIT))
    app.at(2, ev.Exited(7, 1))

    assert "backoff" == app.phase


def test_app_ended_by_its_reload_signal_is_started_again() -> None:
    """It had a handler at the last look, and none for the signal: it was just replacing itself."""
    app = configured(rollback=True, leftovers=False, reload_signal=1)
    changed(app, 100, "b")

    assert [app.cancel(), Spawn()] == app.at(100.1, ev.Exited(7, 129, 1))
    assert ("no_handler", "", ()) == (
        app.reloads.outcome,
        app.versions.rejected,
        app.versions.marks.failed,
    )
    assert [Reload(2, told=True)] == app.at(100.2, ev.Started(8))
    app.at(106, ev.ReloadFinished(2))
    assert ("b", "success") == (app.versions.good, app.reloads.outcome)


def test_job_that_ends_with_0_in_its_trial_has_done_its_work() -> None:
    """The version has not failed: the job must not run once more on the good version."""
    app = App(configured=True, rollback=True, leftovers=False)
    app.at(
        0,
        ev.Began(),
        ev.ConfigOffered("b"),
        ev.Remembered(Marks(good=("a",))),
        ev.ConfigApplied("b"),
    )
    app.at(0, ev.Started(7))

    assert [app.cancel(), Ended(0)] == app.at(1, ev.Exited(7, 0))
    assert (0, ()) == (app.reloads.failed, app.versions.marks.failed)


# --- checks without an answer ---------------------------------------------------------------------


def test_verification_that_cannot_be_asked_is_asked_again() -> None:
    app = configured(rollback=True)
    changed(app, 100, "b")
    app.at(105, ev.ReloadFinished(1, "unverified", "cannot run nginxx"))

    assert ("b", "", "unverified") == (
        app.rollout.runs_on,
        app.versions.rejected,
        app.reloads.outcome,
    )
    assert [Reload(2, told=True)] == app.at(107)
    app.at(112, ev.ReloadFinished(2))
    assert ("b", "success") == (app.versions.good, app.reloads.outcome)


def test_validation_that_cannot_be_asked_is_asked_again() -> None:
    app = configured(rollback=True)
    app.at(100, ev.ConfigOffered("b"))
    app.at(100, ev.ConfigFailed("b", "hook", "cannot run nginx: no more processes"))

    assert [Apply()] == app.at(102)


def test_start_validation_that_cannot_be_asked_keeps_waiting() -> None:
    app = App(configured=True)
    app.at(0, ev.Began(), ev.ConfigOffered("a"))

    assert [Recover()] == app.at(
        1, ev.ConfigFailed("a", "hook", "cannot run nginx: no more processes")
    )
    assert [] == app.at(1, ev.ConfigFailed("", "no_generation", "nothing"))
    assert [Apply()] == app.at(3)


def test_start_on_a_full_disk_takes_the_version_in_place() -> None:
    app = App(configured=True, rollback=True)
    app.at(0, ev.Began(), ev.ConfigOffered("b"))
    assert [Recover()] == app.at(0.1, ev.ConfigFailed("b", "write", "no space left on device"))
    assert [Spawn()] == app.at(0.1, ev.ConfigApplied("a", cached=True))
    app.at(0.1, ev.Started(7))

    assert [Apply()] == app.at(2.1)


def test_once_on_a_full_disk_waits_for_room() -> None:
    """An init container with a good end promises the newest version."""
    app = App(configured=True, once=True)
    app.at(0, ev.Began(), ev.ConfigOffered("b"))

    assert [] == app.at(0.1, ev.ConfigFailed("b", "write", "no space left on device"))


# --- a newer version within the window ------------------------------------------------------------


def test_newer_version_is_validated_before_the_window_ends() -> None:
    app = configured(rollback=True, validate=True, reload_interval=0.0)
    changed(app, 100, "b")

    assert [Check()] == app.at(101, ev.ConfigOffered("c"))
    assert [] == app.at(101, ev.ConfigOffered("d"))
    assert [Check()] == app.at(101, ev.ConfigChecked("c"))
    assert [app.cancel()] == app.at(101, ev.ConfigChecked("d"))
    assert [Apply()] == app.at(102, ev.ReloadFinished(1, "superseded"))


def test_newer_version_that_validation_rejects_leaves_the_window() -> None:
    app = configured(rollback=True, validate=True, reload_interval=0.0)
    changed(app, 100, "b")
    app.at(101, ev.ConfigOffered("c"))

    assert [] == app.at(102, ev.ConfigFailed("c", "validate", "syntax error"))
    assert [] == app.at(105, ev.ReloadFinished(1))
    assert ("b", "b", "success") == (
        app.rollout.runs_on,
        app.versions.good,
        app.reloads.outcome,
    )


def test_failure_while_a_newer_one_is_validated_is_undone() -> None:
    app = configured(rollback=True, validate=True, reload_interval=0.0)
    changed(app, 100, "b")
    app.at(101, ev.ConfigOffered("c"))

    assert [RollBack("a")] == app.at(103, ev.ReloadFinished(1, "verify", "no"))
    assert [Reload(2)] == rolled_back(app, 103, "a")
    assert [app.cancel()] == app.at(104, ev.ConfigChecked("c"))


# --- marks ----------------------------------------------------------------------------------------


def test_marks_are_written_when_a_version_is_good_or_failed() -> None:
    app = configured(rollback=True)
    assert 1 == app.marked
    changed(app, 100, "b")
    app.at(103, ev.ReloadFinished(1, "verify", "no"))
    assert 2 == app.marked
    rolled_back(app, 103, "a")
    app.at(104, ev.ReloadFinished(2))

    assert (("a",), ("b",)) == (app.versions.marks.good, tuple(app.versions.marks.rejected))


def test_version_good_in_an_earlier_run_needs_no_trial() -> None:
    app = App(configured=True, rollback=True, verify=True)
    app.at(
        0,
        ev.Began(),
        ev.ConfigOffered("a"),
        ev.Remembered(Marks(good=("b", "a"))),
        ev.ConfigApplied("a"),
    )

    assert [] == app.at(0, ev.Started(7))
    assert ("success", "a") == (app.reloads.outcome, app.versions.good)


def test_unknown_version_at_a_restart_can_be_rolled_back() -> None:
    app = App(configured=True, rollback=True, leftovers=False)
    app.at(
        0,
        ev.Began(),
        ev.ConfigOffered("b"),
        ev.Remembered(Marks(good=("a",))),
        ev.ConfigApplied("b"),
    )

    assert [Reload(1, told=True)] == app.at(0, ev.Started(7))
    assert [app.cancel(), RollBack("a")] == app.at(1, ev.Exited(7, 1))


def test_good_generation_that_is_gone_gives_way_to_an_older_one() -> None:
    app = App(configured=True, rollback=True)
    app.at(
        0,
        ev.Began(),
        ev.ConfigOffered("c"),
        ev.Remembered(Marks(good=("b", "a"))),
        ev.ConfigApplied("c"),
    )
    app.at(0, ev.Started(7))
    assert [RollBack("b")] == app.at(5, ev.ReloadFinished(1, "verify", "no"))

    assert [RollBack("a")] == app.at(5, ev.ConfigFailed("b", "rollback", "gone"))


def test_sidecar_unproven_version_is_reloaded_at_a_restart() -> None:
    """It may have ended between the swap and the reload."""
    app = App(configured=True, rollback=True, sidecar=True)
    app.at(0, ev.Began(), ev.ConfigOffered("b"), ev.Remembered(Marks(good=("a",))))

    assert [Reload(1)] == app.at(0, ev.ConfigApplied("b", previous="b"))


def test_change_after_an_undelivered_reload_does_not_wait() -> None:
    """A sidecar's first reload finds no app yet."""
    app = App(configured=True, rollback=True, sidecar=True, reload_interval=10.0)
    app.at(0, ev.Began(), ev.ConfigOffered("a"), ev.ConfigApplied("a"))
    app.at(1, ev.ReloadFinished(1, "connect", "refused"))

    assert [Apply(), Reload(2)] == changed(app, 1.5, "b")


def test_restart_without_marks_goes_back_to_what_was_in_place() -> None:
    """They are lost, or an older release wrote the configuration."""
    app = App(configured=True, rollback=True, leftovers=False)
    app.at(0, ev.Began(), ev.ConfigOffered("b"), ev.ConfigApplied("b", previous="a"))
    assert [Reload(1, told=True)] == app.at(0, ev.Started(7))

    assert [app.cancel(), RollBack("a")] == app.at(1, ev.Exited(7, 4))


def test_rollback_order_does_not_wait_for_a_start() -> None:
    app = App(configured=True, rollback=True, ready=True, leftovers=False)
    app.at(
        0,
        ev.Began(),
        ev.ConfigOffered("b"),
        ev.Remembered(Marks(good=("a",))),
        ev.ConfigApplied("b"),
    )
    app.at(0, ev.Started(7))

    assert [Kill(TERM)] == app.at(2, ev.RollbackOrdered("a"))
    assert [RollBack("a")] == app.at(3, ev.Exited(7, 143, TERM))
