"""Histories of an app whose fleet decides which version may be applied."""

from __future__ import annotations

from typing import Any

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core import rollout_marks
from config_supervisor.core.actions import (
    Action,
    Answer,
    Apply,
    Check,
    Mark,
    Reload,
    RollBack,
    Spawn,
)
from config_supervisor.core.life_state import Ended, Life, Phase
from config_supervisor.core.orders import Result, Settled
from config_supervisor.core.outcomes import ApplyFailure, Outcome
from config_supervisor.core.record import Record
from config_supervisor.core.rollout_state import Rollout
from config_supervisor.core.versions import Marks, Versions
from tests.unit.histories import App, prove, rolled_back

BAD = ev.VersionCondemned("b", "verify", "condemned by web-1: verify")


def gated(**options: Any) -> App:
    app = App(configured=True, rollback=True, verify=True, **options)
    versions = Versions(gated=True)
    app.state = app.state.replace(rollout=Rollout(versions=versions))
    app.at(0, ev.Began())
    return app


def running(**options: Any) -> App:
    """An app on version `a`, which is good."""
    app = gated(**options)
    app.at(0, ev.ConfigOffered("a"), ev.VersionCleared("a"), ev.ConfigApplied("a"))
    app.at(0, ev.Started(7))
    app.at(1, ev.ReloadFinished(app.reloads.number))
    prove(app)
    assert "a" == app.versions.good
    return app


def reloading(**options: Any) -> App:
    """The same in a reload onto `b`, as the canary."""
    app = running(**options)
    app.at(100, ev.ConfigOffered("b"), ev.VersionCleared("b", trial=True), ev.ConfigApplied("b"))
    assert "b" == app.reloads.target
    return app


def baking(**options: Any) -> App:
    """The same once `b` is good for this pod."""
    app = reloading(**options)
    app.at(101, ev.ReloadFinished(app.reloads.number))
    assert ("b", "b") == (app.versions.good, app.versions.marks.baking)
    return app


def test_new_version_waits_for_the_fleet() -> None:
    app = running()

    assert [] == app.at(100, ev.ConfigOffered("b"))
    assert app.versions.barred
    assert None is app.wakes_at()
    assert app.rollout.stale

    assert [Apply(version="b")] == app.at(150, ev.VersionCleared("b"))


def test_first_version_waits_for_the_fleet() -> None:
    app = gated()

    assert [] == app.at(1, ev.ConfigOffered("a"))
    assert [Apply(version="a")] == app.at(2, ev.VersionCleared("a"))


def test_version_after_the_cleared_one_waits() -> None:
    """It came between the order and the deed: the delivery did nothing."""
    app = running()
    app.at(100, ev.ConfigOffered("b"), ev.VersionCleared("b"), ev.ConfigOffered("c"))

    assert [] == app.at(101, ev.ConfigFailed("b", ApplyFailure.OVERTAKEN, "a newer version came"))
    assert [] == app.at(200)
    assert ("c", "a", "") == (app.versions.desired, app.versions.live, app.versions.cleared)


def test_version_that_returns_waits_again() -> None:
    app = running()
    app.at(100, ev.ConfigOffered("b"), ev.VersionCleared("b"))
    app.at(100, ev.ConfigFailed("b", ApplyFailure.WRITE, "disk full"), ev.ConfigOffered("c"))

    assert [] == app.at(101, ev.ConfigOffered("b"))
    assert [] == app.at(200)


def test_gate_closes_again() -> None:
    app = running()
    app.at(100, ev.ConfigOffered("b"), ev.VersionCleared("b"))
    app.at(100, ev.ConfigFailed("b", ApplyFailure.WRITE, "disk full"), ev.VersionCleared(""))

    assert [] == app.at(200)


def test_version_on_its_way_is_checked_by_name() -> None:
    app = reloading(validate=True)
    app.at(111, ev.ConfigOffered("c"))

    assert [Check(version="c")] == app.at(111, ev.VersionCleared("c"))


# --- orders of people -----------------------------------------------------------------------------


def test_ordered_reload_does_not_open_the_gate() -> None:
    app = running()
    app.at(100, ev.ConfigOffered("b"))
    settled: list[Settled] = []
    order = ev.ReloadOrdered(settled.append)

    assert [Reload(app.reloads.number + 1)] == app.at(101, order)
    answers = app.at(102, ev.ReloadFinished(app.reloads.number))

    assert [Answer(order, Settled(Result.DONE, "a", barred="b"))] == answers


