"""Histories of the app: starts, signals, ends and restarts."""

from __future__ import annotations

import signal

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Kill, KillLeftovers, Spawn, Suspend, TakeForeground
from config_supervisor.core.backoff import backoff
from config_supervisor.core.life_state import Ended
from config_supervisor.core.service import Policy, Service, step
from tests.unit.histories import CONT, HUP, INT, KILL, QUIT, STOP, TERM, TSTP, App, started

# --- start and end --------------------------------------------------------------------------------


def test_without_a_configuration_the_app_is_started_at_once() -> None:
    app = App()

    assert [Spawn()] == app.at(0, ev.Began())
    app.at(0, ev.Started(7))
    assert ("running", 7, 1, None) == (
        app.phase,
        app.life.pid,
        app.life.starts,
        app.wakes_at(),
    )


def test_term_before_the_start_prevents_it() -> None:
    app = App()

    assert [Ended(143)] == app.at(0, ev.SignalReceived(TERM))
    assert [] == app.at(0, ev.Began())


def test_signals_before_the_start_reach_the_app_in_order() -> None:
    app = App(rewrite={10: 12})
    app.at(0, ev.SignalReceived(HUP), ev.SignalReceived(10), ev.Began())

    assert [Kill(HUP), Kill(12)] == app.at(0, ev.Started(7))


@pytest.mark.parametrize("signum", [HUP, 10])
def test_signals_while_the_first_version_is_awaited_are_dropped(signum: int) -> None:
    """The app starts on the newest version, and would be ended by HUP before it can have
    a handler.
    """
    app = App(configured=True)
    app.at(0, ev.Began(), ev.SignalReceived(signum))
    app.at(1, ev.ConfigOffered("a"), ev.ConfigApplied("a"), ev.Forked(7), ev.SignalReceived(signum))

    assert [] == app.at(1, ev.Started(7))
    assert [Kill(signum)] == app.at(2, ev.SignalReceived(signum))


@pytest.mark.parametrize("signum", [INT, QUIT])
def test_interrupt_and_quit_end_the_wait_for_a_configuration(signum: int) -> None:
    app = App(configured=True)
    app.at(0, ev.Began())

    assert [Ended(128 + signum)] == app.at(1, ev.SignalReceived(signum))


def test_the_exit_code_is_the_apps_once_nothing_is_left() -> None:
    app = started()

    assert [KillLeftovers(TERM, everything=True)] == app.at(1, ev.Exited(7, 42))
    assert [Ended(42)] == app.at(1, ev.NothingLeft())
    assert "done" == app.phase


def test_leftovers_after_their_timeout_are_killed() -> None:
    app = started(leftovers_timeout=10.0)
    app.at(1, ev.Exited(7, 0))

    assert 11 == app.wakes_at()
    assert [KillLeftovers(KILL, everything=True)] == app.at(11)
    assert 12 == app.wakes_at()
    assert [Ended(0)] == app.at(12)


def test_leftovers_can_be_ignored() -> None:
    assert [Ended(3)] == started(leftovers=False).at(1, ev.Exited(7, 3))


def test_the_end_of_another_child_is_not_the_apps() -> None:
    app = started()

    assert [] == app.at(1, ev.Exited(8, 1))
    assert "running" == app.phase


def test_ok_exit_codes_count_as_zero() -> None:
    assert [Ended(0)] == started(leftovers=False, ok_exit_codes=frozenset({143})).at(
        1, ev.Exited(7, 143, TERM)
    )


@pytest.mark.parametrize("code", [125, 126, 127])
def test_command_that_cannot_start_ends_with_the_shells_code(code: int) -> None:
    app = App(restart="always")
    app.at(0, ev.Began())

    assert [Ended(code)] == app.at(0, ev.StartFailed(code, "cannot start"))


# --- signals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signum", sorted(set(map(int, signal.valid_signals())) - {TERM, CONT, TSTP, 21, 22})
)
def test_a_signal_is_forwarded(signum: int) -> None:
    app = started()

    assert [Kill(signum)] == app.at(1, ev.SignalReceived(signum))
    assert "running" == app.phase


def test_a_signal_goes_to_the_group_if_wanted() -> None:
    assert [Kill(HUP, group=True)] == started(group=True).at(1, ev.SignalReceived(HUP))


def test_a_rewritten_signal_is_not_rewritten_again() -> None:
    app = started(rewrite={TERM: INT, INT: QUIT, HUP: 0})

    assert [Kill(QUIT)] == app.at(1, ev.SignalReceived(INT))
    assert [] == app.at(1, ev.SignalReceived(HUP))
    assert [Kill(INT)] == app.at(1, ev.SignalReceived(TERM))
    assert "stopping" == app.phase


def test_second_term_passes_on_and_keeps_the_timer() -> None:
    app = started(stop_signal=QUIT, stop_timeout=5.0)

    assert [Kill(QUIT)] == app.at(1, ev.SignalReceived(TERM))
    assert 6 == app.wakes_at()
    assert [Kill(QUIT)] == app.at(3, ev.SignalReceived(TERM))
    assert 6 == app.wakes_at()
    assert [Kill(KILL)] == app.at(6)
    assert ("killing", None) == (app.phase, app.wakes_at())
    app.at(6, ev.Exited(7, 137, KILL))
    assert [Ended(137)] == app.at(6, ev.NothingLeft())


def test_the_apps_own_stop_signal_is_a_stop_too() -> None:
    app = started(stop_signal=QUIT)

    assert [Kill(QUIT)] == app.at(1, ev.SignalReceived(QUIT))
    assert "stopping" == app.phase


def test_without_a_stop_timeout_a_drain_may_take_for_ever() -> None:
    app = started()
    app.at(1, ev.SignalReceived(TERM))

    assert app.wakes_at() is None


