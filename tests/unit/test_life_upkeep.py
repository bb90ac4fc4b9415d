"""Histories of one service among several: settled starts, retries, giving up, ordered stops."""

from __future__ import annotations

from typing import Any

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Kill, KillLeftovers, Spawn, WaitReady
from config_supervisor.core.life_state import Ended, Phase
from config_supervisor.core.service import Service
from config_supervisor.core.upkeep import TOO_QUICK, pause
from config_supervisor.core.upkeep_state import KeptLife, SignalService, StopService, Upkeep
from tests.unit.histories import CONT, HUP, INT, KILL, QUIT, TERM, TSTP, App

OK = frozenset({0})


class Kept(App):
    """A service with supervisord's policy, and a pid for each start."""

    def __init__(self, upkeep: Upkeep | None = None, **options: Any) -> None:
        options = {
            "restart": "on-failure",
            "leftovers": False,
            "stop_timeout": 10.0,
            "ok_exit_codes": OK,
            **options,
        }
        super().__init__(upkeep=upkeep or Upkeep(), **options)
        self.state = Service(life=KeptLife())
        self.pid = 6

    @property
    def kept(self) -> KeptLife:
        assert isinstance(self.life, KeptLife)
        return self.life

    def starts(self, now: float) -> Kept:
        self.pid += 1
        self.at(now, ev.Started(self.pid))
        return self

    def ends(self, now: float, code: int = 0, signum: int = 0) -> list[Any]:
        return self.at(now, ev.Exited(self.pid, 128 + signum if signum else code, signum))

    def stops(self, now: float, **fields: Any) -> list[Any]:
        return self.at(now, StopService(**fields))


def begun(upkeep: Upkeep | None = None, **options: Any) -> Kept:
    """A service whose program runs since 0."""
    app = Kept(upkeep, **options)
    app.at(0, ev.Began())
    return app.starts(0)


# --- starts ---------------------------------------------------------------------------------------


def test_service_runs_once_it_is_settled() -> None:
    app = begun(Upkeep(settle=1.0))
    assert ("starting", 1.0) == (app.phase, app.wakes_at())

    app.at(1)
    assert ("running", None) == (app.phase, app.wakes_at())


def test_service_without_a_settle_time_runs_at_once() -> None:
    assert "running" == begun(Upkeep(settle=0.0)).phase


def test_service_runs_once_it_is_settled_and_ready() -> None:
    app = Kept(ready=True)
    app.at(0, ev.Began())

    assert [WaitReady(7)] == app.at(0, ev.Started(7))
    app.at(0.5, ev.AppReady(7))
    assert "starting" == app.phase
    app.at(1)
    assert "running" == app.phase


def test_readiness_after_the_settle_time_is_awaited() -> None:
    app = begun(ready=True)
    app.at(1)
    assert ("starting", None) == (app.phase, app.wakes_at())

    app.at(30, ev.AppReady(7))
    assert "running" == app.phase


def test_service_not_ready_in_time_may_be_ready_later() -> None:
    app = begun(Upkeep(ready_limit=5.0), ready=True)
    app.at(1)
    app.at(6)
    assert ("unready", "not ready within 5s") == (app.phase, app.life.error)

    app.at(9, ev.AppReady(7))
    assert "running" == app.phase


@pytest.mark.parametrize("code", [0, 3])
def test_an_end_before_the_settle_time_is_a_failed_start(code: int) -> None:
    """Also with an expected code."""
    app = begun()
    app.ends(0.2, code)

    assert ("backoff", TOO_QUICK) == (app.phase, app.life.error)


def test_an_end_before_it_was_ready_is_a_failed_start() -> None:
    app = begun(ready=True)
    app.at(1)
    app.ends(2, 0)

    assert ("backoff", "Exited before it was ready") == (app.phase, app.life.error)


