"""The thread of event listeners: it moves bytes between them and the pools, and sends ticks.

It owns the pipes of all listeners and the pools; other threads give it orders by `post`, which
never blocks. It never waits for a listener, and sleeps without polling. It must not know how an
event comes about.
"""

from __future__ import annotations

import os
import select
import time

from ..core.primitives import partial
from ..runtime import log
from ..runtime.epoll_thread import EpollThread, Orders
from . import event_payloads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .event_pool import EventPools, Told

_CHUNK = 1 << 16
_MOST_READS = 64  # at the end of a listener
_MOST_UNREAD = 1 << 20  # bytes that wait for a listener which answers without reading
_MOST_WAITING = 4 << 20  # bytes of programs on their way to the pools; more are dropped
_DATA_COST = 256  # bytes of memory besides
# Seconds between two reads from a listener that broke the protocol, and from a rejection to the
# next event: none of both may spin.
_REST = 0.1
_PAUSE = 1.0  # seconds after an unexpected error, so that a lasting one does not spin


class Pipes:
    """Our ends of the pipes of a listener's process."""

    def __init__(self, name: str, into: int, out: int) -> None:
        self.name = name
        self.into = into  # its standard input; -1: closed
        self.out = out  # its standard output; -1: closed
        self.unsent = b""


