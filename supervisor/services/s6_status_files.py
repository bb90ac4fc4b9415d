"""The status files of longruns, and the events for those that wait in their fifodirs.

It follows the services in the main thread, and writes in the thread that it is given. It must not
know the format of a status: see `s6_status`. A file that cannot be written costs no service.
"""

from __future__ import annotations

import os
import time

from ..core.primitives import partial
from ..runtime import log
from . import s6_status
from .s6_status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..core import events as ev
    from .conductor_state import Services

_WAITS = "ftrig1"  # the begin of the FIFOs in a fifodir, one for each that waits
_MODE = 0o644


class StatusFiles:
    """The status of each service with a directory."""

    def __init__(
        self, directories: Mapping[str, str], post: Callable[[Callable[[], None]], None]
    ) -> None:
        """`directories`: by identity; `post` has the writing thread call a function."""
        self._directories = directories
        self._post = post
        self._statuses = dict.fromkeys(directories, Status())
        self._faults = log.Faults()

    def begin(self, services: Services) -> None:
        """Write all, before the first start."""
        for name in self._directories:
            self._follow(name, services)

    def observe(self, event: ev.Event, before: Services, after: Services, _: Any) -> None:
        """A step of the loop."""
        del event, before
        for name in after.changed:
            if name in self._directories:
                self._follow(name, after)

    def _follow(self, name: str, services: Services) -> None:
        member = services.members.get(name)
        if member is None:
            return
        old = self._statuses[name]
        notifies = bool(services.roster.places[name].service.readiness.check)
        new = s6_status.of_member(member, old, time.time(), notifies=notifies)
        if new != old:
            self._statuses[name] = new
            letters = s6_status.events(old, new)
            self._post(partial(self._write, self._directories[name], new.packed(), letters))

    def _write(self, directory: str, data: bytes, letters: str) -> None:
        try:
            _replace(f"{directory}/supervise/status", data)
            if letters:
                _tell(f"{directory}/event", letters.encode())
        except OSError as error:
            self._faults.say(f"write the status of {directory} for s6-svstat", error)


def _replace(path: str, data: bytes) -> None:
    temporary = f"{path}.new"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    try:
        os.write(file, data)
    finally:
        os.close(file)
    os.rename(temporary, path)


def _tell(fifodir: str, letters: bytes) -> None:
    for name in os.listdir(fifodir):
        if name.startswith(_WAITS):
            _write_fifo(f"{fifodir}/{name}", letters)


def _write_fifo(path: str, letters: bytes) -> None:
    """A FIFO that is full or has no reader is no longer of use to its maker."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        os.write(file, letters)
    except OSError:
        pass
    finally:
        os.close(file)
