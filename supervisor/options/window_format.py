"""How a reload window is written: `Mon-Fri 09:00-16:00 Europe/Berlin`.

Days are three letters in English, single or as ranges, with commas; `*` or `daily`, or none, for
each day. The zone is a name of the IANA database; UTC without one. Imported only for a window: the
database is read for its zone.
"""

from __future__ import annotations

import datetime as dt

from ..core.reload_windows import ReloadWindow

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ALL_DAYS = frozenset({"*", "daily"})
_HOURS_OF_A_DAY = 24
_DAY = _HOURS_OF_A_DAY * 60  # minutes
_FORM = "[DAYS] FROM-TO [ZONE] (example: Mon-Fri 09:00-16:00 Europe/Berlin)"


def parse(text: str) -> ReloadWindow:
    """Raises ValueError."""
    words = text.split()
    at = next((at for at, word in enumerate(words[:2]) if ":" in word), None)
    if at is None or len(words) > at + 2:
        raise ValueError(f"{text!r} is not {_FORM}")
    days = _days(words[0]) if at else frozenset(range(len(_DAYS)))
    begins, ends = _hours(words[at])
    return ReloadWindow(days, begins, ends, _zone(words[at + 1] if words[at + 1 :] else "UTC"))


def _days(word: str) -> frozenset[int]:
    if word.lower() in _ALL_DAYS:
        return frozenset(range(len(_DAYS)))
    found: set[int] = set()
    for part in word.split(","):
        first, dash, last = part.partition("-")
        begin = _day(first, word)
        end = _day(last, word) if dash else begin
        count = (end - begin) % len(_DAYS) + 1
        found.update((begin + day) % len(_DAYS) for day in range(count))
    return frozenset(found)


def _day(text: str, word: str) -> int:
    try:
        return _DAYS.index(text.lower())
    except ValueError:
        raise ValueError(
            f"{text!r} in {word!r} is not a day: Mon, Tue, Wed, Thu, Fri, Sat, Sun, a range as"
            " Mon-Fri, several with commas, or daily"
        ) from None


def _hours(word: str) -> tuple[int, int]:
    """Begin and end in minutes; an end on the next day is beyond the minutes of a day."""
    first, _, last = word.partition("-")
    begins = _time(first, word)
    ends = _time(last, word)
    if begins in (ends, _DAY):
        raise ValueError(f"{word!r} has no time in it; 00:00-24:00 is a whole day")
    return begins, ends if ends > begins else ends + _DAY


def _time(text: str, word: str) -> int:
    hours, colon, minutes = text.partition(":")
    digits = f"{hours}{minutes}"
    written = colon and len(hours) in (1, 2) and len(minutes) == 2
    if written and digits.isascii() and digits.isdecimal() and int(minutes) < 60:
        time = int(hours) * 60 + int(minutes)
        if time <= _DAY:
            return time
    raise ValueError(f"{text!r} in {word!r} is not a time: 00:00 to 24:00")


def _zone(name: str) -> dt.tzinfo:
    if name.upper() in ("UTC", "Z"):
        return dt.UTC  # of which each machine has the rules
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):  # or a folder, or no rules
        pass
    try:
        zoneinfo.ZoneInfo("Europe/London")
    except zoneinfo.ZoneInfoNotFoundError:
        raise ValueError(
            f"cannot read the time zone {name!r}: this image has no zones; install the tzdata of"
            " the distribution or of PyPI, or give the hours in UTC"
        ) from None
    raise ValueError(f"{name!r} is not a time zone (examples: Europe/Berlin, UTC)")
