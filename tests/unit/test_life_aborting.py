"""Histories of a stop that meets a start: between the fork and the exec of a service's program."""

from __future__ import annotations

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Kill
from config_supervisor.core.life_state import Ended, Phase
from config_supervisor.core.upkeep import EXEC_GRACE
from tests.unit.histories import KILL, TERM
from tests.unit.test_life_upkeep import Kept


def test_stop_meets_an_exec_that_hangs() -> None:
    """Its program never runs: KILL ends it after a moment."""
    app = Kept()
    app.at(0, ev.Began(), ev.Forked(7))

    assert [] == app.stops(0)
    assert EXEC_GRACE == app.wakes_at()
    assert [Kill(KILL)] == app.at(EXEC_GRACE)
    assert [Ended(0)] == app.at(EXEC_GRACE, ev.Exited(7, 137, KILL))


def test_stop_meets_a_program_that_runs_by_now() -> None:
    """It has its stop signal and its time, as any."""
    app = Kept()
    app.at(0, ev.Began(), ev.Forked(7))
    app.stops(0)

    assert [Kill(TERM)] == app.at(0.1, ev.Started(7))
    assert (Phase.STOPPING, 10.1) == (app.life.phase, app.wakes_at())
    assert [Ended(3)] == app.at(2, ev.Exited(7, 3))


def test_budget_of_a_stop_counts_for_an_exec() -> None:
    app = Kept()
    app.at(0, ev.Began(), ev.Forked(7))
    app.stops(0)
    app.stops(0.1, kill_by=0.2)

    assert [Kill(KILL)] == app.at(0.2)
    assert [] == app.at(0.3, ev.Started(7))


def test_stop_meets_a_start_that_fails() -> None:
    app = Kept()
    app.at(0, ev.Began(), ev.Forked(7))
    app.stops(0)

    assert [Ended(0)] == app.at(0.1, ev.StartFailed(127, "no such file"))


def test_kill_between_fork_and_its_report_ends_the_life() -> None:
    app = Kept()
    app.at(0, ev.Began())
    app.stops(0)
    app.at(0, ev.Forked(7))

    assert [Ended(0)] == app.at(0, ev.Exited(7, 137, KILL))
