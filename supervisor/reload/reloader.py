"""The course of a reload: look, reload, verify, report. For a short thread."""

from __future__ import annotations

import time

from ..core import events as ev
from ..core.outcomes import Outcome
from ..core.record import Record
from .attempt import Attempt, ReloadError
from .verification import look_before, verify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..process.hooks import Runner
    from .attempt import Method
    from .checks import Check


class ReloadPlan(Record):
    """How an app is reloaded, and what counts as success. Durations are seconds."""

    method: Method | None  # None for a restart, which the core does
    verification: Check | None = None
    # The app must stay alive, and the verification pass, within this after the reload.
    window: float = 0.0
    timeout: float = 30.0  # for the method, its retries included


class Reloader:
    """Reloads the app and reports the outcome."""

    def __init__(self, plan: ReloadPlan, put: Callable[[ev.Event], None], runner: Runner) -> None:
        self._plan, self._put, self._runner = plan, put, runner
        # By number: a cancelled attempt may still be ending beside the next.
        self._running: dict[int, Attempt] = {}
        self._cancelled = 0  # attempts up to this number

    def __call__(self, attempt: int, pid: int, *, told: bool = False) -> None:
        """Reload once, in a short thread; ends in exactly one `ReloadFinished`.

        `told`: the app has the version, by its start or by its reload signal; the verification is
        left. The main thread sees the app's end first, and cancels.
        """
        running = Attempt(attempt, pid, self._put, self._plan.timeout, self._runner)
        self._running[attempt] = running
        if attempt <= self._cancelled:  # the order came before this thread did
            running.cancelled.set()
        outcome, error, words = Outcome.INTERNAL, "internal error", ""
        try:
            self._reload(running, told=told)
            outcome, error = Outcome.NONE, ""
        except ReloadError as trouble:
            outcome, error, words = trouble.outcome, str(trouble), trouble.words
        except Exception as trouble:  # the outer edge of the thread: a reload always reports
            error = f"internal error: {trouble!r}"
        finally:
            del self._running[attempt]
            delivered = running.delivered
            self._put(ev.ReloadFinished(attempt, outcome, error, delivered=delivered, words=words))

    def cancel(self, attempt: int) -> None:
        """Give up an attempt, and all before it, whether or not its thread has begun; returns at
        once. For the main thread.
        """
        self._cancelled = max(self._cancelled, attempt)
        for number, running in tuple(self._running.items()):
            if number <= attempt:
                running.cancelled.set()

    def _reload(self, attempt: Attempt, *, told: bool) -> None:
        attempt.checkpoint()
        check = self._plan.verification
        if not told:
            if check is not None:
                check = look_before(attempt, check)
            if self._plan.method is not None:
                self._plan.method(attempt)
        attempt.delivered = time.monotonic()
        attempt.allow(self._plan.window)
        verify(attempt, check)
