"""One attempt to reload: the app as a method and its verification see it, and the time they have.

A method never signals by itself: the main thread alone knows that a pid is still the app's.
"""

from __future__ import annotations

import time

from ..core import events as ev
from ..core.outcomes import Outcome
from ..process import procfs
from .checks import CheckedApp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ..process.hooks import Runner

    class Method(Protocol):
        def __call__(self, attempt: Attempt) -> None:
            """Reload the app; raises ReloadError, at the latest when `attempt.seconds_left()`
            reaches 0.
            """


_REPLY_SECONDS = 5.0  # the main thread answers in well under a millisecond


class ReloadError(Exception):
    """Why the app could not be reloaded: an outcome for the metric, a sentence for people."""

    def __init__(self, outcome: Outcome, message: str, words: str = "") -> None:
        """`words` come from another program and may hold secrets."""
        super().__init__(message)
        self.outcome, self.words = outcome, words


class Attempt(CheckedApp):
    """The running app, as far as a reload may touch it, and the time of this attempt."""

    def __init__(
        self,
        number: int,
        pid: int,
        put: Callable[[ev.Event], None],
        seconds: float,
        runner: Runner,
    ) -> None:
        """`pid` is 0 when the app runs in another container."""
        super().__init__(pid, runner)
        self._number, self._put = number, put
        self._watched = 0
        self.delivered: float | None = None  # when the app heard of the version
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """Let the time end in this many seconds."""
        self._ends = time.monotonic() + seconds

    def seconds_left(self) -> float:
        return self._ends - time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait, but neither beyond the end of the time nor beyond a cancellation."""
        self.cancelled.wait(max(0.0, min(seconds, self.seconds_left())))

    def watch(self, pid: int) -> None:
        """From now on the end of this process, which is not our child, fails the reload."""
        self._watched = pid

    def checkpoint(self) -> None:
        """Raises ReloadError after a cancellation, and after the end of a watched process."""
        if self.cancelled.is_set():
            raise ReloadError(
                Outcome.SUPERSEDED, "it was given up: there is a newer version, or the app ends"
            )
        if self._watched and procfs.has_ended(self._watched):
            raise ReloadError(
                Outcome.CHILD_EXITED, f"process {self._watched} ended after it was told to reload"
            )

    def signal(self, pid: int, signum: int) -> bool:
        """Have the main thread send a signal to the app, or to process `pid` of another container.

        Returns whether it was sent: not after a stop, nor for an overtaken reload.
        """
        from queue import Empty, SimpleQueue

        answer: SimpleQueue[bool] = SimpleQueue()
        self._put(ev.SignalRequested(self._number, signum, answer.put, pid))
        try:
            return answer.get(timeout=_REPLY_SECONDS)
        except Empty:
            return False
