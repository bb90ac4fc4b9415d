"""The reasons why a new version waits: a pause at its source, closed reload windows.

Pure, and part of the rollout: no other module writes a `Hold`. A hold is about a version that
replaces another: the first configuration of a start, a rollback and an order of a person pass. The
time of the wall comes by `ClockRead`, which the rollout orders for a version that is due, and every
minute while it waits: a clock that was set, or stood still with the machine, delays no version by
more.
"""

from __future__ import annotations

import datetime as dt

from .record import Record, Words
from .reload_windows import next_open
from .rollout_conditions import may_wait
from .source_states import PAUSE
from .versions import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .life_state import Life
    from .reload_windows import ReloadWindow
    from .rollout_state import Rollout
    from .service import Service

CLOCK_EVERY = 60.0  # seconds between two looks at the clock while a version waits
PAUSED = f"paused by the annotation {PAUSE} of a source"


class Reason(Words):
    """Why a version waits, as metrics and status have it."""

    NONE = ""
    PAUSE = "pause"
    WINDOW = "window"


class Hold(Record):
    pausing: frozenset[int] = frozenset()  # the sources with the annotation
    closed: bool = False  # no window was open when the clock was read last
    read_at: float = -1.0  # the time of that, monotonic
    opens: float = 0.0  # the next opening, epoch seconds; of closed windows
    released: float = 0.0  # the end of the last hold, monotonic; of closed windows as expected

    @property
    def until(self) -> float:
        """When a version may be put in place, monotonic."""
        return NEVER if self.pausing else self.released

    @property
    def look_at(self) -> float:
        """When the clock is to be read again, monotonic, whatever is expected."""
        return self.read_at + CLOCK_EVERY if self.closed and not self.pausing else NEVER


def reason(rollout: Rollout, life: Life) -> Reason:
    """Why the newest version waits."""
    hold = rollout.hold
    if hold is None or not (hold.pausing or hold.closed) or not may_wait(rollout, life):
        return Reason.NONE
    return Reason.PAUSE if hold.pausing else Reason.WINDOW


def pausing(rollout: Rollout) -> frozenset[int]:
    """The sources that ask for a pause."""
    return rollout.hold.pausing if rollout.hold is not None else frozenset()


def words(service: Service) -> str:
    """Why the newest version of a service waits, for people; empty if it does not wait."""
    rollout = service.rollout
    if rollout is None or rollout.hold is None:
        return ""
    match reason(rollout, service.life):
        case Reason.PAUSE:
            names = [service.sources[index].name for index in sorted(rollout.hold.pausing)]
            return f"paused by the annotation {PAUSE} of {', '.join(names)}"
        case Reason.WINDOW:
            return closed_words(rollout.hold)
    return ""


def closed_words(hold: Hold) -> str:
    """That all windows are closed, and until when, for people."""
    opens = dt.datetime.fromtimestamp(hold.opens, dt.UTC)
    return f"no reload window is open; the next opens at {opens:%Y-%m-%dT%H:%M:%SZ}"


def renewed(hold: Hold) -> Hold:
    """A version comes, and none waited before it: what is known about windows is of old."""
    return hold.replace(closed=False, released=0.0) if hold.closed else hold


def source_read(hold: Hold | None, source: int, now: float, *, paused: bool) -> Hold:
    """A source was read, with the annotation for a pause or without."""
    hold = hold or Hold()
    if paused == (source in hold.pausing):
        return hold
    pausing = hold.pausing | {source} if paused else hold.pausing - {source}
    return hold.replace(pausing=pausing, released=max(hold.released, now))


def clock_read(
    hold: Hold | None, clock: float, now: float, windows: Sequence[ReloadWindow]
) -> Hold:
    """The clock on the wall shows `clock`, in epoch seconds."""
    hold = hold or Hold()
    opens = next_open(windows, clock)
    if opens > clock:
        released = now + (opens - clock)
        return hold.replace(closed=True, read_at=now, opens=opens, released=released)
    released = min(hold.released, now) if hold.closed else hold.released
    return hold.replace(closed=False, read_at=now, released=released)
