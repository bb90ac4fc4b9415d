"""Histories of changes: offers, versions put in place, reloads, and their limits for the app."""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.actions import (
    Apply,
    Kill,
    Recover,
    Reload,
    Reply,
    SignalReload,
    Spawn,
)
from config_supervisor.core.life_state import Ended
from tests.unit.histories import HUP, TERM, App, changed, configured


def test_app_starts_on_its_first_version_without_a_signal() -> None:
    app = App(configured=True)

    assert [] == app.at(0, ev.Began())
    assert [Apply()] == app.at(1, ev.ConfigOffered("a"))
    assert [Spawn()] == app.at(1, ev.ConfigApplied("a"))
    assert [] == app.at(1, ev.Started(7))
    assert ("a", False, 6.0) == (app.rollout.runs_on, app.rollout.stale, app.wakes_at())
    assert ("", "") == (app.reloads.outcome, app.versions.good)
    app.at(6)
    assert ("success", "a", None) == (
        app.reloads.outcome,
        app.versions.good,
        app.wakes_at(),
    )


def test_a_change_is_applied_and_reloaded_at_once() -> None:
    app = configured()

    assert [Apply(), Reload(1)] == changed(app, 100, "b")
    assert app.rollout.stale
    app.at(100.1, ev.ReloadFinished(1))
    assert ("b", False, "success") == (
        app.rollout.runs_on,
        app.rollout.stale,
        app.reloads.outcome,
    )


def test_the_same_content_again_changes_nothing() -> None:
    app = configured()

    assert [] == app.at(1, ev.ConfigOffered("a"))
    assert app.wakes_at() is None


def test_twenty_edits_are_two_reloads() -> None:
    app = configured(reload_interval=10.0)
    ordered = []
    for n in range(20):
        ordered += changed(app, 100 + n / 10, f"v{n}")
        if app.phase == "reloading":
            app.at(100 + n / 10, ev.ReloadFinished(app.reloads.number))

    assert [Apply(), Reload(1)] == ordered
    assert 110 == app.wakes_at()
    assert [Apply()] == app.at(110)
    assert [Reload(2)] == app.at(110, ev.ConfigApplied("v19"))
    app.at(110, ev.ReloadFinished(2))
    assert ("v19", 18, None) == (
        app.rollout.runs_on,
        app.versions.coalesced,
        app.wakes_at(),
    )


def test_changes_during_a_reload_become_a_single_reload() -> None:
    app = configured(reload_interval=0.0)
    changed(app, 100, "b")

    assert [app.cancel()] == app.at(101, ev.ConfigOffered("c"), ev.ConfigOffered("d"))
    assert [Apply()] == app.at(102, ev.ReloadFinished(1))
    assert [Reload(2)] == app.at(102, ev.ConfigApplied("d"))


def test_a_change_while_another_is_being_applied_is_not_lost() -> None:
    app = configured(reload_interval=0.0)

    assert [Apply()] == app.at(100, ev.ConfigOffered("b"))
    assert [] == app.at(100, ev.ConfigOffered("c"))
    assert [Apply()] == app.at(100, ev.ConfigApplied("b"))
    assert [Reload(1)] == app.at(100, ev.ConfigApplied("c"))


def test_quiet_waits_for_silence_but_not_for_ever() -> None:
    app = configured(reload_quiet=1.0)

    assert [] == app.at(100, ev.ConfigOffered("v0"))
    assert 101 == app.wakes_at()
    for n in range(1, 100):
        if app.at(100 + n / 2, ev.ConfigOffered(f"v{n}")):
            break
    assert 110 == app.now


def test_splay_delays_by_the_dice_of_the_first_offer() -> None:
    app = configured(reload_splay=60.0)
    app.at(100, ev.ConfigOffered("b", 0.5))
    app.at(110, ev.ConfigOffered("c", 0.9))

    assert 140 == app.wakes_at()


def test_content_back_before_its_apply_needs_nothing() -> None:
    app = configured(reload_quiet=5.0)
    app.at(100, ev.ConfigOffered("b"), ev.ConfigOffered("a"))

    assert app.wakes_at() is None
    assert not app.rollout.stale


def test_failed_reload_is_retried_later_each_time() -> None:
    app = configured()
    changed(app, 100, "b")
    app.at(130, ev.ReloadFinished(1, "no_handler", "it does not catch SIGHUP"))

    assert ("no_handler", True, 132) == (
        app.reloads.outcome,
        app.rollout.stale,
        app.wakes_at(),
    )
    assert [Reload(2)] == app.at(132)
    app.at(162, ev.ReloadFinished(2, "no_handler", "it does not catch SIGHUP"))
    assert 166 == app.wakes_at()
    assert [Reload(3)] == app.at(166)
    app.at(167, ev.ReloadFinished(3))
    assert ("success", False, None) == (app.reloads.outcome, app.rollout.stale, app.wakes_at())


