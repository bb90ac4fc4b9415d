"""Reload by a command."""

from __future__ import annotations

from ...process.hooks import TIMED_OUT
from ..attempt import ReloadError
from ..checks import ended, filled, said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...options.declarations import Settings
    from ..attempt import App


class Exec:
    """Run a command; its exit code says whether it worked."""

    def __init__(self, argv: Sequence[str], directory: str) -> None:
        """`directory` is where the app sees its configuration: it replaces `{dir}`."""
        self._argv = filled(argv, directory)

    def __call__(self, app: App) -> None:
        outcome = app.run(self._argv, app.seconds_left())
        app.checkpoint()
        reason = "hook" if outcome.unable else "exec"
        if outcome.code == TIMED_OUT and app.seconds_left() <= 0:
            reason = "timeout"  # it ran: the app may have heard of the version
        if outcome.code:
            raise ReloadError(reason, ended(self._argv[0], outcome), said(outcome))


def make(settings: Settings, directory: str) -> Exec:
    return Exec(settings.reload_exec or (), directory)