def test_ordered_reload_forgives_no_condemned_version() -> None:
    app = running()
    app.at(100, ev.ConfigOffered("b"), BAD)
    order = ev.ReloadOrdered(lambda _: None)

    assert [Reload(app.reloads.number + 1)] == app.at(101, order)
    answers = app.at(102, ev.ReloadFinished(app.reloads.number))

    assert [Answer(order, Settled(Result.DONE, "a", barred="b"))] == answers
    assert "b" in app.versions.marks.rejected


def test_ordered_reload_does_not_repeat_a_failed_trial() -> None:
    """It failed here; whether it is tried again is for the fleet to say."""
    app = reloading()
    app.at(102, ev.ReloadFinished(app.reloads.number, Outcome.VERIFY, "503"))
    rolled_back(app, 102, "a")
    app.at(103, ev.ReloadFinished(app.reloads.number))

    app.at(110, ev.ReloadOrdered())
    app.at(111, ev.ReloadFinished(app.reloads.number))

    assert ("a", True) == (app.versions.live, app.versions.barred)
    assert [Apply(version="b")] == app.at(150, ev.VersionCleared("b"))


@pytest.mark.parametrize("word", [BAD, None])
def test_rollback_to_a_barred_version_is_refused(word: ev.Event | None) -> None:
    app = running()
    app.at(100, ev.ConfigOffered("b"), *([word] if word else []))
    order = ev.RollbackOrdered("b", lambda _: None)

    (answer,) = app.at(101, order)

    assert isinstance(answer, Answer)
    assert Result.FAILED == answer.settled.result
    assert "supervisorctl fleet approve" in answer.settled.error


# --- condemned versions ---------------------------------------------------------------------------


def test_condemned_version_stays_out_until_it_is_cleared() -> None:
    app = running()

    assert [] == app.at(100, ev.ConfigOffered("b"), BAD)
    assert ("b", "condemned by web-1: verify") == (app.versions.rejected, app.versions.error)
    assert [] == app.at(101, ev.ConfigOffered("a"), ev.ConfigOffered("b"))
    assert [] == app.at(500)

    assert [Apply(version="b")] == app.at(501, ev.VersionCleared("b"))
    assert ((), "") == (app.versions.condemned, app.versions.marks.why("b"))


def test_condemned_version_is_left_after_its_proof() -> None:
    app = baking()

    assert [RollBack("a")] == app.at(120, BAD)
    assert [Reload(app.reloads.number + 1)] == rolled_back(app, 120, "a")
    app.at(121, ev.ReloadFinished(app.reloads.number))

    assert ("a", "a", "") == (app.rollout.runs_on, app.versions.good, app.versions.marks.baking)
    assert [] == app.at(500)


def test_condemned_version_that_is_being_written_is_left() -> None:
    """No reload on it, though the files were in place for a moment."""
    app = running()
    app.at(100, ev.ConfigOffered("b"), ev.VersionCleared("b"))

    assert [] == app.at(100, BAD)
    assert [RollBack("a")] == app.at(101, ev.ConfigApplied("b"))
    assert [] == rolled_back(app, 101, "a")  # the app has run on it all the time


def test_condemned_version_in_its_reload_is_left() -> None:
    app = reloading()

    assert [app.cancel()] == app.at(101, BAD)
    # The reload had just succeeded: that lifts nothing.
    assert [RollBack("a")] == app.at(101, ev.ReloadFinished(app.reloads.number))
    assert "b" in app.versions.marks.rejected
    assert [Reload(app.reloads.number + 1)] == rolled_back(app, 101, "a")


def test_condemned_version_stays_where_nothing_is_better() -> None:
    app = gated()
    app.at(0, ev.ConfigOffered("b"), ev.VersionCleared("b", trial=True), ev.ConfigApplied("b"))
    app.at(0, ev.Started(7))
    app.at(1, ev.ReloadFinished(app.reloads.number))

    assert [] == app.at(10, BAD)
    assert ("b", "", ()) == (app.versions.live, app.versions.good, app.versions.marks.good)


