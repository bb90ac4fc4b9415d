"""Readiness that services report by themselves: `ready = notify` (sd_notify(3)) and `fd:N`
(notification-fd of s6).

Each start has a socket or a pipe of its own, so that no report of an earlier process counts. It
turns reports into events; the life of the service decides.
"""

from __future__ import annotations

import os

from ..core import events as ev
from ..core.primitives import partial
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
        self._open: dict[str, list[_Open]] = {}
        self._pids: dict[str, int] = {}
        self._reader: NotifyReader | None = None

    def open(self, identity: str) -> Contribution:
        service = self._service(identity)
        number = service.readiness.descriptor
        notifies = service.readiness.notifies or _reports_reloads(service)
        if number is None and not notifies:
            return NOTHING
        self.ended(identity)
        ends = self._open[identity] = []
        try:
            if self._reader is None:  # before the fork: a start without it is tried again
                from ..reload.notify_reader import NotifyReader

                self._reader = NotifyReader()
            share = NOTHING
            if number is not None:
                share = Contribution(files={number: self._pipe(ends)})
            if notifies:
                share = share.replace(variables={"NOTIFY_SOCKET": self._socket(ends)})
        except OSError:
            self.ended(identity)
            raise
        return share

    def _pipe(self, ends: list[_Open]) -> int:
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(ours, False)
        ends.append(_Open(ours, lambda: os.close(ours), theirs))
        return theirs

    def _socket(self, ends: list[_Open]) -> str:
        from ..reload.notify_reader import NotifySocket

        made = NotifySocket()
        ends.append(_Open(made.fileno(), made.close, socket=made))
        return made.name

    def started(self, identity: str, pid: int) -> None:
        if identity not in self._open or self._reader is None:
            return
        self._pids[identity] = pid
        ends = self._open[identity]
        for index, one in enumerate(ends):
            if one.theirs is not None:
                os.close(one.theirs)
                ends[index] = one.replace(theirs=None)
            read = partial(self._read_line, one.descriptor, identity, pid)
            if one.socket is not None:
                read = partial(self._hear, one.socket, identity, pid)
            self._reader.watch(one.descriptor, read)

    def failed(self, identity: str) -> None:
        self.ended(identity)

    def ended(self, identity: str) -> None:
        for one in self._open.pop(identity, ()):
            if one.theirs is not None:
                os.close(one.theirs)
            if self._reader is None:
                one.close()
            else:
                self._reader.close(one.descriptor, one.close)
        pid = self._pids.pop(identity, None)
        if pid is not None:
            from ..reload import reload_reports

            reload_reports.forget(pid)

    # --- in the thread ----------------------------------------------------------------------------

    def _hear(self, made: NotifySocket, identity: str, pid: int) -> bool:
        message = made.read()
        if message is not None:
            self._report(message, identity, pid)
        return True

    def _report(self, message: Message, identity: str, pid: int) -> None:
        from ..core import upkeep_state as kept
        from ..reload import reload_reports

        if message.status is not None:
            self._put(kept.StatusReported(pid, message.status, identity))
        if message.extension is not None:
            self._put(kept.StartExtended(pid, message.extension, identity))
        reload_reports.hear(pid, message)
        if message.ready and self._service(identity).readiness.notifies:
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


def _reports_reloads(service: Service) -> bool:
    return service.settings is not None and service.settings.reload_notify