def test_failed_starts_are_tried_again_after_1_2_3_seconds() -> None:
    """Supervisord's startretries = 3: four starts, at 0, 1, 3 and 6 seconds."""
    app = Kept()
    times = [0.0]
    app.at(0, ev.Began())
    for _ in range(3):
        app.starts(app.now).ends(app.now, 3)
        times.append(app.wakes_at() or 0)
        assert [Spawn()] == app.at(times[-1])

    assert [0, 1, 3, 6] == times
    assert [Ended(3)] == app.starts(6).ends(6, 3)
    assert app.kept.gave_up


def test_given_up_service_never_has_the_code_0() -> None:
    app = begun(Upkeep(tries=0))

    assert [Ended(1)] == app.ends(0.1, 0)


def test_program_that_is_missing_is_tried_again_then_given_up() -> None:
    app = Kept(Upkeep(tries=1))
    app.at(0, ev.Began())
    app.at(0, ev.StartFailed(127, "can't find command '/x'"))
    assert ("backoff", 1.0) == (app.phase, app.wakes_at())

    app.at(1)
    assert [Ended(127)] == app.at(1, ev.StartFailed(127, "can't find command '/x'"))
    assert "can't find command '/x'" == app.life.error


def test_service_without_a_limit_of_tries_is_never_given_up() -> None:
    app = begun(Upkeep(tries=None))
    for _ in range(50):
        app.ends(app.now, 3)
        assert "backoff" == app.phase
        app.at(app.wakes_at() or 0)
        app.starts(app.now)


def test_start_that_succeeds_forgets_the_failures() -> None:
    app = begun()
    app.ends(0, 3)
    app.at(1)
    app.starts(1).at(2)

    assert (0, "", "running") == (app.life.failures, app.life.error, app.phase)


# --- ends of a running service --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "code", "signum", "again"),
    [
        ("on-failure", 0, 0, False),
        ("on-failure", 2, 0, False),
        ("on-failure", 3, 0, True),
        ("on-failure", 0, KILL, True),
        ("always", 0, 0, True),
        ("never", 3, 0, False),
    ],
)
def test_restart_of_a_running_service(restart: str, code: int, signum: int, again: bool) -> None:
    app = begun(restart=restart, ok_exit_codes=frozenset({0, 2}))
    app.at(1)
    app.ends(5, code, signum)

    assert again is (app.phase == "backoff")


def test_linear_pace_starts_again_at_once_after_running() -> None:
    app = begun(restart="always")
    app.at(1)
    app.ends(1.2)

    assert 1.2 == app.wakes_at()


def test_linear_pace_leaves_a_second_between_starts() -> None:
    """As supervisord's poll does: a program that ends at once is no busy loop."""
    app = begun(Upkeep(settle=0.0), restart="always")
    app.ends(0.01)

    assert 1.0 == app.wakes_at()


def test_exponential_pace_waits_after_running_too() -> None:
    app = begun(Upkeep(exponential=True, settle=0.0, tries=9), restart="always")
    waits = []
    for _ in range(4):
        app.ends(app.now, 3)
        waits.append((app.wakes_at() or 0) - app.now)
        app.at(app.wakes_at() or 0)
        app.starts(app.now)

    assert [0.5, 1, 2, 4] == waits


def test_service_that_lasted_begins_with_the_first_pause_again() -> None:
    app = begun(Upkeep(exponential=True, settle=0.0), restart="always")
    app.ends(0, 3)
    app.at(0.5)
    app.starts(0.5).ends(40, 3)

    assert (1, 40.5) == (app.life.failures, app.wakes_at())


def test_dice_spread_the_pauses() -> None:
    pauses = [pause(1, Upkeep(exponential=True, dice=dice)) for dice in (0.0, 0.5, 1.0)]

    assert [0.375, 0.5, 0.625] == pauses
    assert 2.0 == pause(2, Upkeep(dice=1.0))


def test_restarts_beyond_the_window_are_given_up() -> None:
    app = begun(Upkeep(exponential=True, settle=0.0, tries=2, window=100.0), restart="always")
    for _ in range(2):
        app.ends(app.now + 31, 3)
        app.at(app.wakes_at() or 0)
        app.starts(app.now)

    assert [Ended(3)] == app.ends(app.now + 31, 3)
    assert app.kept.gave_up


