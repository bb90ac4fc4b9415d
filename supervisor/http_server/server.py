"""Serves many connections in a thread, within bounds on their number, bytes and time.

It owns the sockets and the poll loop; it must not know HTTP: a `Talk` reads requests and answers
them, at once or later. A peer is a stranger. All strangers together can take a few descriptors,
some KiB each, and a share of a processor; the oldest connection makes room for the newest, so a
probe is served whatever other peers do. There is a single thread because each further running
thread delays the signals of the main thread.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from functools import partial

from ..core.errors import reason
from ..runtime import log
from ..runtime.client_limit import affordable
from .connection import Connection, Stage
from .limits import Limits
from .processor_share import ProcessorShare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from .calls import Calls

    class Talk(Protocol):
        """Reads requests and answers them; in the server's thread only."""

        def read(self, connection: Connection) -> None:
            """Look at `connection.received`: leave it if more must come, else `take` a request.

            A full buffer without a whole request is an error: `take` and answer it.
            """

        def late(self, connection: Connection) -> None:
            """Answer a request that did not come in time; without an answer the connection
            just ends.
            """


# Connections that the kernel keeps until they are accepted; beyond them a client connects a second
# late.
BACKLOG = 2048
# Bytes of a connection that the kernel keeps beside ours; it takes twice as much for itself.
RECEIVE_BUFFER = 8192

_ACCEPTS = 16  # in one turn; between two turns the accepted connections are served
_ACCEPT_PAUSE = 0.1  # seconds, while the kernel gives no connection
_ROOM_PAUSE = 0.005  # seconds, while all places are taken
# Seconds for which a connection keeps its place while a new connection waits for it: a request
# comes after its connection, and the main loop needs time to answer.
_PATIENCE = {
    Stage.DRAINING: 0.0,
    Stage.IDLE: 0.0,
    Stage.READING: 0.005,
    Stage.SENDING: 0.005,
    Stage.ANSWERING: 1.1,  # the main loop has a second
    Stage.HELD: float("inf"),
    Stage.FOLLOWING: float("inf"),
    Stage.FLUSHING: float("inf"),
}
_PIECE = 64 * 1024  # bytes to receive at once
_DRAIN_SECONDS = 1.0
_DRAIN_BYTES = 64 * 1024
_SHORT_OF_FILES = (errno.EMFILE, errno.ENFILE)

_WATCHED = {
    Stage.DRAINING: select.POLLIN,
    Stage.IDLE: select.POLLIN,
    Stage.READING: select.POLLIN,
    Stage.SENDING: select.POLLOUT,
    # The kernel reports the end of a peer in any case.
    Stage.ANSWERING: 0,
    Stage.HELD: 0,
    # A peer that only stops sending is gone too: it waits for no end of the response.
    Stage.FOLLOWING: select.POLLRDHUP,
    Stage.FLUSHING: select.POLLOUT | select.POLLRDHUP,
}


