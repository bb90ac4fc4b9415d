"""The standard input of services: an empty pipe that stays open while the program runs.

A program that reads its input to the end, as `cat` does, runs on. Each start has a pipe of its own,
so that no service changes the mode of another's input. It starts nothing.
"""

from __future__ import annotations

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
        theirs, self._ends[service] = os.pipe2(os.O_CLOEXEC)
        return theirs

    def close(self, service: str) -> None:
        end = self._ends.pop(service, None)
        if end is not None:
            os.close(end)

    def observe(self, event: ev.Event, *_: object) -> None:
        """Close the pipe of a program that has ended."""
        if isinstance(event, (ev.Exited, ev.StartFailed)):
            self.close(event.service)
