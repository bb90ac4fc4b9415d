"""Histories: a list of events at given times, and what the machine orders and where it ends up."""

from __future__ import annotations

import signal

import pytest

from supervisor import events as ev
from supervisor.machine import (
    Action,
    Apply,
    Done,
    Kill,
    KillLeftovers,
    Phase,
    Policy,
    Recover,
    Reload,
    Reply,
    SourceState,
    Spawn,
    State,
    Suspend,
    TakeForeground,
    backoff,
    stale,
    step,
    wake_at,
)

TERM, HUP, INT, QUIT, KILL, CONT, STOP, TSTP = 15, 1, 2, 3, 9, 18, 19, 20


class App:
    """Plays events into the machine and keeps what it ordered."""

    def __init__(self, **policy: object) -> None:
        self.policy = Policy(**policy)
        self.state = State(sources=(SourceState("configmap a/b"),)) if self.policy.configured else State()
        self.now = 0.0

    def at(self, now: float, *events: ev.Event) -> list[Action]:
        """The actions that follow from events at a time, deadlines before them included."""
        self.now = now
        ordered: list[Action] = []
        for event in events or (ev.DeadlinePassed(),):
            self.state, actions = step(self.state, event, now, self.policy)
            ordered += actions
        return ordered

    def wakes_at(self) -> float | None:
        return wake_at(self.state, self.policy)


def started(now: float = 0.0, pid: int = 7, **policy: object) -> App:
    app = App(**policy)
    app.at(now, ev.Began())
    app.at(now, ev.Started(pid))
    return app


def configured(now: float = 0.0, **policy: object) -> App:
    """An app that runs on version `a`."""
    app = App(configured=True, **policy)
    app.at(now, ev.Began())
    app.at(now, ev.ConfigOffered("a"), ev.ConfigApplied("a", files=2, size=10))
    app.at(now, ev.Started(7))
    return app


def changed(app: App, now: float, digest: str) -> list[Action]:
    """A new version is offered and, if that was ordered, applied."""
    ordered = app.at(now, ev.ConfigOffered(digest))
    if Apply() in ordered:
        ordered += app.at(now, ev.ConfigApplied(digest))
    return ordered


# --- start and end ----------------------------------------------------------------------------------------


def test_without_a_configuration_the_app_is_started_at_once() -> None:
    app = App()

    assert [Spawn()] == app.at(0, ev.Began())
    app.at(0, ev.Started(7))
    assert (Phase.RUNNING, 7, 1, None) == (app.state.phase, app.state.pid, app.state.starts, app.wakes_at())


def test_a_term_before_the_app_exists_means_that_it_is_never_started() -> None:
    app = App()

    assert [Done(143)] == app.at(0, ev.SignalReceived(TERM))
    assert [] == app.at(0, ev.Began())


def test_other_signals_before_the_app_exists_are_delivered_in_order_once_it_does() -> None:
    app = App(rewrite={10: 12})
    app.at(0, ev.SignalReceived(HUP), ev.SignalReceived(10), ev.Began())

    assert [Kill(HUP), Kill(12)] == app.at(0, ev.Started(7))


@pytest.mark.parametrize("signum", [INT, QUIT])
def test_interrupt_and_quit_end_the_wait_for_a_configuration(signum: int) -> None:
    app = App(configured=True)
    app.at(0, ev.Began())

    assert [Done(128 + signum)] == app.at(1, ev.SignalReceived(signum))


def test_the_exit_code_is_the_apps_once_nothing_is_left() -> None:
    app = started()

    assert [KillLeftovers(TERM, everything=True)] == app.at(1, ev.Exited(7, 42))
    assert [Done(42)] == app.at(1, ev.NothingLeft())
    assert Phase.DONE is app.state.phase


def test_leftovers_are_killed_after_their_timeout_and_waited_for_a_moment_more() -> None:
    app = started(leftovers_timeout=10.0)
    app.at(1, ev.Exited(7, 0))

    assert 11 == app.wakes_at()
    assert [KillLeftovers(KILL, everything=True)] == app.at(11)
    assert 12 == app.wakes_at()
    assert [Done(0)] == app.at(12)