def test_condemned_good_version_is_no_way_back() -> None:
    app = baking()
    app.at(110, ev.VersionCleared("b"), ev.ConfigOffered("c"), ev.VersionCleared("c"))
    app.at(111, ev.ConfigApplied("c"), BAD)

    failed = app.at(112, ev.ReloadFinished(app.reloads.number, Outcome.VERIFY, "503"))

    assert [RollBack("a")] == failed


def test_version_condemned_on_its_way_back_is_passed_over() -> None:
    app = baking()
    app.at(110, ev.VersionCleared("b"), ev.ConfigOffered("c"), ev.VersionCleared("c"))
    app.at(111, ev.ConfigApplied("c"))
    app.at(112, ev.ReloadFinished(app.reloads.number, Outcome.VERIFY, "503"), BAD)

    assert [RollBack("a")] == rolled_back(app, 112, "b")


# --- the memory of a trial ------------------------------------------------------------------------


def test_trial_is_noted_until_the_verdict() -> None:
    app = baking()
    assert "b" == app.versions.marks.baking
    marked = app.marked

    app.at(140, ev.VersionCleared("b"))

    assert ("", marked + 1) == (app.versions.marks.baking, app.marked)


def test_trial_that_failed_is_not_noted() -> None:
    app = reloading()

    app.at(102, ev.ReloadFinished(app.reloads.number, Outcome.VERIFY, "503"))

    assert "" == app.versions.marks.baking


A, B = "a" * 64, "b" * 64


def test_killed_trial_fails_at_once() -> None:
    """Even of a version that had been good for this pod."""
    found = rollout_marks.parse(rollout_marks.render(Marks(good=(B, A), baking=B)))

    begun = rollout_marks.begun(found, B)

    assert ((A,), [B], B, "") == (begun.good, [*begun.rejected], begun.died, begun.baking)
    assert begun == rollout_marks.begun(rollout_marks.parse(rollout_marks.render(begun)), B)


def test_trial_at_an_ordered_stop_is_no_failure() -> None:
    begun = rollout_marks.begun(Marks(good=(B, A), baking=B, orderly=B), B)

    assert Marks(good=(A,), resumed=B) == begun


# --- the rules of a fleet within a turn -----------------------------------------------------------


class Word(Record):
    """An order of the fleet that is no word to the rollout."""


class Heard(Record):
    events: tuple[ev.Event, ...] = ()


class Fleet:
    """Rules that hear everything, and condemn `b` once the app ends or fails on it."""

    def step(
        self, heard: Heard, event: ev.Event, rollout: Rollout, life: Life, _: float
    ) -> tuple[Heard, tuple[Action | ev.Event, ...]]:
        heard = Heard((*heard.events, event))
        ended = isinstance(event, ev.Exited) and life.phase is Phase.RUNNING
        if ended and rollout.versions.live == "b":
            return heard, (BAD, Mark())
        if isinstance(event, ev.ConfigOffered | ev.Looked) and rollout.versions.desired == "a":
            return heard, (ev.VersionCleared("a"),)
        return heard, ()

    def wake_at(self, heard: Heard) -> float | None:
        return 42.0 if heard.events else None


def followed(app: App) -> App:
    app.policy = app.policy.replace(fleet=Fleet())
    app.state = app.state.replace(fleet=Heard())
    return app


def test_fleet_hears_events_and_clears() -> None:
    app = followed(gated())
    assert 60 == app.wakes_at()

    assert [Apply(version="a")] == app.at(1, ev.ConfigOffered("a"))
    # The rollout went on: the fleet looks again, once.
    assert (ev.ConfigOffered("a"), ev.Looked()) == app.state.fleet.events
    assert 42 == app.wakes_at()


def test_app_that_ends_on_a_condemned_version_starts_again() -> None:
    """Whatever --restart says: the version is to blame, as the fleet found."""
    app = followed(baking(restart="never"))

    orders = app.at(120, ev.Exited(7, 1))

    assert Ended(1) not in orders
    assert [ev.Exited(7, 1), ev.Looked()] == list(app.state.fleet.events)
    assert RollBack("a") in [*orders, *app.at(121, ev.NothingLeft())]
    assert [Spawn()] == rolled_back(app, 122, "a")


def test_app_that_ends_on_a_good_version_ends() -> None:
    app = followed(running(restart="never", leftovers=False))

    assert Ended(1) in app.at(120, ev.Exited(7, 1))
