"""The status of a longrun as s6-svstat and s6-svwait of s6 2.11 read it, and its changes as events.

Pure. The file has 35 bytes: two TAI64N stamps (of the last change, and of the readiness), the pid,
the status of the last end as wait(2) gives it, and flags. It must not know where the file is.
"""

from __future__ import annotations

import struct

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .conductor_state import Member

_TAI = (1 << 62) + 10  # the second 0 of the epoch; s6 counts no leap seconds
_NANOSECONDS = 1_000_000_000
_FORMAT = struct.Struct(">QLQLQHB")
_PAUSED, _FINISHING, _WANTED, _READY = 1, 2, 4, 8
_UP, _UP_AND_READY, _DOWN, _DOWN_FOR_GOOD = "u", "U", "d", "D"


class Status(Record):
    """Times are seconds of the wall clock."""

    since: float = 0.0
    ready_since: float = 0.0
    pid: int = 0  # 0: down
    ended: int = 0  # the status of the last end
    paused: bool = False
    finishing: bool = False  # its finish runs
    wanted: bool = False
    ready: bool = False  # up: by its notification; down: finish is over, too

    def packed(self) -> bytes:
        """The content of the file."""
        flags = _PAUSED * self.paused | _FINISHING * self.finishing
        flags |= _WANTED * self.wanted | _READY * self.ready
        stamps = (*_stamp(self.since), *_stamp(self.ready_since))
        return _FORMAT.pack(*stamps, self.pid, self.ended, flags)


def of_member(member: Member, before: Status, now: float, *, notifies: bool) -> Status:
    """The status after a change; `notifies`: the service tells when it is ready."""
    life = member.life
    finishing = life.script is not None
    ready = bool(notifies and life.ready) if life.pid else not finishing
    found = Status(
        since=before.since if life.pid == before.pid else now,
        ready_since=before.ready_since,
        pid=life.pid,
        ended=life.exit_signal or (life.exit_code or 0) << 8,
        paused=life.suspended,
        finishing=finishing,
        wanted=member.up,
        ready=ready,
    )
    begins = ready and not (before.ready and life.pid == before.pid)
    return found.replace(ready_since=now) if begins else found


def events(before: Status, after: Status) -> str:
    """The letters for those that wait for a change, in order."""
    letters = ""
    if before.pid and before.pid != after.pid:
        letters += _DOWN
        if after.pid:
            letters += _DOWN_FOR_GOOD
    if after.pid and before.pid != after.pid:
        letters += _UP
    if after.ready and not (before.ready and before.pid == after.pid):
        letters += _UP_AND_READY if after.pid else _DOWN_FOR_GOOD
    return letters


def _stamp(seconds: float) -> tuple[int, int]:
    whole = int(seconds)
    return _TAI + whole, int((seconds - whole) * _NANOSECONDS)
