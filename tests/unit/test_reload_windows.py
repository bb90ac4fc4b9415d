"""Reload windows as written, and when the next opens: compared with a walk by minutes."""

from __future__ import annotations

import datetime as dt
import sys
import zoneinfo
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config_supervisor.core.reload_windows import ReloadWindow, next_open
from config_supervisor.options.window_format import parse
from tests.unit.option_parsing import refused

_MINUTE, _DAY = 60, 86400
_MOST = 15 * _DAY  # a week whose only window a zone leaves out, and the week after

# With changes at midnight, of half an hour, of a whole day, to the other direction, in January.
_ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Pacific/Apia",
    "Asia/Kathmandu",
)


def at(text: str) -> float:
    """Epoch seconds of a time in ISO form, UTC without an offset."""
    moment = dt.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def opens(clock: str, *windows: str) -> str:
    """The next opening after a time, in the zone of the first window."""
    parsed = [parse(text) for text in windows]
    found = next_open(parsed, at(clock))
    return dt.datetime.fromtimestamp(found, parsed[0].zone).isoformat()


# --- the next opening -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("2026-11-27T07:59:59", "2026-11-27T09:00:00+01:00"),  # a Friday
        ("2026-11-27T08:00:00", "2026-11-27T09:00:00+01:00"),
        ("2026-11-27T14:59:59", "2026-11-27T15:59:59+01:00"),
        ("2026-11-27T15:00:00", "2026-11-30T09:00:00+01:00"),
        ("2026-11-29T23:30:00", "2026-11-30T09:00:00+01:00"),  # already Monday in Berlin
        ("2026-07-04T12:00:00", "2026-07-06T09:00:00+02:00"),
    ],
)
def test_window_of_working_days_opens_on_the_next(clock: str, expected: str) -> None:
    assert expected == opens(clock, "Mon-Fri 09:00-16:00 Europe/Berlin")


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("2026-11-29T01:59:00", "2026-11-29T01:59:00+00:00"),  # Sunday: the night of Saturday
        ("2026-11-29T02:00:00", "2026-12-05T22:00:00+00:00"),
    ],
)
def test_window_over_midnight_belongs_to_its_first_day(clock: str, expected: str) -> None:
    assert expected == opens(clock, "Sat 22:00-02:00")


@pytest.mark.parametrize(
    ("clock", "window", "expected"),
    [
        # 02:00 to 03:00 do not exist on 2026-03-29: the rest of the window does.
        ("2026-03-29T00:59:00", "daily 02:30-04:00", "2026-03-29T03:00:00+02:00"),
        ("2026-03-28T12:00:00", "Sun 02:00-03:00", "2026-04-05T02:00:00+02:00"),
        # 02:00 to 03:00 come twice on 2026-10-25.
        ("2026-10-25T00:31:00", "daily 01:30-02:30", "2026-10-25T02:00:00+01:00"),
        ("2026-10-25T00:10:00", "daily 02:15-02:30", "2026-10-25T02:15:00+02:00"),
        ("2026-10-25T00:40:00", "daily 02:15-02:30", "2026-10-25T02:15:00+01:00"),
    ],
)
def test_window_follows_the_clock_on_the_wall(clock: str, window: str, expected: str) -> None:
    assert expected == opens(clock, f"{window} Europe/Berlin")


def test_several_windows_open_at_the_first_of_them() -> None:
    windows = "Mon-Fri 09:00-10:00 UTC", "Sat,Sun 12:00-13:00 Asia/Kathmandu"

    assert "2026-11-28T06:15:00+00:00" == opens("2026-11-27T10:00:00", *windows)


def test_day_left_out_by_a_zone_is_no_window() -> None:
    """Samoa had no 2011-12-30, a Friday."""
    found = opens("2011-12-26T00:00:00", "Fri 00:00-24:00 Pacific/Apia")

    assert "2012-01-06T00:00:00+14:00" == found


def _is_open(window: ReloadWindow, clock: float) -> bool:
    """By the clock on the wall alone."""
    wall = dt.datetime.fromtimestamp(clock, window.zone)
    minute = wall.hour * 60 + wall.minute
    today = wall.weekday() in window.days and window.begins <= minute < window.ends
    yesterday = (wall.weekday() - 1) % 7 in window.days and minute + 24 * 60 < window.ends
    return today or yesterday


def _walk(windows: list[ReloadWindow], clock: int) -> int:
    """The next opening, by a look at each minute."""
    for minute in range(clock, clock + _MOST, _MINUTE):
        if any(_is_open(window, minute) for window in windows):
            return minute
    raise AssertionError("no window opens")


@st.composite
def _windows(draw: st.DrawFn) -> ReloadWindow:
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    begins = draw(st.integers(0, 24 * 60 - 1))
    length = draw(st.integers(1, 24 * 60))
    zone = zoneinfo.ZoneInfo(draw(st.sampled_from(_ZONES)))
    return ReloadWindow(days, begins, begins + length, zone)