def test_leftovers_can_be_ignored() -> None:
    assert [Done(3)] == started(leftovers=False).at(1, ev.Exited(7, 3))


def test_the_end_of_another_child_is_not_the_apps() -> None:
    app = started()

    assert [] == app.at(1, ev.Exited(8, 1))
    assert Phase.RUNNING is app.state.phase


def test_ok_exit_codes_count_as_zero() -> None:
    assert [Done(0)] == started(leftovers=False, ok_exit_codes=frozenset({143})).at(1, ev.Exited(7, 143, TERM))


@pytest.mark.parametrize("code", [125, 126, 127])
def test_a_command_that_cannot_be_started_ends_with_the_shells_code(code: int) -> None:
    app = App(restart="always")
    app.at(0, ev.Began())

    assert [Done(code)] == app.at(0, ev.StartFailed(code, "cannot start"))


# --- signals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", sorted(set(map(int, signal.valid_signals())) - {TERM, CONT, TSTP, 21, 22}))
def test_a_signal_is_forwarded(signum: int) -> None:
    app = started()

    assert [Kill(signum)] == app.at(1, ev.SignalReceived(signum))
    assert Phase.RUNNING is app.state.phase


def test_a_signal_goes_to_the_group_if_wanted() -> None:
    assert [Kill(HUP, group=True)] == started(group=True).at(1, ev.SignalReceived(HUP))


def test_a_rewritten_signal_is_not_rewritten_again() -> None:
    app = started(rewrite={TERM: INT, INT: QUIT, HUP: 0})

    assert [Kill(QUIT)] == app.at(1, ev.SignalReceived(INT))
    assert [] == app.at(1, ev.SignalReceived(HUP))
    assert [Kill(INT)] == app.at(1, ev.SignalReceived(TERM))
    assert Phase.STOPPING is app.state.phase


def test_term_passes_the_stop_signal_and_a_second_one_does_not_restart_the_timer() -> None:
    app = started(stop_signal=QUIT, stop_timeout=5.0)

    assert [Kill(QUIT)] == app.at(1, ev.SignalReceived(TERM))
    assert 6 == app.wakes_at()
    assert [Kill(QUIT)] == app.at(3, ev.SignalReceived(TERM))
    assert 6 == app.wakes_at()
    assert [Kill(KILL)] == app.at(6)
    assert (Phase.KILLING, None) == (app.state.phase, app.wakes_at())
    app.at(6, ev.Exited(7, 137, KILL))
    assert [Done(137)] == app.at(6, ev.NothingLeft())


def test_the_apps_own_stop_signal_is_a_stop_too() -> None:
    app = started(stop_signal=QUIT)

    assert [Kill(QUIT)] == app.at(1, ev.SignalReceived(QUIT))
    assert Phase.STOPPING is app.state.phase


def test_without_a_stop_timeout_a_drain_may_take_for_ever() -> None:
    app = started()
    app.at(1, ev.SignalReceived(TERM))

    assert app.wakes_at() is None


def test_the_stop_delay_holds_the_stop_back_until_it_is_over_or_asked_for_again() -> None:
    app = started(stop_delay=5.0, stop_timeout=2.0)

    assert [] == app.at(1, ev.SignalReceived(TERM))
    assert [Kill(HUP)] == app.at(2, ev.SignalReceived(HUP))
    assert [Kill(TERM)] == app.at(6)
    assert 8 == app.wakes_at()

    other = started(stop_delay=5.0)
    other.at(1, ev.SignalReceived(TERM))
    assert [Kill(TERM)] == other.at(2, ev.SignalReceived(TERM))


def test_job_control_stops_the_app_and_then_us_and_cont_resumes_both() -> None:
    app = started()

    assert [Kill(TSTP), Suspend()] == app.at(1, ev.SignalReceived(TSTP))
    assert [] == app.at(1, ev.Stopped(7, TSTP))
    assert [Kill(CONT)] == app.at(2, ev.SignalReceived(CONT))


