"""Reload by a command."""

from __future__ import annotations

from ...core.errors import TIMED_OUT
from ...core.outcomes import Outcome
from ..attempt import ReloadError
from ..checks import describe_end, fill_in, last_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...options.declarations import Settings
    from ..attempt import Attempt


class Exec:
    """Run a command; its exit code decides."""

    def __init__(self, argv: Sequence[str], directory: str) -> None:
        """`directory` replaces `{dir}`."""
        self._argv = fill_in(argv, directory)

    def __call__(self, attempt: Attempt) -> None:
        result = attempt.run(self._argv, attempt.seconds_left())
        attempt.checkpoint()
        outcome = Outcome.HOOK if result.unable else Outcome.EXEC
        if result.code == TIMED_OUT and attempt.seconds_left() <= 0:
            outcome = Outcome.TIMEOUT  # it ran: the app may have heard of the version
        if result.code:
            message = describe_end(self._argv[0], result)
            raise ReloadError(outcome, message, last_words(result))


def make(settings: Settings, directory: str) -> Exec:
    return Exec(settings.reload_exec or (), directory)