# Days on which one of the zones changes its clock, and any.
_CLOCKS = st.one_of(
    st.integers(int(at("2000-01-01")), int(at("2036-01-01"))),
    st.sampled_from(
        "2026-03-29 2026-10-25 2026-03-08 2026-11-01 2026-04-04 2026-09-06 2026-10-04 2027-02-07"
        " 2027-03-14 2011-12-29 2011-12-31 2024-04-26 2024-10-31".split()
    ).flatmap(lambda day: st.integers(int(at(day)) - _DAY, int(at(day)) + 2 * _DAY)),
).map(lambda clock: clock - clock % _MINUTE)


@settings(deadline=None)
@given(st.lists(_windows(), min_size=1, max_size=3), _CLOCKS)
def test_next_opening_is_that_of_a_walk(windows: list[ReloadWindow], clock: int) -> None:
    assert _walk(windows, clock) == next_open(windows, clock)


@example(parse("Mon 00:00-00:01 Pacific/Apia"), float("inf"))
@example(parse("Mon 00:00-00:01"), -1e300)
@settings(deadline=None)
@given(_windows(), st.floats(allow_nan=False))
def test_any_clock_has_an_opening(window: ReloadWindow, clock: float) -> None:
    """A broken clock breaks no rule."""
    assert next_open([window], clock) >= 0


@settings(deadline=None)
@given(_windows(), st.integers(int(at("2000-01-01")), int(at("2036-01-01"))))
def test_opening_is_open_and_the_second_before_is_not(window: ReloadWindow, clock: int) -> None:
    found = next_open([window], clock)

    assert _is_open(window, found)
    assert found == clock or not _is_open(window, found - 1)


# --- the text -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "days", "hours"),
    [
        ("Mon-Fri 09:00-16:00", {0, 1, 2, 3, 4}, (540, 960)),
        ("sat,SUN 9:05-24:00 UTC", {5, 6}, (545, 1440)),
        ("Fri-Mon,Wed 22:00-02:00", {4, 5, 6, 0, 2}, (1320, 1560)),
        ("* 00:00-24:00", {0, 1, 2, 3, 4, 5, 6}, (0, 1440)),
        ("daily 01:00-00:30", {0, 1, 2, 3, 4, 5, 6}, (60, 1470)),
        ("01:00-02:00 Europe/Berlin", {0, 1, 2, 3, 4, 5, 6}, (60, 120)),
    ],
)
def test_window_is_read(text: str, days: set[int], hours: tuple[int, int]) -> None:
    found = parse(text)

    assert (days, hours) == ({*found.days}, (found.begins, found.ends))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not [DAYS] FROM-TO [ZONE]"),
        ("Mon-Fri", "is not [DAYS] FROM-TO [ZONE]"),
        ("Mon 09:00-10:00 UTC now", "is not [DAYS] FROM-TO [ZONE]"),
        ("Mon-Fry 09:00-10:00", "'Fry' in 'Mon-Fry' is not a day"),
        ("Mon, 09:00-10:00", "'' in 'Mon,' is not a day"),
        ("Mon 09:00-24:01", "'24:01' in '09:00-24:01' is not a time"),
        ("Mon 9:0-10:00", "'9:0' in '9:0-10:00' is not a time"),
        ("Mon 09:00", "'' in '09:00' is not a time"),
        ("Mon 09:60-10:00", "'09:60' in '09:60-10:00' is not a time"),
        ("Mon 09:00-09:00", "has no time in it"),
        ("Mon 24:00-01:00", "has no time in it"),
        ("Mon 09:00-10:00 Europe/Bermin", "'Europe/Bermin' is not a time zone"),
        ("Mon 09:00-10:00 Europe", "'Europe' is not a time zone"),
        ("Mon 09:00-10:00 ../etc/passwd", "'../etc/passwd' is not a time zone"),
    ],
)
def test_wrong_window_is_refused_with_the_reason(text: str, words: str) -> None:
    message = refused("--config-dir", "/etc", "--reload-window", text, "app")

    assert message.startswith("--reload-window: ")
    assert words in message


def test_splay_that_outlasts_a_window_is_refused() -> None:
    given_ = "--reload-window", "9:00-9:30", "--reload-splay", "30m"

    assert "--reload-splay is not shorter" in refused("--config-dir", "/etc", *given_, "app")


@pytest.fixture
def without_zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither the distribution's database of zones nor that of PyPI, as in a slim image."""
    before = zoneinfo.TZPATH
    for name in ("tzdata", *(one for one in sys.modules if one.startswith("tzdata."))):
        monkeypatch.setitem(sys.modules, name, None)
    zoneinfo.reset_tzpath(())
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(before)


@pytest.mark.usefixtures("without_zones")
def test_image_without_zones_is_named_with_the_remedy() -> None:
    given_ = "--config-dir", "/etc", "--reload-window"
    message = refused(*given_, "Mon 09:00-10:00 Europe/Berlin", "app")

    assert "cannot read the time zone 'Europe/Berlin': this image has no zones" in message
    assert "install the tzdata" in message
    assert dt.UTC == parse("Mon 09:00-10:00 UTC").zone
