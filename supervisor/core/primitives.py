"""`deque` and `partial`, from the C modules below `collections` and `functools`.

Those two are most of the imports of a small program, in Python, and the start of a bare init needs
none of the rest. For modules imported before the app; others import the usual names.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from functools import partial
else:
    from _collections import deque
    from _functools import partial

__all__ = ["deque", "partial"]
