"""A connection: its stage, its buffers and its deadline.

It must not know HTTP, other connections or the poll loop; the `Owner` moves it from stage to stage.
"""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Protocol

    class Owner(Protocol):
        """The server of a connection."""

        def move(self, connection: Connection, stage: Stage, seconds: float | None) -> None: ...

        def send(self, connection: Connection) -> None: ...

        def flush(self, connection: Connection) -> None: ...


class Stage(IntEnum):
    """The lower the stage, the sooner its connection makes room for a new connection."""

    DRAINING = 0  # the last response is sent, the peer has yet to read it
    IDLE = 1  # a response is sent, the connection is kept for a further request
    READING = 2
    SENDING = 3
    ANSWERING = 4  # a request was taken, its response is not made yet
    HELD = 5  # as ANSWERING, for any time: the connection makes room for no other
    FOLLOWING = 6  # a response without an end: all of it up to now is sent
    FLUSHING = 7  # a response without an end: the peer has yet to take some bytes


class Connection:
    """A peer. Only the server's thread may touch it."""

    def __init__(
        self,
        owner: Owner,
        sock: socket.socket,
        entrance: socket.socket,
        now: float,
        seconds: float,
    ) -> None:
        self._owner = owner
        self.socket = sock
        self.entrance = entrance  # the listening socket that accepted it
        self.received = bytearray()
        self.unsent = memoryview(b"")
        self.stage = Stage.READING
        self.since = now
        self.deadline: float | None = now + seconds
        self.keep = False  # after the response there may be a further request
        self.drained = 0

    @property
    def here(self) -> bool:
        """Whether a response can still be sent."""
        return self.socket.fileno() >= 0

    def enter(self, stage: Stage, now: float, seconds: float | None) -> None:
        """Begin a stage, which ends after `seconds` (None: when the response is made)."""
        self.stage = stage
        self.since = now
        self.deadline = None if seconds is None else now + seconds

    def take(self, size: int) -> None:
        """Take a request of `size` bytes: `answer` must follow, now or later."""
        del self.received[:size]
        self._owner.move(self, Stage.ANSWERING, None)

    def hold(self) -> None:
        """Keep the place of a request that was taken until its answer, however late."""
        self._owner.move(self, Stage.HELD, None)

    def answer(self, data: bytes, *, keep: bool) -> None:
        """Send a response, then wait for the next request if `keep`; does nothing once the peer
        has gone away.
        """
        self.unsent = memoryview(data)
        self.keep = keep
        self._owner.send(self)

    def push(self, data: bytes) -> None:
        """Send a piece of a response without an end."""
        if self.here:
            self.unsent = memoryview(bytes(self.unsent) + data)
            self._owner.flush(self)
