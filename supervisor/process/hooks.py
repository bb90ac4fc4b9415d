"""Commands beside the app: validate, ready, verify, reload by command.

A thread orders a hook and waits here; the main thread starts and reaps it (`children`). A hook gets
the app's user, environment and directory, standard input from /dev/null, and a session of its own,
which is killed as a whole after its time. This module does not know the meaning of a result.
"""

from __future__ import annotations

import os
import select
import time

from ..core import events as ev
from ..core import signal_numbers
from ..core.errors import BY_SIGNAL, CANNOT_RUN, NOT_EXECUTABLE, NOT_FOUND, TIMED_OUT, reason
from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from queue import SimpleQueue

_KEPT = 4096  # bytes of output, the last ones
_LOOK_AGAIN = 0.05  # seconds between two looks whether the hook was cancelled
_TO_END = 0.5  # seconds for a killed hook to end; after a change of user it may live on
_LAST_WORDS = 0.2  # seconds for output that is still in the pipe after the hook's end


# Codes without an answer: env(1), timeout(1) and a shell end with them for their own reasons, and
# with KILL the kernel answers a shortage of memory.
_NO_ANSWER = {
    TIMED_OUT: "did not end in time (code 124)",
    NOT_EXECUTABLE: "cannot run: it ended with code 126 (not executable)",
    NOT_FOUND: "cannot run: it ended with code 127 (not found)",
    BY_SIGNAL + signal_numbers.KILL: "was killed (code 137), by hand or for lack of memory",
}


class HookOutcome(Record):
    code: int  # as a shell would give; 124 after its time, or if it was cancelled
    output: str  # the last 4 KiB of both streams
    unable: str = ""  # a sentence: why there is no answer, which is no verdict about a version


class Runner:
    """Runs hooks for threads; safe from any thread but the main thread."""

    def __init__(self, put: Callable[[ev.Event], None]) -> None:
        self._put = put

    def run(
        self, argv: Sequence[str], seconds: float, cancelled: Callable[[], bool] | None = None
    ) -> HookOutcome:
        """Run a hook to its end, for at most `seconds`, until `cancelled()`. Never raises."""
        try:
            read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        except OSError as error:
            return HookOutcome(CANNOT_RUN, "", f"cannot run {argv[0]}: {reason(error)}")
        from queue import SimpleQueue

        ends: SimpleQueue[ev.HookReport] = SimpleQueue()
        self._put(ev.HookOrdered(tuple(argv), write_fd, ends.put))
        output = _Output(read_fd)
        try:
            started = ends.get()
            os.close(write_fd)
            if not started.pid:
                return HookOutcome(started.code, "", started.error)
            end = self._wait(ends, output, time.monotonic() + seconds, cancelled)
            if end is None:
                self._put(ev.HookAbandoned(started.pid))
                end = ev.HookReport(started.pid, TIMED_OUT)
                self._wait(ends, output, time.monotonic() + _TO_END, None)
            output.read_rest()
            return _outcome(argv[0], end, output.text())
        finally:
            output.close()

    @staticmethod
    def _wait(
        ends: SimpleQueue[ev.HookReport],
        output: _Output,
        until: float,
        cancelled: Callable[[], bool] | None,
    ) -> ev.HookReport | None:
        from queue import Empty

        while time.monotonic() < until and not (cancelled and cancelled()):
            try:
                return ends.get(timeout=min(_LOOK_AGAIN, max(0.001, until - time.monotonic())))
            except Empty:
                output.read()
        return None


def _outcome(program: str, end: ev.HookReport, output: str) -> HookOutcome:
    why = _NO_ANSWER.get(end.code, "")
    return HookOutcome(
        end.code, output, end.error or (why and f"{os.path.basename(program)} {why}")
    )


class _Output:
    """The end of a hook's output. It is read often: a full pipe blocks no hook for long."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._data = b""
        os.set_blocking(fd, False)

    def read(self) -> bool:
        """Take the bytes in the pipe; whether more may come."""
        try:
            while piece := os.read(self._fd, 65536):
                self._data = (self._data + piece)[-_KEPT:]
        except BlockingIOError:
            return True
        return False

    def read_rest(self) -> None:
        """Take the last words, without waiting for a grandchild that keeps the pipe open."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        until = time.monotonic() + _LAST_WORDS
        while self.read() and time.monotonic() < until:
            poll.poll(20)

    def text(self) -> str:
        return self._data.decode(errors="replace").strip()

    def close(self) -> None:
        os.close(self._fd)
