"""Verify a reload of HAProxy by its master socket."""

from __future__ import annotations

import time

from ...core.errors import reason
from ...core.record import Record
from ..checks import Check, CheckFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...process.pid_lookup import PidLookup
    from ..checks import CheckedApp
    from ..trust import Trust

_MOST_BYTES = 4 * 1024 * 1024  # of an answer


def parse(rest: str, trust: Trust, target: PidLookup | None) -> Check:
    """Read the path of the master socket."""
    del trust, target
    return Haproxy(rest)


class Haproxy(Check):
    """A new worker, by the master's own word: `show proc` on its socket (`haproxy -W -S PATH`).

    On a configuration with errors, and on one whose ports are taken, the master counts a failed
    reload and keeps its worker; in the second case that worker takes no connections for about 2 s.
    The next good reload sets the count of failures to 0 again. While the master starts itself anew
    the socket hangs up: that is asked again.
    """

    def __init__(self, path: str) -> None:
        if not path.startswith("/"):
            raise ValueError(
                f"{path!r} is not the absolute path of haproxy's master socket"
                " (haproxy:/run/master.sock)"
            )
        self._path = path

    def before(self, subject: CheckedApp, seconds: float) -> Check:
        return _NewWorker(self, self.processes(subject, seconds).workers)

    def once(self, subject: CheckedApp, seconds: float) -> None:
        _NewWorker(self, frozenset()).once(subject, seconds)

    def processes(self, subject: CheckedApp, seconds: float) -> _Processes:
        """Ask the master; raises CheckFailed."""
        try:
            text = _converse(self._path, b"show proc\n", time.monotonic() + seconds, subject)
        except OSError as error:
            hint = "; is haproxy run with -W and -S, and may our user connect?"
            raise CheckFailed(
                f"cannot ask haproxy at {self._path}: {reason(error)}{hint}"
            ) from error
        return _processes(text)


class _Processes(Record):
    failed: int  # reloads since the last good one
    workers: frozenset[int]  # their pids


class _NewWorker(Check):
    def __init__(self, haproxy: Haproxy, known: frozenset[int]) -> None:
        self._haproxy, self._known = haproxy, known

    def once(self, subject: CheckedApp, seconds: float) -> None:
        now = self._haproxy.processes(subject, seconds)
        if now.failed:
            raise CheckFailed(
                "haproxy says that it could not load its configuration; its log says why ([ALERT])"
            )
        if not now.workers - self._known:
            raise CheckFailed("haproxy has started no new worker")


def _processes(text: str) -> _Processes:
    """Read the table of `show proc` (management guide, 9.4): a row per process, the former workers
    among them.
    """
    failed, workers = 0, set()
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or not words[0].isdecimal():
            continue
        if words[1] == "worker":
            workers.add(int(words[0]))
        elif words[1] == "master" and "[failed:" in words:
            failed = int(words[words.index("[failed:") + 1].rstrip("]"))
    return _Processes(failed, frozenset(workers))


def _converse(path: str, question: bytes, until: float, app: CheckedApp) -> str:
    """Send one question to a unix socket; all of the answer. Raises OSError."""
    from .. import deadline_socket

    with deadline_socket.connect_unix(path, until, app.cancelled) as sock:
        sock.sendall(question)
        sock.end_sending()  # else haproxy waits for the next question
        return sock.makefile("rb").read(_MOST_BYTES).decode(errors="replace")
