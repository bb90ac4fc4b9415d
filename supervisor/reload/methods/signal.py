"""Reload by a signal, sent once the app takes it."""

from __future__ import annotations

from ...process.signal_disposition import SignalGate, has_handler, is_pending
from ...runtime import signals
from ..attempt import ReloadError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...options.declarations import Settings
    from ..attempt import App

_LOOK_AGAIN = 0.02  # seconds between two looks at an app that does not catch the signal yet


class Signal:
    """Send a signal, once the app takes it: an app that does not would be ended by it."""

    def __init__(self, signum: int, *, checked: bool = True) -> None:
        """Without `checked` it is sent whatever the app does with it."""
        self.signum, self._checked = signum, checked

    def taken_now(self, pid: int) -> bool:
        """Whether it may be sent at once, as far as one cheap look shows."""
        return not self._checked or has_handler(pid, self.signum)

    def __call__(self, app: App) -> None:
        gate = SignalGate(self.signum, checked=self._checked)
        while why := gate.look(app.pid):
            app.checkpoint()
            if app.seconds_left() <= 0:
                raise ReloadError("no_handler", f"it {why}")
            app.pause(_LOOK_AGAIN)
        deliver(app, 0, self.signum)
        if gate.held:
            until_taken(app, app.pid, self.signum)


def deliver(app: App, pid: int, signum: int) -> None:
    sent = app.signal_other(pid, signum)
    app.checkpoint()
    if not sent:
        raise ReloadError("no_process", "it is being stopped")


def until_taken(app: App, pid: int, signum: int) -> None:
    """Wait until a signal that the app blocks is no longer pending; raises ReloadError when the
    time is over.
    """
    while is_pending(pid, signum):
        app.checkpoint()
        if app.seconds_left() <= 0:
            raise ReloadError(
                "no_handler", f"it blocks {signals.name(signum)} and has not taken it"
            )
        app.pause(_LOOK_AGAIN)


def make(settings: Settings, directory: str) -> Signal:
    del directory
    return Signal(settings.reload_signal, checked=settings.reload_signal_check == "auto")
