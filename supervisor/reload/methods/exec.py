"""Reload by a command."""

from __future__ import annotations

from ...core.outcomes import Outcome
from ...process.hooks import TIMED_OUT
from ..attempt import ReloadError
from ..checks import ended, filled, said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...options.declarations import Settings
    from ..attempt import Attempt


class Exec:
    """Run a command; its exit code says whether it worked."""

    def __init__(self, argv: Sequence[str], directory: str) -> None:
        """`directory` is where the app sees its configuration: it replaces `{dir}`."""
        self._argv = filled(argv, directory)

    def __call__(self, attempt: Attempt) -> None:
        result = attempt.run(self._argv, attempt.seconds_left())
        attempt.checkpoint()
        outcome = Outcome.HOOK if result.unable else Outcome.EXEC
        if result.code == TIMED_OUT and attempt.seconds_left() <= 0:
            outcome = Outcome.TIMEOUT  # it ran: the app may have heard of the version
        if result.code:
            raise ReloadError(outcome, ended(self._argv[0], result), said(result))


def make(settings: Settings, directory: str) -> Exec:
    return Exec(settings.reload_exec or (), directory)