class ListenerRelay:
    def __init__(self, pools: EventPools, say: Callable[[Told], None]) -> None:
        """`say` gets the notes of the pools, in the thread of the relay."""
        self._pools = pools
        self._say = say
        self._thread = EpollThread("event listeners", "serve event listeners", _PAUSE)
        self._orders = Orders(self._thread, "obey an order about event listeners")
        self._pipes: dict[str, Pipes] = {}
        self._by_file: dict[int, Pipes] = {}
        self._poll = self._thread.files
        self._last_tick = time.time()
        self._alive = False
        self._resting: list[Pipes] = []  # read again at `_rest_ends`
        self._rest_ends: float | None = None
        self._draining: dict[str, tuple[float, Callable[[], None]]] = {}
        # Bytes of programs: each number has a single writer.
        self._posted = 0
        self._done = 0
        self._dropping = False

    def start(self) -> None:
        """Start the thread. Raises RuntimeError at the limit of processes."""
        self._alive = True
        try:
            self._thread.start(self._turn)
        except RuntimeError:
            self._alive = False
            raise

    def post(self, order: Callable[[], None]) -> None:
        """Have the thread do this, in order of the calls; from any thread."""
        if self._alive:
            self._orders.post(order)

    def post_data(self, order: Callable[[], None], size: int) -> None:
        """The same for an event with bytes of programs, which is dropped where too many wait. From
        a single thread.
        """
        if not self._alive:
            return
        cost = size + _DATA_COST
        if self._posted - self._done + cost <= _MOST_WAITING:
            self._posted += cost
            self._dropping = False
            self.post(partial(self._do_data, order, cost))
        elif not self._dropping:
            self._dropping = True
            log.warning(
                "cannot keep all PROCESS_LOG events: programs write faster than listeners are"
                " served; subscribe fewer listeners, or turn stdout_events_enabled off",
                event="events_dropped",
            )

    def attach(self, name: str, into: int, out: int) -> None:
        """Serve a listener which was started with these pipes; takes both descriptors over."""
        if not self._alive:
            os.close(into)
            os.close(out)
            return
        self.post(partial(self._attach, Pipes(name, into, out)))

    def ended(self, name: str) -> None:
        """The process of a listener has ended."""
        self.post(partial(self._end, name))

    def drain(self, name: str, until: float, done: Callable[[], None]) -> bool:
        """Have `done` called, in the thread, once a listener has read the events so far, or at
        that time; whether it will be.
        """
        self.post(partial(self._drain, name, until, done))
        return self._alive

    # --- in the thread ----------------------------------------------------------------------------

    def _turn(self) -> None:
        for file, _ in self._poll.poll(self._time_left()):
            if file == self._orders.bell:
                self._orders.silence()
            elif (pipes := self._by_file.get(file)) is None:
                continue
            elif file == pipes.out:
                self._read(pipes)
            else:
                self._write(pipes)
        if self._rest_ends is not None and time.monotonic() >= self._rest_ends:
            self._end_rest()
        now = time.time()
        for name, payload in event_payloads.ticks(self._last_tick, now):
            self._pools.publish(name, payload)
        self._last_tick = now
        self._deliver()
        self._orders.obey(self._deliver)
        if self._draining:
            self._end_drains()

    def _time_left(self) -> float | None:
        wanted = [pool.wanted for pool in self._pools.pools]
        left = event_payloads.next_tick(frozenset().union(*wanted), time.time())
        ends = [until for until, _ in self._draining.values()]
        if self._rest_ends is not None:
            ends.append(self._rest_ends)
        if not ends:
            return left
        rest = max(0.0, min(ends) - time.monotonic())
        return rest if left is None else min(left, rest)

    def _drain(self, name: str, until: float, done: Callable[[], None]) -> None:
        self._pools.drain(name)
        self._draining[name] = (until, done)

    def _end_drains(self) -> None:
        now = time.monotonic()
        for name, (until, done) in tuple(self._draining.items()):
            if now >= until or self._pools.drained(name):
                del self._draining[name]
                done()

    def _do_data(self, order: Callable[[], None], cost: int) -> None:
        self._done += cost
        order()

    def _deliver(self) -> None:
        self._pools.deliver(self._send)
        for told in self._pools.notes():
            self._say(told)
        if self._pools.refusing:
            self._begin_rest()

    def _send(self, name: str, data: bytes) -> bool:
        pipes = self._pipes.get(name)
        if pipes is None or pipes.into < 0 or len(pipes.unsent) > _MOST_UNREAD:
            return False
        pipes.unsent += data
        self._write(pipes)
        return pipes.into >= 0

    def _write(self, pipes: Pipes) -> None:
        """Write as much as the pipe takes; the rest once it is read."""
        try:
            sent = os.write(pipes.into, pipes.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close_into(pipes)
            return
        pipes.unsent = pipes.unsent[sent:]
        watched = pipes.into in self._by_file
        if pipes.unsent and not watched:
            self._watch(pipes.into, pipes, select.EPOLLOUT)
        elif watched and not pipes.unsent:
            self._forget(pipes.into)

    def _read(self, pipes: Pipes) -> bool:
        """Take what a listener wrote; whether there may be more."""
        try:
            data = os.read(pipes.out, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._close_out(pipes)
            return False
        self._pools.received(pipes.name, data)
        if self._pools.broken(pipes.name):
            self._rest(pipes)
        return True

    def _rest(self, pipes: Pipes) -> None:
        """Read no more for a moment: a flood without a meaning costs next to nothing."""
        if pipes.out in self._by_file:
            self._forget(pipes.out)
            self._resting.append(pipes)
            self._begin_rest()

    def _begin_rest(self) -> None:
        if self._rest_ends is None:
            self._rest_ends = time.monotonic() + _REST

    def _end_rest(self) -> None:
        self._rest_ends = None
        self._pools.forgive()
        for pipes in self._resting:
            if pipes.out >= 0:
                self._watch(pipes.out, pipes, select.EPOLLIN)
        self._resting = []

    def _attach(self, pipes: Pipes) -> None:
        self._end(pipes.name)
        self._pipes[pipes.name] = pipes
        self._watch(pipes.out, pipes, select.EPOLLIN)
        self._pools.started(pipes.name)

    def _end(self, name: str) -> None:
        pipes = self._pipes.pop(name, None)
        if pipes is None:
            return
        for _ in range(_MOST_READS):
            if pipes.out < 0 or not self._read(pipes):
                break
        self._close_into(pipes)
        self._close_out(pipes)
        self._pools.ended(name)

    def _close_into(self, pipes: Pipes) -> None:
        if pipes.into >= 0:
            self._forget(pipes.into)
            os.close(pipes.into)
        pipes.into = -1
        pipes.unsent = b""

    def _close_out(self, pipes: Pipes) -> None:
        if pipes.out >= 0:
            self._forget(pipes.out)
            os.close(pipes.out)
        pipes.out = -1

    def _watch(self, file: int, pipes: Pipes, wish: int) -> None:
        self._by_file[file] = pipes
        self._poll.register(file, wish)

    def _forget(self, file: int) -> None:
        if self._by_file.pop(file, None) is not None:
            self._poll.unregister(file)
