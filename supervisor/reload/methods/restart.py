"""Reload by a restart of the app."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...options.declarations import Settings
    from ..attempt import Attempt


class Restart:
    """Stop the app and start it again. The state machine does both: what is left here is to verify
    the result.
    """

    def __call__(self, attempt: Attempt) -> None:
        """Nothing: it was started on the version."""


def make(settings: Settings, directory: str) -> Restart:
    del settings, directory
    return Restart()
