"""Serves many connections in one thread, within bounds: how many there are, what is kept of each,
and for how long.

It owns the sockets, the poll loop and the deadlines, and knows nothing of what is said: a `Talk`
reads requests and answers them, at once or later. A peer is a stranger. All that strangers together
can take is a few descriptors, some KiB each, and a share of one processor; the oldest of them makes
room for the newest, so that a probe is served whatever the others do. There is one thread because
each further one that runs delays the signals of the main thread.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections import deque
from enum import IntEnum
from functools import partial

from ..core.record import Record
from ..runtime import log
from .processor_share import ProcessorShare

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Protocol

    Timer = tuple[float, Callable[[], None]]

    class Talk(Protocol):
        """What is said on the connections; called in the server's thread only."""

        def read(self, connection: Connection) -> None:
            """Look at `connection.received`: leave it if more must come, else `take` a request of
            it.

            What is not taken from a full buffer is an error: it must be answered then.
            """

        def late(self, connection: Connection) -> None:
            """Answer a request that did not come wholly in time; without an answer the connection
            just ends.
            """


class Limits(Record):
    """Bounds of one server."""

    connections: int = 32
    received: int = 8192  # bytes that are kept of one connection: its request
    unsent: int = (
        512 * 1024
    )  # bytes of answers that peers have not taken yet, of all connections together
    request_seconds: float = (
        5.0  # from accept, or the first byte of a further request, to the last byte
    )
    idle_seconds: float = (
        75.0  # between two requests: more than a minute, the usual interval of scrapes
    )
    send_seconds: float = 10.0  # for a peer to take an answer: the usual patience of who scrapes
    processor: float = 0.25  # of one core, in the long run
    share_of_files: int = 4  # descriptors of the process for each connection: the rest is the app's


class Stage(IntEnum):
    """Of a connection. The lower it is, the sooner the connection makes room for another one."""

    DRAINING = 0  # answered for the last time: the peer has yet to read that
    IDLE = 1  # answered, and kept for a further request
    READING = 2
    SENDING = 3
    ANSWERING = 4  # a request was taken and is not answered yet
    HELD = 5  # as ANSWERING, for as long as it takes: it makes room for no other


# Connections that the kernel keeps for us meanwhile; one that finds no room there comes a second
# late.
BACKLOG = 2048
RECEIVE_BUFFER = (
    8192  # bytes that the kernel keeps of a connection beside ours; it takes twice that for itself
)

_ACCEPTS = 16  # in one turn: those who are here already are served in between
_ACCEPT_PAUSE = 0.1  # seconds, when no connection can be had
_ROOM_PAUSE = 0.005  # seconds, when there is no room for one
# Seconds for which a connection of a stage is kept when another one wants its place: for a request
# to come after its connection, for the main loop to answer. Where no place can be had, the next one
# waits.
_PATIENCE = {
    Stage.DRAINING: 0.0,
    Stage.IDLE: 0.0,
    Stage.READING: 0.005,
    Stage.SENDING: 0.005,
    Stage.ANSWERING: 1.0,
    Stage.HELD: float("inf"),
}
_DRAIN_SECONDS = 1.0
_DRAIN_BYTES = 64 * 1024
_FEWEST = 4
_SHORT_OF_FILES = (errno.EMFILE, errno.ENFILE)

_WATCHED = {
    Stage.DRAINING: select.POLLIN,
    Stage.IDLE: select.POLLIN,
    Stage.READING: select.POLLIN,
    Stage.SENDING: select.POLLOUT,
    Stage.ANSWERING: 0,  # a peer that is gone is reported in any case
    Stage.HELD: 0,
}


class Connection:
    """One peer. Only the server's thread may touch it."""

    def __init__(self, server: Server, sock: socket.socket, now: float, seconds: float) -> None:
        self._server, self.socket = server, sock
        self.received = bytearray()
        self.unsent = memoryview(b"")
        self.stage, self.since = Stage.READING, now
        self.deadline: float | None = now + seconds
        self.keep = False  # after the answer there may be another request
        self.drained = 0

    @property
    def here(self) -> bool:
        """Whether an answer can still be sent."""
        return self.socket.fileno() >= 0

    def take(self, size: int) -> None:
        """Take a request of so many bytes: `answer` must follow, now or later."""
        del self.received[:size]
        self._server.move(self, Stage.ANSWERING, None)

    def hold(self) -> None:
        """Keep the place of a request that was taken until its answer, however late that is."""
        self._server.move(self, Stage.HELD, None)

    def answer(self, data: bytes, *, keep: bool) -> None:
        """Send an answer, then wait for the next request if `keep`; nothing happens if the peer has
        gone away.
        """
        self.unsent, self.keep = memoryview(data), keep
        self._server.send(self)


