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
    """A new worker, as the master's socket shows it: `show proc` (`haproxy -W -S PATH`).

    On a configuration with errors, or with ports that are taken, the master counts a failed reload
    and keeps its worker; with ports taken the worker accepts no connection for about 2 s. The next
    good reload sets the count of failures to 0. The socket hangs up while the master starts again;
    the caller asks again.
    """

    def __init__(self, path: str) -> None:
        if not path.startswith("/"):
            raise ValueError(
                f"{path!r} is not the absolute path of haproxy's master socket"
                " (haproxy:/run/master.sock)"
            )
        self._path = path

    def before(self, app: CheckedApp, seconds: float) -> Check:
        return _NewWorker(self, self.processes(app, seconds).workers)

    def once(self, app: CheckedApp, seconds: float) -> None:
        _NewWorker(self, frozenset()).once(app, seconds)

    def processes(self, app: CheckedApp, seconds: float) -> _Processes:
        """Ask the master; raises CheckFailed."""
        try:
            text = _converse(self._path, b"show proc\n", time.monotonic() + seconds, app)
        except OSError as error:
            hint = "is haproxy run with -W and -S, and may our user connect?"
            message = f"cannot ask haproxy at {self._path}: {reason(error)}; {hint}"
            raise CheckFailed(message) from error
        return _processes(text)


class _Processes(Record):
    failed: int  # reloads since the last good reload
    workers: frozenset[int]  # pids


class _NewWorker(Check):
    def __init__(self, haproxy: Haproxy, known: frozenset[int]) -> None:
        self._haproxy, self._known = haproxy, known

    def once(self, app: CheckedApp, seconds: float) -> None:
        now = self._haproxy.processes(app, seconds)
        if now.failed:
            raise CheckFailed(
                "haproxy says that it could not load its configuration; its log says why ([ALERT])"
            )
        if not now.workers - self._known:
            raise CheckFailed("haproxy has started no new worker")


def _processes(text: str) -> _Processes:
    """Read the table of `show proc` (management guide, 9.4): a row per process, former workers
    included.
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
    """Send a question to a unix socket; the whole answer. Raises OSError."""
    from .. import deadline_socket

    with deadline_socket.connect_unix(path, until, app.cancelled) as sock:
        sock.sendall(question)
        sock.end_sending()  # else haproxy waits for the next question
        return sock.makefile("rb").read(_MOST_BYTES).decode(errors="replace")
