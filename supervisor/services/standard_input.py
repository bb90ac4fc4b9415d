"""The standard input of services: an empty pipe that stays open while the program runs.

A program that reads its input to the end, as `cat` does, runs on. Each start has a pipe of its own,
so that no service changes the mode of another's input. It starts nothing.
"""

from __future__ import annotations

import errno
import os

from .service_files import Contribution, FilePart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .input_writer import InputWriter

_INPUT = 0


class StandardInputs(FilePart):
    """Our ends of the pipes, by service, and the end for a program that is about to start."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        self._writers: dict[str, InputWriter] = {}  # of the ends that something was written to
        self._theirs: dict[str, int] = {}

    def open(self, identity: str) -> Contribution:
        self.ended(identity)
        theirs, ours = os.pipe2(os.O_CLOEXEC)
        self._ends[identity] = ours
        self._theirs[identity] = theirs
        return Contribution({_INPUT: theirs})

    def write(self, identity: str, data: bytes) -> None:
        """Write to a program that runs, now or once it reads. Raises OSError: EPIPE where it has
        closed its end or is gone, EAGAIN where too many bytes wait for it.
        """
        writer = self._writers.get(identity)
        if writer is None:
            end = self._ends.pop(identity, None)
            if end is None:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            from .input_writer import InputWriter

            writer = self._writers[identity] = InputWriter(end)
        writer.write(data)

    def started(self, identity: str, pid: int) -> None:
        del pid
        _close(self._theirs, identity)

    def failed(self, identity: str) -> None:
        _close(self._theirs, identity)
        self.ended(identity)

    def ended(self, identity: str) -> None:
        _close(self._ends, identity)
        writer = self._writers.pop(identity, None)
        if writer is not None:
            writer.close()


def _close(ends: dict[str, int], identity: str) -> None:
    end = ends.pop(identity, None)
    if end is not None:
        os.close(end)
