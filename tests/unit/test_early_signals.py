"""Histories of a start before its program runs, and of starts that fail for lack of resources."""

from __future__ import annotations

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Kill, KillLeftovers, Spawn
from config_supervisor.core.life_state import Ended
from tests.unit.histories import HUP, INT, KILL, TERM, App, configured, started

USR1 = 10


def forked(**policy: object) -> App:
    """An app with a pid, whose exec takes its time."""
    app = App(**policy)
    app.at(0, ev.Began())
    app.at(0, ev.Forked(7))
    return app


def test_signals_before_the_program_are_passed_on_after_it() -> None:
    app = forked(rewrite={HUP: USR1})

    assert [] == app.at(1, ev.SignalReceived(HUP), ev.SignalReceived(28))
    assert [Kill(USR1), Kill(28)] == app.at(2, ev.Started(7))
    assert "running" == app.phase


@pytest.mark.parametrize("number", [TERM, INT])
def test_a_stop_before_the_program_ends_it_by_that_signal(number: int) -> None:
    app = forked(restart="always", stop_timeout=60.0)

    assert [Kill(KILL)] == app.at(1, ev.SignalReceived(number))
    assert [] == app.at(2, ev.SignalReceived(TERM))
    assert [] == app.at(2, ev.Started(7))
    assert [Ended(128 + number)] == app.at(2, ev.Exited(7, 137, KILL))


def test_failed_start_after_a_stop_keeps_the_code() -> None:
    app = forked(restart="always")
    app.at(1, ev.SignalReceived(TERM))

    assert [Ended(128 + TERM)] == app.at(2, ev.StartFailed(127, "not found"))


@pytest.mark.parametrize("short", [True, False])
def test_a_later_start_that_lacks_something_is_tried_again(short: bool) -> None:
    app = configured(restart="never", restart_to_reload=True, reload_interval=0.0)
    app.at(10, ev.ConfigOffered("b"))
    app.at(10, ev.ConfigApplied("b"))
    app.at(11, ev.Exited(7, 0))
    assert [Spawn()] == app.at(11, ev.NothingLeft())
    ordered = app.at(12, ev.StartFailed(125, "no descriptors", short))

    assert ([] if short else [Ended(125)]) == ordered
    assert ([Spawn()] if short else []) == app.at(50)


def test_a_first_start_that_lacks_something_is_the_end() -> None:
    app = App()
    app.at(0, ev.Began())

    assert [Ended(125)] == app.at(0, ev.StartFailed(125, "no processes", short=True))


@pytest.mark.parametrize("group", [True, False])
def test_a_group_that_was_stopped_is_not_told_again(group: bool) -> None:
    app = started(group=group)
    app.at(1, ev.SignalReceived(TERM))

    assert [KillLeftovers(TERM, everything=True, told=group)] == app.at(2, ev.Exited(7, 143, TERM))


def test_a_group_whose_app_ended_by_itself_is_told() -> None:
    app = started(group=True)

    assert [KillLeftovers(TERM, everything=True)] == app.at(2, ev.Exited(7, 0))
