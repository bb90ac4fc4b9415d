"""How long to wait before the next try: the only backoff of the program.

Pure. Who waits adds its own dice, and its own bounds.
"""

from __future__ import annotations

_MOST_DOUBLINGS = 20  # so that no count of failures overflows a float


def backoff(failures: int, first: float, most: float) -> float:
    """Seconds to wait after 1 or more failures in a row: `first`, doubled each time, up to
    `most`.
    """
    return float(min(most, first * 2 ** min(failures - 1, _MOST_DOUBLINGS)))
