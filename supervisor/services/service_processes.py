"""The processes of several services, and their share of memory, processor, files and threads.

One look at /proc serves all services. A process belongs to the service that is the nearest among
its ancestors, or to that of its process group where its parents have ended. It starts and signals
nothing.
"""

from __future__ import annotations

from ..process import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..process.procfs import Stat


class Figures:
    """Of a service: all of its processes together."""

    def __init__(self) -> None:
        self.processes = 0
        self.memory = 0  # bytes
        self.cpu = 0.0  # seconds
        self.files = 0
        self.threads = 0


def figures(pids: Mapping[int, str]) -> dict[str, Figures]:
    """The figures of services, by name, from the names by pid. A service without a process has
    zeros nowhere: it is left out.
    """
    if not pids:
        return {}
    table = procfs.processes()
    found: dict[str, Figures] = {}
    for pid, root in owners(table, pids).items():
        mine = found.setdefault(pids[root], Figures())
        try:
            mine.memory += procfs.resident_bytes(pid)
            mine.cpu += procfs.seconds(table[pid].cpu)
            mine.threads += table[pid].threads
            mine.processes += 1
            mine.files += procfs.count_of_open_files(pid)
        except OSError:
            continue  # it ended, or became another user's
    return found


def owners(table: Mapping[int, Stat], roots: Mapping[int, object]) -> dict[int, int]:
    """The root of each process that has one, by pid."""
    known: dict[int, int] = {pid: pid for pid in roots if pid in table}
    for pid in table:
        path = []
        at = pid
        while at in table and at not in known and at not in path:
            path.append(at)
            at = table[at].parent
        root = known.get(at, 0)
        for one in path:
            group = table[one].group
            known[one] = root or (group if group in roots else 0)
    return {pid: root for pid, root in known.items() if root}
