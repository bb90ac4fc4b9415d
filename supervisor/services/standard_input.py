"""The standard input of services: an empty pipe that stays open while the program runs.

A program that reads its input to the end, as `cat` does, runs on. Each start has a pipe of its own,
so that no service changes the mode of another's input. It starts nothing.
"""

from __future__ import annotations

import errno
import os

from .service_files import Contribution, FilePart

_INPUT = 0


class StandardInputs(FilePart):
    """Our ends of the pipes, by service, and the end for a program that is about to start."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        self._theirs: dict[str, int] = {}

    def open(self, identity: str) -> Contribution:
        self.ended(identity)
        theirs, ours = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(ours, False)
        self._ends[identity] = ours
        self._theirs[identity] = theirs
        return Contribution({_INPUT: theirs})

    def write(self, identity: str, data: bytes) -> None:
        """Write to a program that runs. Raises OSError: EPIPE where it has closed its end or is
        gone, EAGAIN where it reads too slowly for these bytes.
        """
        end = self._ends.get(identity)
        if end is None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if os.write(end, data) < len(data):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def started(self, identity: str, pid: int) -> None:
        del pid
        _close(self._theirs, identity)

    def failed(self, identity: str) -> None:
        _close(self._theirs, identity)
        self.ended(identity)

    def ended(self, identity: str) -> None:
        _close(self._ends, identity)


def _close(ends: dict[str, int], identity: str) -> None:
    end = ends.pop(identity, None)
    if end is not None:
        os.close(end)
