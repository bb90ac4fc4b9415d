"""Reload by a signal, sent once the app takes it."""

from __future__ import annotations

from ...core.outcomes import Outcome
from ...process.signal_disposition import SignalGate, is_pending
from ...runtime import signals
from ..attempt import ReloadError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...options.declarations import Settings
    from ..attempt import Attempt

_LOOK_AGAIN = 0.02  # seconds between two looks at an app without a handler


class Signal:
    """Send a signal once the app takes it: the signal would end another app."""

    def __init__(self, signum: int, *, checked: bool = True) -> None:
        """Without `checked` the signal is sent whatever the app does with it."""
        self.signum, self._checked = signum, checked

    def __call__(self, attempt: Attempt) -> None:
        gate = SignalGate(self.signum, checked=self._checked)
        while why := gate.look(attempt.pid):
            attempt.checkpoint()
            if attempt.seconds_left() <= 0:
                raise ReloadError(Outcome.NO_HANDLER, f"it {why}")
            attempt.pause(_LOOK_AGAIN)
        deliver(attempt, 0, self.signum)
        if gate.held:
            until_taken(attempt, attempt.pid, self.signum)


def deliver(attempt: Attempt, pid: int, signum: int) -> None:
    """Have the signal sent, to the app when `pid` is 0; raises ReloadError."""
    sent = attempt.signal(pid, signum)
    attempt.checkpoint()
    if not sent:
        raise ReloadError(Outcome.NO_PROCESS, "it is being stopped")


def until_taken(attempt: Attempt, pid: int, signum: int) -> None:
    """Wait until a blocked signal is no longer pending; raises ReloadError after the time."""
    while is_pending(pid, signum):
        attempt.checkpoint()
        if attempt.seconds_left() <= 0:
            raise ReloadError(
                Outcome.NO_HANDLER, f"it blocks {signals.name(signum)} and has not taken it"
            )
        attempt.pause(_LOOK_AGAIN)


def make(settings: Settings, directory: str) -> Signal:
    del directory
    return Signal(settings.reload_signal, checked=settings.reload_signal_check == "auto")
