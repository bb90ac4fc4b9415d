"""Reload by a signal whose effect the app reports: `Type=notify-reload` of systemd.service(5)."""

from __future__ import annotations

import time

from ...core.outcomes import Outcome
from .. import reload_reports
from ..attempt import ReloadError
from .signal import Signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...options.declarations import Settings
    from ..attempt import Attempt

_LOOK_AGAIN = 0.02  # seconds between two looks for a report
# The clock of the app's report has microseconds, ours has nanoseconds.
_MICROSECOND = 1e-6


class Notify(Signal):
    """Send the signal, and wait until the app reports a reload that began after it."""

    def __call__(self, attempt: Attempt) -> None:
        since = time.monotonic() - _MICROSECOND
        super().__call__(attempt)
        while not reload_reports.has_ended(attempt.pid, since):
            attempt.checkpoint()
            if attempt.seconds_left() <= 0:
                raise ReloadError(
                    Outcome.TIMEOUT,
                    "it has not reported the end of the reload (RELOADING=1, then READY=1)",
                )
            attempt.pause(_LOOK_AGAIN)


def make(settings: Settings, directory: str) -> Notify:
    del directory
    return Notify(settings.reload_signal, checked=settings.reload_signal_check == "auto")
