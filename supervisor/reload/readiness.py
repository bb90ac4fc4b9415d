"""The wait until the app is ready: a check, tried until it passes. In a thread of its own."""

from __future__ import annotations

import time

from ..core import events as ev
from ..core.backoff import backoff
from ..process import procfs
from ..runtime import log
from .checks import CheckedApp, CheckFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..process.hooks import Runner
    from .checks import Check

_TRY_SECONDS = 5.0
# Seconds between two tries: an app starts in a moment, or takes long.
_PAUSE_FIRST, _PAUSE_MOST = 0.1, 1.0


class Readiness:
    """Finds out when the app is ready."""

    def __init__(
        self, check: Check, runner: Runner, put: Callable[[ev.Event], None], seconds: float
    ) -> None:
        """A start that is not ready within `seconds` is late."""
        self._check, self._runner, self._put, self._seconds = check, runner, put, seconds
        self._app: CheckedApp | None = None

    def wait(self, pid: int) -> None:
        """Try until the check passes, then report `AppReady`; before it `AppUnready`, once the
        start is late. For a short thread.

        Ends without `AppReady` when the app has ended, after a later `wait`, or after `cancel`.
        """
        self.cancel()
        self._app = app = CheckedApp(pid, self._runner)
        late_at: float | None = time.monotonic() + self._seconds
        tries = 0
        while not app.cancelled.is_set() and procfs.exists(pid):
            problem = self._ask(app)
            if problem is None:
                if not app.cancelled.is_set():
                    self._put(ev.AppReady(pid))
                return
            log.debug(f"not ready: {problem}", event="not_ready", pid=pid)
            if late_at is not None and time.monotonic() >= late_at:
                late_at = None
                error = f"not ready within {self._seconds:g}s: {problem}"
                self._put(ev.AppUnready(pid, error, not problem.unable, problem.words))
            tries += 1
            app.cancelled.wait(backoff(tries, _PAUSE_FIRST, _PAUSE_MOST))

    def cancel(self) -> None:
        """End the wait; from any thread."""
        if self._app is not None:
            self._app.cancelled.set()

    def _ask(self, app: CheckedApp) -> CheckFailed | None:
        try:
            self._check.once(app, _TRY_SECONDS)
        except CheckFailed as problem:
            return problem
        except Exception as error:  # the outer edge of the thread
            return CheckFailed(str(error))
        return None
