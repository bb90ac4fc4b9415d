"""The course of a reload: look, reload, verify, report. It runs in a short thread."""

from __future__ import annotations

import time

from ..core import events as ev
from ..core.record import Record
from .attempt import App, ReloadError
from .methods.signal import Signal
from .verification import look_before, verify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..process.hooks import Runner
    from .attempt import Method
    from .checks import Check


class Way(Record):
    """How an app is reloaded, and what counts as success. Durations are seconds."""

    method: Method
    verification: Check | None = None
    window: float = (
        0.0  # the app must stay alive, and the verification pass, within this after the reload
    )
    timeout: float = 30.0  # for the method, its retries included


class Reloader:
    """Reloads and reports how it went."""

    def __init__(self, way: Way, put: Callable[[ev.Event], None], runner: Runner) -> None:
        self._way, self._put, self._runner = way, put, runner
        self._running: dict[
            int, App
        ] = {}  # by attempt; one that was cancelled may still be ending beside the next
        self._cancelled = 0  # attempts up to this

    def __call__(self, attempt: int, pid: int, *, verify_only: bool = False) -> None:
        """Reload once; the body of a short thread. Always ends in exactly one `ReloadFinished`.

        `verify_only`: the app was just started on the version, or told already. The death of the
        app is not looked for: the main thread sees it first, and cancels.
        """
        app = App(attempt, pid, self._put, self._way.timeout, self._runner)
        self._running[attempt] = app
        if attempt <= self._cancelled:  # the order came before this thread did
            app.cancelled.set()
        reason, error, words = "internal", "internal error", ""
        try:
            self._reload(app, verify_only=verify_only)
            reason, error = "", ""
        except ReloadError as trouble:
            reason, error, words = trouble.reason, str(trouble), trouble.words
        except Exception as trouble:  # the outer edge of the thread: a reload always reports
            error = f"internal error: {trouble!r}"
        finally:
            del self._running[attempt]
            self._put(
                ev.ReloadFinished(attempt, reason, error, delivered=app.delivered, words=words)
            )

    def at_once(self, pid: int) -> int:
        """The signal that is all there is to do before the window, if the app catches it by now;
        else 0.

        The main thread sends it itself then, and orders the rest as `verify_only`: half a
        millisecond less.
        """
        method = self._way.method
        if not isinstance(method, Signal) or self._way.verification is not None:
            return 0
        return method.signum if method.taken_now(pid) else 0

    def cancel(self, attempt: int) -> None:
        """Give an attempt up, and all before it, whether or not its thread has begun; returns at
        once.

        Only the main thread may call it.
        """
        self._cancelled = max(self._cancelled, attempt)
        for number, app in tuple(self._running.items()):
            if number <= attempt:
                app.cancelled.set()

    def _reload(self, app: App, *, verify_only: bool) -> None:
        app.checkpoint()
        check = self._way.verification
        if not verify_only:
            if check is not None:
                check = look_before(app, check)
            self._way.method(app)
        app.delivered = time.monotonic()
        app.allow(self._way.window)
        verify(app, check)