class Server:
    """Serves what comes to a listening socket."""

    def __init__(self, listener: socket.socket, talk: Talk, limits: Limits) -> None:
        """Raises OSError. The listener is closed by whoever made it."""
        listener.setblocking(False)
        self._listener, self._talk, self._limits = listener, talk, limits
        self._most = affordable(limits.connections, limits.share_of_files)
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._calls: deque[Callable[[], None]] = deque()
        self._connections: dict[int, Connection] = {}  # by descriptor
        # By stage, in the order in which they came into it: the first is the oldest, and its
        # deadline the earliest.
        self._stages: dict[Stage, dict[Connection, None]] = {stage: {} for stage in Stage}
        self._again: list[Connection] = []  # those that may have another request in their buffer
        self._timers: list[Timer] = []
        self._accepting, self._stopped = True, False
        self._short = False  # no connection could be accepted, which was said
        self._share = ProcessorShare(limits.processor)
        self._poll = select.poll()
        self._poll.register(self._wakeup, select.POLLIN)
        self._poll.register(listener, select.POLLIN)

    def call(self, body: Callable[[], None]) -> None:
        """Have the server's thread call `body` soon; from any thread, never blocks."""
        self._calls.append(body)
        os.eventfd_write(self._wakeup, 1)

    def after(self, seconds: float, body: Callable[[], None]) -> Timer:
        """Call `body` this much later, unless it is cancelled; in the server's thread only."""
        timer = (time.monotonic() + seconds, body)
        self._timers.append(timer)
        return timer

    def cancel(self, timer: Timer) -> None:
        self._timers = [one for one in self._timers if one is not timer]

    def run(self) -> None:
        """Serve until `stop`; the body of a thread."""
        try:
            while not self._stopped:
                self._turn()
        finally:
            for connection in tuple(self._connections.values()):
                self._drop(connection)
            os.close(self._wakeup)

    def stop(self) -> None:
        """Have `run` return soon; in the server's thread only: others `call` it."""
        self._stopped = True

    def _turn(self) -> None:
        found = dict(self._poll.poll(self._patience()))
        self._share.begin()
        # Last: it gives the descriptor of a connection that has gone to a new one, of which the
        # rest is not true.
        comes = found.pop(self._listener.fileno(), 0)
        if found.pop(self._wakeup, 0):
            self._take_calls()
        again, self._again = self._again, []
        for descriptor, mask in found.items():
            if (connection := self._connections.get(descriptor)) is not None:
                self._contain(partial(self._look, connection, mask), connection)
        for connection in again:
            self._contain(partial(self._read, connection), connection)
        self._pass_time()
        if comes:
            self._accept()
        self._share.end()

    def _contain(self, body: Callable[[], None], connection: Connection | None = None) -> None:
        """Run `body`; an error that nothing has foreseen costs the connection at most."""
        try:
            body()
        except Exception as error:  # the outer edge of a turn: the others are served all the same
            log.debug(f"connection dropped: internal error: {error!r}")
            if connection is not None:
                self._drop(connection)

    def _patience(self) -> float | None:
        """Milliseconds until something is due; None if nothing is."""
        if self._again or self._calls:
            return 0
        times = [when for when, _ in self._timers]
        times += [one.deadline for one in self._oldest() if one.deadline is not None]
        return max(0.0, min(times) - time.monotonic()) * 1000 + 1 if times else None

    def _oldest(self) -> list[Connection]:
        """The first of each stage."""
        return [next(iter(stage)) for stage in self._stages.values() if stage]

    def _take_calls(self) -> None:
        os.eventfd_read(self._wakeup)
        for _ in range(len(self._calls)):
            self._contain(self._calls.popleft())

    def _pass_time(self) -> None:
        now = time.monotonic()
        due = [timer for timer in self._timers if timer[0] <= now]
        self._timers = [timer for timer in self._timers if timer[0] > now]
        for _, body in due:
            self._contain(body)
        for connection in self._oldest():
            self._end_in_time(connection, now)

    def _end_in_time(self, connection: Connection, now: float) -> None:
        """End a connection whose time is over; others of its stage are looked at in the
        next turn.
        """
        if connection.deadline is None or connection.deadline > now:
            return
        if connection.stage is Stage.READING and connection.received:
            self._contain(partial(self._talk.late, connection), connection)
        if connection.deadline is not None and connection.deadline <= now:
            self._drop(connection)

    # --- who comes and who goes

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            if len(self._connections) >= self._most and not self._make_room():
                return
            try:
                sock, _address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._cannot_accept(error)
                return
            if self._short:
                self._short = False
                log.info("connections are accepted again", event="accepting")
            sock.setblocking(False)
            connection = Connection(self, sock, time.monotonic(), self._limits.request_seconds)
            self._connections[sock.fileno()] = connection
            self._stages[connection.stage][connection] = None
            self._poll.register(sock, select.POLLIN)
            self._contain(
                partial(self._read, connection), connection
            )  # most send their request at once

    def _cannot_accept(self, error: OSError) -> None:
        if not self._short:
            self._short = True
            log.warning(
                f"cannot accept a connection: {error.strerror}; it is tried again as long as that"
                " lasts",
                event="accept_failed",
            )
        if error.errno in _SHORT_OF_FILES:
            self._make_room()
        self._pause(_ACCEPT_PAUSE)

    def _pause(self, seconds: float) -> None:
        """Accept nothing for so long."""
        if self._accepting:
            self._accepting = False
            self._poll.unregister(self._listener)
            self.after(seconds, self._go_on)

    def _go_on(self) -> None:
        self._accepting = True
        self._poll.register(self._listener, select.POLLIN)

    def _make_room(self) -> bool:
        """Drop a connection, else pause: whether one was dropped."""
        now = time.monotonic()
        for connection in self._oldest():
            if connection.since + _PATIENCE[connection.stage] <= now:
                self._drop(connection)
                return True
        self._pause(_ROOM_PAUSE)
        return False

    def _drop(self, connection: Connection) -> None:
        descriptor = connection.socket.fileno()
        if self._connections.pop(descriptor, None) is None:
            return
        del self._stages[connection.stage][connection]
        self._poll.unregister(descriptor)
        connection.socket.close()
        connection.received.clear()
        connection.unsent = memoryview(b"")

    def move(self, connection: Connection, stage: Stage, seconds: float | None) -> None:
        """Put a connection into another stage, which may last for so many seconds."""
        if not connection.here:
            return
        now = time.monotonic()
        if _WATCHED[stage] != _WATCHED[connection.stage]:
            self._poll.modify(connection.socket, _WATCHED[stage])
        del self._stages[connection.stage][connection]
        self._stages[stage][connection] = None
        connection.stage, connection.since = stage, now
        connection.deadline = None if seconds is None else now + seconds

    # --- what they send

    def _look(self, connection: Connection, mask: int) -> None:
        if connection.stage is Stage.SENDING:
            self.send(connection)
        elif connection.stage >= Stage.ANSWERING:  # not watched: it has gone away
            self._drop(connection)
        elif connection.stage is Stage.DRAINING:
            self._drain(connection)
        elif mask:
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        """Read what is there, and let the talk look at it."""
        if not connection.here or connection.stage not in (Stage.IDLE, Stage.READING):
            return
        room = self._limits.received - len(connection.received)
        try:
            piece = connection.socket.recv(room) if room else b""
            ended = bool(room) and not piece
        except BlockingIOError:
            piece, ended = b"", False
        except OSError:
            self._drop(connection)
            return
        connection.received += piece
        if connection.received and connection.stage is Stage.IDLE:
            self.move(connection, Stage.READING, self._limits.request_seconds)
        if connection.received:
            self._talk.read(connection)
        more = connection in self._again  # a further request, which came before the end
        if ended and not more and connection.stage in (Stage.IDLE, Stage.READING):
            self._drop(connection)

    def _drain(self, connection: Connection) -> None:
        """Read on for a moment: a peer that is still sending when we close would lose our answer
        (RFC 9112, 9.6).
        """
        try:
            piece = connection.socket.recv(self._limits.received)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        connection.drained += len(piece)
        if not piece or connection.drained > _DRAIN_BYTES:
            self._drop(connection)

    # --- what they get

    def send(self, connection: Connection) -> None:
        """Send what can be sent of an answer."""
        if not connection.here:
            return
        try:
            connection.unsent = connection.unsent[connection.socket.send(connection.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        if not connection.unsent:
            self._sent(connection)
        elif connection.stage is not Stage.SENDING:
            self.move(connection, Stage.SENDING, self._limits.send_seconds)
            self._bound_unsent(connection)

    def _sent(self, connection: Connection) -> None:
        if connection.keep:
            self.move(connection, Stage.IDLE, self._limits.idle_seconds)
            if connection.received:
                self._again.append(connection)
            return
        import socket

        try:
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(connection)
            return
        connection.received.clear()
        self.move(connection, Stage.DRAINING, _DRAIN_SECONDS)

    def _bound_unsent(self, newest: Connection) -> None:
        slow = [one for one in self._stages[Stage.SENDING] if one is not newest]
        while slow and sum(len(one.unsent) for one in [newest, *slow]) > self._limits.unsent:
            self._drop(slow.pop(0))


def affordable(wanted: int, share: int) -> int:
    """How many connections are served: at most one for each `share` descriptors that the process
    may have.
    """
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if soft < 0 else max(_FEWEST, min(wanted, soft // share))
