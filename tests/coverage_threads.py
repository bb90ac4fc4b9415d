"""A plugin of coverage.py: threads of `_thread`, by which the program starts its own, are traced.

Before Python 3.12, coverage.py sees threads of `threading` only.
"""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable
from typing import Any


def coverage_init(registry: object, options: object) -> None:
    """Called by coverage.py in each process, before the program is imported."""
    del registry, options
    start = _thread.start_new_thread

    def start_traced(function: Callable[..., object], *arguments: Any) -> int:
        def traced(*args: Any, **named: Any) -> object:
            sys.settrace(threading.gettrace())
            return function(*args, **named)

        return start(traced, *arguments)

    _thread.start_new_thread = start_traced