def test_newer_version_does_not_wait_for_retries() -> None:
    app = configured(reload_interval=0.0)
    changed(app, 100, "b")
    app.at(100, ev.ReloadFinished(1, "no_handler", ""))

    assert [Apply(), Reload(2)] == changed(app, 100.5, "c")


def test_return_to_the_running_version_ends_the_failure() -> None:
    app = configured(reload_interval=0.0)
    changed(app, 100, "b")
    app.at(100, ev.ReloadFinished(1, "no_handler", ""))

    assert [Apply()] == changed(app, 101, "a")
    assert ("success", False, None) == (app.reloads.outcome, app.rollout.stale, app.wakes_at())


def test_a_reload_that_never_reports_is_given_up() -> None:
    app = configured(reload_timeout=30.0)
    changed(app, 100, "b")

    assert 136 == app.wakes_at()
    assert [app.cancel()] == app.at(136)
    assert ("running", "timeout") == (app.phase, app.reloads.outcome)
    assert [] == app.at(136.5, ev.ReloadFinished(1))
    assert app.rollout.stale


def test_a_late_reload_may_not_signal() -> None:
    app = configured()
    changed(app, 100, "b")
    wanted = ev.SignalRequested(1, HUP, lambda _: None)

    assert [Kill(HUP), Reply(wanted, sent=True)] == app.at(101, wanted)
    assert [Kill(TERM), app.cancel()] == app.at(102, ev.SignalReceived(TERM))
    assert [Reply(wanted, sent=False)] == app.at(103, wanted)


def test_after_a_stop_nothing_is_applied_and_nothing_reloaded() -> None:
    app = configured()
    app.at(1, ev.SignalReceived(TERM))

    assert [] == app.at(2, ev.ConfigOffered("b"))
    assert app.wakes_at() is None


def test_app_that_ends_in_a_reload_restarts_on_the_new_version() -> None:
    app = configured(restart="always", leftovers=False)
    changed(app, 100, "b")
    app.at(101, ev.Exited(7, 1))

    assert "child_exited" == app.reloads.outcome
    app.at(102)
    app.at(102, ev.Started(8))
    assert ("b", "child_exited") == (app.rollout.runs_on, app.reloads.outcome)
    app.at(107, ev.ReloadFinished(2))
    assert "success" == app.reloads.outcome


def test_change_while_the_app_is_down_needs_no_signal() -> None:
    app = configured(restart="always", leftovers=False)
    app.at(100, ev.Exited(7, 1))

    assert [Apply()] == app.at(100.1, ev.ConfigOffered("b"))
    assert [] == app.at(100.2, ev.ConfigApplied("b"))
    assert [Spawn()] == app.at(100.5)
    assert [Reload(1, told=True)] == app.at(100.5, ev.Started(8))
    assert "b" == app.rollout.runs_on


def test_version_in_place_after_a_restart_is_reloaded() -> None:
    app = configured(restart="always", leftovers=False)
    app.at(100, ev.Exited(7, 1))
    app.at(100.4, ev.ConfigOffered("b"))
    app.at(100.5)
    app.at(100.5, ev.Started(8))

    assert [Reload(1)] == app.at(100.6, ev.ConfigApplied("b"))


def test_what_cannot_be_written_is_tried_again_and_the_old_stays() -> None:
    app = configured()
    app.at(100, ev.ConfigOffered("b"))
    app.at(100, ev.ConfigFailed("b", "write", "no space left"))

    assert ("a", True, 102) == (app.versions.live, app.rollout.stale, app.wakes_at())
    assert [Apply()] == app.at(102)
    app.at(102, ev.ConfigFailed("b", "write", "no space left"))
    assert [Apply()] == app.at(106)
    assert [Reload(1)] == app.at(106, ev.ConfigApplied("b"))


def test_version_with_bad_keys_is_not_tried_again() -> None:
    app = configured()
    app.at(100, ev.ConfigOffered("b"))
    app.at(100, ev.ConfigFailed("b", "bad_key", "../x"))

    assert app.wakes_at() is None
    assert app.rollout.stale
    assert [Apply()] == app.at(200, ev.ConfigOffered("c"))


def test_start_without_a_source_uses_the_last_version() -> None:
    app = App(configured=True, initial_sync_timeout=60.0)
    app.at(0, ev.Began())

    assert 60 == app.wakes_at()
    assert [Recover()] == app.at(60)
    assert [Spawn()] == app.at(60, ev.ConfigApplied("old", cached=True))
    app.at(60, ev.Started(7))
    assert app.rollout.stale
    assert [] == app.at(90, ev.ConfigOffered("old"))
    assert not app.rollout.stale


