"""The time of a simulated fleet: an agenda in true seconds, the clocks of pods, delays by chance.

It knows nothing of pods and Leases. True time lies on a grid of binary fractions, and so do the
offsets of clocks: a shift of an offset changes no sum by rounding.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable

TICK = 1 / 1024  # seconds, of the grid


def on_grid(time: float) -> float:
    """The next time on the grid."""
    return math.ceil(time / TICK) * TICK


class Agenda:
    """Deeds at true times, in the order of their times."""

    def __init__(self) -> None:
        self.now = 0.0
        self._deeds: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    @property
    def next(self) -> float:
        """The time of the next deed."""
        return self._deeds[0][0] if self._deeds else math.inf

    def after(self, delay: float, deed: Callable[[], None]) -> None:
        """Plan a deed."""
        when = on_grid(self.now + max(delay, TICK))
        heapq.heappush(self._deeds, (when, next(self._count), deed))

    def do_next(self) -> None:
        """Go on to the next deed, and do it."""
        self.now, _, deed = heapq.heappop(self._deeds)
        deed()


class Clock:
    """A monotonic clock that nothing else shares: it runs at its own rate from its own start."""

    def __init__(self, offset: float, rate: float) -> None:
        self._offset = offset
        self.rate = rate

    def local(self, true: float) -> float:
        return self._offset + self.rate * true

    def true(self, local: float) -> float:
        """The first true time on the grid at which the clock shows at least this."""
        return on_grid((local - self._offset) / self.rate)


class Dice:
    """Delays and losses; the seed 0 has none of chance, for short examples."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed) if seed else None

    def delay(self, most: float) -> float:
        """Seconds, seldom `most`."""
        if self._random is None:
            return most / 4
        return most * self._random.random() ** 2

    def chance(self, probability: float) -> bool:
        return self._random is not None and self._random.random() < probability
