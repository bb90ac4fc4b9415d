"""The bytes of a watch: lines as they arrive, and how fast they are taken.

It must not know what a line means.
"""

from __future__ import annotations

from .api_client import ANSWER_LIMIT
from .api_errors import BadDataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def lines(response: Any) -> Iterator[bytearray]:
    """The lines of a stream as they arrive, empty ones left out; ends with the stream.

    read1 gives what is there, with or without chunked encoding.
    """
    held = bytearray()
    while data := response.read1(65536):
        *ends, rest = data.split(b"\n")
        for end in ends:
            held += end
            if held and not held.isspace():
                yield held
            held = bytearray()
        held += rest
        if len(held) > ANSWER_LIMIT:
            raise BadDataError(f"the answer is longer than {ANSWER_LIMIT >> 20} MiB")


class EventRate:
    """How fast the events of a watch are taken: as fast as an editor makes them, not as fast as a
    server can send.

    A server that is held back so waits, or ends the watch; then the list gives the newest content.
    """

    RATE, BURST, SIZE = (
        200.0,
        100.0,
        1 << 14,
    )  # events per second, at once; bytes that count as one more

    def __init__(self) -> None:
        self._paid = float("-inf")  # until when (monotonic) what was taken is paid for

    def pause(self, now: float, size: int) -> float:
        """Seconds to wait after an event of that size in bytes."""
        cost = (1 + size / self.SIZE) / self.RATE
        self._paid = max(self._paid, now - self.BURST / self.RATE) + cost
        return max(0.0, self._paid - now)
