"""Figures of processes from /proc: children, memory, context switches, CPU time and threads.

Reads only /proc, by code of its own: it measures the program, and shares none with it. A process
after its end has no children and no figures. Units: MiB, CPU time in seconds.
https://docs.kernel.org/filesystems/proc.html
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from config_supervisor.core.record import Record


class Memory(Record):
    """Of some processes, in MiB: resident, proportional share, private and dirty."""

    rss: float
    pss: float
    dirty: float


class Work(Record):
    """Of some processes: CPU seconds and context switches of all threads; number of threads."""

    cpu: float
    switches: int
    threads: int


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _entries(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def children(pid: int) -> list[int]:
    """The children of all threads of a process."""
    found = [_read(f"/proc/{pid}/task/{task}/children") for task in _entries(f"/proc/{pid}/task")]
    return [int(word) for text in found for word in text.split()]


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on."""
    return [one for child in children(pid) for one in (child, *descendants(child))]


def program(pid: int) -> str:
    """The path of a process's program; '' after the end of the process."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def memory(pids: Iterable[int]) -> Memory:
    """The sum over these processes."""
    total = dict.fromkeys(("Rss", "Pss", "Private_Dirty"), 0)
    for pid in pids:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            name, _, value = line.partition(":")
            if name in total:
                total[name] += int(value.split()[0])
    return Memory(*(kib / 1024 for kib in total.values()))


def work(pids: Iterable[int]) -> Work:
    """The sum over all threads of these processes."""
    cpu = 0.0
    switches = 0
    threads = 0
    for pid in pids:
        for task in _entries(f"/proc/{pid}/task"):
            threads += 1
            cpu += int((_read(f"/proc/{pid}/task/{task}/schedstat") or "0").split()[0]) / 1e9
            for line in _read(f"/proc/{pid}/task/{task}/status").splitlines():
                if line.startswith(("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")):
                    switches += int(line.split()[1])
    return Work(cpu, switches, threads)


def cpu(pid: int) -> float:
    """CPU seconds of a process, with those of its threads that have ended.

    The number of the clock is that of clock_getcpuclockid(3) in Linux.
    """
    return time.clock_gettime(~pid << 3 | 2)
