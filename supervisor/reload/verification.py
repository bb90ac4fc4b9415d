"""The verification of a reload: a look before it, and a check within the window and at its end."""

from __future__ import annotations

from ..core.outcomes import Outcome
from .attempt import ReloadError
from .checks import CheckFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .attempt import Attempt
    from .checks import Check

_PAUSE = 0.25  # seconds between two tries
# Seconds for a try, however short the window: a command needs some to start.
_TRY_LEAST = 1.0
_LOOK_MOST = 10.0  # seconds for a look before the reload


def look_before(attempt: Attempt, check: Check) -> Check:
    """The check to ask after the reload; an app may not answer yet. Raises ReloadError."""
    while True:
        try:
            seconds = min(_LOOK_MOST, max(_TRY_LEAST, attempt.seconds_left()))
            return check.before(attempt, seconds)
        except CheckFailed as failure:
            attempt.checkpoint()
            if attempt.seconds_left() <= 0:
                outcome = Outcome.HOOK if failure.unable else Outcome.VERIFY
                error = f"it could not be verified, so it was not reloaded: {failure}"
                raise ReloadError(outcome, error, failure.words) from failure
            attempt.pause(_PAUSE)


def verify(attempt: Attempt, check: Check | None) -> None:
    """Wait for the end of the window; the check must pass within it and again at its end. Raises
    ReloadError.

    The first pass may be about the old configuration: old workers may answer for a while. At the
    end the check has a second more, so that a single lost request undoes nothing.
    """
    if check is not None and not _passes(attempt, check, "did not pass"):
        return
    attempt.pause(attempt.seconds_left())
    attempt.checkpoint()
    if check is not None:
        attempt.allow(_TRY_LEAST)
        _passes(attempt, check, "passed at first, but not at the end of its window")


def _passes(attempt: Attempt, check: Check, otherwise: str) -> bool:
    """Try until the check passes; whether time is left. Raises ReloadError after the time."""
    asked = False
    while True:
        problem = None
        try:
            check.once(attempt, max(_TRY_LEAST, attempt.seconds_left()))
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
        attempt.pause(_PAUSE)
