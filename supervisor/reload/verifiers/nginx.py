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

    On a bad configuration nginx logs `[emerg]` and keeps its workers and their configuration; no
    exit code tells. On a good configuration the same master starts new workers at once; the titles
    of the old workers say "shutting down", for as long as their clients stay. A port that another
    program has taken is a bad configuration too, unseen by `nginx -t`: nginx gives up after five
    tries in 2.5 s.
    """

    def __init__(self, target: PidLookup) -> None:
        """`target` finds the master when it is not our app."""
        self._target = target

    def workers(self, app: CheckedApp) -> frozenset[tuple[int, int]]:
        """Pid and start time of the workers that stay; raises CheckFailed when there are none."""
        try:
            master = app.pid or self._target.find()
        except ProcessMissing as error:
            raise CheckFailed(str(error)) from error
        titles = {child: _title(child[0]) for child in _children(master)}
        found = frozenset(
            child
            for child, title in titles.items()
            if b"worker process" in title and b"shutting down" not in title
        )
        if not found:
            raise CheckFailed(f"nginx (pid {master}) has no worker")
        return found

    def before(self, app: CheckedApp, seconds: float) -> Check:
        return _NewWorkers(self, self.workers(app))

    def once(self, app: CheckedApp, seconds: float) -> None:
        self.workers(app)


class _NewWorkers(Check):
    def __init__(self, nginx: Nginx, known: frozenset[tuple[int, int]]) -> None:
        self._nginx, self._known = nginx, known

    def once(self, app: CheckedApp, seconds: float) -> None:
        # Looked up again: a master that its container has started meanwhile runs on the new files.
        if not self._nginx.workers(app) - self._known:
            raise CheckFailed("nginx has started no new worker; its log says why ([emerg])")


def _children(parent: int) -> set[tuple[int, int]]:
    """Pid and start time of each child; no two processes share both."""
    rows = procfs.processes()
    return {(pid, row.started) for pid, row in rows.items() if row.parent == parent}


def _title(pid: int) -> bytes:
    try:
        return b" ".join(procfs.arguments(pid))
    except OSError:
        return b""
