"""Reload by a restart of the app: the core stops the app and starts it on the new files."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...options.declarations import Settings


def make(settings: Settings, directory: str) -> None:
    """Nothing: only the verification is left for a thread."""
    del settings, directory
