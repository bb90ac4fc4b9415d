"""The verification of a reload: a look before, and the check within the window and at its end."""

from __future__ import annotations

from .attempt import ReloadError
from .checks import CheckFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .attempt import App
    from .checks import Check

_VERIFY_AGAIN = 0.25  # seconds between two tries
# Seconds that a try may take, however short the window: a command needs some to start.
_VERIFY_LEAST = 1.0
_LOOK_MOST = 10.0  # seconds that a look before the reload may take


def look_before(app: App, check: Check) -> Check:
    """The check to ask afterwards; an app that is still starting may not answer yet."""
    while True:
        try:
            return check.before(app, min(_LOOK_MOST, max(_VERIFY_LEAST, app.seconds_left())))
        except CheckFailed as failure:
            app.checkpoint()
            if app.seconds_left() <= 0:
                reason = "hook" if failure.unable else "verify"
                error = f"it could not be verified, so it was not reloaded: {failure}"
                raise ReloadError(reason, error, failure.words) from failure
            app.pause(_VERIFY_AGAIN)


def verify(app: App, check: Check | None) -> None:
    """Wait for the window to pass; the check must pass within it and again at its end. Raises
    ReloadError.

    The first pass may be about the old configuration: an app that lets its requests finish answers
    by its old workers for a while. An answer at the end has one second more, so that a single lost
    request undoes nothing.
    """
    if check is not None and not _passes(app, check, "did not pass"):
        return
    app.pause(app.seconds_left())
    app.checkpoint()
    if check is not None:
        app.allow(_VERIFY_LEAST)
        _passes(app, check, "passed at first, but not at the end of its window")


def _passes(app: App, check: Check, otherwise: str) -> bool:
    """Ask until the check passes; whether time is left then. Raises ReloadError when the time is
    over before.
    """
    asked = False
    while True:
        problem = None
        try:
            check.once(app, max(_VERIFY_LEAST, app.seconds_left()))
        except CheckFailed as failure:
            problem, asked = failure, asked or not failure.unable
        app.checkpoint()
        left = app.seconds_left()
        if problem is None:
            return left > 0
        if left <= 0:
            reason, how = ("verify", otherwise) if asked else ("unverified", "could not be asked")
            raise ReloadError(reason, f"the verification {how}: {problem}", problem.words)
        app.pause(_VERIFY_AGAIN)
