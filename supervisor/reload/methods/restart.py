"""Reload by a restart of the app."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...options.declarations import Settings
    from ..attempt import Attempt


class Restart:
    """Stop the app and start it again. The core does both; the verification is left."""

    def __call__(self, attempt: Attempt) -> None:
        """Nothing: the app was started on the version."""


def make(settings: Settings, directory: str) -> Restart:
    del settings, directory
    return Restart()
