"""The thread that reads the pipes of services and writes our output: epoll, and no wait but there.

A stream whose output is full is not read until there is room, so its service waits and no other
does. Orders come from other threads by a queue. It knows no plan and no format.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from select import EPOLLIN, EPOLLOUT, POLLOUT, poll

from ..core.primitives import partial
from ..runtime import log
from ..runtime.epoll_thread import EpollThread, Orders
from .log_outputs import FULL, NAMES, Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType

    from .log_streams import LogStream

_CHUNK = 64 << 10  # bytes of a read: the size of a pipe
_LAST = 1 << 20  # bytes to read of a pipe at the end; a pipe holds no more
_STUCK = 0.5  # seconds until an output that takes nothing is given up at the end
_MOST = 5.0  # seconds for the end
_MARGIN = 0.5
# A writer of many small lines would wake us for each: while little comes at a time, it gathers.
_LITTLE = 32 << 10  # bytes
_GATHER = 0.0005  # seconds
_PAUSE = 0.1  # seconds after a fault, so that a lasting one does not spin


class Relay:
    """Reads streams and writes outputs. Public methods are for other threads."""

    def __init__(self) -> None:
        self._thread = EpollThread("logs", "relay lines of services", _PAUSE)
        self._files = self._thread.files
        self._orders = Orders(self._thread, "obey an order about logs")
        self.order = self._orders.post  # let the thread do something, soon; whether it will
        self._streams: dict[int, LogStream] = {}
        self._outputs = _outputs()
        self._held: list[LogStream] = []  # their outputs are full
        self._writers: list[tuple[Output, LockType]] = []  # threads that wait for room
        self._waiting: dict[int, Output] = {}  # outputs that wait for their readers
        self._finished = False
        self._came = 0  # bytes, in a turn
        self._turned_at = 0.0

    def start(self) -> None:
        """Raises RuntimeError at the limit of processes."""
        self._thread.start(self._turn)

    def close(self) -> None:
        """Release all of a relay that could not start."""
        self._files.close()
        os.close(self._orders.bell)

    def output(self, descriptor: int) -> Output | None:
        return self._outputs.get(descriptor)

    def add(self, stream: LogStream) -> None:
        """Read a stream to its end."""
        self.order(partial(self._add, stream))

    def write(self, data: bytes, descriptor: int) -> None:
        """Write whole lines to a stream of ours; waits while its reader is slow. Raises OSError
        after the end of the thread only.
        """
        room = allocate_lock()
        room.acquire()
        if self.order(partial(self._write, data, descriptor, room)):
            room.acquire()
        else:
            log.write_fully(data, descriptor)

    def finish(self) -> None:
        """Write all that is left in the pipes, within a bound, and end the thread."""
        done = allocate_lock()
        done.acquire()
        if self.order(partial(self._finish, done)):
            done.acquire(timeout=_MOST + _MARGIN)

    def _turn(self) -> None:
        self._came = 0
        for fd, _ in self._files.poll():
            if fd == self._orders.bell:
                self._orders.silence()
                self._orders.obey()
            elif fd in self._waiting:
                self._waiting[fd].flush()
            elif fd in self._streams:
                self._read(self._streams[fd])
        for output in set(self._outputs.values()):
            if output.size:
                output.flush()
            if output.size or self._held or self._writers or self._waiting:
                self._settle(output)
        now = time.monotonic()
        if 0 < self._came < _LITTLE and now - self._turned_at < 2 * _GATHER:
            time.sleep(_GATHER)
        self._turned_at = now

    def _add(self, stream: LogStream) -> None:
        self._streams[stream.fd] = stream
        self._files.register(stream.fd, EPOLLIN)

    def _read(self, stream: LogStream) -> None:
        if stream.blocked:
            if stream.output is not None:
                stream.output.flush()
            if stream.blocked:
                self._files.unregister(stream.fd)  # a mask of 0 would still tell of its end
                self._held.append(stream)
                return
        self._take(stream)

    def _take(self, stream: LogStream) -> int:
        """Read a piece; the number of its bytes."""
        try:
            data = os.read(stream.fd, _CHUNK)
        except BlockingIOError:
            return 0
        self._came += len(data)
        try:
            if data:
                stream.take(data)
            else:
                stream.end()
        finally:
            if not data:
                del self._streams[stream.fd]
                os.close(stream.fd)  # and epoll forgets it
        return len(data)

    def _settle(self, output: Output) -> None:
        """Wait for the reader of an output, or let those go on that waited for it."""
        waits = output.descriptor in self._waiting
        if output.size and not waits:
            self._waiting[output.descriptor] = output
            self._files.register(output.descriptor, EPOLLOUT)
        elif waits and not output.size:
            del self._waiting[output.descriptor]
            self._files.unregister(output.descriptor)
        if output.size > FULL // 2:
            return
        for stream in [one for one in self._held if one.output is output]:
            self._held.remove(stream)
            self._files.register(stream.fd, EPOLLIN)
        for pair in [one for one in self._writers if one[0] is output]:
            self._writers.remove(pair)
            pair[1].release()

    def _write(self, data: bytes, descriptor: int, room: LockType) -> None:
        output = self._outputs[descriptor]
        output.put(data)
        output.flush()
        if output.full and not self._finished:
            self._writers.append((output, room))
        else:
            room.release()

    def _finish(self, done: LockType) -> None:
        end = time.monotonic() + _MOST
        stuck: set[Output] = set()
        try:
            for stream in tuple(self._streams.values()):
                self._drain(stream, end, stuck)
            for output in set(self._outputs.values()):
                _empty(output, end, stuck)
        finally:
            self._finished = True
            self._orders.close()
            self._orders.obey()
            self._thread.end()
            for _, room in self._writers:
                room.release()
            done.release()

    def _drain(self, stream: LogStream, end: float, stuck: set[Output]) -> None:
        """Read all that is in a pipe by now; a process that was left behind may keep it open."""
        left = _LAST
        while left > 0:
            if stream.blocked and stream.output is not None:
                _empty(stream.output, end, stuck)
                if stream.blocked:
                    return
            count = self._take(stream)
            if not count:
                break
            left -= count
        if stream.fd in self._streams:
            stream.end()


def _outputs() -> dict[int, Output]:
    """Our output streams by descriptor; one for both where they are the same file."""
    outputs = {one: Output(one) for one in NAMES}
    first, second = outputs
    try:
        if os.path.samestat(os.fstat(first), os.fstat(second)):
            outputs[second] = outputs[first]
    except OSError:
        pass  # one of them is closed
    return outputs


def _empty(output: Output, end: float, stuck: set[Output]) -> None:
    """Wait until an output is written; not for a reader that takes nothing."""
    while output.size and output not in stuck:
        output.flush()
        left = min(_STUCK, end - time.monotonic())
        if output.size and (left <= 0 or not _has_room(output, left)):
            stuck.add(output)


def _has_room(output: Output, seconds: float) -> bool:
    look = poll()
    look.register(output.descriptor, POLLOUT)
    return bool(look.poll(seconds * 1000))