def test_a_group_is_stopped_with_stop() -> None:
    assert [Kill(STOP, group=True), Suspend()] == started(group=True).at(1, ev.SignalReceived(TSTP))


def test_pid_1_cannot_stop_itself() -> None:
    app = started(is_init=True)

    assert [Kill(TSTP)] == app.at(1, ev.SignalReceived(TSTP))


def test_a_suspended_app_is_continued_so_that_it_can_take_the_stop() -> None:
    app = started(is_init=True)
    app.at(1, ev.SignalReceived(TSTP))

    assert [Kill(TERM), Kill(CONT)] == app.at(2, ev.SignalReceived(TERM))


def test_an_app_stopped_from_its_terminal_stops_us_and_gets_the_terminal_back() -> None:
    app = App()
    app.at(0, ev.Began(), ev.Started(7, foreground=True))

    assert [Suspend()] == app.at(1, ev.Stopped(7, TSTP))
    assert [TakeForeground(), Kill(CONT)] == app.at(2, ev.SignalReceived(CONT))
    assert [] == started().at(1, ev.Stopped(7, TSTP))


# --- restarts ---------------------------------------------------------------------------------------------


def test_restarts_wait_longer_each_time_and_start_afresh_after_a_good_while() -> None:
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
        ("never", 1, Phase.DONE),
        ("on-failure", 0, Phase.DONE),
        ("on-failure", 1, Phase.BACKOFF),
        ("always", 0, Phase.BACKOFF),
    ],
)
def test_the_policy_says_whether_the_app_is_started_again(restart: str, code: int, phase: Phase) -> None:
    app = started(restart=restart, leftovers=False)
    app.at(1, ev.Exited(7, code))

    assert phase is app.state.phase


def test_what_the_app_left_behind_is_ended_before_it_is_started_again() -> None:
    app = started(restart="always")

    assert [KillLeftovers(TERM, everything=False)] == app.at(1, ev.Exited(7, 0))
    app.at(1, ev.NothingLeft())
    assert Phase.BACKOFF is app.state.phase


def test_an_app_that_was_told_to_stop_is_not_started_again() -> None:
    app = started(restart="always", leftovers=False)
    app.at(1, ev.SignalReceived(TERM))

    assert [Done(143)] == app.at(2, ev.Exited(7, 143, TERM))


def test_a_term_during_the_backoff_ends_with_the_apps_last_code() -> None:
    app = started(restart="always", leftovers=False)
    app.at(1, ev.Exited(7, 9))

    assert [] == app.at(1.1, ev.SignalReceived(HUP))
    assert [Done(9)] == app.at(1.2, ev.SignalReceived(TERM))


def test_a_failed_restart_is_tried_again() -> None:
    app = started(restart="always", leftovers=False)
    app.at(1, ev.Exited(7, 9))
    app.at(1.5)
    app.at(1.5, ev.StartFailed(125, "cannot fork"))

    assert Phase.BACKOFF is app.state.phase
    assert 2.5 == app.wakes_at()


def test_backoff_doubles_up_to_its_limit() -> None:
    assert [0.5, 1, 2, 30, 30] == [backoff(n, 0.5, 30) for n in (1, 2, 3, 7, 5000)]


# --- the configuration ------------------------------------------------------------------------------------


def test_the_app_starts_after_its_configuration_and_is_not_signalled_for_it() -> None:
    app = App(configured=True)

    assert [] == app.at(0, ev.Began())
    assert [Apply()] == app.at(1, ev.ConfigOffered("a"))
    assert [Spawn()] == app.at(1, ev.ConfigApplied("a"))
    assert [] == app.at(1, ev.Started(7))
    assert ("a", False, None) == (app.state.config.running, stale(app.state), app.wakes_at())