def test_when_there_is_no_last_one_the_start_fails() -> None:
    app = App(configured=True)
    app.at(0, ev.Began())
    app.at(60)

    assert [Ended(125)] == app.at(60, ev.ConfigFailed("", "no_generation", "nothing"))


def test_start_waits_for_a_version_that_came_with_the_end() -> None:
    """The last look at the disk began before the version came, and ends after."""
    app = App(configured=True, initial_sync_timeout=60.0)
    app.at(0, ev.Began())
    assert [Recover()] == app.at(60)
    assert [Apply()] == app.at(60.01, ev.ConfigOffered("a"))
    assert [] == app.at(60.02, ev.ConfigFailed("", "no_generation", "nothing"))

    assert [Spawn()] == app.at(60.1, ev.ConfigApplied("a"))


@pytest.mark.parametrize("once", [False, True])
def test_version_at_the_end_of_the_time_gets_it_again(*, once: bool) -> None:
    app = App(configured=True, once=once, initial_sync_timeout=60.0)
    app.at(0, ev.Began())
    app.at(60)
    app.at(60.01, ev.ConfigOffered("a"), ev.ConfigFailed("", "no_generation", "nothing"))
    app.at(61, ev.ConfigFailed("a", "write", "no space left on device"))

    assert Recover() in app.at(120.01)
    assert [Ended(125)] == app.at(121, ev.ConfigFailed("", "no_generation", "nothing"))


def test_a_source_that_was_faster_than_the_recovery_wins() -> None:
    app = App(configured=True)
    app.at(0, ev.Began())
    app.at(60)
    app.at(60, ev.ConfigOffered("a"), ev.ConfigApplied("a"), ev.Started(7))
    app.at(60, ev.ConfigApplied("a", cached=True))

    assert not app.rollout.stale


def test_fatal_access_ends_the_start_and_no_running_app() -> None:
    app = App(configured=True)
    app.at(0, ev.Began())
    fatal = ev.SourceFailed(0, "config", "cannot read kubeconfig", fatal=True)

    assert [Ended(125)] == app.at(1, fatal)
    assert [] == configured().at(1, fatal)


def test_a_missing_object_leaves_everything_as_it_is() -> None:
    app = configured()

    assert [] == app.at(1, ev.SourceRead(0, present=False))
    assert (False, "a") == (app.state.sources[0].present, app.rollout.runs_on)


def test_newer_version_does_not_wait_for_a_failed_write() -> None:
    app = configured(reload_interval=0.0)
    app.at(100, ev.ConfigOffered("b"))
    app.at(100, ev.ConfigOffered("c"))

    assert [Apply()] == app.at(100, ev.ConfigFailed("b", "write", "no space left"))


def test_recovered_version_that_the_source_holds_is_not_stale() -> None:
    """It could not be written: the disk is full, and it stands there already."""
    app = App(configured=True)
    app.at(0, ev.Began(), ev.ConfigOffered("a"))
    assert [Recover()] == app.at(1, ev.ConfigFailed("a", "write", "disk full"))
    app.at(1, ev.ConfigApplied("a", cached=True, previous="a"), ev.Started(7))

    assert ("a", False) == (app.rollout.runs_on, app.rollout.stale)


def test_reload_signal_is_ordered_by_the_rules() -> None:
    """The thread verifies once the app has it; else it waits for a handler, and asks."""
    app = configured(reload_signal=HUP)

    assert [SignalReload(1, HUP)] == changed(app, 100, "b")[-1:]
    assert "reloading" == app.phase
    assert [Reload(1, told=True)] == app.at(100, ev.ReloadSignalled(1, sent=True))
    app.at(105, ev.ReloadFinished(1))
    assert [SignalReload(2, HUP)] == changed(app, 200, "c")[-1:]
    assert [Reload(2)] == app.at(200, ev.ReloadSignalled(2, sent=False))
    wanted = ev.SignalRequested(2, HUP, lambda _: None)
    assert [Kill(HUP), Reply(wanted, sent=True)] == app.at(201, wanted)


def test_reload_signal_of_an_older_attempt_starts_nothing() -> None:
    app = configured(reload_signal=HUP)
    changed(app, 100, "b")
    app.at(100, ev.SignalReceived(TERM))

    assert [] == app.at(100, ev.ReloadSignalled(1, sent=True))


def test_verification_looks_before_the_reload_signal() -> None:
    app = configured(reload_signal=HUP, verify=True)
    app.at(5, ev.ReloadFinished(1))

    assert [Reload(2)] == changed(app, 100, "b")[-1:]
