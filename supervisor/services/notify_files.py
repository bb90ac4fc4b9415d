"""Readiness that services report by themselves: `ready = notify` (sd_notify(3)) and `fd:N`
(notification-fd of s6).

Each start has a socket or a pipe of its own, so that no report of an earlier process counts. It
turns reports into events; the life of the service decides.
"""

from __future__ import annotations

import os

from ..core import events as ev
from ..core.record import Record
from ..runtime import log
from .service_files import NOTHING, Contribution, FilePart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.notify_message import Message
    from ..reload.notify_reader import NotifyReader, NotifySocket
    from .plan import Service

_PIECE = 4096


class _Open(Record):
    """The ends of a start."""

    descriptor: int  # of ours
    close: Callable[[], None]
    theirs: int | None = None
    socket: NotifySocket | None = None


class ReadinessReports(FilePart):
    """Sockets and pipes of services; the thread begins with the first of them."""

    def __init__(self, service: Callable[[str], Service], put: Callable[[ev.Event], None]) -> None:
        self._service = service
        self._put = put
        self._open: dict[str, _Open] = {}
        self._reader: NotifyReader | None = None

    def open(self, identity: str) -> Contribution:
        readiness = self._service(identity).readiness
        if not readiness.reported:
            return NOTHING
        self.ended(identity)
        number = readiness.descriptor
        if number is None:
            from ..reload.notify_reader import NotifySocket

            made = NotifySocket()
            self._open[identity] = _Open(made.fileno(), made.close, socket=made)
            return Contribution(variables={"NOTIFY_SOCKET": made.name})
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(ours, False)
        self._open[identity] = _Open(ours, lambda: os.close(ours), theirs)
        return Contribution(files={number: theirs})

    def started(self, identity: str, pid: int) -> None:
        ends = self._open.get(identity)
        if ends is None:
            return
        if ends.theirs is not None:
            os.close(ends.theirs)
            self._open[identity] = ends.replace(theirs=None)
        if self._reader is None:
            from ..reload.notify_reader import NotifyReader

            self._reader = NotifyReader()
        made = ends.socket
        if made is not None:
            self._reader.watch(ends.descriptor, lambda: self._hear(made, identity, pid))
        else:
            self._reader.watch(
                ends.descriptor, lambda: self._read_line(ends.descriptor, identity, pid)
            )

    def failed(self, identity: str) -> None:
        self.ended(identity)

    def ended(self, identity: str) -> None:
        ends = self._open.pop(identity, None)
        if ends is None:
            return
        if ends.theirs is not None:
            os.close(ends.theirs)
        if self._reader is None:
            ends.close()
        else:
            self._reader.close(ends.descriptor, ends.close)

    # --- in the thread ----------------------------------------------------------------------------

    def _hear(self, made: NotifySocket, identity: str, pid: int) -> bool:
        message = made.read()
        if message is not None:
            self._report(message, identity, pid)
        return True

    def _report(self, message: Message, identity: str, pid: int) -> None:
        from ..core import upkeep_state as kept

        if message.status is not None:
            self._put(kept.StatusReported(pid, message.status, identity))
        if message.extension is not None:
            self._put(kept.StartExtended(pid, message.extension, identity))
        # RELOADING=1 and READY=1 in one message: the reload is over at once.
        if message.ready:
            self._put(ev.AppReady(pid, identity))
        if message.stopping:
            log.debug(f"{identity} reports its end", event="notify", service=identity)
        if message.main_pid:
            told = f"{identity} reports another main process, which is of no effect here"
            log.debug(told, event="notify", service=identity)

    def _read_line(self, descriptor: int, identity: str, pid: int) -> bool:
        """Whether more is to come before the newline."""
        try:
            data = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return True
        if b"\n" in data:
            self._put(ev.AppReady(pid, identity))
            return False
        return bool(data)
