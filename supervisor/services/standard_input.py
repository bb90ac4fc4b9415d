"""The standard input of services: an empty pipe that stays open while the program runs.

A program that reads its input to the end, as `cat` does, runs on. Each start has a pipe of its own,
so that no service changes the mode of another's input. It starts nothing.
"""

from __future__ import annotations

import errno
import os

from ..core import events as ev


class StandardInputs:
    """Our ends of the pipes, by service. For the main thread."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}

    def open(self, service: str) -> int:
        """A new pipe for a service; its end for the program, which the caller closes. Raises
        OSError.
        """
        self.close(service)
        theirs, ours = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(ours, False)
        self._ends[service] = ours
        return theirs

    def write(self, service: str, data: bytes) -> None:
        """Write to a program that runs. Raises OSError: EPIPE where it has closed its end or is
        gone, EAGAIN where it reads too slowly for these bytes.
        """
        end = self._ends.get(service)
        if end is None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if os.write(end, data) < len(data):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def close(self, service: str) -> None:
        end = self._ends.pop(service, None)
        if end is not None:
            os.close(end)

    def observe(self, event: ev.Event, *_: object) -> None:
        """Close the pipe of a program that has ended."""
        if isinstance(event, (ev.Exited, ev.StartFailed)):
            self.close(event.service)