def test_a_change_is_applied_and_reloaded_at_once() -> None:
    app = configured()

    assert [Apply(), Reload(1)] == changed(app, 100, "b")
    assert stale(app.state)
    app.at(100.1, ev.ReloadFinished(1))
    assert ("b", False, "success") == (app.state.config.running, stale(app.state), app.state.reloads.outcome)


def test_the_same_content_again_changes_nothing() -> None:
    app = configured()

    assert [] == app.at(1, ev.ConfigOffered("a"))
    assert app.wakes_at() is None


def test_twenty_edits_are_one_leading_and_one_trailing_reload_with_the_last_content() -> None:
    app = configured(reload_interval=10.0)
    ordered = []
    for n in range(20):
        ordered += changed(app, 100 + n / 10, f"v{n}")
        if app.state.phase is Phase.RELOADING:
            app.at(100 + n / 10, ev.ReloadFinished(app.state.reloads.attempt))

    assert [Apply(), Reload(1)] == ordered
    assert 110 == app.wakes_at()
    assert [Apply()] == app.at(110)
    assert [Reload(2)] == app.at(110, ev.ConfigApplied("v19"))
    app.at(110, ev.ReloadFinished(2))
    assert ("v19", 18, None) == (app.state.config.running, app.state.config.coalesced, app.wakes_at())


def test_changes_during_a_reload_become_one_more_with_the_newest_content() -> None:
    app = configured(reload_interval=0.0)
    changed(app, 100, "b")

    assert [] == app.at(101, ev.ConfigOffered("c"), ev.ConfigOffered("d"))
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


def test_content_that_comes_back_before_it_was_applied_needs_nothing() -> None:
    app = configured(reload_quiet=5.0)
    app.at(100, ev.ConfigOffered("b"), ev.ConfigOffered("a"))

    assert app.wakes_at() is None
    assert not stale(app.state)


def test_a_failed_reload_is_tried_again_later_each_time_until_it_works() -> None:
    app = configured()
    changed(app, 100, "b")
    app.at(130, ev.ReloadFinished(1, "no_handler", "it does not catch SIGHUP"))

    assert ("no_handler", True, 132) == (app.state.reloads.outcome, stale(app.state), app.wakes_at())
    assert [Reload(2)] == app.at(132)
    app.at(162, ev.ReloadFinished(2, "no_handler", "it does not catch SIGHUP"))
    assert 166 == app.wakes_at()
    assert [Reload(3)] == app.at(166)
    app.at(167, ev.ReloadFinished(3))
    assert ("success", False, None) == (app.state.reloads.outcome, stale(app.state), app.wakes_at())


def test_a_newer_version_does_not_wait_for_the_retries_of_an_older() -> None:
    app = configured(reload_interval=0.0)
    changed(app, 100, "b")
    app.at(100, ev.ReloadFinished(1, "no_handler", ""))

    assert [Apply(), Reload(2)] == changed(app, 100.5, "c")


def test_going_back_to_what_runs_ends_the_failure_without_a_reload() -> None:
    app = configured(reload_interval=0.0)
    changed(app, 100, "b")
    app.at(100, ev.ReloadFinished(1, "no_handler", ""))

    assert [Apply()] == changed(app, 101, "a")
    assert ("success", False, None) == (app.state.reloads.outcome, stale(app.state), app.wakes_at())


def test_a_reload_that_never_reports_is_given_up() -> None:
    app = configured(reload_timeout=30.0)
    changed(app, 100, "b")

    assert 131 == app.wakes_at()
    app.at(131)
    assert (Phase.RUNNING, "timeout") == (app.state.phase, app.state.reloads.outcome)
    assert [] == app.at(131.5, ev.ReloadFinished(1))
    assert stale(app.state)


def test_a_late_reload_may_not_signal() -> None:
    app = configured()
    changed(app, 100, "b")
    wanted = ev.SignalRequested(1, HUP, lambda _: None)

    assert [Kill(HUP), Reply(wanted, sent=True)] == app.at(101, wanted)
    assert [Kill(TERM)] == app.at(102, ev.SignalReceived(TERM))
    assert [Reply(wanted, sent=False)] == app.at(103, wanted)


