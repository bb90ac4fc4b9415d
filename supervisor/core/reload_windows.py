"""Reload windows: the hours in which a new version may reach the app, and when the next begins.

Pure: from the time of the wall, which others read, with the rules of the zone that a window holds.
A window is about the clock on the wall: an hour that a zone repeats counts twice, and an hour that
it leaves out does not count. Imported once there is a window.
"""

from __future__ import annotations

import datetime as dt
import math

from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_MINUTE, _HOUR, _DAY = 60, 3600, 86400  # seconds
_WEEK = 7  # days
_THURSDAY = 3  # 1970-01-01
# A zone may leave out the only window of a week, but not again the week after.
_MOST_DAYS = 4 * _WEEK
_LAST_CLOCK = 253_000_000_000.0  # in the year 9987, near the end of the calendar


class ReloadWindow(Record):
    """Hours of some days of the week, in a zone. Minutes count from midnight."""

    days: frozenset[int]  # on which it begins; Monday is 0
    begins: int
    ends: int  # beyond the minutes of a day: it ends on the next day
    zone: dt.tzinfo


def next_open(windows: Iterable[ReloadWindow], clock: float) -> float:
    """The first moment from `clock` on in one of the windows, both in epoch seconds: `clock` itself
    while one is open.
    """
    clock = min(max(clock, 0.0), _LAST_CLOCK)
    return min(_next_open(window, clock) for window in windows)


def _next_open(window: ReloadWindow, clock: float) -> float:
    at = math.floor(clock)
    until = at + _MOST_DAYS * _DAY
    while at < until:
        offset = _offset(window.zone, at)
        # With this offset to the end of time; the next change of the offset needs another look.
        opens = _opens(window, at + offset) - offset
        change = _change(window.zone, at, opens)
        if change is None:
            return max(float(opens), clock)
        at = change
    return float(until)  # no zone is known to lead here: to be asked again then


def _opens(window: ReloadWindow, local: int) -> int:
    """The first second from `local` on in a window, both in seconds of the clock on the wall since
    1970.
    """
    today = local // _DAY
    for day in range(today - 1, today + _WEEK + 1):
        if (day + _THURSDAY) % _WEEK in window.days:
            begins = day * _DAY + window.begins * _MINUTE
            if local < day * _DAY + window.ends * _MINUTE:
                return max(local, begins)
    raise ValueError("a reload window needs a day")


def _change(zone: dt.tzinfo, start: int, end: int) -> int | None:
    """The first second of another offset after `start` and until `end`; None if there is none."""
    offset = _offset(zone, start)
    hours = (min(hour + _HOUR, end) for hour in range(start, end, _HOUR))
    late = next((hour for hour in hours if _offset(zone, hour) != offset), None)
    if late is None:
        return None
    early = max(start, late - _HOUR)
    while late - early > 1:
        middle = (early + late) // 2
        if _offset(zone, middle) == offset:
            early = middle
        else:
            late = middle
    return late


def _offset(zone: dt.tzinfo, at: int) -> int:
    """Seconds of a zone's clock before UTC."""
    offset = zone.utcoffset(dt.datetime.fromtimestamp(at, zone))
    return round(offset.total_seconds()) if offset is not None else 0
