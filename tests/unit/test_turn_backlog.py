"""The turns that wait for the metrics: all are counted, within a bound."""

from __future__ import annotations

from config_supervisor.observe.turn_backlog import MOST, Backlog


def test_turns_so_far_come_with_the_next() -> None:
    backlog = Backlog()
    seen: list[object] = []
    backlog.observe("first")
    backlog.open(seen.append)
    assert [] == seen

    backlog.observe("second")
    assert ["first", "second"] == seen


def test_a_long_wait_keeps_the_newest_turns() -> None:
    """The port may wait for a descriptor as long as the program runs."""
    backlog = Backlog()
    seen: list[object] = []
    for number in range(MOST + 10):
        backlog.observe(number)
    backlog.open(seen.append)
    backlog.observe("last")

    assert MOST == len(seen)
    assert [MOST + 9, "last"] == seen[-2:]


def test_a_closed_backlog_keeps_nothing() -> None:
    backlog = Backlog()
    seen: list[object] = []
    backlog.close()
    backlog.observe("lost")
    backlog.open(seen.append)
    backlog.observe("lost too")

    assert [] == seen