class Server:
    """Serves the connections of listening sockets."""

    def __init__(
        self, listeners: Sequence[socket.socket], talk: Talk, limits: Limits, calls: Calls
    ) -> None:
        """The caller closes `listeners` and `calls`."""
        for listener in listeners:
            listener.setblocking(False)
        self._listeners = listeners
        self._talk = talk
        self._limits = limits
        self._calls = calls
        self._most = affordable(limits.connections, limits.share_of_files)
        self._connections: dict[int, Connection] = {}  # by descriptor
        # By stage, in the order in which they entered it: the first is the oldest, and its deadline
        # the earliest.
        self._stages: dict[Stage, dict[Connection, None]] = {stage: {} for stage in Stage}
        self._again: list[Connection] = []  # their buffers may hold a further request
        self._accepting = True
        self._stopped = False
        self._short = False  # accept failed, and a warning was logged
        self._share = ProcessorShare(limits.processor)
        self._poll = select.poll()
        self._poll.register(calls.wakeup, select.POLLIN)
        for listener in listeners:
            self._poll.register(listener, select.POLLIN)

    def run(self) -> None:
        """Serve until `stop`; the body of a thread."""
        try:
            while not self._stopped:
                self._turn()
        finally:
            for connection in tuple(self._connections.values()):
                self._drop(connection)

    def stop(self) -> None:
        """Have `run` return after this turn; in the server's thread only."""
        self._stopped = True

    def _turn(self) -> None:
        found = dict(self._poll.poll(self._timeout()))
        self._share.begin()
        # Accepting comes last: a new connection may get the descriptor of a connection that ended
        # in this turn, which `found` still describes.
        called = [one for one in self._listeners if found.pop(one.fileno(), 0)]
        if found.pop(self._calls.wakeup, 0):
            for body in self._calls.waiting():
                self._contain(body)
        again, self._again = self._again, []
        for descriptor, mask in found.items():
            if (connection := self._connections.get(descriptor)) is not None:
                self._contain(partial(self._look, connection, mask), connection)
        for connection in again:
            self._contain(partial(self._read, connection), connection)
        self._pass_time()
        for listener in called:
            self._accept(listener)
        self._share.end()

    def _contain(self, body: Callable[[], None], connection: Connection | None = None) -> None:
        """Run `body`; an unforeseen error costs at most the connection."""
        try:
            body()
        except Exception as error:  # the outer edge of a turn: other connections are served
            log.debug(f"connection dropped: internal error: {error!r}", event="connection_dropped")
            if connection is not None:
                self._drop(connection)

    def _timeout(self) -> float | None:
        """Milliseconds until the first deadline; None without a deadline."""
        if self._again:
            return 0
        times = [self._calls.next_due(), *(peer.deadline for peer in self._oldest())]
        known = [when for when in times if when is not None]
        return max(0.0, min(known) - time.monotonic()) * 1000 + 1 if known else None

    def _oldest(self) -> list[Connection]:
        """The first connection of each stage."""
        return [next(iter(stage)) for stage in self._stages.values() if stage]

    def _pass_time(self) -> None:
        now = time.monotonic()
        for body in self._calls.due(now):
            self._contain(body)
        for connection in self._oldest():
            self._end_in_time(connection, now)

    def _end_in_time(self, connection: Connection, now: float) -> None:
        """End a connection whose deadline has passed; the next of its stage follows in the next
        turn.
        """
        if connection.deadline is None or connection.deadline > now:
            return
        if connection.stage is Stage.READING and connection.received:
            self._contain(partial(self._talk.late, connection), connection)
        if connection.deadline is not None and connection.deadline <= now:
            self._drop(connection)

    # --- accepting and dropping

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            if len(self._connections) >= self._most and not self._make_room():
                return
            try:
                sock, _address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._cannot_accept(error)
                return
            if self._short:
                self._short = False
                log.info("the port accepts connections again", event="accepting")
            self._welcome(sock, listener)

    def _welcome(self, sock: socket.socket, listener: socket.socket) -> None:
        sock.setblocking(False)
        seconds = self._limits.request_seconds
        connection = Connection(self, sock, listener, time.monotonic(), seconds)
        self._connections[sock.fileno()] = connection
        self._stages[connection.stage][connection] = None
        self._poll.register(sock, select.POLLIN)
        # Most peers send their request at once.
        self._contain(partial(self._read, connection), connection)

    def _cannot_accept(self, error: OSError) -> None:
        if not self._short:
            self._short = True
            log.warning(
                f"cannot accept a connection: {reason(error)}; the port tries again until it can",
                event="accept_failed",
            )
        if error.errno in _SHORT_OF_FILES:
            self._make_room()
        self._pause(_ACCEPT_PAUSE)

    def _pause(self, seconds: float) -> None:
        """Accept no connection for this time."""
        if self._accepting:
            self._accepting = False
            for listener in self._listeners:
                self._poll.unregister(listener)
            self._calls.after(seconds, self._resume)

    def _resume(self) -> None:
        self._accepting = True
        for listener in self._listeners:
            self._poll.register(listener, select.POLLIN)

    def _make_room(self) -> bool:
        """Drop a connection, else pause; whether a connection was dropped."""
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
        """Put a connection into another stage, which may last for these seconds."""
        if not connection.here:
            return
        if _WATCHED[stage] != _WATCHED[connection.stage]:
            self._poll.modify(connection.socket, _WATCHED[stage])
        del self._stages[connection.stage][connection]
        self._stages[stage][connection] = None
        connection.enter(stage, time.monotonic(), seconds)

    # --- receiving

    def _look(self, connection: Connection, mask: int) -> None:
        if connection.stage is Stage.SENDING:
            self.send(connection)
        elif connection.stage is Stage.FLUSHING and not mask & ~select.POLLOUT:
            self.flush(connection)
        elif connection.stage >= Stage.ANSWERING:  # not watched: the peer has gone away
            self._drop(connection)
        elif connection.stage is Stage.DRAINING:
            self._drain(connection)
        elif mask:
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        """Receive bytes, and let the talk look at them."""
        if not connection.here or connection.stage not in (Stage.IDLE, Stage.READING):
            return
        room = self._limits.received + self._limits.body - len(connection.received)
        try:
            piece = connection.socket.recv(min(room, _PIECE)) if room else b""
            ended = bool(room) and not piece
        except BlockingIOError:
            piece = b""
            ended = False
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
        """Read on for a moment: a close while the peer still sends would lose our response
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

    # --- sending

    def send(self, connection: Connection) -> None:
        """Send as much of a response as the peer takes."""
        if not self._push(connection):
            return
        if not connection.unsent:
            self._sent(connection)
        elif connection.stage is not Stage.SENDING:
            self.move(connection, Stage.SENDING, self._limits.send_seconds)
            self._bound_unsent(connection)

    def _push(self, connection: Connection) -> bool:
        """Send as much as the peer takes; whether the connection is still here."""
        if not connection.here:
            return False
        try:
            connection.unsent = connection.unsent[connection.socket.send(connection.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return False
        return True

    def _sent(self, connection: Connection) -> None:
        if connection.keep:
            self.move(connection, Stage.IDLE, self._limits.idle_seconds)
            if connection.received:
                self._again.append(connection)
            return
        try:
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(connection)
            return
        connection.received.clear()
        self.move(connection, Stage.DRAINING, _DRAIN_SECONDS)

    def flush(self, connection: Connection) -> None:
        """Send as much of a response without an end as the peer takes."""
        if not self._push(connection):
            return
        if not connection.unsent:
            self.move(connection, Stage.FOLLOWING, None)
        elif connection.stage is not Stage.FLUSHING:
            self.move(connection, Stage.FLUSHING, self._limits.send_seconds)

    def _bound_unsent(self, newest: Connection) -> None:
        slow = [peer for peer in self._stages[Stage.SENDING] if peer is not newest]
        while slow and sum(len(peer.unsent) for peer in [newest, *slow]) > self._limits.unsent:
            self._drop(slow.pop(0))
