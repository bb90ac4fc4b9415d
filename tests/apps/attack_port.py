"""Strangers at a port of 127.0.0.1, or at a socket file: `attack_port.py KIND PORT|PATH COUNT
SECONDS`.

KIND is a function below; each opens COUNT connections, prints `attacks` when they stand, and
attacks until SECONDS are over or its standard input ends. It renews closed connections.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator

MOST_RENEWED = 50  # in a turn
HEADERS = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(
    b"x-%d: %s\r\n" % (n, b"a" * 65000) for n in range(98)
)
HALF, REST = b"GET /livez HTTP/1.1\r\nHost: a\r\n", b"x: y\r\n\r\n"


class Stranger:
    """A connection, and whether the other end has closed it."""

    def __init__(self, place: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX if "/" in place else socket.AF_INET)
        self.socket.setblocking(False)
        address = place if "/" in place else ("127.0.0.1", int(place))
        self.closed = self.socket.connect_ex(address) not in (0, errno.EINPROGRESS)

    def say(self, data: bytes | memoryview) -> int:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.closed = True
            return 0

    def hear(self) -> None:
        try:
            self.closed = not self.socket.recv(1 << 16)
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True


class Crowd:
    """COUNT strangers, as many as the time allows."""

    def __init__(self, place: str, count: int, seconds: float) -> None:
        self.place, self._ends = place, time.monotonic() + seconds
        self.all = [Stranger(place) for _ in range(count)]
        print("attacks", flush=True)

    def turns(self, pause: float) -> Iterator[None]:
        """Turns until the time is over, with a pause after each."""
        while time.monotonic() < self._ends:
            yield
            if select.select([0], [], [], pause)[0]:
                return

    def renew(self, most: int = MOST_RENEWED) -> list[Stranger]:
        """Renew closed connections, some at a time; returns the new."""
        new: list[Stranger] = []
        for number, one in enumerate(self.all):
            if one.closed and len(new) < most:
                one.socket.close()
                self.all[number] = Stranger(self.place)
                new.append(self.all[number])
        return new


def headers(crowd: Crowd) -> None:
    """Headers without end: 6 MiB of each."""
    left = {one: memoryview(HEADERS) for one in crowd.all}
    for _ in crowd.turns(0.001):
        for one in crowd.all:
            left[one] = left[one][one.say(left[one][:65536]) :]
            one.hear()
        left.update({one: memoryview(HEADERS) for one in crowd.renew()})


def trickle(crowd: Crowd) -> None:
    """Half-open requests: a byte now and then."""
    for _ in crowd.turns(0.05):
        for one in crowd.all:
            one.say(b"G")
            one.hear()
        crowd.renew()


def silence(crowd: Crowd) -> None:
    """Silent connections; a lost place is taken again."""
    for _ in crowd.turns(0.05):
        for one in crowd.all:
            one.hear()
        crowd.renew()


def together(crowd: Crowd) -> None:
    """Each sends half a request; then all send the rest."""
    for _ in crowd.turns(0.2):
        for one in crowd.all:
            one.say(HALF)
        for one in crowd.all:
            one.say(REST)
        for one in crowd.all:
            one.hear()
        crowd.renew()


def deaf(crowd: Crowd) -> None:
    """Requests for many large answers, without a read."""
    for _ in crowd.turns(0.02):
        for one in crowd.all:
            one.say(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        crowd.renew()


def flood(crowd: Crowd) -> None:
    """Whole requests at full speed, many in a row on each connection."""
    for _ in crowd.turns(0):
        for one in crowd.all:
            one.say((HALF + REST) * 20)
            one.hear()
        crowd.renew()


def churn(crowd: Crowd) -> None:
    """Each asks once and goes away before the answer."""
    for _ in crowd.turns(0):
        for one in crowd.all:
            one.say(HALF + REST)
            one.closed = True
        crowd.renew()


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()


def orders(crowd: Crowd) -> None:
    """The requests of supervisorctl, repeatedly, one for each connection."""
    for _ in crowd.turns(0):
        for one in crowd.all:
            one.say(_request("/status"))
            one.hear()
        crowd.renew()


def waits(crowd: Crowd) -> None:
    """All wait for a state that does not come."""
    for one in crowd.all:
        one.say(_request("/wait/synced?seconds=60"))
    for _ in crowd.turns(0.05):
        for one in crowd.all:
            one.hear()
        for one in crowd.renew():
            one.say(_request("/wait/synced?seconds=60"))


KINDS: dict[str, Callable[[Crowd], None]] = {
    one.__name__: one
    for one in (headers, trickle, silence, together, deaf, flood, churn, orders, waits)
}


def main() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.set_blocking(0, False)
    KINDS[sys.argv[1]](Crowd(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))


if __name__ == "__main__":
    main()
