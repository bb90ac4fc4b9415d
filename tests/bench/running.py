"""A running candidate: PID 1 of a fresh pid namespace, above the app, which reports its moments.

Starts it, reads the app's reports, finds its processes, sends signals and ends it. Every wait is
for a report or for an end, and bounded. Must not know the candidates, nor the measures.
"""

from __future__ import annotations

import enum
import os
import select
import struct
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Self

from config_supervisor.core.record import Record
from tests.bench import procfs

# No process of a candidate survives the harness.
NAMESPACE = ("setpriv", "--pdeathsig", "KILL", "unshare", "-pf", "--mount-proc", "--kill-child")
# Before a candidate that runs as in a pod: its service account, where a kubelet mounts it.
_IN_POD = (
    "mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io"
    ' && ln -s "$0" /run/secrets/kubernetes.io/serviceaccount && exec "$@"'
)
_REPORT = struct.Struct("qii")
# Rest is at most this CPU time within these seconds.
_QUIET_SECONDS = 0.2
_QUIET_CPU = 0.001


class Moment(enum.IntEnum):
    """The reports of the app; the same list as in app.c."""

    EXEC = 1
    START = 2
    READY = 3
    SIGNAL = 4
    REQUEST = 5
    FIRST_ORPHAN = 6
    LAST_ORPHAN = 7
    NONE_LEFT = 8
    PEAK = 9


class Report(Record):
    """A report of the app: time (ns, CLOCK_MONOTONIC), moment, and a number for it."""

    ns: int
    moment: Moment
    value: int


class SilentError(Exception):
    """A report did not come in time: the reason, then the command and its last output."""


class Run:
    """A running candidate; `close` ends it and all its processes."""

    def __init__(
        self,
        app: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        account: str = "",
    ) -> None:
        """`app`: path of the compiled app, which also reports the exec of `command`. `account`: the
        directory of the service account, for a candidate as in a pod.
        """
        self.command = command
        self._app = app
        self._folder = tempfile.mkdtemp(prefix="bench-run-")
        fifo = os.path.join(self._folder, "report")
        os.mkfifo(fifo)
        # Open for both: it never ends, and no writer waits.
        self._fifo = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
        self._held: list[Report] = []
        self._rest = b""
        self._log = os.path.join(self._folder, "log")
        self._pidfd = -1  # of PID 1, once known
        in_pod = ("sh", "-c", _IN_POD, account) if account else ()
        with open(self._log, "wb") as log:
            self._popen = subprocess.Popen(
                [*NAMESPACE, *in_pod, app, "--then", *command],
                env={**clean_environment(), "BENCH_REPORT": fifo, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        try:
            self.began = self.next(Moment.EXEC, 10).ns
            self.pid = procfs.children(self._popen.pid)[0]
            self._pidfd = os.pidfd_open(self.pid)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next(self, moment: Moment, timeout: float = 30, value: int | None = None) -> Report:
        """The next report of this moment; earlier reports of others are dropped. Raises SilentError
        after `timeout` seconds.
        """
        end = time.monotonic() + timeout
        while True:
            while self._held:
                report = self._held.pop(0)
                if report.moment == moment and value in {None, report.value}:
                    return report
            self._read(end - time.monotonic(), moment)

    def _read(self, seconds: float, moment: Moment) -> None:
        ends = [self._pidfd] if self._pidfd >= 0 else []
        found = select.select([self._fifo, *ends], [], [], max(0.0, seconds))[0]
        if self._fifo not in found:
            why = "the candidate ended" if found else "no report came in time"
            raise self._silent(f"no {moment.name} of the app: {why}")
        data = self._rest + os.read(self._fifo, 65536)
        whole = len(data) - len(data) % _REPORT.size
        self._rest = data[whole:]
        self._held += [
            Report(ns, Moment(kind), value) for ns, kind, value in _REPORT.iter_unpack(data[:whole])
        ]

    def settle(self, timeout: float = 10) -> None:
        """Wait until the candidate uses next to no CPU time. Raises SilentError after `timeout`
        seconds.
        """
        end = time.monotonic() + timeout
        before = -1.0
        while time.monotonic() < end:
            now = procfs.work(self.supervisors()).cpu
            if now - before < _QUIET_CPU:
                return
            before = now
            time.sleep(_QUIET_SECONDS)
        raise self._silent(f"the candidate did not come to rest in {timeout:.0f} s")

    def forget(self) -> None:
        """Drop all reports so far."""
        while select.select([self._fifo], [], [], 0)[0]:
            os.read(self._fifo, 65536)
        self._held.clear()

    def _silent(self, why: str) -> SilentError:
        return SilentError(f"{why}\n{' '.join(self.command)}\n{self.words()}")

    def words(self) -> str:
        """The last output of the candidate."""
        with open(self._log, encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]

    def signal(self, number: int) -> int:
        """Send a signal to the candidate; the time just before, in ns."""
        now = time.monotonic_ns()
        os.kill(self.pid, number)
        return now

    def app_pid(self) -> int:
        """The app's pid in our namespace. Raises SilentError without an app."""
        for pid in procfs.descendants(self.pid):
            if procfs.program(pid) == self._app:
                return pid
        raise self._silent("the candidate has no app")

    def supervisors(self) -> list[int]:
        """All processes of the candidate but the app."""
        return [
            pid
            for pid in [self.pid, *procfs.descendants(self.pid)]
            if procfs.program(pid) != self._app
        ]

    def gone(self, timeout: float) -> int:
        """Wait for the end of PID 1, and of its namespace with it; the time, in ns."""
        if not select.select([self._pidfd], [], [], timeout)[0]:
            raise self._silent(f"the candidate did not end in {timeout:.0f} s")
        return time.monotonic_ns()

    def code(self) -> int:
        """The exit code, after `gone`."""
        return self._popen.wait(10)

    def close(self) -> None:
        """End the candidate, if it still runs, and release its resources."""
        if self._popen.poll() is None:
            self._popen.kill()  # and PID 1 with it: --kill-child
        self._popen.wait(10)
        if self._pidfd >= 0:
            select.select([self._pidfd], [], [], 10)
            os.close(self._pidfd)
        os.close(self._fifo)
        for name in os.listdir(self._folder):
            os.unlink(os.path.join(self._folder, name))
        os.rmdir(self._folder)


def clean_environment() -> dict[str, str]:
    """Our environment without the configuration of a candidate."""
    return {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("CONFIG_SUPERVISOR_", "CONFIG_CONTROLLER_", "PYTHON"))
    }