def test_restarts_outside_of_the_window_do_not_count() -> None:
    app = begun(Upkeep(exponential=True, settle=0.0, tries=2, window=60.0), restart="always")
    for _ in range(9):
        app.ends(app.now + 31, 3)
        assert "backoff" == app.phase
        app.at(app.wakes_at() or 0)
        app.starts(app.now)


# --- stops ----------------------------------------------------------------------------------------


def test_stop_gets_its_signal_then_kill_again_and_again() -> None:
    app = begun(Upkeep(kill_again=2.0), stop_signal=INT, stop_timeout=2.0)

    assert [Kill(INT)] == app.stops(1)
    assert 3 == app.wakes_at()
    assert [Kill(KILL)] == app.at(3)
    assert [Kill(KILL)] == app.at(5)
    assert 7 == app.wakes_at()
    assert [Ended(137)] == app.ends(6, signum=KILL)
    assert app.kept.ordered


@pytest.mark.parametrize(("group", "kill_group"), [(True, True), (False, True), (False, False)])
def test_stop_and_kill_go_to_the_group_apart(group: bool, kill_group: bool) -> None:
    app = begun(Upkeep(kill_group=kill_group), group=group)

    assert [Kill(TERM, group)] == app.stops(1)
    assert [Kill(KILL, kill_group)] == app.at(11)


def test_stop_within_a_budget_kills_earlier() -> None:
    app = begun()
    app.stops(1, kill_by=4.0)

    assert 4 == app.wakes_at()
    assert [Kill(KILL)] == app.at(4)


def test_second_stop_tightens_the_first() -> None:
    app = begun()
    app.stops(1)
    assert [] == app.stops(2, kill_by=5.0)

    assert 5 == app.wakes_at()


@pytest.mark.parametrize(("shutdown", "gave_up"), [(False, False), (True, True)])
def test_stop_in_the_backoff_ends_at_once(shutdown: bool, gave_up: bool) -> None:
    """STOPPED by order, FATAL at a shutdown, as in supervisord."""
    app = begun()
    app.ends(0, 3)

    assert [Ended(3)] == app.stops(0.5, shutdown=shutdown)
    assert gave_up is app.kept.gave_up


def test_stopped_process_continues_to_end() -> None:
    app = begun()
    app.at(1, ev.AppSuspended(7, TSTP))

    assert [Kill(TERM), Kill(CONT)] == app.stops(2)


def test_stop_waits_for_its_delay() -> None:
    app = begun(stop_delay=3.0)

    assert [] == app.stops(1)
    assert [Kill(TERM)] == app.at(4)
    assert 14 == app.wakes_at()


def test_leftovers_end_before_the_service_is_down() -> None:
    app = begun(leftovers=True, leftovers_timeout=5.0)
    app.stops(1, kill_by=3.0, end_by=4.0)

    assert [KillLeftovers(TERM, everything=False)] == app.ends(2, 0)
    assert [KillLeftovers(KILL, everything=False)] == app.at(3)
    assert 4 == app.wakes_at()
    assert [Ended(0)] == app.at(4)


def test_stop_during_leftovers_ends_the_restart() -> None:
    app = begun(leftovers=True, restart="always")
    app.at(1)
    app.ends(5, 3)
    app.stops(6)

    assert [Ended(3)] == app.at(6, ev.NothingLeft())


# --- signals --------------------------------------------------------------------------------------


def test_signal_reaches_the_process_in_each_phase_with_one() -> None:
    app = Kept(rewrite={HUP: QUIT})
    app.at(0, ev.Began(), SignalService(HUP))

    assert [Kill(HUP)] == app.at(0, ev.Started(7))
    assert [Kill(QUIT)] == app.at(1, SignalService(HUP))
    app.stops(2)
    assert [Kill(INT)] == app.at(2, SignalService(INT))
    assert Phase.STOPPING is app.life.phase


def test_signal_without_a_process_is_dropped() -> None:
    app = begun()
    app.ends(0, 3)

    assert [] == app.at(0.5, SignalService(HUP))
