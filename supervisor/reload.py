"""Ways to make the app take up its configuration.

A method runs in a short thread; it may wait, and it raises ReloadError. It never signals by itself: the main
thread alone knows that a pid is still the app's. To add one: a class here and its line in METHODS.
"""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue

from . import events as ev
from . import process, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Method(Protocol):
        def __call__(self, app: App) -> None:
            """Reload the app; raises ReloadError, at the latest when `app.seconds_left()` reaches 0."""


_LOOK_AGAIN = 0.02  # seconds between two looks at an app that does not catch the signal yet
_REPLY_SECONDS = 5.0  # the main thread answers in well under a millisecond

# Every value that a failure's `reason` may have; metrics show each from the start.
REASONS = ("no_handler", "no_process", "timeout", "child_exited")


class ReloadError(Exception):
    """Why the app could not be reloaded: a reason for the metric, a sentence for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class App:
    """The running app, as far as a reload may touch it."""

    def __init__(self, attempt: int, pid: int, put: Callable[[ev.Event], None], seconds: float) -> None:
        self.pid = pid
        self._attempt, self._put = attempt, put
        self._ends = time.monotonic() + seconds
        self._pause = threading.Event()

    def seconds_left(self) -> float:
        return self._ends - time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the time."""
        self._pause.wait(max(0.0, min(seconds, self.seconds_left())))

    def signal(self, signum: int) -> bool:
        """Have the main thread send a signal; whether it did (not after a stop, nor for an overtaken reload)."""
        answer: SimpleQueue[bool] = SimpleQueue()
        self._put(ev.SignalRequested(self._attempt, signum, answer.put))
        try:
            return answer.get(timeout=_REPLY_SECONDS)
        except Empty:
            return False


class Signal:
    """Send a signal, once the app catches it: an app that does not would be ended by it."""

    name = "signal"

    def __init__(self, signum: int) -> None:
        self._signum = signum

    def __call__(self, app: App) -> None:
        while not process.catches(app.pid, self._signum):
            if app.seconds_left() <= 0:
                name = signals.name(self._signum)
                raise ReloadError(
                    "no_handler",
                    f"it does not catch {name}, which would end it; "
                    "choose the signal that it reloads on with --reload-signal",
                )
            app.pause(_LOOK_AGAIN)
        if not app.signal(self._signum):
            raise ReloadError("no_process", "it is being stopped")


METHODS = {Signal.name: Signal}


class Reloader:
    """Runs a method and reports how it went."""

    def __init__(self, method: Method, put: Callable[[ev.Event], None], timeout: float) -> None:
        self._method, self._put, self._timeout = method, put, timeout

    def __call__(self, attempt: int, pid: int) -> None:
        try:
            self._method(App(attempt, pid, self._put, self._timeout))
        except ReloadError as error:
            self._put(ev.ReloadFinished(attempt, error.reason, str(error)))
        except Exception as error:  # noqa: BLE001 - the outer edge of the thread: a reload always reports
            self._put(ev.ReloadFinished(attempt, "timeout", f"internal error: {error!r}"))
        else:
            self._put(ev.ReloadFinished(attempt))
