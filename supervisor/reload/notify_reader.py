"""The reader of readiness reports: a thread for the sockets and pipes of all services.

It reads what services send, and calls the owner of each descriptor. It knows neither the meaning
of a message nor the state of a service. A flood slows its sender down, and costs little here.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from binascii import hexlify
from os import urandom

from ..core.notify_message import MOST_BYTES, parse
from ..runtime import log, threads
from ..runtime.epoll_thread import EpollThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.notify_message import Message

    Read = Callable[[], bool]  # reads once, without blocking; whether there may be more

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)
_NAME_BYTES = 16
# Reads until the reader rests: at most a thousand in a second.
_BURST = 100
_REST = 0.1  # seconds


class NotifySocket:
    """A socket for the messages of a service, which its NOTIFY_SOCKET names.

    Its name is abstract, so a service of any user reaches it without a directory that both may
    write to; random, so that no other container of the pod finds it by chance.
    """

    def __init__(self) -> None:
        """Raises OSError."""
        self.name = f"@config-supervisor/notify/{hexlify(urandom(_NAME_BYTES)).decode()}"
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_UNIX, kind)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._socket.bind("\0" + self.name[1:])
        except OSError:
            self._socket.close()
            raise
        self.fileno = self._socket.fileno
        self.close = self._socket.close

    def read(self) -> Message | None:
        """The next message; None for none, or for one that is not of our container."""
        room = socket.CMSG_SPACE(_CREDENTIALS.size)  # descriptors do not fit: the kernel drops them
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(MOST_BYTES, room)
        except BlockingIOError:
            return None
        senders = [
            _CREDENTIALS.unpack(payload)[0]
            for _, kind, payload in ancillary
            if kind == socket.SCM_CREDENTIALS and len(payload) == _CREDENTIALS.size
        ]
        # 0: a process that our pid namespace does not show.
        if flags & socket.MSG_TRUNC or not any(senders):
            log.debug("skipped a readiness report: too long, or of a stranger", event="notify")
            return None
        return parse(data)


class NotifyReader:
    """The thread, which begins with the first descriptor. Others call it from the main thread."""

    def __init__(self) -> None:
        self._thread = EpollThread("readiness reports", "read readiness reports", _REST)
        self._lock = threads.Lock()
        self._reads: dict[int, Read] = {}
        self._begun = False
        self._count = 0  # reads since the last rest

    def watch(self, descriptor: int, read: Read) -> None:
        """Call `read`, in the thread, when there is something to read. Raises OSError,
        RuntimeError.
        """
        if not self._begun:
            self._thread.start(self._turn)
            self._begun = True
        with self._lock:
            self._reads[descriptor] = read
            self._thread.files.register(descriptor, select.EPOLLIN)

    def close(self, descriptor: int, close: Callable[[], None]) -> None:
        """Forget a descriptor, and close it while the thread does not read."""
        with self._lock:
            self._forget(descriptor)
            close()

    def _forget(self, descriptor: int) -> None:
        if self._reads.pop(descriptor, None) is not None:
            self._thread.files.unregister(descriptor)

    def _turn(self) -> None:
        for descriptor, _ in self._thread.files.poll():
            self._count += 1
            self._read(descriptor)
        if self._count >= _BURST:
            self._count = 0
            time.sleep(_REST)

    def _read(self, descriptor: int) -> None:
        with self._lock:
            read = self._reads.get(descriptor)
            if read is None:
                return  # it was closed meanwhile
            try:
                more = read()
            except Exception as error:  # it costs the reports of a service, and no other's
                self._thread.faults.say("read a readiness report", error)
                more = False
            if not more:
                self._forget(descriptor)
