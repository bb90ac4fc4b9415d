"""How many processes of our cgroup the kernel has killed for lack of memory.

It finds the file of the cgroup and reads its counter; the comparison of two readings is for its
caller. https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files (memory.events),
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html (memory.oom_control)
"""

from __future__ import annotations

import os

from . import procfs

_ROOT = "/sys/fs/cgroup"
_COUNTER = "oom_kill "
_UNIFIED = ""  # the name of the hierarchy of cgroup v2 in /proc/PID/cgroup
_MEMORY = "memory"


def parse(text: str) -> int | None:
    """The counter in the text of a file; None where the kernel counts none (before Linux 4.13)."""
    for line in text.splitlines():
        number = line.removeprefix(_COUNTER)
        if number != line and number.strip().isdecimal():
            return int(number)
    return None


def find(root: str = _ROOT) -> str:
    """The path of the counter of our cgroup; "" where the kernel shows none."""
    try:
        groups = procfs.cgroups(os.getpid())
    except OSError:
        return ""
    places = []
    if _MEMORY in groups:  # the memory controller is in one hierarchy only
        places += [(f"{root}/memory", groups[_MEMORY], "memory.oom_control")]
    if _UNIFIED in groups:
        places += [(root, groups[_UNIFIED], "memory.events")]
    for mount, group, name in places:
        # Without a namespace of its own a container sees the path of the host, and mounts its own
        # group at the root.
        for path in (f"{mount}{group.rstrip('/')}/{name}", f"{mount}/{name}"):
            if count(path) is not None:
                return path
    return ""


def count(path: str) -> int | None:
    """The counter as it is now; None where it cannot be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return parse(file.read())
    except OSError:
        return None