def test_stop_delay_holds_the_stop_until_a_second() -> None:
    app = started(stop_delay=5.0, stop_timeout=2.0)

    assert [] == app.at(1, ev.SignalReceived(TERM))
    assert [Kill(HUP)] == app.at(2, ev.SignalReceived(HUP))
    assert [Kill(TERM)] == app.at(6)
    assert 8 == app.wakes_at()

    other = started(stop_delay=5.0)
    other.at(1, ev.SignalReceived(TERM))
    assert [Kill(TERM)] == other.at(2, ev.SignalReceived(TERM))


def test_a_rewritten_stop_stays_rewritten_after_its_delay() -> None:
    app = started(stop_delay=5.0, rewrite={TERM: QUIT})
    app.at(1, ev.SignalReceived(TERM))

    assert [Kill(QUIT)] == app.at(6)


def test_job_control_suspends_and_resumes_app_and_supervisor() -> None:
    app = started()

    assert [Kill(TSTP), Suspend()] == app.at(1, ev.SignalReceived(TSTP))
    assert [] == app.at(1, ev.AppSuspended(7, TSTP))
    assert [Kill(CONT)] == app.at(2, ev.SignalReceived(CONT))


def test_a_group_is_stopped_with_stop() -> None:
    assert [Kill(STOP, group=True), Suspend()] == started(group=True).at(1, ev.SignalReceived(TSTP))


def test_pid_1_cannot_stop_itself() -> None:
    app = started(is_init=True)

    assert [Kill(TSTP)] == app.at(1, ev.SignalReceived(TSTP))


def test_suspended_app_is_resumed_for_its_stop() -> None:
    app = started(is_init=True)
    app.at(1, ev.SignalReceived(TSTP))

    assert [Kill(TERM), Kill(CONT)] == app.at(2, ev.SignalReceived(TERM))


def test_app_suspended_by_its_terminal_suspends_us() -> None:
    app = App()
    app.at(0, ev.Began(), ev.Started(7, foreground=True))

    assert [Suspend()] == app.at(1, ev.AppSuspended(7, TSTP))
    assert [TakeForeground(), Kill(CONT, group=True)] == app.at(2, ev.SignalReceived(CONT))
    assert [] == started().at(1, ev.AppSuspended(7, TSTP))


def test_stop_resumes_the_whole_group_that_a_key_suspended() -> None:
    app = App()
    app.at(0, ev.Began(), ev.Started(7, foreground=True))
    app.at(1, ev.AppSuspended(7, TSTP))

    assert [Kill(TERM), Kill(CONT, group=True)] == app.at(2, ev.SignalReceived(TERM))


# --- restarts -------------------------------------------------------------------------------------


def test_restarts_wait_longer_until_the_app_lasts() -> None:
    app = started(restart="on-failure", leftovers=False)
    waits = []
    for pid in range(7, 15):
        app.at(app.now, ev.Exited(pid, 1))
        waits.append((app.wakes_at() or 0) - app.now)
        assert [Spawn()] == app.at(app.wakes_at() or 0)
        app.at(app.now, ev.Started(pid + 1))

    assert [0.5, 1, 2, 4, 8, 16, 30, 30] == waits
    app.at(app.now + 30, ev.Exited(15, 1))
    assert 0.5 == (app.wakes_at() or 0) - app.now


@pytest.mark.parametrize(
    ("restart", "code", "phase"),
    [
        ("never", 1, "done"),
        ("on-failure", 0, "done"),
        ("on-failure", 1, "backoff"),
        ("always", 0, "backoff"),
    ],
)
def test_the_policy_says_whether_the_app_is_started_again(
    restart: str, code: int, phase: str
) -> None:
    app = started(restart=restart, leftovers=False)
    app.at(1, ev.Exited(7, code))

    assert phase == app.phase


def test_leftovers_end_before_a_restart() -> None:
    app = started(restart="always")

    assert [KillLeftovers(TERM, everything=False)] == app.at(1, ev.Exited(7, 0))
    app.at(1, ev.NothingLeft())
    assert "backoff" == app.phase


def test_an_app_that_was_told_to_stop_is_not_started_again() -> None:
    app = started(restart="always", leftovers=False)
    app.at(1, ev.SignalReceived(TERM))

    assert [Ended(143)] == app.at(2, ev.Exited(7, 143, TERM))


def test_a_term_during_the_backoff_ends_with_the_apps_last_code() -> None:
    app = started(restart="always", leftovers=False)
    app.at(1, ev.Exited(7, 9))

    assert [] == app.at(1.1, ev.SignalReceived(HUP))
    assert [Ended(9)] == app.at(1.2, ev.SignalReceived(TERM))


def test_a_failed_restart_is_tried_again() -> None:
    app = started(restart="always", leftovers=False)
    app.at(1, ev.Exited(7, 9))
    app.at(1.5)
    app.at(1.5, ev.StartFailed(125, "cannot fork"))

    assert "backoff" == app.phase
    assert 2.5 == app.wakes_at()


def test_backoff_doubles_up_to_its_limit() -> None:
    assert [0.5, 1, 2, 30, 30] == [backoff(n, 0.5, 30) for n in (1, 2, 3, 7, 5000)]


def test_orders_name_their_service() -> None:
    web = Service(name="web")
    web, ordered = step(web, ev.Began(), 0, Policy())
    assert ("web",) == tuple(order.service for order in ordered if isinstance(order, Spawn))

    web, _ = step(web, ev.Started(7, service="web"), 0, Policy())
    assert (Kill(HUP, service="web"),) == step(web, ev.SignalReceived(HUP), 1, Policy())[1]
