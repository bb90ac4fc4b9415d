"""A link to a Lease and its reports, for tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from config_supervisor.core.events import Event
from config_supervisor.fleet.events import LeaseConflict, LeaseFailed, LeaseRead, LeaseWritten
from config_supervisor.fleet.lease import LeaseState
from config_supervisor.sources.interface import Label
from config_supervisor.sources.kubernetes.credentials import Access
from config_supervisor.sources.kubernetes.lease_link import LeaseLink
from config_supervisor.sources.kubernetes.retry_pace import Timing
from tests.harness import wait_until
from tests.sync.following import QUICK

_OURS = ("errands.py", "object_follower.py")  # the bodies of the link's threads


def state(holder: str = "", version: str = "", **annotations: str) -> LeaseState:
    """A state to write; the names of the annotations are without their prefix."""
    ours = {f"config-supervisor/{name}": value for name, value in annotations.items()}
    return LeaseState(ours, holder, 30.0, version)


class Linked:
    """A link, and the events that it reports."""

    def __init__(self, access: Access, namespace: str = "", timing: Timing = QUICK) -> None:
        self.events: list[Event] = []
        label = Label("lease", namespace, "web")
        self.link = LeaseLink(label, access, self.events.append, timing=timing)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in tuple(self.events) if isinstance(event, kind)]

    @property
    def states(self) -> list[LeaseState]:
        return [event.state for event in self.of(LeaseRead)]

    @property
    def holders(self) -> list[str]:
        """Of each state that was read; `-` for a missing Lease."""
        return [one.holder if one.resource_version else "-" for one in self.states]

    @property
    def failures(self) -> list[LeaseFailed]:
        return self.of(LeaseFailed)

    def expect(self, check: Callable[[], bool]) -> None:
        def met() -> None:
            assert check(), self.events

        wait_until(met)

    def expect_holders(self, *holders: str) -> None:
        self.expect(lambda: self.holders == list(holders))

    def expect_last_holder(self, holder: str) -> None:
        self.expect(lambda: self.holders[-1:] == [holder])

    def reads(self) -> LeaseState:
        """Read once; the state."""
        before = len(self.states)
        self.link.read()
        self.expect(lambda: len(self.states) > before)
        return self.states[-1]

    def fails_to_read(self) -> LeaseFailed:
        before = len(self.failures)
        self.link.read()
        return self._failure_after(before)

    def writes(self, wanted: LeaseState) -> LeaseState:
        """Write; the state that stands."""
        before = len(self.of(LeaseWritten))
        self.link.write(wanted)
        self.expect(lambda: len(self.of(LeaseWritten)) > before)
        written: LeaseState = self.of(LeaseWritten)[-1].state
        return written

    def tries(self, wanted: LeaseState) -> None:
        """Write, and wait for the answer."""

        def answers() -> int:
            return len(self.of(LeaseWritten) + self.of(LeaseConflict))

        before = answers()
        self.link.write(wanted)
        self.expect(lambda: answers() > before)

    def meets_conflict(self, wanted: LeaseState) -> None:
        before = len(self.of(LeaseConflict))
        self.link.write(wanted)
        self.expect(lambda: len(self.of(LeaseConflict)) > before)

    def fails_to_write(self, wanted: LeaseState) -> LeaseFailed:
        before = len(self.failures)
        self.link.write(wanted)
        return self._failure_after(before)

    def _failure_after(self, count: int) -> LeaseFailed:
        self.expect(lambda: len(self.failures) > count)
        return self.failures[-1]


# The first frames of the threads of earlier tests: a source may outlive its server.
_earlier: list[FrameType] = []


def forget_threads() -> None:
    """Leave the threads of now out of the count, at the beginning of a test."""
    _earlier[:] = [_frames(top)[-1] for top in sys._current_frames().values()]


def threads_at_work() -> int:
    """The threads of links in this process since the beginning of the test."""
    count = 0
    for top in sys._current_frames().values():
        frames = _frames(top)
        files = {one.f_code.co_filename.rpartition("/")[2] for one in frames}
        known = any(frames[-1] is one for one in _earlier)
        count += bool(files.intersection(_OURS)) and not known
    return count


def _frames(top: FrameType) -> list[FrameType]:
    """The frames of a thread, the first of them last."""
    found = []
    frame: FrameType | None = top
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


def expect_no_thread() -> None:
    def ended() -> None:
        assert 0 == threads_at_work()

    wait_until(ended)
