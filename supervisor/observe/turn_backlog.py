"""The turns of the main loop before the metrics are imported, so that they count them all.

The main thread adds turns; another opens the backlog once. It must not know the metrics.
"""

from __future__ import annotations

from ..core.primitives import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MOST = 10_000  # turns: a shortage may keep the metrics away for long


class Backlog:
    """Keeps the turns for the metrics until those are imported; the main thread counts them all."""

    def __init__(self) -> None:
        self._turns: deque[tuple[Any, ...]] | None = deque(maxlen=MOST)
        self._target: Callable[..., None] | None = None

    def observe(self, *turn: Any) -> None:
        """Take a turn, as any observer; in the main thread."""
        if self._turns is None:
            return
        self._turns.append(turn)
        if self._target is not None:
            turns = self._turns
            self._turns = deque(maxlen=MOST)
            for one in turns:
                self._target(*one)

    def open(self, target: Callable[..., None]) -> None:
        """Hand on the turns, those so far with the next."""
        self._target = target

    def close(self) -> None:
        """Keep no more turns."""
        self._turns = None
