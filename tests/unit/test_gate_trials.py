"""Trials of a fleet that end without a verdict, as the gate before the versions sees them."""

from __future__ import annotations

from config_supervisor.core import events as ev
from config_supervisor.core.actions import RollBack
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.versions import Versions
from tests.unit.histories import App


def running() -> App:
    """An app on version `a`, which is good."""
    app = App(configured=True, rollback=True, verify=True, reload_interval=0.0)
    app.state = app.state.replace(rollout=Rollout(versions=Versions(gated=True)))
    app.at(0, ev.Began(), ev.ConfigOffered("a"), ev.VersionCleared("a"), ev.ConfigApplied("a"))
    app.at(0, ev.Started(7), ev.ReloadFinished(1))
    assert "a" == app.versions.good
    return app


def test_failure_of_an_ordered_reload_in_a_trial_goes_back() -> None:
    app = tried(verified=True)
    app.at(110, ev.ReloadOrdered())

    assert [RollBack("a")] == app.at(111, ev.ReloadFinished(app.reloads.number, "verify", "503"))
    assert ("a", ["b"]) == (app.versions.good, [*app.versions.marks.rejected])


def test_rollback_by_hand_keeps_the_reason_of_a_condemnation() -> None:
    app = running()
    app.at(100, ev.ConfigOffered("b"))
    app.at(101, ev.VersionCondemned("b", "verify", "condemned by web-1: verify"))
    app.at(102, ev.RollbackOrdered("0"))

    assert "condemned by web-1: verify" == app.versions.marks.why("b")


def tried(*, verified: bool = False) -> App:
    """The same in a reload onto `b` as the canary, or after it."""
    app = running()
    app.at(100, ev.ConfigOffered("b"), ev.VersionCleared("b", trial=True), ev.ConfigApplied("b"))
    if verified:
        app.at(101, ev.ReloadFinished(app.reloads.number))
    assert ("b" if verified else "a") == app.versions.good
    return app


def test_version_of_a_trial_cut_short_is_no_way_back() -> None:
    """Its own pod has seen it work, and the fleet has not."""
    app = tried(verified=True)
    app.at(60, ev.ConfigOffered("c"), ev.VersionCleared("c", trial=True))

    assert ("a", ("a",)) == (app.versions.good, app.versions.marks.good)
    assert "c" == app.versions.marks.baking


def test_version_of_a_trial_cut_short_is_not_proven() -> None:
    """Its own pod sees it work after the fleet has gone on."""
    app = tried()
    app.at(101, ev.ConfigOffered("c"), ev.VersionCleared("c", trial=True))
    app.at(102, ev.ReloadFinished(app.reloads.number))

    assert ("b", "a", ("a",)) == (app.rollout.running, app.versions.good, app.versions.marks.good)


def test_version_of_a_trial_cut_short_gets_another() -> None:
    app = tried(verified=True)
    app.at(102, ev.ConfigOffered("c"))
    assert "a" == app.versions.good

    app.at(103, ev.ConfigOffered("b"), ev.VersionCleared("b", trial=True))

    assert ("b", ("b", "a"), "b") == (
        app.versions.good,
        app.versions.marks.good,
        app.versions.marks.baking,
    )
    assert app.rollout.settled


def test_new_trial_of_a_good_version_keeps_it_good() -> None:
    """The Lease was deleted: the fleet tries the version that all run on."""
    app = running()
    app.at(60, ev.VersionCleared("a", trial=True))
    app.at(61, ev.ConfigOffered("c"), ev.VersionCleared("c", trial=True))

    assert ("a", ("a",)) == (app.versions.good, app.versions.marks.good)
