"""Histories of services with scripts, without a program, with a bounded run, a steady pace."""

from __future__ import annotations

from typing import Any

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Kill, Spawn
from config_supervisor.core.life_state import Ended, Phase
from config_supervisor.core.upkeep_state import (
    KillScript,
    RunScript,
    Script,
    ScriptEnded,
    ScriptPolicy,
    Upkeep,
)
from tests.unit.histories import KILL, TERM
from tests.unit.test_life_upkeep import Kept, begun

FINISH = Upkeep(settle=0, tries=None, steady=True, finish=ScriptPolicy(5.0, 125))
UNDONE = Upkeep(settle=0, tries=0, down=ScriptPolicy(2.0))


def script(app: Kept, now: float, code: int = 0, which: Script = Script.FINISH) -> list[Any]:
    return app.at(now, ScriptEnded(which, code))


def test_finish_runs_before_the_next_start() -> None:
    app = begun(FINISH, restart="always")

    assert [RunScript(Script.FINISH, 3, 0)] == app.ends(0.2, 3)
    assert Phase.LEFTOVERS is app.life.phase
    script(app, 0.3)
    assert (Phase.BACKOFF, 1.0) == (app.life.phase, app.life.deadline)
    assert [Spawn()] == app.at(1.0, ev.DeadlinePassed())


def test_finish_gets_the_signal() -> None:
    app = begun(FINISH, restart="always")

    assert [RunScript(Script.FINISH, 128 + TERM, TERM)] == app.ends(0.2, signum=TERM)


def test_finish_with_the_last_code_ends_the_life() -> None:
    app = begun(FINISH, restart="always")
    app.ends(0.2, 3)

    assert [Ended(3)] == script(app, 0.3, 125)
    assert app.kept.finished


def test_finish_runs_at_a_stop_too() -> None:
    app = begun(FINISH, restart="always")
    app.stops(1)

    assert [RunScript(Script.FINISH, 0, 0)] == app.ends(1.1)
    assert [Ended(0)] == script(app, 1.2)


def test_finish_is_killed_in_time_then_left_behind() -> None:
    app = begun(FINISH, restart="always")
    app.ends(0.2, 3)

    assert [KillScript()] == app.at(5.2, ev.DeadlinePassed())
    app.at(6.2, ev.DeadlinePassed())
    assert Phase.BACKOFF is app.life.phase
    assert [] == script(app, 6.3, 137)  # too late
    assert Phase.BACKOFF is app.life.phase


def test_stop_budget_bounds_finish() -> None:
    app = begun(FINISH, restart="always")
    app.ends(0.2, 3)
    app.stops(0.3, kill_by=1.0, end_by=1.5)

    assert [KillScript()] == app.at(1.0, ev.DeadlinePassed())
    assert [Ended(3)] == app.at(1.5, ev.DeadlinePassed())


def test_finish_runs_after_a_failed_start() -> None:
    app = Kept(FINISH, restart="always")
    app.at(0, ev.Began())

    assert [RunScript(Script.FINISH, 127, 0)] == app.at(0.1, ev.StartFailed(127, "no such file"))
    script(app, 0.2)
    assert (Phase.BACKOFF, 1.1) == (app.life.phase, app.life.deadline)


def test_steady_pace_never_gives_up() -> None:
    app = begun(Upkeep(settle=0, tries=None, steady=True), restart="always")
    for now in range(1, 20):
        app.ends(now - 0.9, 1)
        assert (Phase.BACKOFF, now) == (app.life.phase, app.life.deadline)
        app.at(now, ev.DeadlinePassed())
        app.starts(now)


def test_completed_oneshot_is_to_undo() -> None:
    app = begun(UNDONE, restart="never")

    assert [Ended(0)] == app.ends(1)
    assert app.kept.to_undo


def test_failed_oneshot_is_not_to_undo() -> None:
    app = begun(UNDONE, restart="never")
    app.ends(1, 4)

    assert not app.kept.to_undo


def test_stopped_oneshot_is_not_to_undo() -> None:
    app = begun(UNDONE, restart="never")
    app.stops(1)
    app.ends(1.1, 0)

    assert not app.kept.to_undo


def test_start_without_a_program_completes_at_once() -> None:
    app = Kept(Upkeep(empty=True), restart="never")

    assert [Ended(0)] == app.at(0, ev.Began())
    assert app.kept.finished


def test_run_that_is_bounded_ends_by_kill() -> None:
    app = begun(Upkeep(settle=0, run_limit=2.0), restart="never")

    assert [Kill(KILL)] == app.at(2.0, ev.DeadlinePassed())
    assert [Ended(128 + KILL)] == app.ends(2.1, signum=KILL)
