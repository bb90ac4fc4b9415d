"""Histories of versions that wait: for a reload window, and for the end of a pause."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config_supervisor.core import events as ev
from config_supervisor.core import holds
from config_supervisor.core.actions import (
    Apply,
    CancelReload,
    ReadClock,
    Reload,
    RollBack,
)
from config_supervisor.core.holds import Reason
from config_supervisor.core.reload_windows import ReloadWindow
from config_supervisor.core.versions import Marks
from tests.unit.histories import HUP, App, Orders, changed, configured

NINE, TEN = 9 * 3600.0, 10 * 3600.0  # epoch seconds of the day with the window
DAILY = ReloadWindow(frozenset(range(7)), 9 * 60, 10 * 60, dt.UTC)
EARLY = 1000.0  # monotonic, when the clock shows eight o'clock in most histories


def windowed(**policy: Any) -> App:
    """An app, good on `a`, which takes versions from 09:00 to 10:00."""
    return configured(windows=(DAILY,), **policy)


def offered(app: App, now: float, clock: float, digest: str = "b") -> Orders:
    """A new version comes; the clock is read where that is ordered."""
    orders = app.at(now, ev.ConfigOffered(digest))
    return looked(app, now, clock) if ReadClock() in orders else orders


def looked(app: App, now: float, clock: float) -> Orders:
    return app.at(now, ev.ClockRead(clock))


def passed(app: App, now: float, clock: float) -> Orders:
    """A deadline passes, at a time of the clock."""
    orders = app.at(now)
    return looked(app, now, clock) if ReadClock() in orders else orders


def reason(app: App) -> Reason:
    return holds.reason(app.rollout, app.life)


def pause(app: App, now: float, *, paused: bool, source: int = 0, digest: str = "") -> Orders:
    offer = ev.ConfigOffered(digest) if digest else None
    return app.at(now, ev.SourceRead(source, present=True, offer=offer, paused=paused))


# --- windows --------------------------------------------------------------------------------------


def test_version_within_a_window_is_applied_at_once() -> None:
    app = windowed()

    assert [Apply()] == offered(app, EARLY, NINE)
    assert Reason.NONE == reason(app)


def test_version_outside_of_windows_waits_and_says_so() -> None:
    app = windowed()

    assert [] == offered(app, EARLY, NINE - 100)
    assert (Reason.WINDOW, NINE) == (reason(app), app.rollout.hold and app.rollout.hold.opens)
    assert app.rollout.stale


def test_waiting_version_is_applied_when_the_window_opens() -> None:
    app = windowed()
    offered(app, EARLY, NINE - 50)

    assert EARLY + 50 == app.wakes_at()
    assert [Apply()] == passed(app, EARLY + 50, NINE)


def test_clock_is_read_every_minute_while_a_version_waits() -> None:
    app = windowed()
    offered(app, EARLY, NINE - 3600)

    assert EARLY + 60 == app.wakes_at()
    assert [] == passed(app, EARLY + 60, NINE - 3540)
    assert EARLY + 120 == app.wakes_at()


def test_clock_set_forward_opens_within_a_minute() -> None:
    """As after a suspension of the machine, which stops the other clock."""
    app = windowed()
    offered(app, EARLY, NINE - 3600)

    assert [Apply()] == passed(app, EARLY + 60, NINE + 1000)


def test_clock_set_back_keeps_the_version_waiting() -> None:
    app = windowed()
    offered(app, EARLY, NINE - 50)

    assert [] == passed(app, EARLY + 50, NINE - 500)
    assert EARLY + 110 == app.wakes_at()


def test_app_at_rest_with_windows_has_no_deadline() -> None:
    app = windowed()
    offered(app, EARLY, NINE - 3600)
    app.at(EARLY + 1, ev.ConfigOffered("a"))  # the source comes back to the live version

    assert (None, Reason.NONE) == (app.wakes_at(), reason(app))


def test_splay_counts_from_the_opening() -> None:
    app = windowed(reload_splay=100.0)
    app.at(EARLY, ev.ConfigOffered("b", dice=0.5))
    looked(app, EARLY, NINE - 1000)
    passed(app, EARLY + 50, NINE - 950)  # the deadline of the dice, when the clock is read
    for minute in range(1, 16):
        passed(app, EARLY + 50 + minute * 60, NINE - 950 + minute * 60)

    assert [] == passed(app, EARLY + 1010, NINE + 10)
    assert EARLY + 1050 == app.wakes_at()
    assert [Apply()] == passed(app, EARLY + 1050, NINE + 50)


def test_window_that_closes_before_the_version_is_due_counts() -> None:
    app = windowed(reload_quiet=60.0)
    offered(app, EARLY, TEN - 30)

    assert [] == passed(app, EARLY + 60, TEN + 30)
    assert Reason.WINDOW == reason(app)


def test_first_version_is_applied_outside_of_windows() -> None:
    app = App(configured=True, windows=(DAILY,))
    app.at(0, ev.Began())

    assert [Apply()] == app.at(1, ev.ConfigOffered("a"))


def test_first_version_beside_a_good_generation_is_not_held() -> None:
    app = App(configured=True, windows=(DAILY,), rollback=True)
    app.at(0, ev.Began(), ev.Remembered(Marks(good=("z",))))

    assert [Apply()] == app.at(1, ev.ConfigOffered("a"))


def test_earlier_wait_tells_nothing_about_a_later_version() -> None:
    app = windowed(reload_quiet=60.0)
    offered(app, EARLY, NINE - 3600)
    passed(app, EARLY + 60, NINE - 3540)
    assert Reason.WINDOW == reason(app)
    app.at(EARLY + 61, ev.ConfigOffered("a"))
    app.at(EARLY + 4000, ev.ConfigOffered("c"))

    assert (Reason.NONE, EARLY + 4060) == (reason(app), app.wakes_at())


def test_correction_of_a_first_version_is_not_held() -> None:
    """A pod that starts must start."""
    app = App(configured=True, windows=(DAILY,), restart="always", leftovers=False)
    app.at(0, ev.Began())
    app.at(0, ev.ConfigOffered("a"), ev.ConfigApplied("a"))
    app.at(0, ev.Started(7))
    app.at(0.5, ev.Exited(7, 1))

    assert [Apply()] == app.at(0.6, ev.ConfigOffered("b"))


def test_version_for_a_good_app_that_is_down_waits() -> None:
    app = windowed(restart="always", leftovers=False)
    app.at(EARLY, ev.Exited(7, 1))

    assert [] == offered(app, EARLY + 0.1, NINE - 100)
    assert Reason.WINDOW == reason(app)


def test_reload_by_hand_does_not_wait() -> None:
    app = windowed()
    offered(app, EARLY, NINE - 3600)

    assert [Apply()] == app.at(EARLY + 5, ev.ReloadOrdered())
    assert Reason.NONE == reason(app)


def test_rollback_after_a_failure_is_not_held() -> None:
    app = windowed(rollback=True, reload_interval=0.0)
    changed(app, EARLY, "b")
    looked(app, EARLY, TEN - 1)
    app.at(EARLY, ev.ConfigApplied("b"))
    number = app.reloads.number

    assert [RollBack("a")] == app.at(EARLY + 5, ev.ReloadFinished(number, "verify", "no"))


def test_rollback_by_hand_is_not_held() -> None:
    app = windowed(rollback=True)
    offered(app, EARLY, NINE - 3600)

    assert [RollBack("0")] == app.at(EARLY + 5, ev.RollbackOrdered("0"))


def test_reload_under_way_is_overtaken_in_a_window_only() -> None:
    app = windowed(reload_interval=0.0)
    app.at(EARLY, ev.ConfigOffered("b"))
    looked(app, EARLY, TEN - 1)
    assert [Reload(1)] == app.at(EARLY, ev.ConfigApplied("b"))

    assert [] == offered(app, EARLY + 2, NINE - 10, "c")
    assert [CancelReload(1)] == passed(app, EARLY + 12, NINE)


def test_versions_that_wait_are_overtaken_by_the_newest() -> None:
    app = windowed()
    offered(app, EARLY, NINE - 50)
    offered(app, EARLY + 10, NINE - 40, "c")

    assert [Apply()] == passed(app, EARLY + 50, NINE)
    assert "c" == app.versions.desired


# --- pauses ---------------------------------------------------------------------------------------


def test_pause_holds_a_version_until_it_ends() -> None:
    app = configured()
    assert [] == pause(app, EARLY, paused=True, digest="b")
    assert (Reason.PAUSE, None) == (reason(app), app.wakes_at())

    assert [Apply()] == pause(app, EARLY + 1e6, paused=False)
    assert Reason.NONE == reason(app)


def test_pause_that_comes_later_holds_a_version_too() -> None:
    app = configured(reload_quiet=60.0)
    app.at(EARLY, ev.ConfigOffered("b"))
    pause(app, EARLY + 1, paused=True)

    assert [] == app.at(EARLY + 61)
    assert Reason.PAUSE == reason(app)


def test_pause_of_one_source_holds_the_version_of_all() -> None:
    app = configured()
    app.state = app.state.replace(sources=app.state.sources * 2)
    pause(app, EARLY, paused=True, source=0)

    assert [] == pause(app, EARLY + 1, paused=False, source=1, digest="b")
    assert Reason.PAUSE == reason(app)


def test_first_version_is_applied_while_paused() -> None:
    app = App(configured=True)
    app.at(0, ev.Began())

    assert [Apply()] == pause(app, 1, paused=True, digest="a")


def test_pause_of_a_missing_source_stays() -> None:
    app = configured()
    pause(app, EARLY, paused=True, digest="b")

    assert [] == app.at(EARLY + 1, ev.SourceRead(0, present=False))
    assert Reason.PAUSE == reason(app)


def test_reload_by_hand_ends_the_wait_but_not_the_pause() -> None:
    app = configured(reload_signal=HUP)
    pause(app, EARLY, paused=True, digest="b")
    assert [Apply()] == app.at(EARLY + 5, ev.ReloadOrdered())
    app.at(EARLY + 5, ev.ConfigApplied("b"))

    assert [] == pause(app, EARLY + 60, paused=True, digest="c")


def test_end_of_a_pause_outside_of_windows_waits_on() -> None:
    app = windowed()
    pause(app, EARLY, paused=True, digest="b")
    pause(app, EARLY + 100, paused=False)

    assert [] == looked(app, EARLY + 100, NINE - 1000)
    assert Reason.WINDOW == reason(app)


def test_end_of_a_pause_counts_the_splay_from_there() -> None:
    app = configured(reload_splay=100.0)
    offer = ev.ConfigOffered("b", dice=0.5)
    app.at(EARLY, ev.SourceRead(0, present=True, offer=offer, paused=True))
    pause(app, EARLY + 1000, paused=False)

    assert EARLY + 1050 == app.wakes_at()


# --- any history ----------------------------------------------------------------------------------

_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["offer", "pause", "resume", "jump", "wake", "order"]),
        st.sampled_from([0.0, 1.0, 59.0, 61.0, 3600.0]),
    ),
    max_size=30,
)


class _Clocked:
    """An app beside a clock on the wall, which jumps; it says when a version is applied."""

    def __init__(self) -> None:
        self.app = windowed()
        self.now = EARLY
        self.wall = NINE - 7200.0 - EARLY  # the clock on the wall less the other
        self.paused = False
        self.ordered = False

    def play(self, *events: ev.Event) -> None:
        """The events, and all that follows at once; each reload succeeds."""
        told = [*events] or [ev.DeadlinePassed()]
        looks = 0
        while told:
            for order in self.app.at(self.now, told.pop(0)):
                match order:
                    case ReadClock():
                        looks += 1
                        told.append(ev.ClockRead(self.now + self.wall))
                    case Apply():
                        self._judge()
                        told.append(ev.ConfigApplied(self.app.versions.desired))
                    case Reload(number):
                        told.append(ev.ReloadFinished(number))
        assert looks <= 1

    def _judge(self) -> None:
        hour = (self.now + self.wall) % (24 * 3600)
        assert self.ordered or (NINE <= hour < TEN and not self.paused)

    def wake(self) -> None:
        """Let time pass to the next deadline."""
        at = self.app.wakes_at()
        if at is not None:
            self.now = max(self.now, at)
            self.play()
            after = self.app.wakes_at()
            assert after is None or after > self.now, "a deadline that spins"


@given(_STEPS)
@settings(deadline=None)
def test_no_history_applies_outside_of_windows(steps: list[tuple[str, float]]) -> None:
    """Nor does any history hold a version that may be applied, at the end of a day and a pause."""
    clocked = _Clocked()
    for number, (what, seconds) in enumerate(steps):
        match what:
            case "offer":
                offer = ev.ConfigOffered(f"v{number}")
                clocked.play(ev.SourceRead(0, True, offer=offer, paused=clocked.paused))
            case "pause" | "resume":
                clocked.paused = what == "pause"
                clocked.play(ev.SourceRead(0, True, paused=clocked.paused))
            case "jump":
                clocked.wall += seconds - 1800.0
            case "wake":
                clocked.wake()
            case "order":
                clocked.ordered = True
                clocked.play(ev.ReloadOrdered())
                clocked.ordered = False
        clocked.now += seconds
    clocked.paused = False
    clocked.play(ev.SourceRead(0, True))
    clocked.wall += NINE + 1000.0 - (clocked.now + clocked.wall) % (24 * 3600)
    for _ in range(3):  # within a minute, whatever the clock did before
        clocked.wake()
    assert not clocked.app.versions.pending


@pytest.mark.parametrize("now", [EARLY, EARLY + 1e7])
def test_history_without_windows_reads_no_clock(now: float) -> None:
    app = configured()

    assert [Apply()] == app.at(now, ev.ConfigOffered("b"))