def test_after_a_stop_nothing_is_applied_and_nothing_reloaded() -> None:
    app = configured()
    app.at(1, ev.SignalReceived(TERM))

    assert [] == app.at(2, ev.ConfigOffered("b"))
    assert app.wakes_at() is None


def test_an_app_that_ends_in_a_reload_is_no_success_and_its_successor_starts_on_the_new_version() -> None:
    app = configured(restart="always", leftovers=False)
    changed(app, 100, "b")
    app.at(101, ev.Exited(7, 1))

    assert "child_exited" == app.state.reloads.outcome
    app.at(102)
    app.at(102, ev.Started(8))
    assert ("b", "success") == (app.state.config.running, app.state.reloads.outcome)


def test_a_change_while_the_app_is_down_is_applied_and_needs_no_signal() -> None:
    app = configured(restart="always", leftovers=False)
    app.at(100, ev.Exited(7, 1))

    assert [Apply()] == app.at(100.1, ev.ConfigOffered("b"))
    assert [] == app.at(100.2, ev.ConfigApplied("b"))
    assert [Spawn()] == app.at(100.5)
    assert [] == app.at(100.5, ev.Started(8))
    assert "b" == app.state.config.running


def test_a_version_that_comes_in_place_just_after_a_restart_is_reloaded() -> None:
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

    assert ("a", True, 102) == (app.state.config.live, stale(app.state), app.wakes_at())
    assert [Apply()] == app.at(102)
    app.at(102, ev.ConfigFailed("b", "write", "no space left"))
    assert [Apply()] == app.at(106)
    assert [Reload(1)] == app.at(106, ev.ConfigApplied("b"))


def test_a_version_with_bad_keys_is_not_tried_again_but_the_next_is() -> None:
    app = configured()
    app.at(100, ev.ConfigOffered("b"))
    app.at(100, ev.ConfigFailed("b", "bad_key", "../x"))

    assert app.wakes_at() is None
    assert stale(app.state)
    assert [Apply()] == app.at(200, ev.ConfigOffered("c"))


def test_when_no_configuration_comes_in_time_the_last_one_is_used_and_is_stale() -> None:
    app = App(configured=True, initial_sync_timeout=60.0)
    app.at(0, ev.Began())

    assert 60 == app.wakes_at()
    assert [Recover()] == app.at(60)
    assert [Spawn()] == app.at(60, ev.ConfigApplied("old", cached=True))
    app.at(60, ev.Started(7))
    assert stale(app.state)
    assert [] == app.at(90, ev.ConfigOffered("old"))
    assert not stale(app.state)


def test_when_there_is_no_last_one_the_start_fails() -> None:
    app = App(configured=True)
    app.at(0, ev.Began())
    app.at(60)

    assert [Done(125)] == app.at(60, ev.ConfigFailed("", "no_generation", "nothing"))


def test_a_source_that_was_faster_than_the_recovery_wins() -> None:
    app = App(configured=True)
    app.at(0, ev.Began())
    app.at(60)
    app.at(60, ev.ConfigOffered("a"), ev.ConfigApplied("a"), ev.Started(7))
    app.at(60, ev.ConfigApplied("a", cached=True))

    assert not stale(app.state)


def test_access_that_can_never_work_ends_the_start_but_not_a_running_app() -> None:
    app = App(configured=True)
    app.at(0, ev.Began())
    fatal = ev.SourceFailed(0, "config", "cannot read kubeconfig", fatal=True)

    assert [Done(125)] == app.at(1, fatal)
    assert [] == configured().at(1, fatal)


def test_a_missing_object_leaves_everything_as_it_is() -> None:
    app = configured()

    assert [] == app.at(1, ev.SourceRead(0, present=False))
    assert (False, "a") == (app.state.sources[0].present, app.state.config.running)
