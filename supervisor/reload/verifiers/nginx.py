"""Verify a reload of nginx by its worker processes."""

from __future__ import annotations

from ...process import procfs
from ...process.pid_lookup import PidLookup, ProcessMissing
from ..checks import Check, CheckFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..checks import CheckedApp
    from ..trust import Trust


def parse(rest: str, trust: Trust, target: PidLookup | None) -> Check:
    """Read `nginx`: our app or, in a sidecar, `target`, else the process of that name."""
    del rest, trust
    return Nginx(target or PidLookup("nginx"))


class Nginx(Check):
    """New workers of the same master.

    On a bad configuration nginx logs `[emerg]`, keeps its workers and their configuration, and no
    exit code tells. On a good one it starts new workers at once, in front of the same master; the
    old ones say in their title that they are shutting down, and may do so for as long as their
    clients like. A listening port that somebody else has taken is a bad configuration that `nginx
    -t` does not see: it gives up after five tries in 2.5 s.
    """

    def __init__(self, target: PidLookup) -> None:
        """`target` finds the master when it is not our app."""
        self._target = target

    def workers(self, subject: CheckedApp) -> frozenset[tuple[int, int]]:
        """Pid and start time of the workers that are to stay; raises CheckFailed when there are
        none.
        """
        try:
            master = subject.pid or self._target.find()
        except ProcessMissing as error:
            raise CheckFailed(str(error)) from error
        titles = {child: _title(child[0]) for child in _children(master)}
        found = [
            c
            for c, title in titles.items()
            if b"worker process" in title and b"shutting down" not in title
        ]
        if not found:
            raise CheckFailed(f"nginx (pid {master}) has no worker")
        return frozenset(found)

    def before(self, subject: CheckedApp, seconds: float) -> Check:
        return _NewWorkers(self, self.workers(subject))

    def once(self, subject: CheckedApp, seconds: float) -> None:
        self.workers(subject)


class _NewWorkers(Check):
    def __init__(self, nginx: Nginx, known: frozenset[tuple[int, int]]) -> None:
        self._nginx, self._known = nginx, known

    def once(self, subject: CheckedApp, seconds: float) -> None:
        # The master is looked up again: one that its container has started meanwhile runs on the
        # new files too.
        if not self._nginx.workers(subject) - self._known:
            raise CheckFailed("nginx has started no new worker; its log says why ([emerg])")


def _children(parent: int) -> set[tuple[int, int]]:
    """Pid and start time of the children of a process: no two processes share both."""
    rows = procfs.processes()
    return {(pid, row.started) for pid, row in rows.items() if row.parent == parent}


def _title(pid: int) -> bytes:
    try:
        return b" ".join(procfs.arguments(pid))
    except OSError:
        return b""
