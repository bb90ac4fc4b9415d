"""Prints the number of every open file descriptor, and whether each is non-blocking: `0
blocking`.
"""

from __future__ import annotations

import fcntl
import os

for number in range(os.sysconf("SC_OPEN_MAX")):
    try:
        flags = fcntl.fcntl(number, fcntl.F_GETFL)
    except OSError:
        continue
    print(number, "non-blocking" if flags & os.O_NONBLOCK else "blocking")
