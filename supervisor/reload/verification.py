"""The verification of a reload: a look before, and the check within the window and at its end."""

from __future__ import annotations

from ..core.outcomes import Outcome
from .attempt import ReloadError
from .checks import CheckFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .attempt import Attempt
    from .checks import Check

_VERIFY_AGAIN = 0.25  # seconds between two tries
# Seconds that a try may take, however short the window: a command needs some to start.
_VERIFY_LEAST = 1.0
_LOOK_MOST = 10.0  # seconds that a look before the reload may take


def look_before(attempt: Attempt, check: Check) -> Check:
    """The check to ask afterwards; an app that is still starting may not answer yet."""
    while True:
        try:
            return check.before(
                attempt, min(_LOOK_MOST, max(_VERIFY_LEAST, attempt.seconds_left()))
            )
        except CheckFailed as failure:
            attempt.checkpoint()
            if attempt.seconds_left() <= 0:
                outcome = Outcome.HOOK if failure.unable else Outcome.VERIFY
                error = f"it could not be verified, so it was not reloaded: {failure}"
                raise ReloadError(outcome, error, failure.words) from failure
            attempt.pause(_VERIFY_AGAIN)


def verify(attempt: Attempt, check: Check | None) -> None:
    """Wait for the window to pass; the check must pass within it and again at its end. Raises
    ReloadError.

    The first pass may be about the old configuration: an app that lets its requests finish answers
    by its old workers for a while. An answer at the end has one second more, so that a single lost
    request undoes nothing.
    """
    if check is not None and not _passes(attempt, check, "did not pass"):
        return
    attempt.pause(attempt.seconds_left())
    attempt.checkpoint()
    if check is not None:
        attempt.allow(_VERIFY_LEAST)
        _passes(attempt, check, "passed at first, but not at the end of its window")


def _passes(attempt: Attempt, check: Check, otherwise: str) -> bool:
    """Ask until the check passes; whether time is left then. Raises ReloadError when the time is
    over before.
    """
    asked = False
    while True:
        problem = None
        try:
            check.once(attempt, max(_VERIFY_LEAST, attempt.seconds_left()))
        except CheckFailed as failure:
            problem, asked = failure, asked or not failure.unable
        attempt.checkpoint()
        left = attempt.seconds_left()
        if problem is None:
            return left > 0
        if left <= 0:
            outcome = Outcome.VERIFY if asked else Outcome.UNVERIFIED
            how = otherwise if asked else "could not be asked"
            raise ReloadError(outcome, f"the verification {how}: {problem}", problem.words)
        attempt.pause(_VERIFY_AGAIN)
