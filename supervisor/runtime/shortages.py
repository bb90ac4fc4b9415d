"""Shortages of descriptors and memory that a thread waits out. It knows no deed.

To be imported before they can come, by a role of several services: an import needs a descriptor.
"""

from __future__ import annotations

import time

from ..core.backoff import backoff
from ..core.errors import is_shortage, reason
from . import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_PAUSE_FIRST, _PAUSE_MOST = 0.1, 5.0  # seconds until the next try


def outlast(purpose: str, deed: Callable[[], T]) -> T:
    """The result of `deed`, which is tried until no shortage fails it; for a thread
    that may wait.

    `purpose` ends "cannot ..." in the log. Raises any other error.
    """
    failures = 0
    while True:
        try:
            done = deed()
        except Exception as error:
            if not is_shortage(error):
                raise
            failures += 1
            if failures == 1:
                log.warning(
                    f"cannot {purpose}: {reason(error)}; raise the limit of open files (ulimit -n)"
                    " or of memory; trying again until it succeeds",
                    event="shortage",
                )
        else:
            return done
        time.sleep(backoff(failures, _PAUSE_FIRST, _PAUSE_MOST))
