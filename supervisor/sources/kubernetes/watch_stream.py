"""The stream of a watch: its lines as they arrive, and the rate at which events are taken.

It must not know the meaning of a line.
"""

from __future__ import annotations

from .api_client import ANSWER_LIMIT
from .api_errors import BadDataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


def lines(response: Any, wait: Callable[[], None] = lambda: None) -> Iterator[bytearray]:
    """The lines of a stream as they arrive, without empty lines; ends with the stream. `wait` is
    called before each wait for bytes.
    """
    held = bytearray()
    # read1 returns the bytes at hand, with or without chunked encoding.
    while data := _more(response, wait):
        *ends, rest = data.split(b"\n")
        for end in ends:
            held += end
            if held and not held.isspace():
                yield held
            held = bytearray()
        held += rest
        if len(held) > ANSWER_LIMIT:
            raise BadDataError(f"the answer is longer than {ANSWER_LIMIT >> 20} MiB")


def _more(response: Any, wait: Callable[[], None]) -> bytes:
    wait()
    more: bytes = response.read1(65536)
    return more


class EventRate:
    """Takes events as fast as people make them, not as fast as a server can send.

    A server that sends more waits, or ends the watch; then the list gives the newest content.
    """

    RATE = 200.0  # events per second
    BURST = 100.0  # events at once
    SIZE = 1 << 14  # bytes that count as another event

    def __init__(self) -> None:
        self._paid = float("-inf")  # the time (monotonic) up to which taken events are paid for

    def pause(self, now: float, size: int) -> float:
        """Seconds to wait after an event of `size` bytes."""
        cost = (1 + size / self.SIZE) / self.RATE
        self._paid = max(self._paid, now - self.BURST / self.RATE) + cost
        return max(0.0, self._paid - now)
